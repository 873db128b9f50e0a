//! Partitions that serve nobody any more until the broker is started again. An operator must hear of them:
//! this is what to alarm on. And clients must: every core knows those of all cores, and tells of no
//! leader for them (Kafka: a replica in a directory that is offline).
//!
//! Each core tells the others when its own are other ones than before. That a whole directory is lost
//! every core knows by itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::Shard;
use super::message::{Reply, Request};
use crate::base::planted;
use crate::base::signal::Signal;
use crate::cluster::{ClusterImage, Topic};
use crate::model::ids::{BrokerId, PartitionId, TopicId};

/// Partitions of one core.
pub type Outage = BTreeSet<(TopicId, PartitionId)>;

/// What one core knows of those of its host.
pub(super) struct Outages {
    by_core: RefCell<Vec<Outage>>,
    /// Something has become of a partition of this core.
    pub(super) suspected: Rc<Signal>,
}

impl Outages {
    pub(super) fn new(cores: usize) -> Outages {
        Outages { by_core: RefCell::new(vec![Outage::new(); cores]), suspected: Rc::default() }
    }

    /// Yields whether that is news.
    fn learn(&self, core: usize, now: Outage) -> bool {
        let known = &mut self.by_core.borrow_mut()[core];
        let is_news = *known != now;
        *known = now;
        is_news
    }

    fn has(&self, topic: TopicId, partition: PartitionId) -> bool {
        self.by_core.borrow().iter().any(|outage| outage.contains(&(topic, partition)))
    }

    fn are_at(&self, core: usize) -> bool {
        !self.by_core.borrow()[core].is_empty()
    }
}

impl Shard {
    /// Partitions at home here of which a write, a flush or the opening has failed.
    pub(super) fn offline_partitions(&self) -> u64 {
        self.outage_here().len() as u64
    }

    fn outage_here(&self) -> Outage {
        let placement = self.placement.borrow();
        let mut outage = Outage::new();
        for topic in placement.topics() {
            for (number, place) in (0..).zip(&topic.partitions) {
                // One that is not open has failed to open: a topic is placed when all of that was
                // tried.
                let has_failed = || place.here.as_ref().is_none_or(|here| here.has_failed());
                if place.core == self.core() && has_failed() {
                    outage.insert((topic.id, PartitionId(number)));
                }
            }
        }
        outage
    }

    /// What is placed here is other than before; whether something could not be opened.
    pub(super) fn review_outages(&self, is_missing: bool) {
        if is_missing || self.outages.are_at(self.core()) {
            self.outages.suspected.raise();
        }
    }

    /// Tells the other cores what of this one is offline, whenever that changes.
    pub async fn tell_outages(self: Rc<Self>) {
        loop {
            self.outages.suspected.wait().await;
            let now = self.outage_here();
            if planted::is("hide-outages") || !self.outages.learn(self.core(), now.clone()) {
                continue;
            }
            let others = (0..self.cores()).filter(|&core| core != self.core());
            let told: Vec<_> =
                others.map(|core| self.call(core, Request::Outage(now.clone()))).collect();
            for told in told {
                told.await;
            }
        }
    }

    pub(super) fn learn_outage(&self, from: usize, call: usize, outage: Outage) {
        self.outages.learn(from, outage);
        self.reply(from, call, Reply::Heard);
    }

    /// Whether this host's replica of a partition serves nobody.
    fn is_offline(&self, topic: &Topic, partition: PartitionId) -> bool {
        let home = topic.directory(self.node(), partition);
        let is_gone =
            !home.is_nil() && self.directory(home).is_none_or(|directory| directory.is_lost());
        is_gone || self.outages.has(topic.id, partition)
    }

    /// The lane through which clients reach a partition's leader; `None` while there is none.
    pub fn leader_of(
        &self,
        image: &ClusterImage,
        topic: &Topic,
        partition: PartitionId,
    ) -> Option<BrokerId> {
        let place = topic.partition(partition)?;
        let is_ours = place.leader == self.node();
        let is_led = !is_ours || !self.is_offline(topic, partition);
        image.leader_broker(place).filter(|_| is_led)
    }

    /// This host's replica as clients know it, where it is offline.
    pub fn offline_replica(
        &self,
        image: &ClusterImage,
        topic: &Topic,
        partition: PartitionId,
    ) -> Option<BrokerId> {
        let ours = image.broker_on(topic.partition(partition)?, self.node())?;
        self.is_offline(topic, partition).then_some(ours)
    }
}
