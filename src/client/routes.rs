//! Where one topic's partitions are led, as last heard. Many tasks may notice at once that this has
//! changed; one of them asks, the others wait for its answer.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use crate::base::signal::Broadcast;
use crate::base::time::Instant;
use crate::client::{Cluster, Connection, Error, Result, Topic};
use crate::model::{BrokerId, LeaderEpoch};
use crate::rt;

pub(super) struct Routes {
    pub cluster: Rc<Cluster>,
    pub name: String,
    topic: RefCell<Topic>,
    /// When the present answer was asked for.
    asked: Cell<Instant>,
    asking: Cell<bool>,
    answered: Broadcast,
    failure: RefCell<Option<Error>>,
}

impl Routes {
    pub fn new(cluster: Rc<Cluster>, name: &str, topic: Topic) -> Routes {
        Routes {
            cluster,
            name: name.to_owned(),
            topic: RefCell::new(topic),
            asked: Cell::new(rt::now()),
            asking: Cell::new(false),
            answered: Broadcast::default(),
            failure: RefCell::default(),
        }
    }

    pub fn topic(&self) -> Ref<'_, Topic> {
        self.topic.borrow()
    }

    pub fn leader(&self, partition: i32) -> Option<(BrokerId, LeaderEpoch)> {
        let topic = self.topic.borrow();
        let partition = topic.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    pub fn subject(&self, partition: i32) -> String {
        format!("{}-{partition}", self.name)
    }

    /// The connection to a partition's leader, and who that is.
    pub async fn connection(&self, partition: i32) -> Result<(Rc<Connection>, BrokerId)> {
        let no_leader = || Error::NoLeader { subject: self.subject(partition) };
        let (leader, _) = self.leader(partition).ok_or_else(no_leader)?;
        Ok((self.cluster.broker(leader).await?, leader))
    }

    /// Makes sure that what is known here was asked for after `since`.
    pub async fn refresh(&self, since: Instant) -> Result<()> {
        while self.asked.get() <= since && self.asking.get() {
            self.answered.wait().await;
            if let Some(error) = self.failure.borrow().clone() {
                return Err(error);
            }
        }
        if self.asked.get() > since {
            return Ok(());
        }
        let asking = Asking(self);
        self.asking.set(true);
        let asked = rt::now();
        let heard = self.cluster.topic(&self.name, false).await;
        *self.failure.borrow_mut() = heard.as_ref().err().cloned();
        *self.topic.borrow_mut() = heard?;
        self.asked.set(asked);
        drop(asking);
        Ok(())
    }
}

/// Lets the others go on, however asking ends.
struct Asking<'a>(&'a Routes);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.set(false);
        self.0.answered.raise();
    }
}
