//! Several data directories: partitions move between them while clients are at work and everything
//! crashes; one of them fails, or is not there, and takes nothing along that lies elsewhere.

mod failing;
mod moving;
mod pace;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::Task;
use ringmain::rt::sim::{HostId, Sim};
use ringmain::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirs, AlterReplicaLogDirsRequest,
};
use ringmain::wire::messages::describe_log_dirs::{DescribeLogDirs, DescribeLogDirsRequest};

use crate::broker::Broker;
use crate::caller::Caller;
use crate::consumer::Consumer;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::mishap::options;
use crate::producer::Producer;

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
        self.sim.spawn(self.clients, self.producer(partition, writer, records).run())
    }

    fn producer(&self, partition: i32, writer: u32, records: u32) -> Producer {
        Producer {
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
        }
    }

    /// As `produce`, of records that are large.
    fn write_bulk(&self, partition: i32, records: u32) -> Task<()> {
        let producer = Producer {
            value_bytes_max: 60_000,
            ..self.producer(partition, partition as u32, records)
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

    /// Bytes of the logs of the topic, wherever they lie.
    fn bytes_of(&self, partitions: i32) -> u64 {
        let disk = self.sim.disk(self.broker.host);
        let mut bytes = 0;
        for partition in 0..partitions {
            for home in self.homes_of(partition) {
                let dir = Path::new(home).join(format!("{TOPIC}-{partition}"));
                let files = disk.list(&dir).unwrap_or_default();
                let logs = files.iter().filter(|entry| entry.name.ends_with(".log"));
                bytes += logs.map(|entry| entry.len).sum::<u64>();
            }
        }
        bytes
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

    /// The partitions that are told to have no leader, each because its only replica is offline.
    async fn leaderless(&self) -> Vec<i32> {
        let guide = self.guide;
        let asking = async move { guide.partitions(TOPIC).await };
        let told = self.sim.spawn(self.clients, asking).await;
        let mut leaderless = Vec::new();
        for partition in told {
            let index = partition.partition_index;
            if partition.leader_id >= 0 {
                assert_eq!(partition.error_code, ErrorCode::NONE, "{index}");
                assert!(partition.offline_replicas.is_empty(), "{index}");
                continue;
            }
            assert_eq!(partition.error_code, ErrorCode::LEADER_NOT_AVAILABLE, "{index}");
            assert_eq!(partition.offline_replicas, partition.replica_nodes, "{index}");
            leaderless.push(index);
        }
        leaderless
    }

    /// Sets it for all brokers, online.
    async fn set(&self, name: &'static str, value: &'static str) {
        let guide = self.guide;
        self.sim.spawn(self.clients, async move { guide.set(name, value).await }).await;
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

/// Asks whoever has the partition once; `None` when there was no answer.
async fn request_move(guide: Guide, partition: i32, home: &str) -> Option<ErrorCode> {
    let mut caller = guide.reach_replica(TOPIC, partition).await;
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
        let mut caller: Caller = guide.reach_replica(TOPIC, partition).await;
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

/// Two partitions, one in each directory, with records.
async fn split(world: &World) {
    world.create(2, &[]).await;
    for (partition, home) in (0..).zip(HOMES) {
        assert_eq!(world.move_to(partition, home).await, Some(ErrorCode::NONE));
        world.arrived(partition, home).await;
        world.produce(partition, partition as u32, 40).await;
    }
}
