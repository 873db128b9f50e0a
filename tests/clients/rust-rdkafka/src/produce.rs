//! Producing: every codec and acks, idempotence with five requests in flight, headers, timestamps, refusals.

use std::time::{Duration, SystemTime};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::BaseRecord;

use crate::cluster::{Cluster, Test, deliveries, fill, numbers, send};

pub const TESTS: &[Test] = &[
    ("codec_none", |cluster| codec(cluster, "none")),
    ("codec_gzip", |cluster| codec(cluster, "gzip")),
    ("codec_snappy", |cluster| codec(cluster, "snappy")),
    ("codec_lz4", |cluster| codec(cluster, "lz4")),
    ("codec_zstd", |cluster| codec(cluster, "zstd")),
    ("acks_0", |cluster| acks(cluster, "0")),
    ("acks_1", |cluster| acks(cluster, "1")),
    ("acks_all", |cluster| acks(cluster, "all")),
    ("idempotent_five_in_flight", idempotent_five_in_flight),
    ("plain_five_in_flight_in_order", plain_five_in_flight_in_order),
    ("headers", headers),
    ("nulls_are_not_empty", nulls_are_not_empty),
    ("create_time", create_time),
    ("log_append_time", log_append_time),
    ("partitions_by_key", partitions_by_key),
    ("too_large_is_refused", too_large_is_refused),
    ("topic_limit_is_refused", topic_limit_is_refused),
];

