//! Consuming by assignment: seeks, watermarks, offsets by time, small fetches, waiting at the end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};

use crate::cluster::{Cluster, PATIENCE, Test, deliveries, fill, numbers, send, take};

pub const TESTS: &[Test] = &[
    ("seek", seek),
    ("assign_at_offset_and_tail", assign_at_offset_and_tail),
    ("pause_and_resume", pause_and_resume),
    ("watermarks", watermarks),
    ("offsets_for_times", offsets_for_times),
    ("out_of_range_is_an_error", out_of_range_is_an_error),
    ("out_of_range_resets", out_of_range_resets),
    ("large_records_in_small_fetches", large_records_in_small_fetches),
    ("many_partitions", many_partitions),
    ("read_committed_without_transactions", read_committed_without_transactions),
    ("waiting_at_the_end_is_woken", waiting_at_the_end_is_woken),
    ("end_of_partition", end_of_partition),
    ("unknown_topic", unknown_topic),
];

fn filled(cluster: &Cluster, name: &str, count: usize) -> String {
    let topic = cluster.topic(name, 1, &[]);
    fill(&cluster.producer(&[("batch.num.messages", "10")]), &topic, 0, count);
    topic
}

fn seek(cluster: &Cluster) {
    let topic = filled(cluster, "seek", 1000);
    let consumer = cluster.consumer(&topic, 1, Offset::Beginning, &[]);
    let places = [
        (Offset::Offset(617), 617),
        (Offset::Beginning, 0),
        (Offset::Offset(999), 999),
        (Offset::OffsetTail(5), 995),
        (Offset::Offset(3), 3),
    ];
    assert_eq!(numbers(&take(&consumer, 1)), [0]);
    for (offset, number) in places {
        consumer.seek(&topic, 0, offset, PATIENCE).expect("a seek");
        assert_eq!(numbers(&take(&consumer, 1)), [number], "{offset:?}");
    }
    let position = consumer.position().expect("a position");
    let position = position.find_partition(&topic, 0).expect("of the partition").offset();
    assert_eq!(position, Offset::Offset(4));
}

fn assign_at_offset_and_tail(cluster: &Cluster) {
    let topic = filled(cluster, "tail", 100);
    for (offset, first) in [(Offset::Offset(90), 90), (Offset::OffsetTail(10), 90)] {
        let consumer = cluster.consumer(&topic, 1, offset, &[]);
        assert_eq!(numbers(&take(&consumer, 10)), (first..100).collect::<Vec<_>>());
    }
}

fn pause_and_resume(cluster: &Cluster) {
    let topic = filled(cluster, "pause", 100);
    let consumer = cluster.consumer(&topic, 1, Offset::Beginning, &[]);
    take(&consumer, 10);
    let partitions = consumer.assignment().expect("an assignment");
    consumer.pause(&partitions).expect("a pause");
    assert!(consumer.poll(Duration::from_millis(500)).is_none(), "paused");
    consumer.resume(&partitions).expect("a resumption");
    assert_eq!(numbers(&take(&consumer, 90)), (10..100).collect::<Vec<_>>());
}

fn watermarks(cluster: &Cluster) {
    let topic = filled(cluster, "watermarks", 321);
    let consumer: BaseConsumer = cluster.config(&[]).create().expect("a consumer");
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE), Ok((0, 321)));
    match consumer.fetch_watermarks(&topic, 1, Duration::from_secs(3)) {
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition)) => {}
        other => panic!("partition 1 does not exist: {other:?}"),
    }
}

fn offsets_for_times(cluster: &Cluster) {
    const START: i64 = 1_700_000_000_000;
    let topic = cluster.topic("times", 1, &[]);
    let producer = cluster.producer(&[("batch.num.messages", "7")]);
    // Ten milliseconds apart: also the places between records and inside batches are asked for.
    for number in 0..100 {
        let record = BaseRecord::to(&topic).payload(&b"x"[..]);
        send(&producer, record.timestamp(START + 10 * number));
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let consumer: BaseConsumer = cluster.config(&[]).create().expect("a consumer");
    let cases = [
        (START - 5, Offset::Offset(0)),
        (START, Offset::Offset(0)),
        (START + 1, Offset::Offset(1)),
        (START + 500, Offset::Offset(50)),
        (START + 501, Offset::Offset(51)),
        (START + 990, Offset::Offset(99)),
        (START + 991, Offset::End),
    ];
    for (time, expected) in cases {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&topic, 0, Offset::Offset(time)).expect("a time");
        let answer = consumer.offsets_for_times(asked, PATIENCE).expect("an answer");
        let found = answer.find_partition(&topic, 0).expect("of the partition");
        found.error().expect("no error");
        assert_eq!(found.offset(), expected, "{}", time - START);
    }
}

