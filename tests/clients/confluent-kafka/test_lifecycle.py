"""What becomes of records by their topic's settings, most of them changed while the topic is in use: compaction,
retention by time and size, rolled segments, timestamps, limits, the codec on disk."""

import time

import pytest
from confluent_kafka import (OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError,
                             KafkaException, TopicPartition)
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from conftest import PATIENCE, done, eventually

MINUTE = 60_000
HOUR = 60 * MINUTE
NEVER = str(2**62)


def now():
    return int(time.time() * 1000)


def alter(cluster, kind, name, **settings):
    entries = [ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
               for key, value in settings.items()]
    done(cluster.admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=entries)]))


def retune(cluster, topic, **settings):
    alter(cluster, ResourceType.TOPIC, topic, **settings)


@pytest.fixture(scope="module")
def brisk(cluster):
    """A broker that looks all the time for what is to be done. Kafka must be started as one, because
    log.retention.check.interval.ms cannot be changed there:

        scripts/kafka start DIR PORT log.retention.check.interval.ms=500 log.cleaner.backoff.ms=200 \\
            log.initial.task.delay.ms=1000
    """
    broker = str(done({0: cluster.admin.describe_cluster()})[0].nodes[0].id)
    found = done(cluster.admin.describe_configs([ConfigResource(ResourceType.BROKER, broker)]))[0]
    names = ["log.retention.check.interval.ms", "log.cleaner.backoff.ms"]
    slow = {name.replace(".", "_"): found[name].value for name in names if int(found[name].value) > 1000}
    try:
        for name in slow:
            alter(cluster, ResourceType.BROKER, broker, **{name: "200"})
    except KafkaException as refused:
        pytest.skip(f"{slow} here, and it cannot be changed: {refused}")
    yield
    if slow:
        alter(cluster, ResourceType.BROKER, broker, **slow)


def send(cluster, topic, *records, **settings):
    """Records of (value, key, timestamp), each a batch of its own; gives what became of each."""
    producer, ended = cluster.producer(**settings), []
    for value, key, timestamp in records:
        producer.produce(topic, value, key, timestamp=timestamp,
                         on_delivery=lambda error, message: ended.append(error or message))
        assert producer.flush(PATIENCE) == 0
    return ended


def watermarks(cluster, topic):
    return cluster.consumer().get_watermark_offsets(TopicPartition(topic, 0), PATIENCE)


def everything(cluster, topic):
    """What is left of the topic."""
    _, high = watermarks(cluster, topic)
    consumer, messages = cluster.consumer((topic, 0, OFFSET_BEGINNING), enable_partition_eof=True), []
    until = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < until, f"{len(messages)} records and no end at {high}"
        for message in consumer.consume(1000, 0.1):
            if not message.error():
                messages.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                consumer.close()
                return messages
            else:
                raise KafkaException(message.error())


def fill_keys(cluster, topic, rounds=20, keys=10):
    """The last offset of each key; the third key is deleted at the end."""
    producer, last = cluster.producer(linger_ms=5, batch_num_messages=7), {}

    def delivered(error, message):
        assert error is None, error
        last[message.key()] = (message.offset(), message.value())

    for number in range(rounds):
        for key in range(keys):
            producer.produce(topic, b"%d of round %d" % (key, number), b"key %d" % key, on_delivery=delivered)
            producer.poll(0)
    producer.produce(topic, None, b"key 3", on_delivery=delivered)
    assert producer.flush(PATIENCE) == 0
    return last


def push_on(cluster, topic):
    """What is active is never compacted: another record, late enough to begin another segment."""
    time.sleep(0.15)
    send(cluster, topic, (b"x", b"pushes on", 0))


def compacted(cluster, topic, true, what):
    def holds():
        push_on(cluster, topic)
        return true([message for message in everything(cluster, topic) if message.key() != b"pushes on"])

    eventually(holds, what)


def is_compact(last, messages):
    return sorted(message.key() for message in messages) == sorted(last)


COMPACTED = {"cleanup_policy": "compact", "segment_ms": "100", "min_cleanable_dirty_ratio": "0.001"}


def test_compaction_keeps_the_last_of_each_key(cluster, brisk):
    topic = cluster.topic("compacted", delete_retention_ms=str(HOUR), **COMPACTED)
    last = fill_keys(cluster, topic)
    compacted(cluster, topic, lambda messages: is_compact(last, messages), "one record a key")
    left = [message for message in everything(cluster, topic) if message.key() in last]
    assert {message.key(): (message.offset(), message.value()) for message in left} == last
    assert last[b"key 3"] == (200, None), "a deleted key is told of"


def test_compaction_removes_deleted_keys_in_the_end(cluster, brisk):
    topic = cluster.topic("tombstones", delete_retention_ms="300", **COMPACTED)
    last = fill_keys(cluster, topic)
    last.pop(b"key 3")
    compacted(cluster, topic, lambda messages: is_compact(last, messages), "nothing of the deleted key")
    left = [message for message in everything(cluster, topic) if message.key() in last]
    assert {message.key(): (message.offset(), message.value()) for message in left} == last


