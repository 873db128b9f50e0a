"""Produce: every version, and everything that a broker must refuse in a request or in a batch."""

import gzip
import time

import lz4.frame
import snappy
import zstandard

from ..broker import frame
from ..records import TIME, batch, old_message, raw_record, record
from .. import schema
from . import case

GZIP, SNAPPY, LZ4, ZSTD, TIME_BIT, TRANSACTIONAL, CONTROL = 1, 2, 3, 4, 8, 16, 32


for version in range(3, 14):
    case(f"produce-v{version}",
         lambda broker, version=version: broker.produce(broker.topic(), batch([b"a", b"b"]), version))

for version in (3, 7, 12, 13):
    case(f"produce-unknown-topic-v{version}",
         lambda broker, version=version: broker.produce(broker.name("nowhere"), batch(), version))
    case(f"produce-unknown-partition-v{version}",
         lambda broker, version=version: broker.produce(broker.topic(), batch(), version, partition=1))
    case(f"produce-corrupt-v{version}",
         lambda broker, version=version: broker.produce(broker.topic(), batch(crc=1), version))

case("produce-negative-partition", lambda broker: broker.produce(broker.topic(), batch(), partition=-1))
case("produce-bad-name", lambda broker: broker.produce("a b", batch()))
case("produce-empty-name", lambda broker: broker.produce("", batch()))

for acks in (1, 2, -2, 7):
    case(f"produce-acks-{acks}", lambda broker, acks=acks: broker.produce(broker.topic(), batch(), acks=acks))

