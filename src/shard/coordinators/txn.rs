//! The coordinators of transactions: how what they decide is carried out.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Coordinated, Errand, Ruling, Seats};
use crate::base::planted;
use crate::coordinator::Writer;
use crate::coordinator::group::{self, Groups};
use crate::coordinator::txn::{Answer, Ask, Effect, Ending, Producer, Request, TxnMachine};
use crate::model::{ErrorCode, PartitionId};
use crate::notice;
use crate::rt;
use crate::shard::Shard;
use crate::shard::markers::MarkOrder;
use crate::shard::message::{self as mesh, Proof};
use crate::shard::partition::code_of_refusal;

/// Between two attempts to write what could not be written; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Coordinated for TxnMachine {
    const TOPIC: &'static str = "__transaction_state";

    fn seats(shard: &Shard) -> &Seats<TxnMachine> {
        &shard.transactions
    }

    fn perform(effect: Effect, shard: &Rc<Shard>, from: PartitionId) {
        let shard = shard.clone();
        match effect {
            Effect::Mark(ending) => {
                let key = (from.0, ending.transactional_id.clone());
                // Whoever writes the markers goes on until the machine knows; a second one could
                // write them into the producer's next transaction.
                if shard.marking.borrow_mut().insert(key.clone()) {
                    rt::spawn(async move {
                        let is_told = shard.finish(*ending, from).await;
                        if !is_told || planted::is("marking-ends-late") {
                            shard.marking.borrow_mut().remove(&key);
                        }
                    })
                    .detach();
                }
            }
            Effect::Marked { transactional_id } => {
                if !planted::is("marking-ends-late") {
                    shard.marking.borrow_mut().remove(&(from.0, transactional_id));
                }
            }
            Effect::WantsId { transactional_id, producer } => rt::spawn(async move {
                match shard.next_producer_id().await {
                    Ok(spare_id) => {
                        let ask = Ask::Expire { producer, spare_id };
                        shard.say(from, &transactional_id, ask).await;
                    }
                    // The time-out is looked at again.
                    Err(code) => notice!("no producer id for {transactional_id:?}: {code}"),
                }
            })
            .detach(),
        }
    }

    fn errand(partition: PartitionId, request: Request) -> Errand {
        Errand::Txn(partition, Box::new(request))
    }

    fn ruling(ruling: Ruling) -> Option<Result<Answer, ErrorCode>> {
        match ruling {
            Ruling::Txn(told) => Some(told),
            _ => None,
        }
    }
}

impl Shard {
    /// Asks the coordinator of a transactional id, wherever it lives.
    pub async fn transact(
        self: &Rc<Self>,
        transactional_id: &str,
        ask: Ask,
    ) -> Result<Answer, ErrorCode> {
        let request = Request::Of { transactional_id: transactional_id.to_owned(), ask };
        self.coordinate::<TxnMachine>(transactional_id, request).await
    }

