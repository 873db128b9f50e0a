//! Several data directories: partitions move between them while clients are at work and everything
//! crashes; one of them fails, or is not there, and takes nothing along that lies elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::Task;
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, Sim};
use ringmain::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirs, AlterReplicaLogDirsRequest,
};
use ringmain::wire::messages::describe_log_dirs::{DescribeLogDirs, DescribeLogDirsRequest};
use ringmain::wire::messages::list_offsets::LATEST;

use crate::broker::Broker;
use crate::caller::Caller;
use crate::consumer::Consumer;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::mishap::{Mishap, befall, options};
use crate::producer::Producer;
use crate::seeds::seeds;

const TOPIC: &str = "orders";
const HOMES: [&str; 2] = ["/data", "/more"];
/// More than all tests here need to get through.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One broker with two directories, and a host for its clients.
struct World {
    sim: Sim,
    broker: Broker,
    guide: Guide,
    clients: HostId,
    history: Rc<History>,
    random: RefCell<Prng>,
}

/// What a lane says of one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    error: ErrorCode,
    /// Partition numbers of the topic, and whether each is a copy in the making.
    partitions: Vec<(i32, bool)>,
}

impl World {
    fn new(seed: u64, settings: &[&str]) -> World {
        let mut random = Prng::new(seed ^ 0x0d1c);
        let sim = Sim::with_options(seed, options(&mut random));
        let cores = 1 + random.below(3) as usize;
        let broker = Broker::with_directories(&sim, cores, &HOMES, settings);
        let guide = Guide { bootstrap: broker.bootstrap(&sim) };
        let clients = sim.add_host("clients");
        World { sim, broker, guide, clients, history: Rc::default(), random: RefCell::new(random) }
    }

    async fn create(&self, partitions: i32, configs: &[(&str, &str)]) {
        let guide = self.guide;
        let configs = configs.iter();
        let configs: Vec<_> =
            configs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let creating = async move { guide.create(TOPIC, partitions, &configs).await };
        self.sim.spawn(self.clients, creating).await;
    }

    fn produce(&self, partition: i32, writer: u32, records: u32) -> Task<()> {
        let producer = Producer {
            guide: self.guide,
            history: self.history.clone(),
            topic: TOPIC.to_owned(),
            partition,
            writer,
            promise: Promise::Once,
            records,
            in_flight_max: 3,
            value_bytes_max: 3_000,
            random: Prng::new(self.random.borrow_mut().next_u64()),
        };
        self.sim.spawn(self.clients, producer.run())
    }

    fn consumer(&self, partition: i32, max_bytes: i32) -> Consumer {
        Consumer {
            guide: self.guide,
            history: self.history.clone(),
            topic: TOPIC.to_owned(),
            partition,
            offset: 0,
            max_bytes,
        }
    }

    /// Reads everything and compares it with what was promised.
    async fn conclude(&self, partitions: i32) {
        let mut content = BTreeMap::new();
        for partition in 0..partitions {
            let reading = self.consumer(partition, 1 << 20).read_to_end();
            let read = rt::timeout(PATIENCE, self.sim.spawn(self.clients, reading)).await;
            let read = read.expect("a partition that can be read");
            self.history.judge(&read);
            content.extend(read);
        }
        self.history.conclude(self.sim.seed(), &content);
    }

