//! Consume, transform, produce: what was taken from each partition of an input is in the output once and in
//! order, and the offsets that were committed with it say so, whatever happens.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};
use ringmain::wire::messages::add_offsets_to_txn::{AddOffsetsToTxn, AddOffsetsToTxnRequest};
use ringmain::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestTopic,
};
use ringmain::wire::messages::txn_offset_commit::{
    TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
};

use super::outcome::Outcomes;
use super::producer::{Identity, Level, Producer, Trouble};
use super::reader::Reader;
use super::{SETTINGS, TIMEOUT_MS, TOPIC, TROUBLE_ONE_IN};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::guide::Guide;
use crate::mishap::{Mishap, befall, options};
use crate::seeds::seeds;

const GROUP: &str = "chain";
const PAUSE: Duration = Duration::from_millis(20);
/// A number tells its input partition by what it is more than a multiple of this.
const INPUT: u32 = 1_000;

impl Producer {
    /// Until so many numbers of an input partition are in the output.
    async fn transform(mut self, input: i32, count: u32) {
        while let Err(trouble) = self.carry(input, count).await {
            if let Trouble::Said(code) = trouble {
                assert_ne!(code, ErrorCode::UNKNOWN_SERVER_ERROR, "{}", self.transactional_id);
            }
            rt::sleep(Duration::from_millis(1 + self.random.below(60))).await;
        }
    }

    async fn carry(&mut self, input: i32, count: u32) -> Result<(), Trouble> {
        let mut coordinator = self.coordinator().await?;
        let mut identity = self.begin(&mut coordinator).await?;
        loop {
            let mut group = self.find(0, GROUP).await?;
            let from = committed(&mut group, input).await?;
            if from >= count {
                return Ok(());
            }
            let until = (from + 1 + self.random.below(4) as u32).min(count);
            let place = |number: u32| (number % self.partitions as u32) as i32;
            let mut places: Vec<i32> = (from..until).map(place).collect();
            places.sort_unstable();
            places.dedup();
            if self.level == Level::Old {
                self.add(&mut coordinator, &identity, &places).await?;
            }
            for number in from..until {
                let partition = (number % self.partitions as u32) as i32;
                self.write(&mut identity, partition, input as u32 * INPUT + number).await?;
            }
            if self.level == Level::Old {
                self.add_group(&mut coordinator, &identity).await?;
            }
            self.commit_offset(&mut group, &identity, input, until).await?;
            let commit = self.random.chance(4, 5);
            self.end(&mut coordinator, &mut identity, commit).await?;
            // A zombie wakes up later.
            if self.random.chance(1, 8) {
                rt::sleep(Duration::from_millis(self.random.below(5_000))).await;
            }
        }
    }

    async fn add_group(
        &self,
        coordinator: &mut Caller,
        identity: &Identity,
    ) -> Result<(), Trouble> {
        let request = AddOffsetsToTxnRequest {
            transactional_id: &self.transactional_id,
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            group_id: GROUP,
        };
        loop {
            let code =
                coordinator.call::<AddOffsetsToTxn, _>(3, &request, |told| told.error_code).await?;
            match code {
                ErrorCode::NONE => return Ok(()),
                ErrorCode::CONCURRENT_TRANSACTIONS => rt::sleep(PAUSE).await,
                error => return Err(Trouble::Said(error)),
            }
        }
    }

