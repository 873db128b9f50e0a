//! A transactional producer: each transaction writes its number to several partitions. After anything
//! went wrong it begins again, as an application that restarts would.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use ringmain::wire::messages::end_txn::{EndTxn, EndTxnRequest};
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use super::outcome::{Outcome, Outcomes};
use crate::bad_net::BadNet;
use crate::caller::Caller;
use crate::guide::Guide;

const PAUSE: Duration = Duration::from_millis(20);

/// Which protocol the producer speaks (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Old,
    New,
}

pub struct Producer {
    pub guide: Guide,
    pub outcomes: Rc<Outcomes>,
    pub topic: &'static str,
    pub partitions: i32,
    pub transactional_id: String,
    pub timeout_ms: i32,
    pub level: Level,
    /// To be ended, one way or the other.
    pub transactions: u32,
    pub random: Prng,
    /// Something happens to one of its requests in so many.
    pub trouble_one_in: Option<u64>,
}

/// What keeps it from going on.
#[derive(Debug)]
pub(super) enum Trouble {
    Connection,
    Said(ErrorCode),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        Trouble::Connection
    }
}

/// Id, epoch, and the next sequence of each partition.
pub(super) struct Identity {
    pub id: i64,
    pub epoch: i16,
    sequences: Vec<i32>,
}

impl Producer {
    pub async fn run(mut self) {
        let mut left = self.transactions;
        while left > 0 {
            // Whatever it says, the answer is to begin anew.
            if let Err(Trouble::Said(code)) = self.live(&mut left).await {
                assert_ne!(code, ErrorCode::UNKNOWN_SERVER_ERROR, "{}", self.transactional_id);
            }
            rt::sleep(Duration::from_millis(1 + self.random.below(60))).await;
        }
    }

    async fn live(&mut self, left: &mut u32) -> Result<(), Trouble> {
        let mut coordinator = self.coordinator().await?;
        let mut identity = self.begin(&mut coordinator).await?;
        while *left > 0 {
            let is_last = *left == 1;
            self.transaction(&mut coordinator, &mut identity, is_last).await?;
            *left -= 1;
            // A zombie wakes up later, and goes on as if nothing had happened.
            if self.random.chance(1, 6) {
                rt::sleep(Duration::from_millis(self.random.below(5_000))).await;
            }
        }
        Ok(())
    }

    fn net(&mut self) -> Option<BadNet> {
        let one_in = self.trouble_one_in?;
        Some(BadNet::new(Prng::new(self.random.next_u64()), one_in))
    }

    pub(super) async fn coordinator(&mut self) -> Result<Caller, Trouble> {
        let id = self.transactional_id.clone();
        self.find(1, &id).await
    }

