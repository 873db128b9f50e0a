//! Transactions through crashes, lost answers and zombies: what readers of committed records see is
//! all of a transaction or nothing, and nobody waits for one for ever.

mod chain;
mod outcome;
#[cfg(feature = "planted-bugs")]
mod planted;
mod producer;
mod reader;
mod rivals;

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};

use crate::broker::Broker;
use crate::guide::Guide;
use crate::mishap::{Mishap, befall, options};
use crate::seeds::seeds;
use outcome::Outcomes;
use producer::{Level, Producer};
use reader::Reader;

const TOPIC: &str = "orders";
/// What a transaction may take before its coordinator ends it.
const TIMEOUT_MS: i32 = 3_000;

/// Something happens to one request in so many, where it does.
const TROUBLE_ONE_IN: u64 = 12;

/// Few partitions, so that the logs of the coordinators see many transactions.
const SETTINGS: [&str; 4] = [
    "transaction.state.log.num.partitions=3",
    "offsets.topic.num.partitions=2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    "ringmain.durability=synced",
];

fn run(seed: u64, mishap: Mishap, trouble_one_in: Option<u64>) {
    let mut random = Prng::new(seed ^ 0x7ea);
    let sim = Sim::with_options(seed, options(&mut random));
    let cores = 1 + random.below(3) as usize;
    let partitions = 2 + random.below(3) as i32;
    let broker = Broker::new(&sim, cores, &SETTINGS);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let outcomes = Rc::new(Outcomes::default());
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, partitions, &[]).await }).await;
        let mut producers = Vec::new();
        let ids = 1 + random.below(3);
        for id in 0..ids {
            let level = if random.chance(1, 2) { Level::Old } else { Level::New };
            // Now and then two believe that the id is theirs.
            for _ in 0..1 + random.below(2) {
                let producer = Producer {
                    guide,
                    outcomes: outcomes.clone(),
                    topic: TOPIC,
                    partitions,
                    transactional_id: format!("id-{id}"),
                    timeout_ms: TIMEOUT_MS,
                    level,
                    transactions: 4 + random.below(8) as u32,
                    random: Prng::new(random.next_u64()),
                    trouble_one_in,
                };
                producers.push(sim.spawn(clients, producer.run()));
            }
        }
        for partition in 0..partitions {
            let reader = Reader { guide, topic: TOPIC, partition };
            sim.spawn(clients, reader.follow(outcomes.clone())).detach();
        }
        let mishaps = if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) };
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(400_000))).await;
            befall(&sim, &broker, mishap, &mut random, |_| {}).await;
        }
        let patience = Duration::from_secs(1200);
        let ended = rt::timeout(patience, async {
            for producer in producers {
                producer.await;
            }
        });
        if ended.await.is_none() {
            let failure = broker.failure.borrow();
            panic!("seed {seed}: producers do not get through; {failure:?}");
        }
        // Longer than any request is late and any transaction may take, and than what follows it.
        rt::sleep(Duration::from_secs(16)).await;
        for partition in 0..partitions {
            let reader = Reader { guide, topic: TOPIC, partition };
            let seen = sim.spawn(clients, reader.read_committed());
            let seen = rt::timeout(patience, seen).await.expect("a partition that can be read");
            if let Some(hanging) = seen.hanging {
                panic!("seed {seed}: partition {partition}: {hanging}");
            }
            outcomes.seen(partition, seen.numbers);
        }
    });
    outcomes.conclude(seed);
}

#[test]
fn transactions_are_whole_when_nothing_happens() {
    for seed in seeds(15) {
        run(seed, Mishap::Nothing, None);
    }
}

#[test]
fn transactions_are_whole_after_stopping_and_starting() {
    for seed in seeds(10) {
        run(seed, Mishap::Restart, None);
    }
}

#[test]
fn transactions_are_whole_when_the_process_is_killed() {
    for seed in seeds(20) {
        run(seed, Mishap::Crash(CrashKind::ProcessKill), None);
    }
}

#[test]
fn transactions_are_whole_when_the_power_fails() {
    for seed in seeds(30) {
        run(seed, Mishap::Crash(CrashKind::PowerLoss), None);
    }
}

#[test]
fn transactions_are_whole_whatever_happens() {
    for seed in seeds(20) {
        run(seed, Mishap::Any, None);
    }
}

/// Now and then something happens to the broker as well.
#[test]
fn transactions_are_whole_when_requests_are_lost_late_or_twice() {
    for seed in seeds(100) {
        let mishap = if seed % 4 == 0 { Mishap::Any } else { Mishap::Nothing };
        run(seed, mishap, Some(TROUBLE_ONE_IN));
    }
}