    async fn commit_offset(
        &self,
        group: &mut Caller,
        identity: &Identity,
        input: i32,
        offset: u32,
    ) -> Result<(), Trouble> {
        let request = TxnOffsetCommitRequest {
            transactional_id: &self.transactional_id,
            group_id: GROUP,
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            topics: vec![TxnOffsetCommitRequestTopic {
                name: TOPIC,
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: input,
                    committed_offset: offset.into(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let version = if self.level == Level::Old { 3 } else { 5 };
        for _ in 0..50 {
            let code = group
                .call::<TxnOffsetCommit, _>(version, &request, |told| {
                    told.topics[0].partitions[0].error_code
                })
                .await?;
            match code {
                ErrorCode::NONE => return Ok(()),
                ErrorCode::CONCURRENT_TRANSACTIONS | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                    rt::sleep(PAUSE).await;
                }
                error => return Err(Trouble::Said(error)),
            }
        }
        Err(Trouble::Said(ErrorCode::REQUEST_TIMED_OUT))
    }
}

/// How far the group has come, once no transaction may change it.
async fn committed(group: &mut Caller, input: i32) -> Result<u32, Trouble> {
    loop {
        let topic = OffsetFetchRequestTopic { name: TOPIC, partition_indexes: vec![input] };
        let request = OffsetFetchRequest {
            group_id: GROUP,
            topics: Some(vec![topic]),
            require_stable: true,
            ..Default::default()
        };
        let told = group.call::<OffsetFetch, _>(7, &request, |told| {
            let one = told.topics.first().and_then(|topic| topic.partitions.first());
            let code = one.map_or(told.error_code, |one| one.error_code);
            (code, one.map_or(-1, |one| one.committed_offset))
        });
        match told.await? {
            (ErrorCode::NONE, offset) => return Ok(u32::try_from(offset).unwrap_or(0)),
            (ErrorCode::UNSTABLE_OFFSET_COMMIT, _) => rt::sleep(PAUSE).await,
            (error, _) => return Err(Trouble::Said(error)),
        }
    }
}

fn run(seed: u64, mishap: Mishap, trouble_one_in: Option<u64>) {
    let mut random = Prng::new(seed ^ 0xc4a1);
    let sim = Sim::with_options(seed, options(&mut random));
    let cores = 1 + random.below(3) as usize;
    let partitions = 2 + random.below(2) as i32;
    let count = 6 + random.below(12) as u32;
    let broker = Broker::new(&sim, cores, &SETTINGS);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let mut output: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, partitions, &[]).await }).await;
        let mut workers = Vec::new();
        for input in 0..partitions {
            let level = if random.chance(1, 2) { Level::Old } else { Level::New };
            // Now and then two believe that the partition is theirs.
            for _ in 0..1 + random.below(2) {
                let worker = Producer {
                    guide,
                    outcomes: Rc::new(Outcomes::default()),
                    topic: TOPIC,
                    partitions,
                    transactional_id: format!("chain-{input}"),
                    timeout_ms: TIMEOUT_MS,
                    level,
                    transactions: 0,
                    random: Prng::new(random.next_u64()),
                    trouble_one_in,
                };
                workers.push(sim.spawn(clients, worker.transform(input, count)));
            }
        }
        let mishaps = if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) };
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(600_000))).await;
            befall(&sim, &broker, mishap, &mut random, |_| {}).await;
        }
        let patience = Duration::from_secs(2_400);
        let ended = rt::timeout(patience, async {
            for worker in workers {
                worker.await;
            }
        });
        if ended.await.is_none() {
            let failure = broker.failure.borrow();
            panic!("seed {seed}: the chain does not come to its end; {failure:?}");
        }
        rt::sleep(Duration::from_secs(16)).await;
        for partition in 0..partitions {
            let reader = Reader { guide, topic: TOPIC, partition };
            let seen = sim.spawn(clients, reader.read_committed());
            let seen = rt::timeout(patience, seen).await.expect("a partition that can be read");
            if let Some(hanging) = seen.hanging {
                panic!("seed {seed}: partition {partition}: {hanging}");
            }
            output.insert(partition, seen.numbers);
        }
    });
    for input in 0..partitions as u32 {
        let mut found = 0;
        for (&partition, numbers) in &output {
            let own: Vec<u32> =
                numbers.iter().filter(|&n| n / INPUT == input).map(|n| n % INPUT).collect();
            let place = |number: &u32| (number % partitions as u32) as i32 == partition;
            let expect: Vec<u32> = (0..count).filter(place).collect();
            assert_eq!(own, expect, "seed {seed}: input {input} in partition {partition}");
            found += own.len();
        }
        assert_eq!(found as u32, count, "seed {seed}: input {input}");
    }
}

#[test]
fn a_chain_counts_everything_once_whatever_happens() {
    for seed in seeds(20) {
        run(seed, Mishap::Any, None);
    }
}

#[test]
fn a_chain_counts_everything_once_when_the_process_is_killed() {
    for seed in seeds(20) {
        run(seed, Mishap::Crash(CrashKind::ProcessKill), None);
    }
}

#[test]
fn a_chain_counts_everything_once_when_requests_are_lost_late_or_twice() {
    for seed in seeds(100) {
        let mishap = if seed % 4 == 0 { Mishap::Any } else { Mishap::Nothing };
        run(seed, mishap, Some(TROUBLE_ONE_IN));
    }
}
