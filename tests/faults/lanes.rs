//! Cores as brokers: every lane leads its own partitions, and serves those of the others, too.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest};
use ringmain::wire::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};

use crate::broker::{Broker, Counted, Setup};
use crate::client::Client;
use crate::topics::{EARLIEST, Fetched, LATEST, Topic, from};

fn connect(broker: &Broker, core: usize) -> Client {
    Client::connect(broker.cores[core].address).expect("a connection")
}

#[test]
fn every_lane_is_a_broker_and_leads_its_partitions() {
    let broker = Setup::new("brokers").start();
    let mut client = connect(&broker, 0);
    let answer = client.call::<Metadata>(12, &MetadataRequest::default()).expect("an answer");
    let mut brokers: Vec<(i32, u16)> =
        answer.body().brokers.iter().map(|b| (b.node_id, b.port as u16)).collect();
    brokers.sort_unstable();
    let announced: Vec<(i32, u16)> =
        broker.cores.iter().map(|core| (core.broker, core.address.port())).collect();
    assert_eq!(brokers, announced);
    assert_eq!(broker.cores[1].broker, broker.cores[0].broker + 1);
    assert_eq!(broker.cores[1].address.port(), broker.cores[0].address.port() + 1);

    let topic = Topic::create(&mut client, "spread", 6, &[]);
    let leaders: Vec<i32> = topic.partitions.iter().map(|place| place.broker).collect();
    for core in &broker.cores {
        let led = leaders.iter().filter(|&&leader| leader == core.broker).count();
        assert_eq!(led, 3, "{leaders:?}");
    }
    // Every lane says the same.
    let other = Topic::describe(&mut connect(&broker, 1), "spread");
    assert_eq!(other.partitions, topic.partitions);
}

/// A partition of core 1 and a client of core 0.
struct Across {
    broker: Broker,
    topic: Topic,
    partition: i32,
    /// On the lane that does not lead it, and on the one that does.
    wrong: Client,
    right: Client,
}

impl Across {
    fn new(setup: &Setup) -> Across {
        let broker = setup.start();
        let mut wrong = connect(&broker, 0);
        let topic = Topic::create(&mut wrong, "across", 2, &[]);
        let there = |place: &crate::topics::Place| place.broker == broker.cores[1].broker;
        let partition = topic.partitions.iter().position(there).expect("a partition on core 1");
        let right = connect(&broker, 1);
        Across { broker, topic, partition: partition as i32, wrong, right }
    }

    /// What each core counted during `step`.
    fn counted(&mut self, step: impl FnOnce(&mut Across)) -> Vec<Counted> {
        let before = self.broker.counted();
        step(self);
        let after = self.broker.counted();
        let less = |(after, before): (Counted, Counted)| Counted {
            requests: after.requests - before.requests,
            direct: after.direct - before.direct,
            forwarded: after.forwarded - before.forwarded,
        };
        after.into_iter().zip(before).map(less).collect()
    }

    /// The step is served, by way of the mesh.
    fn check(&mut self, name: &str, step: impl FnOnce(&mut Across)) {
        let counted = self.counted(step);
        let forwarded = Counted { requests: 1, direct: 0, forwarded: 1 };
        assert_eq!(counted[0], forwarded, "{name} on the wrong lane: {counted:?}");
        assert_eq!(counted[1].requests, 0, "{name}: {counted:?}");
    }
}

#[test]
fn requests_on_another_lane_are_forwarded() {
    let mut across = Across::new(&Setup::new("forwarded"));
    across.check("Produce", |across| {
        let offset = across.topic.put(&mut across.wrong, across.partition, &[11, 12, 13]);
        assert_eq!(offset, 0);
    });
    across.check("Fetch", |across| {
        let request = across.topic.fetch_request(12, from(across.partition, 0));
        let answer = across.wrong.call::<Fetch>(12, &request).expect("an answer");
        let fetched = Fetched::of(&answer.body().responses);
        assert_eq!(fetched.records, [(0, 11), (1, 12), (2, 13)]);
    });
    across.check("ListOffsets", |across| {
        let end = across.topic.offset_at(&mut across.wrong, across.partition, LATEST);
        assert_eq!(end.expect("an offset"), 3);
    });
    across.check("OffsetForLeaderEpoch", |across| {
        let partition = OffsetForLeaderPartition {
            partition: across.partition,
            leader_epoch: across.topic.partitions[across.partition as usize].epoch,
            ..Default::default()
        };
        let topic = OffsetForLeaderTopic { topic: &across.topic.name, partitions: vec![partition] };
        let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
        let answer = across.wrong.call::<OffsetForLeaderEpoch>(4, &request).expect("an answer");
        let end = answer.body().topics[0].partitions[0].clone();
        assert_eq!((end.error_code, end.end_offset), (ErrorCode::NONE, 3));
    });
    // On the right lane nothing is forwarded.
    let counted = across.counted(|across| {
        let offset = across.topic.put(&mut across.right, across.partition, &[14]);
        assert_eq!(offset, 3);
        let read = across.topic.read_from(&mut across.right, across.partition, 0);
        assert_eq!(read.expect("records").len(), 4);
    });
    assert_eq!(counted[0], Counted::default());
    assert_eq!((counted[1].forwarded, counted[1].direct), (0, counted[1].requests));
}

