//! The internal topics: made when they are first needed, and their partitions given to machines.

use std::rc::Rc;

use super::Coordinated;
use crate::coordinator::group::{self, Ask, Groups};
use crate::model::{ErrorCode, PartitionId};
use crate::notice;
use crate::shard::partition::Partition;
use crate::shard::proposal::Proposal;
use crate::shard::{Shard, internal_topics};

impl Coordinated for Groups {
    const TOPIC: &'static str = "__consumer_offsets";

    fn seats(shard: &Shard) -> &super::Seats<Groups> {
        &shard.groups
    }

    fn perform(effect: Self::Effect, _: &Rc<Shard>, _: PartitionId) {
        match effect {}
    }

    fn errand(partition: PartitionId, request: group::Request) -> super::Errand {
        super::Errand::Group(partition, Box::new(request))
    }

    fn ruling(ruling: super::Ruling) -> Option<Result<group::Answer, ErrorCode>> {
        let super::Ruling::Group(told) = ruling;
        Some(told)
    }
}

impl Shard {
    /// Makes the internal topic of a machine unless it is there.
    pub async fn need_topic<M: Coordinated>(self: &Rc<Self>) -> Result<(), ErrorCode> {
        if self.topic(M::TOPIC).is_some() {
            return Ok(());
        }
        let hosts = self.image().nodes().count();
        let topic = internal_topics::new_topic(M::TOPIC, &self.config(), hosts);
        let proposal = Proposal::CreateTopics { topics: vec![topic], validate_only: false };
        match self.propose(proposal).await.0.pop() {
            Some(Ok(_)) => Ok(()),
            Some(Err(refusal)) if refusal.code == ErrorCode::TOPIC_ALREADY_EXISTS => Ok(()),
            Some(Err(refusal)) => {
                notice!("topic {} was not created: {refusal}", M::TOPIC);
                Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
            }
            None => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
    }

    /// A partition was opened: one of an internal topic begins to coordinate.
    pub(in crate::shard) fn partition_opened(self: &Rc<Self>, partition: &Rc<Partition>) {
        if *partition.name == *Groups::TOPIC {
            self.seat::<Groups>(partition);
        }
    }

    /// A partition is about to be deleted.
    pub(in crate::shard) fn partition_leaves(self: &Rc<Self>, partition: &Rc<Partition>) {
        if *partition.name == *Groups::TOPIC {
            self.unseat::<Groups>(partition.index);
        }
    }

    /// Topics are gone, and what their consumers have committed goes with them.
    pub(in crate::shard) fn topics_gone(self: &Rc<Self>, names: &[String]) {
        let ask = || Ask::ForgetTopics(names.to_vec());
        for seat in self.groups.all() {
            seat.note(self, group::Request { group: String::new(), ask: ask() });
        }
    }

    /// Ends what waits for others than the disk.
    pub fn hush_coordinators(&self) {
        self.hush_seats::<Groups>();
    }

    /// The settings have changed.
    pub(in crate::shard) fn obey_in_coordinators(&self) {
        self.obey_in_seats::<Groups>();
    }
}
