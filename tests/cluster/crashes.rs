//! One broker, several producers and consumers, crashes at any moment.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};

use crate::broker::Broker;
use crate::consumer::Consumer;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::mishap::{Mishap, befall, options};
use crate::producer::Producer;
use crate::seeds::{each, seeds};

const TOPIC: &str = "orders";

/// Yields the trace.
fn run(seed: u64, mishap: Mishap) -> u64 {
    let mut random = Prng::new(seed ^ 0x5eed);
    let sim = Sim::with_options(seed, options(&mut random));
    let cores = 1 + random.below(3) as usize;
    let partitions = 1 + random.below(4) as i32;
    let broker = Broker::new(&sim, cores, &[]);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let history = Rc::new(History::default());
    // A full index ends a segment: the smallest hold a few batches.
    let index_bytes = (24 << random.below(8)).to_string();
    let content = sim.run(async {
        broker.start(&sim);
        let configs = [("segment.index.bytes".to_owned(), index_bytes)];
        let create = async move { guide.create(TOPIC, partitions, &configs).await };
        sim.spawn(clients, create).await;
        let mut producers = Vec::new();
        for writer in 0..2 + random.below(5) as u32 {
            let promise = if random.chance(3, 4) { Promise::Once } else { Promise::Written };
            let producer = Producer {
                guide,
                history: history.clone(),
                topic: TOPIC.to_owned(),
                partition: random.below(partitions as u64) as i32,
                writer,
                promise,
                records: 40 + random.below(120) as u32,
                in_flight_max: 1 + random.below(5) as usize,
                value_bytes_max: 10 << random.below(11),
                random: Prng::new(seed ^ u64::from(writer) << 32),
            };
            producers.push(sim.spawn(clients, producer.run()));
        }
        let consumer = |partition, max_bytes| Consumer {
            guide,
            history: history.clone(),
            topic: TOPIC.to_owned(),
            partition,
            offset: 0,
            max_bytes,
        };
        for partition in 0..partitions {
            let max_bytes = 1 << random.below(20);
            sim.spawn(clients, consumer(partition, max_bytes).follow()).detach();
        }
        let mishaps = if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) };
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(400_000))).await;
            befall(&sim, &broker, mishap, &mut random, |kind| {
                if kind == CrashKind::PowerLoss {
                    history.power_cut();
                }
            })
            .await;
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
        // What was acknowledged before it was synced becomes readable with the sync that follows.
        rt::sleep(Duration::from_secs(1)).await;
        let mut content = BTreeMap::new();
        for partition in 0..partitions {
            let reading = consumer(partition, 1 << 20).read_to_end();
            let read = sim.spawn(clients, reading);
            let read = rt::timeout(patience, read).await.expect("a partition that can be read");
            history.judge(&read);
            content.extend(read);
        }
        content
    });
    history.conclude(seed, &content);
    assert!(history.acknowledgements() > 0, "seed {seed}: nothing was acknowledged");
    sim.trace_hash()
}

#[test]
fn nothing_is_lost_when_nothing_happens() {
    each(seeds(20), |seed| run(seed, Mishap::Nothing));
}

#[test]
fn nothing_is_lost_by_stopping_and_starting() {
    each(seeds(20), |seed| run(seed, Mishap::Restart));
}

#[test]
fn nothing_is_lost_when_the_process_is_killed() {
    each(seeds(40), |seed| run(seed, Mishap::Crash(CrashKind::ProcessKill)));
}

#[test]
fn nothing_synced_is_lost_when_the_power_fails() {
    each(seeds(60), |seed| run(seed, Mishap::Crash(CrashKind::PowerLoss)));
}

#[test]
fn nothing_is_lost_when_the_disk_fails() {
    each(seeds(40), |seed| run(seed, Mishap::DiskError));
}

#[test]
fn producers_go_on_when_there_is_room_again() {
    each(seeds(20), |seed| run(seed, Mishap::DiskFull));
}

#[test]
fn nothing_is_lost_whatever_happens() {
    each(seeds(60), |seed| run(seed, Mishap::Any));
}
