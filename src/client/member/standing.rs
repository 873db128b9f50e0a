//! What a member is to its group, as its heartbeats keep it up: they go on through the loss of a
//! connection and the coordinator's moving, and end only with what the group says.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::{MemberOptions, News};
use crate::base::signal::Signal;
use crate::client::{Cluster, Connection, Coordinated, Error, Result, find_coordinator};
use crate::model::ErrorCode;
use crate::rt;
use crate::wire::messages::heartbeat::{Heartbeat, HeartbeatRequest};

/// Heartbeats in the time after which a silent member is given up.
const BEATS: u32 = 3;
/// Before one that did not arrive is repeated.
const AGAIN: Duration = Duration::from_millis(500);

pub struct Standing {
    pub cluster: Rc<Cluster>,
    pub options: MemberOptions,
    connection: RefCell<Option<Rc<Connection>>>,
    pub id: RefCell<String>,
    /// -1 for none.
    pub generation: Cell<i32>,
    /// From the answer to SyncGroup until it joins again, or leaves.
    pub is_in: Cell<bool>,
    pub news: RefCell<Option<News>>,
    pub changed: Signal,
}

impl Standing {
    pub fn new(cluster: Rc<Cluster>, options: MemberOptions) -> Standing {
        Standing {
            cluster,
            options,
            connection: RefCell::default(),
            id: RefCell::default(),
            generation: Cell::new(-1),
            is_in: Cell::new(false),
            news: RefCell::default(),
            changed: Signal::default(),
        }
    }

    /// To the coordinator, wherever that is now.
    pub async fn connection(&self) -> Result<Rc<Connection>> {
        let open = self.connection.borrow().clone();
        if let Some(open) = open.filter(|open| open.is_alive()) {
            return Ok(open);
        }
        let group = &self.options.group;
        let (_, endpoint) = find_coordinator(&self.cluster, group, Coordinated::Group).await?;
        let options = self.cluster.options();
        let connection = Rc::new(Connection::open(&endpoint, options).await?);
        *self.connection.borrow_mut() = Some(connection.clone());
        Ok(connection)
    }

    /// The coordinator may be elsewhere.
    pub fn disconnect(&self) {
        *self.connection.borrow_mut() = None;
    }

    /// Nobody knows it by its id any more.
    pub fn forget(&self) {
        self.id.borrow_mut().clear();
        self.generation.set(-1);
    }

    pub fn tell(&self, news: News) {
        if let News::Lost(_) = news {
            self.forget();
        }
        let mut told = self.news.borrow_mut();
        // That it is lost weighs more than that the others share anew.
        if told.is_none() || !matches!(news, News::Sharing) {
            *told = Some(news);
        }
        self.changed.raise();
    }

    /// Sends heartbeats as long as the member is there.
    pub async fn beat(self: Rc<Standing>) {
        let every = self.options.session_timeout / BEATS;
        let mut pause = every;
        loop {
            rt::sleep(pause).await;
            pause = every;
            if !self.is_in.get() {
                continue;
            }
            let generation = self.generation.get();
            let told = self.heartbeat(generation).await;
            if !self.is_in.get() || self.generation.get() != generation {
                // An answer to somebody else.
                continue;
            }
            match told {
                Ok(()) => {}
                Err(error) => match news_of(&error) {
                    Some(news) => self.tell(news),
                    None => {
                        self.disconnect();
                        pause = AGAIN.min(every);
                    }
                },
            }
        }
    }

    async fn heartbeat(&self, generation: i32) -> Result<()> {
        let connection = self.connection().await?;
        let member_id = self.id.borrow().clone();
        let request = HeartbeatRequest {
            group_id: &self.options.group,
            generation_id: generation,
            member_id: &member_id,
            group_instance_id: self.options.instance.as_deref(),
        };
        let answer = connection.call::<Heartbeat>(&request).await?;
        match answer.decode()?.error_code {
            ErrorCode::NONE => Ok(()),
            code => Err(Error::refused(format!("group {}", self.options.group), code, None)),
        }
    }
}

/// What an error says of the group, if anything.
pub fn news_of(error: &Error) -> Option<News> {
    match error.code()? {
        ErrorCode::REBALANCE_IN_PROGRESS => Some(News::Sharing),
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
            Some(News::Lost(error.clone()))
        }
        ErrorCode::FENCED_INSTANCE_ID => Some(News::Fenced(error.clone())),
        _ => None,
    }
}
