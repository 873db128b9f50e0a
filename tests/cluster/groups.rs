//! A consumer group while its broker crashes, its disk fails and its members fall silent: no
//! partition is ever read by two members of one generation, and what was committed never goes back.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};

use crate::broker::Broker;
use crate::guide::Guide;
use crate::ledger::Ledger;
use crate::member::{Member, committed};
use crate::mishap::{Mishap, befall, options};
use crate::seeds::seeds;

pub const TOPIC: &str = "orders";
/// Something happens to one request in so many, where it does.
const TROUBLE_ONE_IN: u64 = 30;
/// A new group waits no longer than this, so that much happens in little time.
const SETTINGS: [&str; 2] =
    ["group.initial.rebalance.delay.ms=100", "offsets.topic.num.partitions=4"];

fn run(seed: u64, mishap: Mishap, trouble_one_in: Option<u64>) -> u64 {
    let mut random = Prng::new(seed ^ 0x6e0);
    let sim = Sim::with_options(seed, options(&mut random));
    let cores = 1 + random.below(3) as usize;
    let partitions = 1 + random.below(4) as i32;
    let broker = Broker::new(&sim, cores, &SETTINGS);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let ledger = Rc::new(Ledger::default());
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, partitions, &[]).await }).await;
        let mut members = Vec::new();
        for number in 0..2 + random.below(2) {
            let member = Member {
                guide,
                ledger: ledger.clone(),
                group: "group".to_owned(),
                partitions,
                commits: 20 + random.below(40) as u32,
                // One of them falls silent now and then, for longer than its session.
                falls_silent: number == 0,
                random: Prng::new(seed ^ number << 40),
                trouble_one_in,
            };
            members.push(sim.spawn(clients, member.run()));
        }
        let mishaps = if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) };
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(3_000_000))).await;
            befall(&sim, &broker, mishap, &mut random, |_| {}).await;
        }
        let ended = rt::timeout(Duration::from_secs(3_600), async {
            for member in members {
                member.await;
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
fn a_group_goes_on_when_nothing_happens() {
    for seed in seeds(10) {
        let hash = run(seed, Mishap::Nothing, None);
        if seed % 5 == 0 {
            assert_eq!(hash, run(seed, Mishap::Nothing, None), "seed {seed} ran in two ways");
        }
    }
}

#[test]
fn a_group_goes_on_through_restarts() {
    for seed in seeds(10) {
        run(seed, Mishap::Restart, None);
    }
}

#[test]
fn what_a_group_has_committed_survives_crashes() {
    for seed in seeds(20) {
        run(seed, Mishap::Crash(CrashKind::PowerLoss), None);
    }
}

#[test]
fn a_group_goes_on_whatever_happens() {
    for seed in seeds(20) {
        run(seed, Mishap::Any, None);
    }
}

/// Now and then something happens to the broker as well.
#[test]
fn a_group_goes_on_when_requests_are_lost_late_or_twice() {
    for seed in seeds(100) {
        let mishap = if seed % 4 == 0 { Mishap::Any } else { Mishap::Nothing };
        run(seed, mishap, Some(TROUBLE_ONE_IN));
    }
}
