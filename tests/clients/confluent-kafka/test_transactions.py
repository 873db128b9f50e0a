"""Transactions: what committed readers see, fencing, and offsets committed with the records that came of them."""

import pytest
from confluent_kafka import OFFSET_BEGINNING, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from conftest import PATIENCE, done, eventually, needs

pytestmark = needs(AddPartitionsToTxn=24, EndTxn=26)


def begin(cluster, name, **settings):
    producer = cluster.producer(transactional_id=cluster.name(name), **settings)
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    return producer


def send(producer, topic, *values):
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(PATIENCE) == 0


def read(cluster, topic, count, level="read_committed"):
    consumer = cluster.consumer((topic, 0, OFFSET_BEGINNING), isolation_level=level)
    return [message.value().decode() for message in cluster.take(consumer, count)]


def end(cluster, topic, level):
    (found,) = done(cluster.admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()}, isolation_level=level))
    return found.offset


def test_committed_and_aborted(cluster):
    topic = cluster.topic("commit-abort")
    producer = begin(cluster, "commit-abort")
    send(producer, topic, "a", "b")
    producer.commit_transaction(PATIENCE)
    producer.begin_transaction()
    send(producer, topic, "lost")
    producer.abort_transaction(PATIENCE)
    producer.begin_transaction()
    send(producer, topic, "c")
    producer.commit_transaction(PATIENCE)
    assert read(cluster, topic, 3) == ["a", "b", "c"]
    assert read(cluster, topic, 4, "read_uncommitted") == ["a", "b", "lost", "c"]
    # Three markers lie among the four records.
    assert end(cluster, topic, IsolationLevel.READ_COMMITTED) == 7


def test_an_open_transaction_holds_committed_readers(cluster):
    topic = cluster.topic("open")
    cluster.fill(topic, 1)
    producer = begin(cluster, "open")
    send(producer, topic, "mine")
    cluster.fill(topic, 1)
    consumer = cluster.consumer((topic, 0, OFFSET_BEGINNING), isolation_level="read_committed")
    assert len(cluster.take(consumer, 1)) == 1
    assert consumer.poll(1) is None
    assert end(cluster, topic, IsolationLevel.READ_COMMITTED) == 1
    assert end(cluster, topic, IsolationLevel.READ_UNCOMMITTED) == 3
    producer.commit_transaction(PATIENCE)
    assert [message.value() for message in cluster.take(consumer, 2)] == [b"mine", b"0"]


def test_the_next_of_a_name_fences_the_one_before(cluster):
    topic = cluster.topic("fence")
    one = begin(cluster, "fence")
    send(one, topic, "lost")
    two = begin(cluster, "fence")
    send(two, topic, "kept")
    two.commit_transaction(PATIENCE)
    with pytest.raises(KafkaException) as raised:
        one.commit_transaction(PATIENCE)
    assert raised.value.args[0].code() == KafkaError._FENCED and raised.value.args[0].fatal()
    assert read(cluster, topic, 1) == ["kept"]


def test_many_partitions_at_once(cluster):
    topic = cluster.topic("wide", 8)
    producer = begin(cluster, "wide")
    for word in ["aborted", "committed"]:
        for partition in range(8):
            producer.produce(topic, word, partition=partition)
        if word == "aborted":
            producer.abort_transaction(PATIENCE)
            producer.begin_transaction()
        else:
            producer.commit_transaction(PATIENCE)
    consumer = cluster.consumer(*[(topic, partition, OFFSET_BEGINNING) for partition in range(8)],
                                isolation_level="read_committed")
    messages = cluster.take(consumer, 8)
    assert {message.value() for message in messages} == {b"committed"}
    assert {message.partition() for message in messages} == set(range(8))


@needs(JoinGroup=11, TxnOffsetCommit=28)
def test_consume_transform_produce(cluster):
    source, sink, group = cluster.topic("source"), cluster.topic("sink"), cluster.name("transform")
    cluster.fill(source, 20)
    consumer = cluster.consumer(group_id=group, auto_offset_reset="earliest", isolation_level="read_committed")
    consumer.subscribe([source])
    producer = begin(cluster, "transform")

    def move(messages):
        send(producer, sink, *(b"from " + message.value() for message in messages))
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), PATIENCE)

    committed = lambda: consumer.committed([TopicPartition(source, 0)], PATIENCE)[0].offset
    move(cluster.take(consumer, 10))
    producer.commit_transaction(PATIENCE)
    eventually(lambda: committed() == 10, "the offset is committed with the records")
    producer.begin_transaction()
    move(cluster.take(consumer, 5))
    producer.abort_transaction(PATIENCE)
    assert committed() == 10
    consumer.seek(TopicPartition(source, 0, 10))
    producer.begin_transaction()
    move(cluster.take(consumer, 10))
    producer.commit_transaction(PATIENCE)
    eventually(lambda: committed() == 20, "the offset after all")
    assert read(cluster, sink, 20) == [f"from {number}" for number in range(20)]
    consumer.close()
