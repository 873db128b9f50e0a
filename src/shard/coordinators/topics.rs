//! The internal topics: made when they are first needed, and their partitions given to machines.

use std::rc::Rc;

use super::Coordinated;
use super::view::ImageView;
use crate::coordinator::group::{self, Ask, Groups};
use crate::coordinator::hash::partition_of;
use crate::coordinator::txn::TxnMachine;
use crate::coordinator::{Outcome, View};
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
        match ruling {
            super::Ruling::Group(told) => Some(told),
            super::Ruling::Txn(_) => None,
        }
    }
}

impl Shard {
    /// The topic and the partition that keep what a group commits.
    pub fn offsets_of(&self, group: &str) -> (&'static str, i32) {
        let count = match self.topic(Groups::TOPIC) {
            Some(topic) => topic.partitions.len(),
            None => self.config().offsets_topic_num_partitions as usize,
        };
        (Groups::TOPIC, partition_of(group, count))
    }

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
        } else if *partition.name == *TxnMachine::TOPIC {
            self.seat::<TxnMachine>(partition);
        }
    }

    /// A partition is about to be deleted.
    pub(in crate::shard) fn partition_leaves(self: &Rc<Self>, partition: &Rc<Partition>) {
        if *partition.name == *Groups::TOPIC {
            self.unseat::<Groups>(partition.index);
        } else if *partition.name == *TxnMachine::TOPIC {
            self.unseat::<TxnMachine>(partition.index);
        }
    }

    /// Topics are gone, and what their consumers have committed goes with them.
    pub(in crate::shard) fn topics_gone(self: &Rc<Self>, names: &[String]) {
        let ask = || Ask::ForgetTopics(names.to_vec());
        for seat in self.groups.all() {
            seat.note(self, group::Request { group: String::new(), ask: ask() });
        }
    }

    /// What the machines see of the cluster.
    pub(super) fn view(&self) -> Rc<dyn View> {
        self.view.borrow_mut().get_or_insert_with(|| Rc::new(ImageView(self.image()))).clone()
    }

    /// The image is another one: these topics came, went, or grew.
    pub(in crate::shard) fn image_changed(self: &Rc<Self>, names: Vec<String>, new: bool) {
        *self.view.borrow_mut() = None;
        self.obey_in_coordinators();
        if names.is_empty() {
            return;
        }
        for seat in self.groups.all() {
            // One that is being loaded will look at all topics anyway.
            seat.turn(self, |groups| {
                groups.topics_changed(&names, new);
                Outcome::default()
            });
        }
    }

    /// Ends what waits for others than the disk.
    pub fn hush_coordinators(&self) {
        self.hush_seats::<Groups>();
        self.hush_seats::<TxnMachine>();
    }

    /// The settings have changed.
    pub(in crate::shard) fn obey_in_coordinators(&self) {
        self.obey_in_seats::<Groups>();
        self.obey_in_seats::<TxnMachine>();
    }
}
