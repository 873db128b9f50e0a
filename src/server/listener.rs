//! The listening side of one core: accepts, bounds and reaps connections.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::connection::Connection;
use crate::base::signal::Signal;
use crate::base::slab::Slab;
use crate::handlers::Desk;
use crate::notice;
use crate::rt::{self, Listener, Task};

/// How long a stopping broker waits for answers that are owed.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// The open connections of a core.
pub struct Front {
    connections: Rc<RefCell<Slab<Rc<Connection>>>>,
    /// Accepting and reaping; gone when the listener closes.
    tasks: Vec<Task<()>>,
    gone: Rc<Signal>,
    pub address: SocketAddr,
}

impl Front {
    /// Starts to accept. `lane`: which of the host's brokers this listener is.
    pub fn open(
        desk: Rc<Desk>,
        address: SocketAddr,
        shared: bool,
        lane: usize,
        max: usize,
        idle_max: Duration,
    ) -> io::Result<Front> {
        let listener =
            Listener::bind(address, shared, desk.shard.config().socket_listen_backlog_size)?;
        let address = listener.local_addr();
        let connections: Rc<RefCell<Slab<Rc<Connection>>>> = Rc::default();
        let gone = Rc::new(Signal::default());
        let opened = Rc::new(Signal::default());
        let reaping = rt::spawn(reap(connections.clone(), idle_max, opened.clone()));
        let accepting = {
            let (connections, gone) = (connections.clone(), gone.clone());
            rt::spawn(async move {
                loop {
                    let stream = match listener.accept().await {
                        Ok(stream) => stream,
                        Err(error) => {
                            // Out of descriptors, or the peer was gone at once: go on, not hot.
                            notice!("accept on {address} failed: {error}");
                            rt::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                    };
                    if connections.borrow().len() >= max {
                        notice!(
                            "refused {}: {max} connections (max.connections)",
                            stream.peer_addr()
                        );
                        stream.shutdown();
                        continue;
                    }
                    let connection = Connection::new(stream, lane);
                    let key = connections.borrow_mut().insert(connection.clone());
                    opened.raise();
                    let (connections, desk, gone) =
                        (connections.clone(), desk.clone(), gone.clone());
                    rt::spawn(async move {
                        connection.serve(&desk).await;
                        connections.borrow_mut().remove(key);
                        gone.raise();
                    })
                    .detach();
                }
            })
        };
        Ok(Front { connections, tasks: vec![accepting, reaping], gone, address })
    }

    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Stops accepting, lets every connection have the answers it is owed, and waits until all are
    /// gone. Who is owed one that does not come (a long poll) is cut off after a while.
    pub async fn close(mut self) {
        self.tasks.clear();
        self.each(Connection::finish);
        if rt::timeout(FINISH_WAIT, self.all_gone()).await.is_none() {
            self.each(Connection::close);
            self.all_gone().await;
        }
    }

    fn each(&self, act: impl Fn(&Connection)) {
        let open: Vec<_> =
            self.connections.borrow().iter().map(|(_, connection)| connection.clone()).collect();
        for connection in open {
            act(&connection);
        }
    }

    async fn all_gone(&self) {
        while !self.connections.borrow().is_empty() {
            self.gone.wait().await;
        }
    }
}

/// Ends connections that were idle for `idle_max`. Sleeps while there are none.
async fn reap(
    connections: Rc<RefCell<Slab<Rc<Connection>>>>,
    idle_max: Duration,
    opened: Rc<Signal>,
) {
    loop {
        if connections.borrow().is_empty() {
            opened.wait().await;
        }
        rt::sleep((idle_max / 4).max(Duration::from_millis(500))).await;
        let now = rt::now();
        let idle: Vec<_> = connections
            .borrow()
            .iter()
            .filter(|(_, connection)| connection.is_idle(now, idle_max))
            .map(|(_, connection)| connection.clone())
            .collect();
        for connection in idle {
            connection.close();
        }
    }
}
