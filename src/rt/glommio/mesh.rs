//! glommio's single-producer queues, one for each ordered pair of cores.

use ::glommio as g;
use g::channels::shared_channel::{
    ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender, new_bounded,
};
use g::{GlommioError, ResourceType};

pub struct Seat<M: Send + 'static> {
    core: usize,
    senders: Vec<Option<SharedSender<M>>>,
    receivers: Vec<(usize, SharedReceiver<M>)>,
}

pub struct Sender<M: Send + 'static>(ConnectedSender<M>);
pub struct Receiver<M: Send + 'static>(ConnectedReceiver<M>);

pub fn seats<M: Send + 'static>(cores: usize, bound: usize) -> Vec<Seat<M>> {
    let mut seats: Vec<Seat<M>> = (0..cores)
        .map(|core| Seat {
            core,
            senders: (0..cores).map(|_| None).collect(),
            receivers: Vec::new(),
        })
        .collect();
    for from in 0..cores {
        for to in (0..cores).filter(|&to| to != from) {
            let (sender, receiver) = new_bounded(bound);
            seats[from].senders[to] = Some(sender);
            seats[to].receivers.push((from, receiver));
        }
    }
    seats
}

type Joined<M> = (usize, Vec<Option<Sender<M>>>, Vec<(usize, Receiver<M>)>);

impl<M: Send + 'static> Seat<M> {
    pub async fn join(self) -> Joined<M> {
        let mut connecting = Vec::new();
        for sender in self.senders {
            connecting
                .push(sender.map(|s| g::spawn_local(async move { Sender(s.connect().await) })));
        }
        let mut receivers = Vec::new();
        for (from, receiver) in self.receivers {
            receivers.push((from, Receiver(receiver.connect().await)));
        }
        let mut senders = Vec::new();
        for task in connecting {
            senders.push(match task {
                Some(task) => Some(task.await),
                None => None,
            });
        }
        (self.core, senders, receivers)
    }
}

impl<M: Send + 'static> Sender<M> {
    pub fn try_send(&self, message: M) -> Option<M> {
        match self.0.try_send(message) {
            Ok(()) => None,
            Err(GlommioError::WouldBlock(ResourceType::Channel(message))) => Some(message),
            // The peer has stopped: nobody is left to read it.
            Err(_) => None,
        }
    }

    pub async fn send(&self, message: M) {
        // An error means that the peer has stopped.
        let _ = self.0.send(message).await;
    }
}

impl<M: Send + 'static> Receiver<M> {
    pub async fn receive(&self) -> Option<M> {
        self.0.recv().await
    }
}