BATCHES = {
    "null-records": None,
    "no-bytes": b"",
    "few-bytes": b"abc",
    "half-a-head": batch()[:40],
    "half-a-batch": batch([b"x" * 100])[:-10],
    "bytes-after-the-batch": batch() + b"abc",
    "two-batches": batch() + batch(),
    "good-and-half": batch() + batch()[:30],
    "magic-0": old_message(0),
    "magic-1": old_message(1),
    "magic-3": batch(magic=3),
    "magic-minus-one": batch(magic=-1),
    "size-zero": batch(size=0),
    "size-negative": batch(size=-1),
    "size-too-large": batch(size=1 << 30),
    "size-too-small": batch(size=20),
    "crc-wrong": batch(crc=0),
    "base-offset-7": batch(base=7),
    "base-offset-negative": batch(base=-1),
    "leader-epoch-9": batch(leader_epoch=9),
    "no-records": batch([], last_delta=0, count=0),
    "no-records-delta-minus-one": batch([]),
    "count-too-large": batch([b"a"], count=2, last_delta=1),
    "count-too-small": batch([b"a", b"b"], count=1, last_delta=0),
    "count-negative": batch([b"a"], count=-1),
    "count-huge": batch([b"a"], count=2**31 - 1, last_delta=2**31 - 2),
    "last-delta-too-large": batch([b"a"], last_delta=5),
    "last-delta-too-small": batch([b"a", b"b"], last_delta=0),
    "last-delta-negative": batch([b"a"], last_delta=-1),
    "offset-deltas-wrong": batch([b"a", b"b"], payload=record(0, b"a") + record(0, b"b")),
    "offset-deltas-from-one": batch([b"a", b"b"], payload=record(1, b"a") + record(2, b"b")),
    "payload-garbage": batch([b"a"], payload=b"\xff" * 20),
    "payload-too-long": batch([b"a"], payload=record(0, b"a") + b"more"),
    "payload-empty": batch([b"a"], payload=b""),
    "payload-cut": batch([b"a", b"b"], payload=(record(0, b"a") + record(1, b"b"))[:-1]),
    "many-records": batch([b"%d" % number for number in range(300)]),
    "offset-delta-in-two-bytes": batch([b"a"], payload=raw_record(b"\0\0\x80\0\x01\x02a\0")),
    "record-longer-than-its-fields": batch([b"a"], payload=raw_record(b"\0\0\0\x01\x02a\0more")),
    "record-shorter-than-its-fields": batch([b"a"], payload=raw_record(b"\0\0\0\x01\x0aa\0")),
    "record-of-no-bytes": batch([b"a"], payload=raw_record(b"")),
    "record-length-negative": batch([b"a"], payload=b"\x09" + record(0, b"a")),
    "record-attributes": batch([b"a"], payload=raw_record(b"\x7f\0\0\x01\x02a\0")),
    "headers": batch([b"a"], payload=record(0, b"a", headers=[(b"one", b"1"), (b"", b""), (b"null", None)])),
    "header-without-name": batch([b"a"], payload=raw_record(b"\0\0\0\x01\x02a\x02\x01\x01")),
    "header-count-negative": batch([b"a"], payload=raw_record(b"\0\0\0\x01\x02a\x01")),
    "header-count-too-large": batch([b"a"], payload=raw_record(b"\0\0\0\x01\x02a\x08\x02h\x02v")),
    "times-of-several": batch([b"a", b"b", b"c"], max_time=TIME, payload=record(0, b"a") + record(
        1, b"b", time_delta=7_000) + record(2, b"c", time_delta=-5)),
    "codec-5": batch(attributes=5),
    "codec-7": batch(attributes=7),
    "gzip": batch([b"a"], attributes=GZIP, payload=gzip.compress(record(0, b"a"), mtime=0)),
    "snappy": batch([b"a"], attributes=SNAPPY, payload=snappy.compress(record(0, b"a"))),
    "snappy-framed-as-java-does": batch([b"a"], attributes=SNAPPY, payload=b"\x82SNAPPY\0\0\0\0\1\0\0\0\1" + b"".join(
        len(block).to_bytes(4, "big") + block for block in [snappy.compress(record(0, b"a"))])),
    "lz4": batch([b"a"], attributes=LZ4, payload=lz4.frame.compress(record(0, b"a"))),
    "zstd": batch([b"a"], attributes=ZSTD, payload=zstandard.ZstdCompressor().compress(record(0, b"a"))),
    "gzip-not-compressed": batch([b"a"], attributes=GZIP),
    "gzip-garbage": batch([b"a"], attributes=GZIP, payload=b"garbage"),
    "gzip-empty": batch([b"a"], attributes=GZIP, payload=b""),
    "gzip-count-wrong": batch([b"a"], attributes=GZIP, count=3, last_delta=2,
                              payload=gzip.compress(record(0, b"a"), mtime=0)),
    "gzip-deltas-wrong": batch([b"a", b"b"], attributes=GZIP,
                               payload=gzip.compress(record(3, b"a") + record(9, b"b"), mtime=0)),
    "snappy-garbage": batch([b"a"], attributes=SNAPPY, payload=b"garbage"),
    "lz4-garbage": batch([b"a"], attributes=LZ4, payload=b"garbage"),
    "zstd-garbage": batch([b"a"], attributes=ZSTD, payload=b"garbage"),
    "says-append-time": batch(attributes=TIME_BIT),
    "control": batch(attributes=CONTROL),
    "control-transactional": batch(attributes=CONTROL | TRANSACTIONAL, producer=1, epoch=0, sequence=0),
    "transactional-without-a-producer": batch(attributes=TRANSACTIONAL),
    "unknown-attribute": batch(attributes=1 << 10),
    "delete-horizon": batch(attributes=1 << 6),
    "time-negative": batch(time=-1),
    "time-far-ahead": batch(time=1 << 45),
    "time-long-ago": batch(time=0),
    "max-time-wrong": batch(max_time=TIME + 100_000),
    "max-time-before-the-first": batch(max_time=TIME - 1),
    "producer-without-epoch": batch(producer=5, epoch=-1, sequence=0),
    "producer-without-sequence": batch(producer=5, epoch=0, sequence=-1),
    "epoch-without-producer": batch(producer=-1, epoch=3, sequence=-1),
    "sequence-without-producer": batch(producer=-1, epoch=-1, sequence=3),
    "null-key-and-value": batch([None]),
    "large": batch([b"x" * 900_000]),
    "too-large": batch([b"x" * 1_048_588]),
}
for word, data in BATCHES.items():
    def question(broker, data=data):
        """The answer, and what a reader sees then."""
        topic = broker.topic()
        return [broker.produce(topic, data), broker.fetch(topic)]
    case(f"produce-{word}", question)


def limited(size):
    def question(broker):
        topic = broker.topic(max_message_bytes="200")
        return broker.produce(topic, batch([b"x" * size]))
    return question


# A batch of one record has 61 bytes and a few more; the limit is for the whole batch.
for size in (10, 129, 130, 131, 132, 140):
    case(f"produce-limit-200-value-{size}", limited(size))


@case("produce-compacted-without-key")
def compacted(broker):
    topic = broker.topic(cleanup_policy="compact")
    return [broker.produce(topic, batch([b"a", b"b"])), broker.produce(topic, batch([b"a"], key=b"k"))]


@case("produce-log-append-time")
def append_time(broker):
    topic = broker.topic(message_timestamp_type="LogAppendTime")
    return [broker.produce(topic, batch([b"a", b"b"], time=5)), broker.produce(topic, batch(time=-1)),
            broker.fetch(topic)]