fn codec(cluster: &Cluster, codec: &str) {
    const COUNT: usize = 5000;
    let topic = cluster.topic(&format!("codec-{codec}"), 1, &[]);
    let settings =
        [("compression.type", codec), ("linger.ms", "100"), ("batch.num.messages", "1000")];
    let producer = cluster.producer(&settings);
    let record =
        |number| (format!("key {number}"), format!("value {number}, compressible ").repeat(3));
    for number in 0..COUNT {
        let (key, value) = record(number);
        send(&producer, BaseRecord::to(&topic).key(key.as_bytes()).payload(value.as_bytes()));
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    for (number, message) in cluster.read(&topic, 1, COUNT).iter().enumerate() {
        let (key, value) = record(number);
        assert_eq!(message.offset(), number as i64);
        assert_eq!(message.key(), Some(key.as_bytes()));
        assert_eq!(message.payload(), Some(value.as_bytes()));
    }
    // A batch of a few records may be left alone: there the codec would only add bytes.
    let batches = cluster.stored(&topic, 0);
    let mut large = batches.iter().filter(|batch| batch.records > 10).peekable();
    assert!(large.peek().is_some(), "no batch is large enough to tell its codec");
    for batch in large {
        assert_eq!(batch.codec, codec, "as stored");
    }
}

fn acks(cluster: &Cluster, acks: &str) {
    let topic = cluster.topic(&format!("acks-{acks}"), 2, &[]);
    let settings = [("enable.idempotence", "false"), ("acks", acks), ("linger.ms", "0")];
    let producer = cluster.producer(&settings);
    // One record ahead: without acks nobody learns that the topic was not ready yet.
    fill(&cluster.producer(&[]), &topic, 1, 1);
    fill(&producer, &topic, 1, 500);
    let expected: Vec<_> = [0].into_iter().chain(0..500).collect();
    assert_eq!(numbers(&cluster.read(&topic, 2, 501)), expected);
}

/// Many small batches from one producer, five requests at a time.
fn in_order(cluster: &Cluster, name: &str, idempotent: bool) {
    const PARTITIONS: i32 = 4;
    const EACH: usize = 5000;
    let topic = cluster.topic(name, PARTITIONS, &[]);
    let producer = cluster.producer(&[
        ("enable.idempotence", if idempotent { "true" } else { "false" }),
        ("max.in.flight.requests.per.connection", "5"),
        ("batch.num.messages", "20"),
        ("linger.ms", "1"),
    ]);
    // One record ahead: a retry while the topic comes into being may change the order of what follows.
    (0..PARTITIONS).for_each(|partition| fill(&producer, &topic, partition, 1));
    for number in 1..EACH {
        let value = number.to_string();
        for partition in 0..PARTITIONS {
            send(&producer, BaseRecord::to(&topic).partition(partition).payload(value.as_bytes()));
        }
    }
    let mut next = [1; PARTITIONS as usize];
    for report in deliveries(&producer) {
        let (partition, offset) = report.expect("delivered");
        assert_eq!(offset, next[partition as usize], "offsets in the order of sending");
        next[partition as usize] += 1;
    }
    assert_eq!(next, [EACH as i64; PARTITIONS as usize]);
    let records = cluster.read(&topic, PARTITIONS, EACH * PARTITIONS as usize);
    let mut producer_ids = Vec::new();
    for partition in 0..PARTITIONS {
        let mine: Vec<_> =
            records.iter().filter(|record| record.partition() == partition).cloned().collect();
        assert_eq!(numbers(&mine), (0..EACH).collect::<Vec<_>>(), "partition {partition}");
        let mut sequence = 0;
        for batch in cluster.stored(&topic, partition) {
            assert_eq!(batch.sequence, if idempotent { sequence } else { -1 });
            sequence += batch.records;
            producer_ids.push(batch.producer_id);
        }
    }
    producer_ids.dedup();
    assert_eq!(producer_ids.len(), 1, "one producer id: {producer_ids:?}");
    assert_eq!(producer_ids[0] >= 0, idempotent);
}

fn idempotent_five_in_flight(cluster: &Cluster) {
    in_order(cluster, "idempotent", true);
}

fn plain_five_in_flight_in_order(cluster: &Cluster) {
    in_order(cluster, "plain", false);
}

fn headers(cluster: &Cluster) {
    let topic = cluster.topic("headers", 1, &[]);
    let producer = cluster.producer(&[]);
    let binary: Vec<u8> = (0..=255).collect();
    let sent: [(&str, Option<&[u8]>); 5] = [
        ("name", Some(b"value")),
        ("name", Some(b"the same name again")),
        ("empty", Some(b"")),
        ("null", None),
        ("binary", Some(&binary)),
    ];
    let headers = sent
        .iter()
        .fold(OwnedHeaders::new(), |all, &(key, value)| all.insert(Header { key, value }));
    send(&producer, BaseRecord::to(&topic).payload(&b"x"[..]).headers(headers));
    assert!(deliveries(&producer)[0].is_ok());
    let message = &cluster.read(&topic, 1, 1)[0];
    let came = message.headers().expect("headers");
    assert_eq!(came.iter().map(|header| (header.key, header.value)).collect::<Vec<_>>(), sent);
}

fn nulls_are_not_empty(cluster: &Cluster) {
    let topic = cluster.topic("nulls", 1, &[]);
    let producer = cluster.producer(&[]);
    send(&producer, BaseRecord::to(&topic).payload(&b""[..]));
    send(&producer, BaseRecord::to(&topic).key(&b""[..]));
    send(&producer, BaseRecord::to(&topic));
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let records = cluster.read(&topic, 1, 3);
    let came: Vec<_> = records.iter().map(|record| (record.key(), record.payload())).collect();
    assert_eq!(came, [(None, Some(&b""[..])), (Some(&b""[..]), None), (None, None)]);
}

fn create_time(cluster: &Cluster) {
    let topic = cluster.topic("create-time", 1, &[]);
    let producer = cluster.producer(&[]);
    let times = [1_600_000_000_000, 1_500_000_000_000, 1_700_000_000_123];
    for time in times {
        send(&producer, BaseRecord::to(&topic).payload(&b"x"[..]).timestamp(time));
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let came: Vec<_> = cluster.read(&topic, 1, 3).iter().map(Message::timestamp).collect();
    assert_eq!(came, times.map(Timestamp::CreateTime));
}

fn log_append_time(cluster: &Cluster) {
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64;
    let topic = cluster.topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let producer = cluster.producer(&[]);
    let before = now();
    send(&producer, BaseRecord::to(&topic).payload(&b"x"[..]).timestamp(1_500_000_000_000));
    assert!(deliveries(&producer)[0].is_ok());
    let after = now();
    match cluster.read(&topic, 1, 1)[0].timestamp() {
        Timestamp::LogAppendTime(time) => assert!((before..=after).contains(&time), "{time}"),
        other => panic!("{other:?}"),
    }
}

fn partitions_by_key(cluster: &Cluster) {
    let topic = cluster.topic("by-key", 8, &[]);
    let producer = cluster.producer(&[]);
    let key = |number: usize| format!("key {}", number % 50);
    for number in 0..1000 {
        let value = number.to_string();
        send(
            &producer,
            BaseRecord::to(&topic).key(key(number).as_bytes()).payload(value.as_bytes()),
        );
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let mut last = std::collections::HashMap::new();
    let mut partitions = std::collections::HashSet::new();
    for record in cluster.read(&topic, 8, 1000) {
        let number = numbers(std::slice::from_ref(&record))[0];
        partitions.insert(record.partition());
        let before = last.insert(key(number), (record.partition(), number));
        if let Some((partition, earlier)) = before {
            assert_eq!(partition, record.partition(), "a key has one partition");
            assert!(earlier < number, "and its records keep their order");
        }
    }
    assert!(partitions.len() > 4, "fifty keys reach most of eight partitions: {partitions:?}");
}

fn refused(cluster: &Cluster, topic: &str, size: usize) -> RDKafkaErrorCode {
    let producer = cluster.producer(&[("message.max.bytes", "10000000")]);
    send(&producer, BaseRecord::to(topic).payload(&vec![b'x'; size][..]));
    deliveries(&producer)[0].expect_err("too large")
}

fn too_large_is_refused(cluster: &Cluster) {
    let topic = cluster.topic("too-large", 1, &[]);
    assert_eq!(refused(cluster, &topic, 2_000_000), RDKafkaErrorCode::MessageSizeTooLarge);
}

fn topic_limit_is_refused(cluster: &Cluster) {
    let topic = cluster.topic("limit", 1, &[("max.message.bytes", "1000")]);
    assert_eq!(refused(cluster, &topic, 1000), RDKafkaErrorCode::MessageSizeTooLarge);
    fill(&cluster.producer(&[("linger.ms", "0")]), &topic, 0, 1);
    // The connection lives on after a refusal, and nothing of what was refused is there.
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(numbers(&cluster.read(&topic, 1, 1)), [0]);
}