def test_compaction_begins_when_it_is_asked_for(cluster, brisk):
    topic = cluster.topic("compacted-later", segment_ms="100")
    last = fill_keys(cluster, topic)
    push_on(cluster, topic)
    assert len(everything(cluster, topic)) == 202
    retune(cluster, topic, cleanup_policy="compact", min_cleanable_dirty_ratio="0.001")
    compacted(cluster, topic, lambda messages: is_compact(last, messages), "one record a key")
    refused, = send(cluster, topic, (b"no key", None, 0))
    assert isinstance(refused, KafkaError) and refused.code() == KafkaError.INVALID_RECORD


def test_retention_by_size(cluster, brisk):
    topic = cluster.topic("by-size", segment_bytes=str(1 << 20))
    producer = cluster.producer(batch_num_messages=1, compression_type="none")
    for number in range(60):
        producer.produce(topic, b"%03d" % number + bytes(100_000))
    assert producer.flush(PATIENCE) == 0
    time.sleep(1)
    assert watermarks(cluster, topic) == (0, 60), "nothing goes that may stay"
    retune(cluster, topic, retention_bytes=str(2 << 20))
    eventually(lambda: watermarks(cluster, topic)[0] > 0, "something goes")
    time.sleep(1)
    low, high = watermarks(cluster, topic)
    # Whole segments go, as long as the limit is kept by what is left.
    assert high == 60 and 2 << 20 <= (60 - low) * 100_100 < (3 << 20) + 200_000
    left = everything(cluster, topic)
    assert [int(message.value()[:3]) for message in left] == list(range(low, 60))


def test_segments_roll_by_time_and_go_by_time(cluster, brisk):
    """Each record gets a segment, because the one before is older than segment.ms; so each goes by itself."""
    topic = cluster.topic("by-time", segment_ms=str(5 * MINUTE), retention_ms="-1")
    start = now() - 100 * MINUTE
    send(cluster, topic, *[(b"%d" % number, None, start + 10 * MINUTE * number) for number in range(10)])
    time.sleep(1)
    assert watermarks(cluster, topic) == (0, 10)
    retune(cluster, topic, retention_ms=str(45 * MINUTE))
    eventually(lambda: watermarks(cluster, topic) == (6, 10), "those older than 45 minutes go")
    assert [message.value() for message in everything(cluster, topic)] == [b"6", b"7", b"8", b"9"]
    retune(cluster, topic, retention_ms="1000")
    eventually(lambda: watermarks(cluster, topic) == (10, 10), "all of them go, the active segment too")
    (appended,) = send(cluster, topic, (b"on", None, 0))
    assert appended.offset() == 10


def test_records_of_one_segment_go_together(cluster, brisk):
    topic = cluster.topic("together", segment_ms=NEVER, retention_ms="-1")
    start = now() - 100 * MINUTE
    send(cluster, topic, *[(b"%d" % number, None, start + 10 * MINUTE * number) for number in range(10)])
    retune(cluster, topic, retention_ms=str(45 * MINUTE))
    time.sleep(2)
    assert watermarks(cluster, topic) == (0, 10), "the youngest keeps them all"


def test_deleted_records_stay_deleted_in_a_compacted_topic(cluster, brisk):
    topic = cluster.topic("deleted-and-compacted", delete_retention_ms=str(HOUR), cleanup_policy="compact,delete",
                          segment_ms="100", min_cleanable_dirty_ratio="0.001")
    last = fill_keys(cluster, topic)
    (deleted,) = done(cluster.admin.delete_records([TopicPartition(topic, 0, 195)]))
    assert deleted.low_watermark == 195
    last = {key: place for key, place in last.items() if place[0] >= 195}
    compacted(cluster, topic, lambda messages: is_compact(last, messages), "one record a key")
    left = [message for message in everything(cluster, topic) if message.key() in last]
    assert {message.key(): (message.offset(), message.value()) for message in left} == last


def test_whose_clock_stamps(cluster):
    topic = cluster.topic("clock")
    hour_ago = now() - HOUR
    send(cluster, topic, (b"theirs", None, hour_ago))
    retune(cluster, topic, message_timestamp_type="LogAppendTime")
    began = now()
    for codec in ("none", "gzip", "zstd"):
        send(cluster, topic, (b"ours " * 50, None, hour_ago), compression_type=codec)
    retune(cluster, topic, message_timestamp_type="CreateTime")
    send(cluster, topic, (b"theirs", None, hour_ago + 1))
    stamps = [message.timestamp() for message in everything(cluster, topic)]
    assert stamps[0] == (TIMESTAMP_CREATE_TIME, hour_ago)
    for kind, stamp in stamps[1:4]:
        assert kind == TIMESTAMP_LOG_APPEND_TIME and began - 1000 <= stamp <= now() + 1000
    assert stamps[4] == (TIMESTAMP_CREATE_TIME, hour_ago + 1)


@pytest.mark.parametrize("setting, off", [("message_timestamp_before_max_ms", -1),
                                          ("message_timestamp_after_max_ms", 1)])