    /// The directories that have the partition by its name now.
    fn homes_of(&self, partition: i32) -> Vec<&'static str> {
        let disk = self.sim.disk(self.broker.host);
        let name = format!("{TOPIC}-{partition}");
        let has = |home: &&&str| disk.list(&Path::new(**home).join(&name)).is_ok();
        HOMES.iter().filter(has).copied().collect()
    }

    async fn move_to(&self, partition: i32, home: &'static str) -> Option<ErrorCode> {
        let guide = self.guide;
        self.sim
            .spawn(self.clients, async move { request_move(guide, partition, home).await })
            .await
    }

    async fn describe(&self, partition: i32) -> BTreeMap<String, Told> {
        let guide = self.guide;
        self.sim.spawn(self.clients, async move { describe(guide, partition).await }).await
    }

    /// Returns when it lies there, and nowhere else.
    async fn arrived(&self, partition: i32, home: &str) {
        let at_home = Told { partitions: vec![(partition, false)], ..Told::default() };
        loop {
            let told = self.describe(partition).await;
            let others = told.iter().filter(|(name, _)| *name != home);
            let is_alone =
                others.clone().all(|(_, told)| !told.partitions.contains(&(partition, false)));
            if told[home].partitions.contains(&at_home.partitions[0]) && is_alone {
                return;
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Asks the partition's leader once; `None` when there was no answer.
async fn request_move(guide: Guide, partition: i32, home: &str) -> Option<ErrorCode> {
    let mut caller = guide.reach(TOPIC, partition).await;
    let topics = vec![AlterReplicaLogDirTopic { name: TOPIC, partitions: vec![partition] }];
    let dirs = vec![AlterReplicaLogDir { path: home, topics }];
    let request = AlterReplicaLogDirsRequest { dirs };
    let read = |answer: <AlterReplicaLogDirs as ringmain::wire::Api>::Response<'_>| {
        answer.results[0].partitions[0].error_code
    };
    caller.call::<AlterReplicaLogDirs, _>(2, &request, read).await.ok()
}

/// Asks until there is an answer.
async fn describe(guide: Guide, partition: i32) -> BTreeMap<String, Told> {
    loop {
        let mut caller: Caller = guide.reach(TOPIC, partition).await;
        let request = DescribeLogDirsRequest { topics: None };
        let told = caller.call::<DescribeLogDirs, _>(4, &request, |answer| {
            let results = answer.results.iter();
            results
                .map(|result| {
                    let topics = result.topics.iter().filter(|topic| topic.name == TOPIC);
                    let partitions = topics.flat_map(|topic| &topic.partitions);
                    let partitions =
                        partitions.map(|p| (p.partition_index, p.is_future_key)).collect();
                    (result.log_dir.to_owned(), Told { error: result.error_code, partitions })
                })
                .collect()
        });
        if let Ok(told) = told.await {
            return told;
        }
        rt::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a partition to and fro, for ever; sometimes before it has arrived. Counts how often it came to
/// another place.
async fn keep_moving(guide: Guide, partition: i32, mut random: Prng, moved: Rc<Cell<u32>>) {
    let mut last = None;
    loop {
        let home = HOMES[random.below(2) as usize];
        request_move(guide, partition, home).await;
        rt::sleep(Duration::from_micros(random.below(400_000))).await;
        let told = describe(guide, partition).await;
        let has_it = |told: &Told| told.partitions.contains(&(partition, false));
        let now = told.into_iter().find(|(_, told)| has_it(told)).map(|(home, _)| home);
        if now.is_some() && last.is_some() && now != last {
            moved.set(moved.get() + 1);
        }
        last = now.or(last);
    }
}

/// Yields how often partitions came to another directory.
fn run(seed: u64, mishap: Mishap) -> u32 {
    let moved = Rc::new(Cell::new(0));
    let world = World::new(seed, &["log.segment.delete.delay.ms=100"]);
    world.sim.run(async {
        world.broker.start(&world.sim);
        let partitions = 1 + world.random.borrow_mut().below(3) as i32;
        let segments = [("segment.bytes", "1048576"), ("segment.index.bytes", "48")];
        world.create(partitions, &segments).await;
        let mut writing = Vec::new();
        for partition in 0..partitions {
            for writer in 0..2 {
                writing.push(world.produce(partition, (partition * 2 + writer) as u32, 120));
            }
            let guide = world.guide;
            let random = Prng::new(world.random.borrow_mut().next_u64());
            world
                .sim
                .spawn(world.clients, keep_moving(guide, partition, random, moved.clone()))
                .detach();
            let follower = world.consumer(partition, 1 << 14);
            world.sim.spawn(world.clients, follower.follow()).detach();
        }
        let mishaps =
            if mishap == Mishap::Nothing { 0 } else { 1 + world.random.borrow_mut().below(5) };
        let mut random = Prng::new(world.random.borrow_mut().next_u64());
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(300_000))).await;
            befall(&world.sim, &world.broker, mishap, &mut random, drop).await;
        }
        let ended = rt::timeout(PATIENCE, async {
            for writer in writing {
                writer.await;
            }
        });
        let failure = &world.broker.failure;
        assert!(ended.await.is_some(), "seed {seed}: it is stuck: {:?}", failure.borrow());
        rt::sleep(Duration::from_secs(1)).await;
        world.conclude(partitions).await;
        world.broker.stop(&world.sim).await;
        for partition in 0..partitions {
            let homes = world.homes_of(partition);
            assert_eq!(homes.len(), 1, "seed {seed}: {partition} lies in {homes:?}");
        }
        world.broker.start(&world.sim);
        world.conclude(partitions).await;
    });
    moved.get()
}

/// Runs every seed; they must have moved something.
fn run_all(count: u64, mishap: Mishap) {
    let seeds = seeds(count);
    let (mut runs, mut moved) = (0, 0);
    for seed in seeds {
        runs += 1;
        moved += run(seed, mishap);
    }
    assert!(moved >= runs, "{moved} moves in {runs} runs: nothing was tried");
}

#[test]
fn partitions_move_while_clients_are_at_work() {
    run_all(10, Mishap::Nothing);
}

#[test]
fn nothing_is_lost_when_a_move_is_killed() {
    run_all(15, Mishap::Crash(CrashKind::ProcessKill));
}

#[test]
fn nothing_is_lost_when_the_power_fails_in_a_move() {
    run_all(30, Mishap::Crash(CrashKind::PowerLoss));
}

#[test]
fn nothing_is_lost_when_the_disk_fails_or_fills_up_in_a_move() {
    run_all(20, Mishap::Any);
}

/// Two partitions, one in each directory, with records.
async fn split(world: &World) {
    world.create(2, &[]).await;
    for (partition, home) in (0..).zip(HOMES) {
        assert_eq!(world.move_to(partition, home).await, Some(ErrorCode::NONE));
        world.arrived(partition, home).await;
        world.produce(partition, partition as u32, 40).await;
    }
}

#[test]
fn a_directory_that_fails_takes_only_its_partitions_offline() {
    for seed in seeds(20) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            split(&world).await;
            let disk = world.sim.disk(world.broker.host);
            for op in [DiskOp::Open, DiskOp::Write, DiskOp::Sync, DiskOp::Read, DiskOp::Rename] {
                disk.inject(FaultRule::new(op, Fault::Eio).on("/more/").always());
            }
            let writing = world.produce(1, 11, 10);
            world.produce(0, 10, 40).await;
            loop {
                let told = world.describe(1).await;
                if told["/more"].error == ErrorCode::KAFKA_STORAGE_ERROR {
                    assert_eq!(told["/more"].partitions, []);
                    break;
                }
                rt::sleep(Duration::from_millis(50)).await;
            }
            let refused = Some(ErrorCode::KAFKA_STORAGE_ERROR);
            assert_eq!(world.move_to(0, "/more").await, refused, "seed {seed}");
            assert_eq!(world.move_to(1, "/data").await, refused, "seed {seed}");
            // Neither a kill nor a start beside the failing disk makes it anew elsewhere.
            world.sim.crash(world.broker.host, CrashKind::ProcessKill);
            world.broker.start(&world.sim);
            world.produce(0, 20, 20).await;
            assert_eq!(world.homes_of(1), ["/more"], "seed {seed}");
            disk.clear_faults();
            world.sim.crash(world.broker.host, CrashKind::ProcessKill);
            world.broker.start(&world.sim);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            world.conclude(2).await;
        });
    }
}

