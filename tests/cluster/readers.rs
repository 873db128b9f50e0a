//! A group of the new protocol while its broker crashes, its disk fails, and heartbeats of its members come
//! late, twice or never: no partition is ever given to two members in one epoch, and what was
//! committed never goes back.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};

use crate::broker::Broker;
use crate::groups::TOPIC;
use crate::guide::Guide;
use crate::ledger::Ledger;
use crate::member::committed;
use crate::mishap::{Mishap, befall, options};
use crate::reader::Reader;
use crate::seeds::seeds;

const SETTINGS: [&str; 6] = [
    "offsets.topic.num.partitions=4",
    "group.consumer.min.session.timeout.ms=1000",
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=200",
    "group.consumer.assignment.interval.ms=100",
];

fn run(seed: u64, mishap: Mishap) -> u64 {
    let mut random = Prng::new(seed ^ 0x848);
    let sim = Sim::with_options(seed, options(&mut random));
    let cores = 1 + random.below(3) as usize;
    let partitions = 1 + random.below(5) as i32;
    let broker = Broker::new(&sim, cores, &SETTINGS);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let ledger = Rc::new(Ledger::default());
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, partitions, &[]).await }).await;
        let mut readers = Vec::new();
        for number in 0..2 + random.below(3) {
            let reader = Reader {
                guide,
                ledger: ledger.clone(),
                group: "group".to_owned(),
                name: format!("m{number}"),
                commits: 20 + random.below(40) as u32,
                // One of them falls silent now and then, for longer than its session.
                falls_silent: number == 0,
                random: Prng::new(seed ^ number << 40),
            };
            readers.push(sim.spawn(clients, reader.run()));
        }
        let mishaps = if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) };
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(3_000_000))).await;
            befall(&sim, &broker, mishap, &mut random, |_| {}).await;
        }
        let ended = rt::timeout(Duration::from_secs(3_600), async {
            for reader in readers {
                reader.await;
            }
        });
        if ended.await.is_none() {
            let failure = broker.failure.borrow();
            panic!("seed {seed}: the members do not get through; {failure:?}");
        }
        for partition in 0..partitions {
            let read = sim.spawn(clients, committed(guide, "group".to_owned(), partition)).await;
            ledger.found(partition, read, ledger.acknowledged(partition));
        }
    });
    ledger.conclude(seed);
    sim.trace_hash()
}

#[test]
fn readers_share_when_nothing_happens() {
    for seed in seeds(10) {
        let hash = run(seed, Mishap::Nothing);
        if seed % 5 == 0 {
            assert_eq!(hash, run(seed, Mishap::Nothing), "seed {seed} ran in two ways");
        }
    }
}

#[test]
fn readers_go_on_through_restarts() {
    for seed in seeds(10) {
        run(seed, Mishap::Restart);
    }
}

#[test]
fn readers_never_share_a_partition_through_crashes() {
    for seed in seeds(20) {
        run(seed, Mishap::Crash(CrashKind::PowerLoss));
    }
}

#[test]
fn readers_go_on_whatever_happens() {
    for seed in seeds(20) {
        run(seed, Mishap::Any);
    }
}
