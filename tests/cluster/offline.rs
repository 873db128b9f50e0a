//! Partitions that a failed disk took offline are counted, and nothing else is: whoever looks after a
//! broker alarms on that. And clients are told that they have no leader.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, Sim};
use ringmain::wire::messages::describe_topic_partitions::{
    DescribeTopicPartitions, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponsePartition, TopicRequest,
};
use ringmain::wire::messages::metadata::MetadataResponsePartition;
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::broker::Broker;
use crate::caller::Caller;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::producer::Producer;
use crate::seeds::seeds;

/// Writes to three partitions of a broker whose disk may fail once, stops and starts it: how many are
/// counted as offline at the first end, and at the second.
fn counted(seed: u64, fault: Option<(DiskOp, &str)>, starts_well: bool) -> [u64; 2] {
    let sim = Sim::new(seed);
    let broker = Broker::new(&sim, 1 + seed as usize % 3, &[]);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create("orders", 3, &[]).await }).await;
        let inject = || {
            if let Some((op, path)) = fault {
                sim.disk(broker.host).inject(FaultRule::new(op, Fault::Eio).on(path));
            }
        };
        if starts_well {
            inject();
        }
        for partition in 0..3 {
            let producer = Producer {
                guide,
                history: Rc::<History>::default(),
                topic: "orders".to_owned(),
                partition,
                writer: 0,
                promise: Promise::Written,
                records: 20,
                in_flight_max: 1,
                value_bytes_max: 1000,
                random: Prng::new(seed),
            };
            // The one that is offline is never done with.
            let writing = sim.spawn(clients, producer.run());
            rt::timeout(Duration::from_secs(5), writing).await;
        }
        let mut ends = [0; 2];
        for end in &mut ends {
            broker.counted.take();
            broker.stop(&sim).await;
            *end = broker.counted.take().offline;
            if !starts_well {
                inject();
            }
            broker.start(&sim);
            let reached = sim.spawn(clients, async move { guide.topics().await }).await;
            assert!(reached.contains_key("orders"));
        }
        ends
    })
}

#[test]
fn partitions_that_are_offline_are_counted() {
    for seed in seeds(6) {
        assert_eq!(counted(seed, None, true), [0, 0], "seed {seed}: closed in order");
        for op in [DiskOp::Write, DiskOp::Sync] {
            let ends = counted(seed, Some((op, "orders-1/")), true);
            assert_eq!(ends, [1, 0], "seed {seed}: {op:?} failed, then started again");
        }
        let ends = counted(seed, Some((DiskOp::Open, "orders-2/")), false);
        assert_eq!(ends, [0, 1], "seed {seed}: it could not be opened");
    }
}

/// The address of each lane, in order.
fn lanes(broker: &Broker, sim: &Sim, cores: usize) -> Vec<SocketAddr> {
    let first = broker.bootstrap(sim);
    (0..cores as u16).map(|lane| SocketAddr::new(first.ip(), first.port() + lane)).collect()
}

/// Every lane tells, soon, that these partitions have no leader and nobody to read them from, and all
/// others have.
async fn tell(sim: &Sim, clients: HostId, lanes: &[SocketAddr], offline: &[i32]) {
    for &bootstrap in lanes {
        let guide = Guide { bootstrap };
        let asked = rt::timeout(Duration::from_secs(2), async {
            loop {
                let told =
                    sim.spawn(clients, async move { guide.partitions("orders").await }).await;
                let is_leaderless = |it: &&MetadataResponsePartition| {
                    let is = it.leader_id == -1;
                    assert_eq!(is, it.error_code == ErrorCode::LEADER_NOT_AVAILABLE, "{it:?}");
                    assert_eq!(is, it.offline_replicas == it.replica_nodes, "{it:?}");
                    assert_eq!(is, it.isr_nodes.is_empty(), "{it:?}");
                    assert!(is || it.offline_replicas.is_empty(), "{it:?}");
                    is
                };
                let leaderless = told.iter().filter(is_leaderless).map(|it| it.partition_index);
                if leaderless.eq(offline.iter().copied()) {
                    return;
                }
                rt::sleep(Duration::from_millis(20)).await;
            }
        });
        let told = asked.await;
        assert!(told.is_some(), "seed {}: {bootstrap} tells something else", sim.seed());
    }
}

