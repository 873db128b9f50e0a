"""Producing with every codec and idempotence, consuming by assignment."""

import time

import pytest
from confluent_kafka import (OFFSET_BEGINNING, OFFSET_END, TIMESTAMP_CREATE_TIME, KafkaError, KafkaException,
                             TopicPartition)

from conftest import PATIENCE


def numbers(messages):
    return [int(message.value()) for message in messages]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codec(cluster, codec):
    topic = cluster.topic(f"codec-{codec}")
    producer = cluster.producer(compression_type=codec, linger_ms=100, batch_num_messages=1000)
    sent = [(b"key %d" % number, b"value %d, compressible " % number * 3) for number in range(5000)]
    for key, value in sent:
        producer.produce(topic, value, key)
    assert producer.flush(PATIENCE) == 0
    came = cluster.take(cluster.consumer((topic, 0, OFFSET_BEGINNING)), 5000)
    assert [(message.key(), message.value()) for message in came] == sent
    # A batch of a few records may be left alone: there the codec would only add bytes.
    large = {batch_codec for records, batch_codec, _ in cluster.stored(topic) if records > 10}
    assert large == {codec}


def test_idempotence_in_order(cluster):
    topic = cluster.topic("idempotent")
    messages = cluster.fill(topic, 10000, batch_num_messages=20, linger_ms=1)
    assert [message.offset() for message in messages] == list(range(10000))
    assert numbers(cluster.take(cluster.consumer((topic, 0, OFFSET_BEGINNING)), 10000)) == list(range(10000))
    (producer_id,) = {producer_id for _, _, producer_id in cluster.stored(topic)}
    assert producer_id >= 0


def test_two_producers_have_two_ids(cluster):
    topic = cluster.topic("two-ids")
    for _ in range(2):
        cluster.fill(topic, 10)
    assert len({producer_id for _, _, producer_id in cluster.stored(topic)}) == 2


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(cluster, acks):
    topic = cluster.topic(f"acks-{acks}")
    cluster.fill(topic, 1)  # without acks nobody learns that the topic was not ready yet
    cluster.fill(topic, 100, enable_idempotence=False, acks=acks)
    assert numbers(cluster.take(cluster.consumer((topic, 0, OFFSET_BEGINNING)), 101)) == [0, *range(100)]


def test_headers_and_timestamp(cluster):
    topic, producer = cluster.topic("headers"), cluster.producer()
    headers = [("name", b"value"), ("name", b"again"), ("empty", b""), ("null", None)]
    producer.produce(topic, b"x", headers=headers, timestamp=1_600_000_000_123)
    assert producer.flush(PATIENCE) == 0
    (message,) = cluster.take(cluster.consumer((topic, 0, OFFSET_BEGINNING)), 1)
    assert message.headers() == headers
    assert message.timestamp() == (TIMESTAMP_CREATE_TIME, 1_600_000_000_123)


def test_too_large_is_refused(cluster):
    topic, errors = cluster.topic("too-large"), []
    producer = cluster.producer(message_max_bytes=10_000_000)
    producer.produce(topic, b"x" * 2_000_000, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(PATIENCE) == 0
    assert [error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]


def test_seek_and_position(cluster):
    topic = cluster.topic("seek")
    cluster.fill(topic, 100, batch_num_messages=10)
    consumer = cluster.consumer((topic, 0, 40))
    assert numbers(cluster.take(consumer, 3)) == [40, 41, 42]
    consumer.seek(TopicPartition(topic, 0, 7))
    assert numbers(cluster.take(consumer, 2)) == [7, 8]
    assert consumer.position([TopicPartition(topic, 0)])[0].offset == 9
    consumer.seek(TopicPartition(topic, 0, 99))
    assert numbers(cluster.take(consumer, 1)) == [99]


def test_watermarks_and_times(cluster):
    topic, producer = cluster.topic("times"), cluster.producer()
    start = 1_700_000_000_000
    for number in range(50):
        producer.produce(topic, b"x", timestamp=start + 10 * number)
    assert producer.flush(PATIENCE) == 0
    consumer = cluster.consumer()
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), PATIENCE) == (0, 50)
    for after, offset in [(0, 0), (1, 1), (490, 49), (491, OFFSET_END)]:
        (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, start + after)], PATIENCE)
        assert found.error is None and found.offset == offset, after


def test_out_of_range(cluster):
    topic = cluster.topic("out-of-range")
    cluster.fill(topic, 10)
    with pytest.raises(KafkaException) as raised:
        cluster.take(cluster.consumer((topic, 0, 11)), 1)
    assert raised.value.args[0].code() == KafkaError._AUTO_OFFSET_RESET
    late = cluster.consumer((topic, 0, 11), auto_offset_reset="earliest")
    assert numbers(cluster.take(late, 10)) == list(range(10))


def test_small_fetches_progress(cluster):
    topic = cluster.topic("small-fetches")
    sizes = [10, 900_000, 1, 500_000]
    producer = cluster.producer(linger_ms=0)
    for size in sizes:
        producer.produce(topic, b"x" * size)
    assert producer.flush(PATIENCE) == 0
    consumer = cluster.consumer((topic, 0, OFFSET_BEGINNING), fetch_message_max_bytes=1, message_max_bytes=1000,
                                fetch_max_bytes=1000, receive_message_max_bytes=3_000_000)
    assert [len(message.value()) for message in cluster.take(consumer, 4)] == sizes


def test_waiting_at_the_end_is_woken(cluster):
    topic = cluster.topic("woken")
    consumer = cluster.consumer((topic, 0, OFFSET_END), fetch_wait_max_ms=10_000)
    assert consumer.poll(2) is None
    began = time.monotonic()
    cluster.fill(topic, 1)
    assert numbers(cluster.take(consumer, 1)) == [0]
    assert time.monotonic() - began < 3


def test_many_partitions(cluster):
    topic, producer = cluster.topic("many", 32), cluster.producer()
    for number in range(3200):
        producer.produce(topic, str(number), partition=number % 32)
    assert producer.flush(PATIENCE) == 0
    consumer = cluster.consumer(*[(topic, partition, OFFSET_BEGINNING) for partition in range(32)])
    messages = cluster.take(consumer, 3200)
    for partition in range(32):
        mine = [message for message in messages if message.partition() == partition]
        assert numbers(mine) == list(range(partition, 3200, 32))
