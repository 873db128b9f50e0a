//! Topics, partitions, settings and deleted records through librdkafka's admin client.

use std::time::Instant;

use futures::executor::block_on;
use rdkafka::admin::{
    AlterConfig, ConfigEntry, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication, TopicResult,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::cluster::{Cluster, PATIENCE, Test, fill, options, take};

pub const TESTS: &[Test] = &[
    ("create_list_delete_topics", create_list_delete_topics),
    ("create_topics_refused", create_topics_refused),
    ("validate_only_creates_nothing", validate_only_creates_nothing),
    ("create_partitions", create_partitions),
    ("describe_topic_configs", describe_topic_configs),
    ("describe_broker_configs", describe_broker_configs),
    ("alter_topic_configs", alter_topic_configs),
    ("delete_records", delete_records),
    ("delete_records_refused", delete_records_refused),
];

/// The number of partitions, or none when there is no such topic.
fn partitions(consumer: &BaseConsumer, topic: &str) -> Option<usize> {
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata");
    let found = metadata.topics().iter().find(|found| found.name() == topic)?;
    Some(found.partitions().len())
}

/// Metadata may take a moment to tell what an admin call changed.
fn until_partitions(cluster: &Cluster, topic: &str, expected: Option<usize>) {
    let consumer: BaseConsumer = cluster.config(&[]).create().expect("a consumer");
    let until = Instant::now() + PATIENCE;
    while partitions(&consumer, topic) != expected {
        assert!(Instant::now() < until, "{topic} should have {expected:?} partitions");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn create_list_delete_topics(cluster: &Cluster) {
    let topic = cluster.topic("come-and-go", 3, &[]);
    until_partitions(cluster, &topic, Some(3));
    let deleted = block_on(cluster.admin().delete_topics(&[&topic], &options()));
    assert_eq!(deleted, Ok(vec![Ok(topic.clone())]));
    until_partitions(cluster, &topic, None);
    let again = block_on(cluster.admin().delete_topics(&[&topic], &options()));
    assert_eq!(again, Ok(vec![Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]));
}

fn create(cluster: &Cluster, topic: &NewTopic<'_>) -> TopicResult {
    let mut results =
        block_on(cluster.admin().create_topics([topic], &options())).expect("an answer");
    results.pop().expect("of one topic")
}

fn create_topics_refused(cluster: &Cluster) {
    let existing = cluster.topic("existing", 1, &[]);
    let fresh = cluster.name("refused");
    let long = "x".repeat(250);
    let new = |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let cases = [
        (new(&existing, 1), RDKafkaErrorCode::TopicAlreadyExists),
        (new("not/legal", 1), RDKafkaErrorCode::InvalidTopic),
        (new("..", 1), RDKafkaErrorCode::InvalidTopic),
        (new(&long, 1), RDKafkaErrorCode::InvalidTopic),
        (new(&fresh, 0), RDKafkaErrorCode::InvalidPartitions),
        (
            NewTopic::new(&fresh, 1, TopicReplication::Fixed(100)),
            RDKafkaErrorCode::InvalidReplicationFactor,
        ),
        (new(&fresh, 1).set("no.such.setting", "1"), RDKafkaErrorCode::InvalidConfig),
        (new(&fresh, 1).set("retention.ms", "soon"), RDKafkaErrorCode::InvalidConfig),
        (new(&fresh, 1).set("cleanup.policy", "burn"), RDKafkaErrorCode::InvalidConfig),
    ];
    for (topic, error) in cases {
        assert_eq!(create(cluster, &topic), Err((topic.name.to_owned(), error)));
    }
    until_partitions(cluster, &fresh, None);
}

fn validate_only_creates_nothing(cluster: &Cluster) {
    let name = cluster.name("validated");
    let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
    let validated =
        block_on(cluster.admin().create_topics([&topic], &options().validate_only(true)));
    assert_eq!(validated, Ok(vec![Ok(name.clone())]));
    until_partitions(cluster, &name, None);
}

fn create_partitions(cluster: &Cluster) {
    let topic = cluster.topic("growing", 1, &[]);
    let grow = |to| {
        let wish = NewPartitions::new(&topic, to);
        block_on(cluster.admin().create_partitions([&wish], &options())).expect("an answer")
    };
    assert_eq!(grow(4), [Ok(topic.clone())]);
    until_partitions(cluster, &topic, Some(4));
    fill(&cluster.producer(&[]), &topic, 3, 10);
    assert!(cluster.read(&topic, 4, 10).iter().all(|record| record.partition() == 3));
    assert_eq!(grow(4), [Err((topic.clone(), RDKafkaErrorCode::InvalidPartitions))]);
    assert_eq!(grow(2), [Err((topic.clone(), RDKafkaErrorCode::InvalidPartitions))]);
}

fn describe(cluster: &Cluster, resource: ResourceSpecifier<'_>) -> Vec<ConfigEntry> {
    let mut answers =
        block_on(cluster.admin().describe_configs([&resource], &options())).expect("an answer");
    answers.pop().expect("of one resource").expect("no error").entries
}

fn setting<'a>(entries: &'a [ConfigEntry], name: &str) -> &'a ConfigEntry {
    entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn describe_topic_configs(cluster: &Cluster) {
    let topic = cluster.topic("described", 1, &[("retention.ms", "3600000")]);
    let entries = describe(cluster, ResourceSpecifier::Topic(&topic));
    let retention = setting(&entries, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("3600000"));
    assert_eq!(retention.source, ConfigSource::DynamicTopic);
    assert!(!retention.is_default && !retention.is_sensitive && !retention.is_read_only);
    for (name, value) in [
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
        ("max.message.bytes", "1048588"),
        ("segment.bytes", "1073741824"),
        ("message.timestamp.type", "CreateTime"),
        ("index.interval.bytes", "4096"),
    ] {
        let entry = setting(&entries, name);
        assert_eq!(entry.value.as_deref(), Some(value), "{name}");
        assert_eq!(entry.source, ConfigSource::Default, "{name}");
    }
    // The crate drops a resource's own error: an unknown topic is seen by its having no settings.
    assert!(describe(cluster, ResourceSpecifier::Topic(&cluster.name("nowhere"))).is_empty());
}

fn describe_broker_configs(cluster: &Cluster) {
    let consumer: BaseConsumer = cluster.config(&[]).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata");
    assert!(!metadata.brokers().is_empty());
    for broker in metadata.brokers() {
        let entries = describe(cluster, ResourceSpecifier::Broker(broker.id()));
        assert!(setting(&entries, "log.segment.bytes").value.is_some());
    }
}

/// The old call: it sets what it names and takes everything else back to its default.
fn alter_topic_configs(cluster: &Cluster) {
    let topic = cluster.topic("altered", 1, &[("retention.ms", "3600000")]);
    let resource = ResourceSpecifier::Topic(&topic);
    let alter = |name, value| {
        let wish = AlterConfig::new(resource).set(name, value);
        block_on(cluster.admin().alter_configs([&wish], &options())).expect("an answer").remove(0)
    };
    alter("max.message.bytes", "5000").expect("a change");
    let until = Instant::now() + PATIENCE;
    loop {
        let entries = describe(cluster, resource);
        let size = setting(&entries, "max.message.bytes");
        if size.value.as_deref() == Some("5000") {
            assert_eq!(size.source, ConfigSource::DynamicTopic);
            assert_eq!(setting(&entries, "retention.ms").value.as_deref(), Some("604800000"));
            break;
        }
        assert!(Instant::now() < until, "max.message.bytes stays {:?}", size.value);
    }
    // The crate drops a resource's own error: what can be seen is that nothing changed.
    alter("max.message.bytes", "many").expect("an answer");
    let size = describe(cluster, resource);
    assert_eq!(setting(&size, "max.message.bytes").value.as_deref(), Some("5000"));
}

fn delete_before(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    offset: Offset,
) -> Result<Offset, KafkaError> {
    let mut wish = TopicPartitionList::new();
    wish.add_partition_offset(topic, partition, offset).expect("a valid offset");
    let answer = block_on(cluster.admin().delete_records(&wish, &options()))?;
    let partition = answer.find_partition(topic, partition).expect("of the partition");
    partition.error().map(|()| partition.offset())
}

fn delete_records(cluster: &Cluster) {
    let topic = cluster.topic("deleted", 1, &[]);
    fill(&cluster.producer(&[("batch.num.messages", "10")]), &topic, 0, 100);
    let consumer: BaseConsumer = cluster.config(&[]).create().expect("a consumer");
    // 55 lies inside a batch: what is before it in the batch is gone for every reader all the same.
    assert_eq!(delete_before(cluster, &topic, 0, Offset::Offset(55)), Ok(Offset::Offset(55)));
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE), Ok((55, 100)));
    let rest = take(&cluster.consumer(&topic, 1, Offset::Beginning, &[]), 45);
    assert_eq!(rest.iter().map(Message::offset).collect::<Vec<_>>(), (55..100).collect::<Vec<_>>());
    let late =
        cluster.consumer(&topic, 1, Offset::Offset(10), &[("auto.offset.reset", "earliest")]);
    assert_eq!(take(&late, 1)[0].offset(), 55);
    assert_eq!(delete_before(cluster, &topic, 0, Offset::Offset(20)), Ok(Offset::Offset(55)));
    assert_eq!(delete_before(cluster, &topic, 0, Offset::End), Ok(Offset::Offset(100)));
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE), Ok((100, 100)));
    fill(&cluster.producer(&[]), &topic, 0, 1);
    assert_eq!(take(&cluster.consumer(&topic, 1, Offset::Beginning, &[]), 1)[0].offset(), 100);
}

fn delete_records_refused(cluster: &Cluster) {
    let topic = cluster.topic("not-deleted", 1, &[]);
    fill(&cluster.producer(&[]), &topic, 0, 10);
    let code = |outcome: Result<Offset, KafkaError>| {
        outcome.expect_err("refused").rdkafka_error_code().expect("with a code")
    };
    let beyond = delete_before(cluster, &topic, 0, Offset::Offset(11));
    assert_eq!(code(beyond), RDKafkaErrorCode::OffsetOutOfRange);
}