#[test]
fn nobody_is_sent_to_a_partition_that_is_offline() {
    for seed in seeds(6) {
        let (sim, cores) = (Sim::new(seed), 1 + seed as usize % 3);
        let broker = Broker::new(&sim, cores, &[]);
        let guide = Guide { bootstrap: broker.bootstrap(&sim) };
        let (clients, lanes) = (sim.add_host("clients"), lanes(&broker, &sim, cores));
        let fail = |op, path| {
            sim.disk(broker.host).inject(FaultRule::new(op, Fault::Eio).on(path).always());
        };
        sim.run(async {
            broker.start(&sim);
            sim.spawn(clients, async move { guide.create("orders", 4, &[]).await }).await;
            tell(&sim, clients, &lanes, &[]).await;
            fail(DiskOp::Write, "orders-1/");
            for partition in 0..4 {
                let written = sim.spawn(clients, async move { put(guide, partition).await }).await;
                let expect = match partition {
                    1 => ErrorCode::KAFKA_STORAGE_ERROR,
                    _ => ErrorCode::NONE,
                };
                assert_eq!(written, expect, "seed {seed}: {partition}");
            }
            tell(&sim, clients, &lanes, &[1]).await;
            // The same page by page, and also of one that could not be opened.
            fail(DiskOp::Open, "orders-3/");
            sim.crash(broker.host, CrashKind::ProcessKill);
            sim.disk(broker.host).clear_faults();
            fail(DiskOp::Open, "orders-3/");
            broker.start(&sim);
            tell(&sim, clients, &lanes, &[3]).await;
            for &lane in &lanes {
                let told = sim.spawn(clients, async move { described(lane).await }).await;
                assert_eq!(told, [false, false, false, true], "seed {seed}");
            }
            sim.disk(broker.host).clear_faults();
            broker.stop(&sim).await;
            broker.start(&sim);
            tell(&sim, clients, &lanes, &[]).await;
        });
    }
}

/// Writes a record to a partition: the answer.
async fn put(guide: Guide, partition: i32) -> ErrorCode {
    let mut builder = BatchBuilder::new(BatchFields::default());
    builder.push(rt::unix_ms(), None, Some(b"something"), &[]);
    let batch = builder.finish();
    let data = PartitionProduceData { index: partition, records: Some(&batch) };
    let topic =
        TopicProduceData { name: "orders", partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 20_000,
        topic_data: vec![topic],
        ..Default::default()
    };
    let mut caller = guide.reach("orders", partition).await;
    let answer = caller.call::<Produce, _>(9, &request, |answer| {
        answer.responses[0].partition_responses[0].error_code
    });
    answer.await.expect("an answer")
}

/// By DescribeTopicPartitions: whether each partition is offline.
async fn described(lane: SocketAddr) -> Vec<bool> {
    let topics = vec![TopicRequest { name: "orders" }];
    let request = DescribeTopicPartitionsRequest { topics, ..Default::default() };
    let mut caller = Caller::connect(lane).await.expect("a connection");
    let told = caller.call::<DescribeTopicPartitions, _>(0, &request, |answer| {
        let partitions = answer.topics[0].partitions.iter();
        let is_offline = |it: &DescribeTopicPartitionsResponsePartition| {
            let is = it.leader_id == -1;
            assert_eq!(is, it.error_code == ErrorCode::LEADER_NOT_AVAILABLE, "{it:?}");
            assert_eq!(is, it.offline_replicas == it.replica_nodes, "{it:?}");
            assert_eq!(is, it.isr_nodes.is_empty(), "{it:?}");
            is
        };
        partitions.map(is_offline).collect()
    });
    told.await.expect("an answer")
}