#[test]
fn records_are_deleted_by_way_of_another_lane() {
    let mut across = Across::new(&Setup::new("deleted"));
    across.topic.put(&mut across.right, across.partition, &[1, 2, 3]);
    across.topic.put(&mut across.right, across.partition, &[4]);
    across.check("DeleteRecords", |across| {
        let partition = DeleteRecordsPartition { partition_index: across.partition, offset: 3 };
        let topic = DeleteRecordsTopic { name: &across.topic.name, partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
        let answer = across.wrong.call::<DeleteRecords>(2, &request).expect("an answer");
        let result = answer.body().topics[0].partitions[0].clone();
        assert_eq!((result.error_code, result.low_watermark), (ErrorCode::NONE, 3));
    });
    let start = across.topic.offset_at(&mut across.wrong, across.partition, EARLIEST);
    assert_eq!(start.expect("an offset"), 3);
    assert_eq!(across.topic.read_all(&mut across.right, across.partition).unwrap(), [(3, 4)]);
}

#[test]
fn a_fetch_that_waits_on_another_lane_is_woken() {
    let mut across = Across::new(&Setup::new("woken"));
    let wait_ms = 20_000;
    let request = FetchRequest {
        max_wait_ms: wait_ms,
        ..across.topic.fetch_request(12, from(across.partition, 0))
    };
    across.wrong.send::<Fetch>(12, &request).expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    across.topic.put(&mut across.right, across.partition, &[21]);
    let answer = across.wrong.receive::<Fetch>(12).expect("an answer");
    assert_eq!(Fetched::of(&answer.body().responses).records, [(0, 21)]);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// A fetch of partitions of both cores waits for both.
#[test]
fn a_fetch_of_all_lanes_is_woken_by_each() {
    let mut across = Across::new(&Setup::new("both"));
    for partition in [across.partition, 1 - across.partition] {
        let wanted = vec![from(0, 0), from(1, 0)];
        let request = FetchRequest {
            max_wait_ms: 20_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            topics: vec![across.topic.fetch_topic(12, wanted)],
            ..Default::default()
        };
        // The one that was written is not asked for again.
        let mut request = request;
        if partition != across.partition {
            request.topics[0].partitions[across.partition as usize].fetch_offset = 1;
        }
        across.wrong.send::<Fetch>(12, &request).expect("sent");
        std::thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        across.topic.put(&mut across.right, partition, &[31]);
        let answer = across.wrong.receive::<Fetch>(12).expect("an answer");
        let body = answer.body();
        let with_records = body.responses[0].partitions.iter().filter(|p| !p.records.is_empty());
        let found: Vec<i32> = with_records.map(|p| p.partition_index).collect();
        assert_eq!(found, [partition]);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

/// One address for two cores: the kernel spreads the connections, the mesh the requests.
#[test]
fn one_lane_serves_two_cores() {
    let broker = Setup::new("one-lane").lanes(1).start();
    let addresses: BTreeSet<_> = broker.cores.iter().map(|core| core.address).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    let mut client = connect(&broker, 0);
    let answer = client.call::<Metadata>(12, &MetadataRequest::default()).expect("an answer");
    assert_eq!(answer.body().brokers.len(), 1);
    let topic = Topic::create(&mut client, "shared", 4, &[]);
    let mut clients: Vec<Client> = (0..40).map(|_| connect(&broker, 0)).collect();
    for (round, client) in (0..).zip(&mut clients) {
        for partition in 0..4 {
            assert_eq!(topic.put(client, partition, &[round]), round as i64);
        }
    }
    for client in &mut clients {
        for partition in 0..4 {
            let log = topic.read_all(client, partition).expect("records");
            assert!(log.iter().map(|&(_, value)| value).eq(0..40), "{log:?}");
        }
    }
    let counted = broker.counted();
    assert!(counted.iter().all(|core| core.requests > 100), "not spread: {counted:?}");
    // Half of the partitions are elsewhere, whoever asks.
    for core in &counted {
        assert!(core.direct > 0 && core.direct.abs_diff(core.forwarded) <= 40, "{counted:?}");
    }
    // A fetch that waits on one core is woken by an append through the other.
    for waiting in &mut clients[..6] {
        let request = FetchRequest {
            max_wait_ms: 20_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            topics: vec![topic.fetch_topic(12, (0..4).map(|p| from(p, 40)).collect())],
            ..Default::default()
        };
        waiting.send::<Fetch>(12, &request).expect("sent");
    }
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    topic.put(&mut clients[20], 2, &[99]);
    for waiting in &mut clients[..6] {
        waiting.receive::<Fetch>(12).expect("an answer");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