    /// Tells a machine of this core, until it has heard; false when it is gone.
    async fn say(self: &Rc<Self>, from: PartitionId, transactional_id: &str, ask: Ask) -> bool {
        let mut pause = PAUSE_MIN;
        loop {
            let of = transactional_id.to_owned();
            let request = Request::Of { transactional_id: of, ask: ask.clone() };
            match self.coordinate_here::<TxnMachine>(from, request).await {
                Ok(_) => return true,
                Err(ErrorCode::NOT_COORDINATOR) => return false,
                Err(_) => {
                    rt::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Writes the markers of a transaction whose end is safe, until every one is and the machine
    /// knows; false when that is gone.
    async fn finish(self: &Rc<Self>, ending: Ending, from: PartitionId) -> bool {
        let Ending { transactional_id, producer, commit, level, partitions } = ending;
        let mut left: Vec<(String, i32)> = Vec::new();
        for (topic, numbers) in partitions {
            left.extend(numbers.into_iter().map(|number| (topic.clone(), number)));
        }
        let mut pause = PAUSE_MIN;
        loop {
            let Some(coordinator_epoch) = self.seat_epoch::<TxnMachine>(from) else {
                return false;
            };
            let order = MarkOrder {
                writer: Writer { producer_id: producer.id, epoch: producer.epoch },
                commit,
                coordinator_epoch,
                txn_version: level.number(),
                places: Vec::new(),
            };
            left = self.mark_by_name(order, left).await;
            if left.is_empty() {
                break;
            }
            rt::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.say(from, &transactional_id, Ask::Marked { producer }).await
    }

    /// The places where the marker is not written yet. A topic that was deleted has none; but while
    /// this core makes an image true, one that is not there may only not be there yet.
    async fn mark_by_name(
        self: &Rc<Self>,
        mut order: MarkOrder,
        names: Vec<(String, i32)>,
    ) -> Vec<(String, i32)> {
        let (mut asked, mut left) = (Vec::with_capacity(names.len()), Vec::new());
        for (name, number) in names {
            match self.topic(&name).filter(|topic| topic.partition(number).is_some()) {
                Some(topic) => {
                    order.places.push((topic.id, PartitionId(number)));
                    asked.push((name, number));
                }
                None if self.is_adopting() => left.push((name, number)),
                None => {}
            }
        }
        let codes = self.mark(&order).await;
        for ((name, number), code) in asked.into_iter().zip(codes) {
            match code {
                ErrorCode::NONE => {}
                // The partition has moved on: there is nothing of this transaction to end.
                ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::TRANSACTION_COORDINATOR_FENCED => {
                    let Writer { producer_id, epoch } = order.writer;
                    notice!(
                        "{name}-{number} refused the marker of producer {producer_id}, epoch \
                         {epoch}: {code}"
                    );
                }
                _ => left.push((name, number)),
            }
        }
        left
    }

    /// The epoch of a machine's partition while it is at home here.
    fn seat_epoch<M: Coordinated>(&self, partition: PartitionId) -> Option<i32> {
        let seats = M::seats(self);
        let seat = seats.get(partition).filter(|_| !seats.closing.get())?;
        Some(seat.partition.epoch())
    }

    /// Has a group's coordinator take offsets that are part of a transaction.
    pub async fn commit_in_transaction(
        self: &Rc<Self>,
        request: group::Request,
        writer: Writer,
        proof: Proof,
    ) -> Result<group::Answer, ErrorCode> {
        let found = self.coordinator_of::<Groups>(&request.group);
        let (partition, core) = found.ok_or(ErrorCode::NOT_COORDINATOR)?;
        if core == self.core() {
            return self.commit_here(partition, request, writer, proof).await;
        }
        let errand = Errand::GroupInTxn(partition, Box::new(request), writer, proof);
        match self.call(core, mesh::Request::Coordinate(errand)).await {
            Some(mesh::Reply::Coordinated(ruling)) => {
                Groups::ruling(ruling).unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR))
            }
            _ => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    /// The guard is looked at in the very turn in which the offsets are appended.
    pub(super) async fn commit_here(
        self: &Rc<Self>,
        partition: PartitionId,
        request: group::Request,
        writer: Writer,
        proof: Proof,
    ) -> Result<group::Answer, ErrorCode> {
        let seat = Groups::seats(self).get(partition).ok_or(ErrorCode::NOT_COORDINATOR)?;
        if let Proof::Guard(guard) = proof {
            let log = seat.partition.log();
            log.check_guard(writer.producer_id, writer.epoch, guard).map_err(code_of_refusal)?;
        }
        let told = seat.ask(self, request)?;
        told.await.unwrap_or(Err(ErrorCode::NOT_COORDINATOR))
    }

    /// Every transactional id of the machines that `is_asked` picks by their core.
    pub async fn list_transactions(
        self: &Rc<Self>,
        filter: &crate::coordinator::txn::Filter,
        is_asked: impl Fn(usize) -> bool,
    ) -> Result<Vec<crate::coordinator::txn::Listed>, ErrorCode> {
        let Some(topic) = self.topic(TxnMachine::TOPIC) else { return Ok(Vec::new()) };
        let mut all = BTreeMap::new();
        for (number, place) in topic.partitions.iter().enumerate() {
            if !is_asked(place.core) {
                continue;
            }
            let partition = PartitionId(number as i32);
            let request = Request::List(filter.clone());
            let told = self.coordinate_at::<TxnMachine>(partition, place.core, request).await?;
            if let Answer::Listed(listed) = told {
                all.extend(listed.into_iter().map(|it| (it.transactional_id.clone(), it)));
            }
        }
        Ok(all.into_values().collect())
    }
}

impl From<Producer> for Writer {
    fn from(producer: Producer) -> Writer {
        Writer { producer_id: producer.id, epoch: producer.epoch }
    }
}