fn out_of_range_is_an_error(cluster: &Cluster) {
    let topic = filled(cluster, "out-of-range", 10);
    let consumer = cluster.consumer(&topic, 1, Offset::Offset(11), &[]);
    let until = Instant::now() + PATIENCE;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => return,
            Some(other) => panic!("{other:?}"),
            None => assert!(Instant::now() < until, "no error came"),
        }
    }
}

fn out_of_range_resets(cluster: &Cluster) {
    let topic = filled(cluster, "reset", 10);
    let settings = [("auto.offset.reset", "earliest")];
    let consumer = cluster.consumer(&topic, 1, Offset::Offset(1000), &settings);
    assert_eq!(numbers(&take(&consumer, 10)), (0..10).collect::<Vec<_>>());
}

/// A batch larger than every fetch limit must come all the same, or a consumer would stand still.
fn large_records_in_small_fetches(cluster: &Cluster) {
    let topic = cluster.topic("large", 2, &[]);
    let producer = cluster.producer(&[("message.max.bytes", "2000000"), ("linger.ms", "0")]);
    let sizes = [1, 1_000_000, 10, 900_000, 100_000];
    for partition in 0..2 {
        for size in sizes {
            let value = vec![b'x'; size];
            send(&producer, BaseRecord::to(&topic).partition(partition).payload(&value[..]));
        }
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let settings = [
        ("fetch.message.max.bytes", "1"),
        ("message.max.bytes", "1000"),
        ("fetch.max.bytes", "1000"),
        ("receive.message.max.bytes", "3000000"),
    ];
    let consumer = cluster.consumer(&topic, 2, Offset::Beginning, &settings);
    let records = take(&consumer, 10);
    for partition in 0..2 {
        let mine = records.iter().filter(|record| record.partition() == partition);
        let came: Vec<_> = mine.map(|record| record.payload().expect("a value").len()).collect();
        assert_eq!(came, sizes);
    }
}

fn many_partitions(cluster: &Cluster) {
    let topic = cluster.topic("many", 32, &[]);
    let producer = cluster.producer(&[]);
    for number in 0..3200 {
        let (partition, value) = (number % 32, number.to_string());
        send(&producer, BaseRecord::to(&topic).partition(partition).payload(value.as_bytes()));
    }
    assert!(deliveries(&producer).iter().all(Result::is_ok));
    let records = cluster.read(&topic, 32, 3200);
    for partition in 0..32 {
        let mine: Vec<_> = records
            .iter()
            .filter(|record| record.partition() == partition as i32)
            .cloned()
            .collect();
        assert_eq!(
            numbers(&mine),
            (0..100).map(|number| partition + 32 * number).collect::<Vec<_>>()
        );
    }
}

fn read_committed_without_transactions(cluster: &Cluster) {
    let topic = filled(cluster, "committed", 100);
    for isolation in ["read_committed", "read_uncommitted"] {
        let settings = [("isolation.level", isolation)];
        let consumer = cluster.consumer(&topic, 1, Offset::Beginning, &settings);
        assert_eq!(numbers(&take(&consumer, 100)), (0..100).collect::<Vec<_>>(), "{isolation}");
    }
}

/// A fetch which waits ten seconds for data answers when data come, not when its time is up.
fn waiting_at_the_end_is_woken(cluster: &Cluster) {
    let topic = filled(cluster, "woken", 10);
    let settings = [("fetch.wait.max.ms", "10000"), ("socket.timeout.ms", "20000")];
    let consumer = cluster.consumer(&topic, 1, Offset::End, &settings);
    assert!(consumer.poll(Duration::from_secs(2)).is_none(), "nothing is there yet");
    let began = Instant::now();
    fill(&cluster.producer(&[("linger.ms", "0")]), &topic, 0, 1);
    let records = take(&consumer, 1);
    assert_eq!(records[0].offset(), 10);
    assert!(began.elapsed() < Duration::from_secs(3), "came after {:?}", began.elapsed());
}

fn end_of_partition(cluster: &Cluster) {
    let topic = filled(cluster, "eof", 5);
    let settings = [("enable.partition.eof", "true")];
    let consumer = cluster.consumer(&topic, 1, Offset::Beginning, &settings);
    assert_eq!(numbers(&take(&consumer, 5)), [0, 1, 2, 3, 4]);
    match consumer.poll(PATIENCE) {
        Some(Err(KafkaError::PartitionEOF(0))) => {}
        other => panic!("{other:?}"),
    }
}

fn unknown_topic(cluster: &Cluster) {
    let settings =
        [("allow.auto.create.topics", "false"), ("topic.metadata.propagation.max.ms", "1000")];
    let consumer = cluster.consumer(&cluster.name("unknown"), 1, Offset::Beginning, &settings);
    match consumer.poll(PATIENCE) {
        Some(Err(KafkaError::MessageConsumption(
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition,
        ))) => {}
        other => panic!("{other:?}"),
    }
}