#[test]
fn what_lies_in_a_directory_that_is_not_there_is_never_made_anew() {
    for seed in seeds(10) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            split(&world).await;
            world.broker.stop(&world.sim).await;
            *world.broker.directories.borrow_mut() = vec!["/data"];
            world.broker.start(&world.sim);
            let writing = world.produce(1, 11, 10);
            world.produce(0, 10, 10).await;
            rt::sleep(Duration::from_secs(5)).await;
            assert_eq!(world.homes_of(1), ["/more"], "seed {seed}");
            world.broker.stop(&world.sim).await;
            // The metadata log is where it was, whichever comes first.
            *world.broker.directories.borrow_mut() = vec!["/more", "/data"];
            world.broker.start(&world.sim);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            world.conclude(2).await;
            let guide = world.guide;
            let counting = async move { guide.offset(TOPIC, LATEST).await };
            assert_eq!(world.sim.spawn(world.clients, counting).await, 50, "seed {seed}");
            // Without the one that keeps it there is no start.
            world.broker.stop(&world.sim).await;
            *world.broker.directories.borrow_mut() = vec!["/more"];
            world.broker.start(&world.sim);
            world.sim.ended(world.broker.host).await;
            let told = world.broker.failure.take().unwrap_or_default();
            assert!(told.contains("whose metadata log is not here"), "{told}");
        });
    }
}

#[test]
fn moves_are_refused_as_kafka_refuses_them() {
    let world = World::new(4, &[]);
    world.sim.run(async {
        world.broker.start(&world.sim);
        split(&world).await;
        assert_eq!(world.move_to(0, "/elsewhere").await, Some(ErrorCode::LOG_DIR_NOT_FOUND));
        assert_eq!(world.move_to(0, "/data").await, Some(ErrorCode::NONE), "where it is");
        let disk = world.sim.disk(world.broker.host);
        let capacity = disk.capacity();
        disk.set_capacity(disk.used() + 1000);
        let full = Some(ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(world.move_to(0, "/more").await, full, "no room");
        disk.set_capacity(capacity);
        assert_eq!(world.move_to(0, "/more").await, Some(ErrorCode::NONE));
        world.arrived(0, "/more").await;
        world.conclude(2).await;
    });
}
