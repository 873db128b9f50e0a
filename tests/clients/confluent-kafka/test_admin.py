"""The admin client: topics, partitions, settings (old and incremental calls), offsets, deleted records, cluster."""

import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

from conftest import PATIENCE, done, eventually


def refused(futures, code):
    with pytest.raises(KafkaException) as raised:
        done(futures)
    assert raised.value.args[0].code() == code


def partitions(cluster, topic):
    found = cluster.admin.list_topics(timeout=PATIENCE).topics.get(topic)
    return found and len(found.partitions)


def test_create_describe_delete(cluster):
    topic = cluster.topic("come-and-go", 3)
    eventually(lambda: partitions(cluster, topic) == 3, "three partitions")
    (description,) = done(cluster.admin.describe_topics(TopicCollection([topic])))
    assert description.name == topic and not description.is_internal
    assert str(description.topic_id) != "AAAAAAAAAAAAAAAAAAAAAA"
    nodes = {node.id for node in done({0: cluster.admin.describe_cluster()})[0].nodes}
    assert [partition.id for partition in description.partitions] == [0, 1, 2]
    for partition in description.partitions:
        assert partition.leader.id in nodes
        assert [node.id for node in partition.replicas] == [node.id for node in partition.isr] == [partition.leader.id]
    done(cluster.admin.delete_topics([topic]))
    eventually(lambda: partitions(cluster, topic) is None, "no such topic any more")
    refused(cluster.admin.delete_topics([topic]), KafkaError.UNKNOWN_TOPIC_OR_PART)
    refused(cluster.admin.describe_topics(TopicCollection([topic])), KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_same_name_is_another_topic(cluster):
    """A topic which is created again has a new id and none of the old records."""
    topic = cluster.topic("again")
    cluster.fill(topic, 10)
    (before,) = done(cluster.admin.describe_topics(TopicCollection([topic])))
    done(cluster.admin.delete_topics([topic]))
    eventually(lambda: partitions(cluster, topic) is None, "deleted")
    cluster.topic("again")
    eventually(lambda: partitions(cluster, topic) == 1, "created again")
    (after,) = done(cluster.admin.describe_topics(TopicCollection([topic])))
    assert str(before.topic_id) != str(after.topic_id)
    assert cluster.consumer().get_watermark_offsets(TopicPartition(topic, 0), PATIENCE) == (0, 0)


@pytest.mark.parametrize("topic, code", [
    (NewTopic("not legal", 1, 1), KafkaError.TOPIC_EXCEPTION),
    (NewTopic("x" * 250, 1, 1), KafkaError.TOPIC_EXCEPTION),
    (NewTopic("no-partitions", 0, 1), KafkaError.INVALID_PARTITIONS),
    (NewTopic("replicas", 1, 100), KafkaError.INVALID_REPLICATION_FACTOR),
    (NewTopic("setting", 1, 1, config={"no.such.setting": "1"}), KafkaError.INVALID_CONFIG),
    (NewTopic("value", 1, 1, config={"segment.bytes": "big"}), KafkaError.INVALID_CONFIG),
    (NewTopic("assigned", 1, replica_assignment=[[999999]]), KafkaError.INVALID_REPLICA_ASSIGNMENT),
], ids=lambda value: value.topic[:20] if isinstance(value, NewTopic) else "")
def test_create_refused(cluster, topic, code):
    refused(cluster.admin.create_topics([topic]), code)
    assert partitions(cluster, topic.topic) is None


def test_create_existing(cluster):
    topic = cluster.topic("existing")
    refused(cluster.admin.create_topics([NewTopic(topic, 1, 1)]), KafkaError.TOPIC_ALREADY_EXISTS)


def test_default_partitions_and_replicas(cluster):
    topic = cluster.name("defaults")
    done(cluster.admin.create_topics([NewTopic(topic, -1, -1)]))
    eventually(lambda: partitions(cluster, topic), "a partition at least")


def test_create_partitions(cluster):
    topic = cluster.topic("growing")
    done(cluster.admin.create_partitions([NewPartitions(topic, 4)]))
    eventually(lambda: partitions(cluster, topic) == 4, "four partitions")
    refused(cluster.admin.create_partitions([NewPartitions(topic, 4)]), KafkaError.INVALID_PARTITIONS)
    refused(cluster.admin.create_partitions([NewPartitions(cluster.name("nowhere"), 4)]),
            KafkaError.UNKNOWN_TOPIC_OR_PART)


def describe(cluster, resource):
    return done(cluster.admin.describe_configs([resource]))[0]


def test_incremental_alter_configs(cluster):
    topic = cluster.topic("altered", retention_ms="3600000")
    resource = lambda *entries: ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry(name, value, incremental_operation=operation) for name, value, operation in entries])
    value = lambda name: describe(cluster, resource())[name].value

    assert describe(cluster, resource())["retention.ms"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    done(cluster.admin.incremental_alter_configs([resource(
        ("max.message.bytes", "5000", AlterConfigOpType.SET),
        ("cleanup.policy", "compact", AlterConfigOpType.APPEND))]))
    eventually(lambda: value("max.message.bytes") == "5000", "the new limit")
    assert value("cleanup.policy") == "delete,compact"
    assert value("retention.ms") == "3600000", "what was not named stays"
    done(cluster.admin.incremental_alter_configs([resource(
        ("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT),
        ("retention.ms", None, AlterConfigOpType.DELETE))]))
    eventually(lambda: value("cleanup.policy") == "compact", "only compact")
    assert value("retention.ms") == "604800000", "the default again"
    refused(cluster.admin.incremental_alter_configs([resource(("segment.ms", "soon", AlterConfigOpType.SET))]),
            KafkaError.INVALID_CONFIG)
    refused(cluster.admin.incremental_alter_configs([resource(("no.such", "1", AlterConfigOpType.SET))]),
            KafkaError.INVALID_CONFIG)


def test_describe_configs_refused(cluster):
    unknown = ConfigResource(ResourceType.TOPIC, cluster.name("nowhere"))
    refused(cluster.admin.describe_configs([unknown]), KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_describe_cluster(cluster):
    description = done({0: cluster.admin.describe_cluster()})[0]
    host, port = cluster.bootstrap.rsplit(":", 1)
    assert description.cluster_id
    assert description.controller.id in {node.id for node in description.nodes}
    assert int(port) in {node.port for node in description.nodes if node.host in (host, "localhost")}


def test_list_offsets(cluster):
    topic, producer = cluster.topic("offsets"), cluster.producer(linger_ms=0)
    start = 1_700_000_000_000
    for after in (0, 500, 200):
        producer.produce(topic, b"x", timestamp=start + after)
        assert producer.flush(PATIENCE) == 0
    for spec, offset, timestamp in [
            (OffsetSpec.earliest(), 0, -1), (OffsetSpec.latest(), 3, -1),
            (OffsetSpec.max_timestamp(), 1, start + 500), (OffsetSpec.for_timestamp(start + 100), 1, start + 500),
            (OffsetSpec.for_timestamp(start), 0, start), (OffsetSpec.for_timestamp(start + 501), -1, -1)]:
        for isolation in IsolationLevel:
            (found,) = done(cluster.admin.list_offsets({TopicPartition(topic, 0): spec}, isolation_level=isolation))
            assert (found.offset, found.timestamp) == (offset, timestamp)


def test_list_offsets_refused(cluster):
    """Of an unknown topic the client finds no leader: it does not get as far as ListOffsets."""
    unknown = TopicPartition(cluster.name("nowhere"), 0)
    refused(cluster.admin.list_offsets({unknown: OffsetSpec.latest()}, request_timeout=5), KafkaError._NOENT)


def test_delete_records(cluster):
    topic = cluster.topic("deleted", 2)
    for partition in range(2):
        cluster.fill(topic, 100, partition, batch_num_messages=10)
    first, second = done(cluster.admin.delete_records([TopicPartition(topic, 0, 55), TopicPartition(topic, 1, -1)]))
    assert (first.low_watermark, second.low_watermark) == (55, 100)
    watermarks = lambda partition: cluster.consumer().get_watermark_offsets(TopicPartition(topic, partition), PATIENCE)
    assert (watermarks(0), watermarks(1)) == ((55, 100), (100, 100))
    (message,) = cluster.take(cluster.consumer((topic, 0, 10), auto_offset_reset="earliest"), 1)
    assert message.offset() == 55
    refused(cluster.admin.delete_records([TopicPartition(topic, 0, 101)]), KafkaError.OFFSET_OUT_OF_RANGE)
