//! A full disk: the broker makes room itself or lets others make it, and goes on; also when it met
//! the full disk while it started.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::Task;
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, Sim};
use ringmain::wire::messages::list_offsets::{EARLIEST, LATEST};

use crate::broker::Broker;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::mishap::options;
use crate::producer::Producer;
use crate::seeds::seeds;

const TOPIC: &str = "orders";
const RECORDS: u32 = 300;
/// More than all tests here need to get through.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One broker and a host for its clients.
struct World {
    sim: Sim,
    broker: Broker,
    guide: Guide,
    clients: HostId,
    history: Rc<History>,
}

impl World {
    /// Where the disk may be filled to its end.
    fn new(seed: u64, settings: &[&str]) -> World {
        World::with_floor(seed, 0, settings)
    }

    fn with_floor(seed: u64, bytes: u64, settings: &[&str]) -> World {
        let floor = format!("ringmain.disk.free.min.bytes={bytes}");
        let settings = &[&[&*floor], settings].concat();
        let mut random = Prng::new(seed ^ 0xf011);
        let sim = Sim::with_options(seed, options(&mut random));
        let broker = Broker::new(&sim, 1 + random.below(3) as usize, settings);
        let guide = Guide { bootstrap: broker.bootstrap(&sim) };
        let clients = sim.add_host("clients");
        World { sim, broker, guide, clients, history: Rc::default() }
    }

    /// Creates a topic of one partition, whose segments end after a few batches.
    async fn create(&self, topic: &'static str, configs: &[(&str, &str)]) {
        let guide = self.guide;
        let mut all = vec![("segment.index.bytes".to_owned(), "48".to_owned())];
        all.extend(configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.sim.spawn(self.clients, async move { guide.create(topic, 1, &all).await }).await;
    }

    /// Writes records of up to 10,000 bytes, each once.
    fn produce(&self, topic: &str, writer: u32, records: u32) -> Task<()> {
        let producer = Producer {
            guide: self.guide,
            history: self.history.clone(),
            topic: topic.to_owned(),
            partition: 0,
            writer,
            promise: Promise::Once,
            records,
            in_flight_max: 3,
            value_bytes_max: 10_000,
            random: Prng::new(self.sim.seed() ^ u64::from(writer) << 32),
        };
        self.sim.spawn(self.clients, producer.run())
    }

    async fn offset(&self, which: i64) -> i64 {
        let guide = self.guide;
        self.sim.spawn(self.clients, async move { guide.offset(TOPIC, which).await }).await
    }

    /// Leaves so much room on the broker's disk.
    fn leave(&self, bytes: u64) {
        let disk = self.sim.disk(self.broker.host);
        disk.set_capacity(disk.used() + bytes);
    }
}

#[test]
fn retention_makes_room() {
    for seed in seeds(6) {
        let world = World::new(
            seed,
            &["log.retention.check.interval.ms=20000", "log.segment.delete.delay.ms=1000"],
        );
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(TOPIC, &[("retention.bytes", "150000")]).await;
            world.leave(400_000 + seed % 10 * 20_000);
            let writing = world.produce(TOPIC, 0, RECORDS);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            assert!(world.offset(EARLIEST).await > 0, "seed {seed}: the disk was never full");
            assert_eq!(world.offset(LATEST).await, i64::from(RECORDS), "seed {seed}");
        });
    }
}

#[test]
fn deleting_a_topic_makes_room() {
    for seed in seeds(10) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(TOPIC, &[]).await;
            world.create("ballast", &[]).await;
            world.produce("ballast", 1, RECORDS).await;
            world.leave(seed % 10 * 30_000);
            let writing = world.produce(TOPIC, 0, RECORDS / 2);
            rt::sleep(Duration::from_secs(5)).await;
            if seed % 2 == 0 {
                // Whoever deletes it must be able to start the broker first.
                world.sim.crash(world.broker.host, CrashKind::PowerLoss);
                world.broker.start(&world.sim);
            }
            let guide = world.guide;
            let deleting = async move { guide.delete_topic("ballast").await };
            let deleted = rt::timeout(PATIENCE, world.sim.spawn(world.clients, deleting));
            assert!(deleted.await.is_some(), "seed {seed}: it cannot be deleted");
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            assert_eq!(world.offset(LATEST).await, i64::from(RECORDS / 2), "seed {seed}");
        });
    }
}