def test_timestamps_out_of_bounds(cluster, setting, off):
    topic = cluster.topic(f"bounds-{off}", **{setting: str(HOUR)})
    for codec in ("none", "lz4"):
        ended = send(cluster, topic, (b"x" * 200, None, now() + off * 50 * MINUTE),
                     (b"x" * 200, None, now() + off * 70 * MINUTE), compression_type=codec, enable_idempotence=False)
        assert not isinstance(ended[0], KafkaError), ended[0]
        assert isinstance(ended[1], KafkaError) and ended[1].code() == KafkaError.INVALID_TIMESTAMP
    retune(cluster, topic, **{setting: str(2 * HOUR)})
    (within,) = send(cluster, topic, (b"x", None, now() + off * 70 * MINUTE))
    assert within.offset() == 2


def test_largest_message(cluster):
    topic = cluster.topic("largest", max_message_bytes="10000")
    large = {"message_max_bytes": 8_000_000, "compression_type": "none", "enable_idempotence": False}
    sent = lambda size: send(cluster, topic, (bytes(size), None, 0), **large)[0]
    too_large = lambda ended: isinstance(ended, KafkaError) and ended.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert not too_large(sent(9_000)) and too_large(sent(10_000))
    retune(cluster, topic, max_message_bytes="3000000")
    assert not too_large(sent(2_900_000)) and too_large(sent(3_000_000))
    retune(cluster, topic, max_message_bytes="500")
    assert too_large(sent(2_000))
    assert [len(message.value()) for message in everything(cluster, topic)] == [9_000, 2_900_000]


CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.mark.parametrize("stored, levels", [
    ("uncompressed", {}), ("gzip", {"compression_gzip_level": "9"}), ("snappy", {}),
    ("lz4", {}), ("lz4", {"compression_lz4_level": "12"}), ("zstd", {"compression_zstd_level": "-7"})],
    ids=lambda value: value if isinstance(value, str) else "".join(value.values()) or "default")
def test_compressed_anew(cluster, stored, levels):
    """However it was sent, it is stored as the topic has it, and read as it was sent."""
    topic = cluster.topic(f"anew-{stored}{len(levels)}", compression_type=stored, **levels)
    sent, codec, start = [], {"uncompressed": "none"}.get(stored, stored), now()
    for came in CODECS:
        producer = cluster.producer(compression_type=came, linger_ms=50)
        for number in range(500):
            value = b"value %d, and more of the same, of the same, of the same" % number
            headers = [("number", b"%d" % number)] if number % 3 == 0 else None
            producer.produce(topic, None if number % 50 == 7 else value, b"key %d" % (number % 9), headers=headers,
                             timestamp=start + number)
            sent.append((None if number % 50 == 7 else value, b"key %d" % (number % 9), headers,
                         (TIMESTAMP_CREATE_TIME, start + number)))
        assert producer.flush(PATIENCE) == 0
    batches = cluster.stored(topic)
    assert {kept for _, kept, _ in batches} == {codec} and sum(records for records, _, _ in batches) == len(sent)
    messages = everything(cluster, topic)
    assert [message.offset() for message in messages] == list(range(len(sent)))
    assert [(message.value(), message.key(), message.headers(), message.timestamp()) for message in messages] == sent


def test_compressed_anew_from_now_on(cluster):
    topic, kept = cluster.topic("anew-online"), []
    for stored in ("producer", "zstd", "uncompressed", "producer", "gzip"):
        retune(cluster, topic, compression_type=stored)
        send(cluster, topic, (b"again and " * 100, None, 0), compression_type="snappy")
        kept.append({"producer": "snappy", "uncompressed": "none"}.get(stored, stored))
    assert [codec for _, codec, _ in cluster.stored(topic)] == kept


def test_a_record_that_unpacks_too_large(cluster):
    """Refused where the broker unpacks it, which it does for a codec of the topic's own."""
    topic = cluster.topic("unpacked", compression_type="zstd", max_decompressed_message_bytes="20000",
                          max_message_bytes="100000")
    sent = lambda size: send(cluster, topic, (bytes(size), None, 0), compression_type="gzip",
                             enable_idempotence=False)[0]
    fits, refused = sent(19_000), sent(21_000)
    assert not isinstance(fits, KafkaError)
    assert isinstance(refused, KafkaError) and refused.code() == KafkaError.INVALID_RECORD
    assert [len(message.value()) for message in everything(cluster, topic)] == [19_000]


def test_too_large_when_it_is_stored_otherwise(cluster):
    topic = cluster.topic("unpacked-larger", compression_type="uncompressed", max_message_bytes="20000")
    sent = lambda size: send(cluster, topic, (bytes(size), None, 0), compression_type="gzip",
                             enable_idempotence=False)[0]
    fits, refused = sent(19_000), sent(21_000)
    assert not isinstance(fits, KafkaError)
    assert isinstance(refused, KafkaError) and refused.code() == KafkaError.MSG_SIZE_TOO_LARGE
