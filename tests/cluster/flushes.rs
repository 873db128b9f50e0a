//! Syncs that a topic asks for by `flush.ms` and `flush.messages` where its level asks for none: what they
//! forced out survives the power, and without them it would not.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};
use ringmain::wire::messages::list_offsets::LATEST;

use crate::broker::Broker;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::producer::Producer;
use crate::seeds::seeds;

const TOPIC: &str = "orders";
const RECORDS: u32 = 23;
/// Every level that asks for no syncs.
const LEVELS: [&str; 2] = ["relaxed", "written"];

/// Writes records one batch after the other, waits, and loses the power: how many are left. All of that
/// comes long before the first checkpoint, which syncs too.
fn left(seed: u64, level: &str, (setting, value): (&str, &str), wait_ms: u64) -> i64 {
    let sim = Sim::new(seed);
    let broker = Broker::new(&sim, 1 + seed as usize % 2, &[]);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let configs = [("ringmain.durability", level), (setting, value)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, 1, &configs).await }).await;
        let producer = Producer {
            guide,
            history: Rc::<History>::default(),
            topic: TOPIC.to_owned(),
            partition: 0,
            writer: 0,
            promise: Promise::Written,
            records: RECORDS,
            in_flight_max: 1,
            value_bytes_max: 1000,
            random: Prng::new(seed),
        };
        sim.spawn(clients, producer.run()).await;
        rt::sleep(Duration::from_millis(wait_ms)).await;
        assert!(sim.elapsed() < Duration::from_secs(15), "seed {seed}: a checkpoint may have come");
        sim.crash(broker.host, CrashKind::PowerLoss);
        broker.start(&sim);
        sim.spawn(clients, async move { guide.offset(TOPIC, LATEST).await }).await
    })
}

/// What the power takes of twenty runs in which nothing forced it out.
fn lost(level: &str, setting: (&str, &str), wait_ms: u64) -> i64 {
    (0..20).map(|seed| i64::from(RECORDS) - left(seed, level, setting, wait_ms)).sum()
}

#[test]
fn what_flush_ms_forced_out_survives_the_power() {
    for level in LEVELS {
        for seed in seeds(20) {
            let left = left(seed, level, ("flush.ms", "400"), 1_000);
            assert_eq!(left, i64::from(RECORDS), "seed {seed}, {level}");
        }
        assert!(lost(level, ("flush.ms", "60000"), 1_000) > 0, "{level}: it is safe anyway");
    }
}

#[test]
fn what_flush_messages_forced_out_survives_the_power() {
    for level in LEVELS {
        for seed in seeds(20) {
            let left = left(seed, level, ("flush.messages", "5"), 200);
            assert!(i64::from(RECORDS) - left < 5, "seed {seed}, {level}: {left} are left");
        }
        assert!(lost(level, ("flush.messages", "1000"), 200) > 0, "{level}: it is safe anyway");
    }
}