#[test]
fn deleted_records_stay_so_when_their_log_could_not_be_opened_once() {
    for seed in seeds(20) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(TOPIC, &[]).await;
            world.produce(TOPIC, 0, 60).await;
            let guide = world.guide;
            let deleting = async move { guide.delete_records(TOPIC, 25).await };
            world.sim.spawn(world.clients, deleting).await;
            world.produce(TOPIC, 1, 20).await;
            // By then a checkpoint says where the records begin.
            rt::sleep(Duration::from_secs(30)).await;
            world.produce(TOPIC, 2, 20).await;
            world.sim.crash(world.broker.host, CrashKind::ProcessKill);
            let disk = world.sim.disk(world.broker.host);
            let fault = if seed % 2 == 0 { Fault::Enospc } else { Fault::Eio };
            disk.inject(FaultRule::new(DiskOp::Open, fault).on("orders-0/").times(2));
            world.broker.start(&world.sim);
            rt::sleep(Duration::from_secs(60)).await;
            disk.clear_faults();
            if fault == Fault::Eio {
                // What failed for another reason than room is opened with the next start.
                world.broker.stop(&world.sim).await;
                world.broker.start(&world.sim);
            }
            assert_eq!(world.offset(EARLIEST).await, 25, "seed {seed}");
            assert_eq!(world.offset(LATEST).await, 100, "seed {seed}");
        });
    }
}

#[test]
fn writing_stops_above_the_floor_and_goes_on_when_there_is_room() {
    const FLOOR: u64 = 3_000_000;
    for seed in seeds(10) {
        let world = World::with_floor(seed, FLOOR, &["log.segment.delete.delay.ms=0"]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(TOPIC, &[]).await;
            world.create("ballast", &[]).await;
            world.produce("ballast", 1, 50).await;
            world.leave(FLOOR + 400_000 + seed % 10 * 20_000);
            // The broker looks now and then, and when it has taken much itself.
            rt::sleep(Duration::from_secs(11)).await;
            let writing = world.produce(TOPIC, 0, RECORDS);
            let mut writing = std::pin::pin!(writing);
            let waits = rt::timeout(Duration::from_secs(60), writing.as_mut()).await;
            assert!(waits.is_none(), "seed {seed}: the disk was never short");
            let disk = world.sim.disk(world.broker.host);
            let free = disk.capacity() - disk.used();
            assert!(free > FLOOR - (300 << 10), "seed {seed}: {free} bytes are left");
            // Half of them find that out when they start.
            if seed % 2 == 0 {
                world.sim.crash(world.broker.host, CrashKind::ProcessKill);
                world.broker.start(&world.sim);
            }
            // A start gives back what was reserved and not written.
            rt::sleep(Duration::from_secs(11)).await;
            let stored = world.offset(LATEST).await;
            assert!(stored > 0, "seed {seed}: there was room for some");
            rt::sleep(Duration::from_secs(30)).await;
            assert_eq!(world.offset(LATEST).await, stored, "seed {seed}: below the floor");
            let guide = world.guide;
            let deleting = async move { guide.delete_topic("ballast").await };
            world.sim.spawn(world.clients, deleting).await;
            disk.set_capacity(disk.used() + FLOOR + FLOOR / 8 + 4_000_000);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            assert_eq!(world.offset(LATEST).await, i64::from(RECORDS), "seed {seed}");
        });
    }
}

#[test]
fn what_is_held_back_makes_room_for_deletions() {
    for seed in seeds(6) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            for topic in ["a", "b", "c", TOPIC] {
                world.create(topic, &[]).await;
            }
            world.produce(TOPIC, 0, 20).await;
            // Somebody else takes everything, and the journal's own room is not to be had either.
            world.leave(0);
            let disk = world.sim.disk(world.broker.host);
            let journal = FaultRule::new(DiskOp::Write, Fault::Enospc).on("journal");
            disk.inject(journal.times(1 + seed % 3));
            let guide = world.guide;
            for topic in ["a", "b", "c"] {
                let deleting = async move { guide.delete_topic(topic).await };
                let deleted = rt::timeout(PATIENCE, world.sim.spawn(world.clients, deleting)).await;
                assert!(deleted.is_some(), "seed {seed}: {topic} cannot be deleted");
            }
            assert_eq!(world.offset(LATEST).await, 20, "seed {seed}");
        });
    }
}