@case("produce-timestamp-limits")
def timestamp_limits(broker):
    topic = broker.topic(message_timestamp_before_max_ms="1000", message_timestamp_after_max_ms="1000")
    return broker.produce(topic, batch([b"a", b"b"], time=TIME))


@case("produce-timestamp-limits-in-part")
def timestamp_limits_in_part(broker):
    """The first record is fine, the second is too old, the third has no time."""
    topic = broker.topic(message_timestamp_before_max_ms="60000")
    now = int(time.time() * 1000)
    data = batch([b"a", b"b", b"c"], time=now, payload=record(0, b"a") + record(
        1, b"b", time_delta=-100_000) + record(2, b"c", time_delta=-1 - now))
    return broker.produce(topic, data)


@case("produce-min-insync-too-many")
def min_insync(broker):
    topic = broker.topic(min_insync_replicas="2")
    return [broker.produce(topic, batch(), acks=acks) for acks in (-1, 1)]


@case("produce-zstd-v6")
def zstd_too_early(broker):
    return broker.produce(broker.topic(), batch([b"a"], attributes=ZSTD, payload=b"x"), 6)


@case("produce-transactional-id")
def transactional_id(broker):
    return broker.produce(broker.topic(), batch(), TransactionalId="transaction")


@case("produce-transactional-with-an-id")
def transactional_with_id(broker):
    data = batch(attributes=TRANSACTIONAL, producer=1, epoch=0, sequence=0)
    return broker.produce(broker.topic(), data, TransactionalId="nobody began this")


@case("produce-transactional-beside-a-plain-one")
def transactional_beside_plain(broker):
    """Refused as a whole."""
    topic = broker.topic()
    partitions = [{"Index": 0, "Records": batch()}, {"Index": 1, "Records": batch(attributes=TRANSACTIONAL)}]
    answer = broker.ask("Produce", 9, broker.leader(topic), Acks=-1, TimeoutMs=1000, TopicData=[
        {"Name": topic, "PartitionData": partitions}])
    answer["Responses"][0]["PartitionResponses"].sort(key=lambda partition: partition["Index"])
    return [answer, broker.fetch(topic)]


@case("produce-no-topics")
def no_topics(broker):
    return broker.ask("Produce", 9, Acks=-1, TimeoutMs=1000, TopicData=[])


@case("produce-no-partitions")
def no_partitions(broker):
    return broker.ask("Produce", 9, Acks=-1, TimeoutMs=1000, TopicData=[{"Name": broker.topic(), "PartitionData": []}])


@case("produce-some-good")
def some_good(broker):
    topic = broker.topic()
    partitions = [{"Index": 0, "Records": batch()}, {"Index": 9, "Records": batch()}]
    answer = broker.ask("Produce", 9, broker.leader(topic), Acks=-1, TimeoutMs=1000, TopicData=[
        {"Name": topic, "PartitionData": partitions},
        {"Name": broker.name("nowhere"), "PartitionData": [{"Index": 0, "Records": batch()}]}])
    for one in answer["Responses"]:
        one["PartitionResponses"].sort(key=lambda partition: partition["Index"])
    return sorted(answer["Responses"], key=lambda one: one["Name"])


@case("produce-same-partition-twice")
def same_partition(broker):
    topic = broker.topic()
    partitions = [{"Index": 0, "Records": batch([b"first"])}, {"Index": 0, "Records": batch([b"second"])}]
    return [broker.ask("Produce", 9, broker.leader(topic), Acks=-1, TimeoutMs=1000,
                       TopicData=[{"Name": topic, "PartitionData": partitions}]), broker.fetch(topic)]


def silent(broker, topic, data):
    """Sends with acks=0 and then asks for something: what comes first?"""
    produce = {"Acks": 0, "TimeoutMs": 1000, "TopicData": [{
        "Name": topic, "PartitionData": [{"Index": 0, "Records": data}]}]}
    connection = broker.fresh(broker.leader(topic))
    connection.send(frame("Produce", 9, schema.encode("Produce", 9, produce), correlation=1))
    connection.send(frame("Metadata", 9, schema.encode("Metadata", 9, {"Topics": []}), correlation=2))
    got = connection.receive()
    connection.close()
    return got if isinstance(got, str) else int.from_bytes(got[:4], "big")


@case("produce-acks-0")
def acks_0(broker):
    topic = broker.topic()
    return [silent(broker, topic, batch()), broker.fetch(topic)]


case("produce-acks-0-unknown-topic", lambda broker: silent(broker, broker.name("nowhere"), batch()))
case("produce-acks-0-transactional", lambda broker: silent(broker, broker.topic(), batch(attributes=TRANSACTIONAL)))
case("produce-acks-0-corrupt", lambda broker: silent(broker, broker.topic(), batch(crc=1)))