    /// A connection to whoever coordinates a group (0) or a transactional id (1).
    pub(super) async fn find(&mut self, key_type: i8, key: &str) -> Result<Caller, Trouble> {
        let request =
            FindCoordinatorRequest { key_type, coordinator_keys: vec![key], ..Default::default() };
        let mut caller = Caller::connect(self.guide.bootstrap).await?;
        let found = caller
            .call::<FindCoordinator, _>(4, &request, |answer| {
                let found = &answer.coordinators[0];
                let ip: Option<IpAddr> = found.host.parse().ok();
                ip.map(|ip| SocketAddr::new(ip, found.port as u16))
            })
            .await?;
        match found {
            Some(address) => Ok(Caller::connect(address).await?.over(self.net())),
            None => Err(Trouble::Said(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
        }
    }

    pub(super) async fn begin(&self, coordinator: &mut Caller) -> Result<Identity, Trouble> {
        let request = InitProducerIdRequest {
            transactional_id: Some(&self.transactional_id),
            transaction_timeout_ms: self.timeout_ms,
            ..Default::default()
        };
        loop {
            let told = coordinator
                .call::<InitProducerId, _>(5, &request, |answer| {
                    (answer.error_code, answer.producer_id, answer.producer_epoch)
                })
                .await?;
            match told {
                (ErrorCode::NONE, id, epoch) => {
                    let sequences = vec![0; self.partitions as usize];
                    return Ok(Identity { id, epoch, sequences });
                }
                (ErrorCode::CONCURRENT_TRANSACTIONS, ..) => rt::sleep(PAUSE).await,
                (error, ..) => return Err(Trouble::Said(error)),
            }
        }
    }

    async fn transaction(
        &mut self,
        coordinator: &mut Caller,
        identity: &mut Identity,
        is_last: bool,
    ) -> Result<(), Trouble> {
        let mut places: Vec<i32> = (0..self.partitions).collect();
        places.retain(|_| self.random.chance(2, 3));
        if places.is_empty() {
            places.push(0);
        }
        let number = self.outcomes.begin(places.clone());
        if self.level == Level::Old {
            self.add(coordinator, identity, &places).await?;
        }
        for &partition in &places {
            self.write(identity, partition, number).await?;
        }
        if self.random.chance(1, 8) {
            // Long enough for the coordinator to lose patience, at times.
            rt::sleep(Duration::from_millis(self.random.below(4_500))).await;
        }
        // The last is committed in any case: what only ever aborted would prove nothing.
        let commit = self.random.chance(3, 4) || is_last;
        if commit {
            self.outcomes.tell(number, Outcome::Unknown);
        }
        self.end(coordinator, identity, commit).await?;
        if commit {
            self.outcomes.tell(number, Outcome::Committed);
        }
        Ok(())
    }

    pub(super) async fn add(
        &self,
        coordinator: &mut Caller,
        identity: &Identity,
        places: &[i32],
    ) -> Result<(), Trouble> {
        let topic = AddPartitionsToTxnTopic { name: self.topic, partitions: places.to_vec() };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: &self.transactional_id,
            v3_and_below_producer_id: identity.id,
            v3_and_below_producer_epoch: identity.epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        loop {
            let code = coordinator
                .call::<AddPartitionsToTxn, _>(3, &request, |answer| {
                    let topic = &answer.results_by_topic_v3_and_below[0];
                    topic.results_by_partition[0].partition_error_code
                })
                .await?;
            match code {
                ErrorCode::NONE => return Ok(()),
                ErrorCode::CONCURRENT_TRANSACTIONS => rt::sleep(PAUSE).await,
                error => return Err(Trouble::Said(error)),
            }
        }
    }

    pub(super) async fn write(
        &mut self,
        identity: &mut Identity,
        partition: i32,
        number: u32,
    ) -> Result<(), Trouble> {
        let mut builder = BatchBuilder::new(BatchFields {
            transactional: true,
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            base_sequence: identity.sequences[partition as usize],
            ..Default::default()
        });
        builder.push(rt::unix_ms(), None, Some(&number.to_be_bytes()), &[]);
        let bytes = builder.finish();
        let data = PartitionProduceData { index: partition, records: Some(&bytes) };
        let topic =
            TopicProduceData { name: self.topic, partition_data: vec![data], ..Default::default() };
        let transactional_id = self.transactional_id.clone();
        let request = ProduceRequest {
            transactional_id: Some(&transactional_id),
            acks: -1,
            timeout_ms: 20_000,
            topic_data: vec![topic],
        };
        let version = if self.level == Level::Old { 11 } else { 12 };
        for _ in 0..20 {
            // Half of them go to whoever is asked first: it forwards.
            let caller = match self.random.chance(1, 2) {
                true => Caller::connect(self.guide.bootstrap).await?,
                false => self.guide.reach(self.topic, partition).await,
            };
            let mut caller = caller.over(self.net());
            // A request that comes twice must count once.
            let times = 1 + self.random.below(5) / 4;
            for _ in 0..times {
                caller.ask::<Produce>(version, &request).await?;
            }
            let mut codes = Vec::new();
            for _ in 0..times {
                let read = |answer: ringmain::wire::messages::produce::ProduceResponse<'_>| {
                    answer.responses[0].partition_responses[0].error_code
                };
                codes.push(caller.answer::<Produce, _>(version, read).await?);
            }
            match codes[0] {
                ErrorCode::NONE => {
                    identity.sequences[partition as usize] += 1;
                    return Ok(());
                }
                ErrorCode::CONCURRENT_TRANSACTIONS | ErrorCode::NOT_ENOUGH_REPLICAS => {
                    rt::sleep(PAUSE).await;
                }
                error => return Err(Trouble::Said(error)),
            }
        }
        Err(Trouble::Said(ErrorCode::REQUEST_TIMED_OUT))
    }

    pub(super) async fn end(
        &mut self,
        coordinator: &mut Caller,
        identity: &mut Identity,
        committed: bool,
    ) -> Result<(), Trouble> {
        let version = if self.level == Level::Old { 4 } else { 5 };
        let mut asked = 0;
        loop {
            let request = EndTxnRequest {
                transactional_id: &self.transactional_id,
                producer_id: identity.id,
                producer_epoch: identity.epoch,
                committed,
            };
            // Its answer may get lost, and it is asked again elsewhere; or it is sent twice.
            asked += 1;
            if asked == 1 && self.random.chance(1, 5) {
                coordinator.ask::<EndTxn>(version, &request).await?;
                *coordinator = self.coordinator().await?;
                rt::sleep(Duration::from_millis(self.random.below(30))).await;
                continue;
            }
            let told = coordinator
                .call::<EndTxn, _>(version, &request, |answer| {
                    (answer.error_code, answer.producer_id, answer.producer_epoch)
                })
                .await?;
            match told {
                (ErrorCode::NONE, id, epoch) => {
                    if self.level == Level::New {
                        identity.id = id;
                        identity.epoch = epoch;
                        identity.sequences.fill(0);
                    }
                    return Ok(());
                }
                (ErrorCode::CONCURRENT_TRANSACTIONS, ..) => rt::sleep(PAUSE).await,
                (error, ..) => return Err(Trouble::Said(error)),
            }
        }
    }
}
