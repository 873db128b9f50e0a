//! Records of a transaction are taken only while the transaction is under way (KIP-890): the first
//! batch of each partition waits until the coordinator has vouched for it. The owners of the
//! partitions are asked before, so that an end which comes meanwhile is noticed.

use std::rc::Rc;
use std::time::Duration;

use super::Cx;
use crate::coordinator::txn::{Answer, Ask, Level, Partitions, Producer};
use crate::log::producers::Claim;
use crate::model::error_code::ErrorCode;
use crate::model::ids::PartitionId;
use crate::rt;
use crate::shard::append_group::{AppendResult, Reason};
use crate::shard::message::Proof;
use crate::shard::placement::TopicPlace;
use crate::shard::query::{self, Query, Told};
use crate::wire::batch::BatchHeader;

/// What a client understands of a transaction's errors, and does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Knows no TRANSACTION_ABORTABLE.
    Old,
    /// Adds partitions to the transaction before it writes.
    Adds,
    /// Leaves that to the broker, and has an epoch for each transaction.
    Relies,
}

/// One partition that is to be written to.
pub struct Wish {
    pub topic: Rc<TopicPlace>,
    pub partition: i32,
    pub claim: Claim,
}

/// What may be done with it, or what its coordinator says instead.
pub type Leave = Result<Proof, ErrorCode>;

/// What a batch says of its transaction; `None` when it is of none.
pub fn claim(records: &[u8]) -> Option<Claim> {
    let header = BatchHeader::peek(records).ok()?;
    let known = header.has_producer_id() && header.is_transactional();
    known.then(|| Claim {
        producer_id: header.producer_id(),
        epoch: header.producer_epoch(),
        base_sequence: header.base_sequence(),
        last_sequence: header.last_sequence(),
        transactional: true,
    })
}

impl Cx<'_> {
    /// Leave to write to each partition, in order.
    pub(super) async fn vouch(
        &self,
        transactional_id: &str,
        client: Client,
        wishes: &[Wish],
    ) -> Vec<Leave> {
        let config = self.shard().config();
        let relies = client == Client::Relies;
        if !relies && !config.transaction_partition_verification {
            return wishes.iter().map(|_| Ok(Proof::Needless)).collect();
        }
        let first = wishes.first().map(|wish| (wish.claim.producer_id, wish.claim.epoch));
        let of_one = |wish: &Wish| Some((wish.claim.producer_id, wish.claim.epoch)) == first;
        if !wishes.iter().all(of_one) {
            return vec![Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING); wishes.len()];
        }
        let since = rt::now();
        let retry = Duration::from_millis(config.add_partitions_retry_backoff_ms as u64);
        let retry_for = Duration::from_millis(config.add_partitions_retry_backoff_max_ms as u64);
        loop {
            let (leaves, is_ending) = self.vouch_once(transactional_id, client, wishes).await;
            // The transaction before is decided, and its markers are on their way.
            if !(relies && is_ending && rt::now().since(since) < retry_for) {
                return leaves;
            }
            rt::sleep(retry).await;
        }
    }

    /// Also whether the coordinator says that the transaction before is still being ended.
    async fn vouch_once(
        &self,
        transactional_id: &str,
        client: Client,
        wishes: &[Wish],
    ) -> (Vec<Leave>, bool) {
        let raises_epoch = client == Client::Relies;
        let query = |wish: &Wish| Query {
            topic: wish.topic.id,
            partition: PartitionId(wish.partition),
            leader_epoch: -1,
            ask: query::Ask::Vouch { claim: wish.claim, raises_epoch },
        };
        let answers = self.shard().ask(wishes.iter().map(query).collect()).await;
        let mut wanted = Partitions::new();
        let mut leaves: Vec<Leave> = Vec::with_capacity(wishes.len());
        for (wish, answer) in wishes.iter().zip(answers) {
            leaves.push(match answer.told {
                Told::Vouched(guard) => {
                    if guard.is_some() {
                        let name = wish.topic.name.to_string();
                        wanted.entry(name).or_default().insert(wish.partition);
                    }
                    Ok(Proof::Guard(guard))
                }
                _ => Err(answer.error),
            });
        }
        let Some(wish) = wishes.first().filter(|_| !wanted.is_empty()) else {
            return (leaves, false);
        };
        let producer = Producer { id: wish.claim.producer_id, epoch: wish.claim.epoch };
        let ask = |_| match client {
            Client::Relies => Ask::Add { producer, partitions: wanted.clone(), level: Level::Two },
            Client::Old | Client::Adds => Ask::Verify { producer, partitions: wanted.clone() },
        };
        let (missing, code) = match self.transact(transactional_id, ask).await {
            Ok(Answer::Verified { missing }) => (missing, ErrorCode::TRANSACTION_ABORTABLE),
            Ok(_) => (Partitions::new(), ErrorCode::NONE),
            Err(code) => (wanted, code),
        };
        let is_missing = |wish: &Wish| {
            missing.get(&*wish.topic.name).is_some_and(|n| n.contains(&wish.partition))
        };
        for (leave, wish) in leaves.iter_mut().zip(wishes) {
            if matches!(leave, Ok(Proof::Guard(Some(_)))) && is_missing(wish) {
                *leave = Err(for_client(code, client));
            }
        }
        (leaves, code == ErrorCode::CONCURRENT_TRANSACTIONS)
    }
}

/// What a coordinator's no is called by those who write (Kafka: AddPartitionsToTxnManager).
fn for_client(code: ErrorCode, client: Client) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if client == Client::Old => ErrorCode::INVALID_TXN_STATE,
        code => code,
    }
}

/// What a producer is told then (Kafka: ReplicaManager.handleProduceAppend).
pub fn refusal(code: ErrorCode, client: Client) -> AppendResult {
    let told = match code {
        ErrorCode::CONCURRENT_TRANSACTIONS if client == Client::Relies => code,
        // Retriable for every producer there is.
        ErrorCode::CONCURRENT_TRANSACTIONS
        | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR => ErrorCode::NOT_ENOUGH_REPLICAS,
        code => code,
    };
    let message = match told {
        ErrorCode::INVALID_TXN_STATE => {
            Some("the partition was not added to the transaction".to_owned())
        }
        ErrorCode::NOT_ENOUGH_REPLICAS => {
            Some(format!("whether the partition was added to the transaction is not known: {code}"))
        }
        _ => None,
    };
    let reason = message.map(|message| Box::new(Reason { message, records: Box::default() }));
    AppendResult { reason, ..AppendResult::failed(told) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_of_clients_is_told_what_it_understands() {
        let check = |code, expect: [ErrorCode; 3]| {
            let told = [Client::Old, Client::Adds, Client::Relies]
                .map(|client| refusal(for_client(code, client), client).error);
            assert_eq!(told, expect, "{code}");
        };
        use ErrorCode as E;
        check(E::PRODUCER_FENCED, [E::INVALID_PRODUCER_EPOCH; 3]);
        let abortable = E::TRANSACTION_ABORTABLE;
        check(abortable, [E::INVALID_TXN_STATE, abortable, abortable]);
        let (again, ending) = (E::NOT_ENOUGH_REPLICAS, E::CONCURRENT_TRANSACTIONS);
        check(ending, [again, again, ending]);
        check(E::COORDINATOR_LOAD_IN_PROGRESS, [again; 3]);
        check(E::INVALID_PRODUCER_ID_MAPPING, [E::INVALID_PRODUCER_ID_MAPPING; 3]);
    }
}
