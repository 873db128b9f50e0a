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
    fn new(seed: u64, settings: &[&str]) -> World {
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
    for seed in seeds(10) {
        let world = World::new(
            seed,
            &["log.retention.check.interval.ms=20000", "log.segment.delete.delay.ms=1000"],
        );
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(TOPIC, &[("retention.bytes", "150000")]).await;
            world.leave(400_000 + seed * 20_000);
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
            world.leave(seed * 30_000);
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
