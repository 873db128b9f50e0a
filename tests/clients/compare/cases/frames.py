"""Frames and headers: what ends a connection, what is answered, and in which order."""

import struct

from .. import schema
from ..broker import answer, frame
from . import case


def shape(data):
    return data if isinstance(data, str) else "answered"


def metadata(version=9, **fields):
    return schema.encode("Metadata", version, {"Topics": [], **fields})


RAW = {
    "length-minus-one": b"\xff\xff\xff\xff",
    "length-zero": bytes(4),
    "length-too-large": b"\x7f\xff\xff\xff" + bytes(100),
    "length-of-three": struct.pack(">i", 3) + b"abc",
    "unknown-api": frame(9999, 0, b""),
    "negative-api": frame(-1, 0, b""),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "produce-version-2": frame("Produce", 2, b""),
    "fetch-version-3": frame("Fetch", 3, b""),
    "fetch-version-99": frame("Fetch", 99, b""),
    "metadata-version-99": frame("Metadata", 99, metadata()),
    "list-offsets-version-0": frame("ListOffsets", 0, b""),
    "create-topics-version-1": frame("CreateTopics", 1, b""),
    "delete-topics-version-0": frame("DeleteTopics", 0, b""),
    "negative-version": frame("Metadata", -1, metadata()),
    "body-cut-short": frame("Metadata", 9, metadata()[:-1]),
    "body-empty": frame("Metadata", 9, b""),
    "count-beyond-the-frame": frame("Metadata", 1, b"\x7f\xff\xff\xff"),
    "compact-count-beyond-the-frame": frame("Metadata", 9, b"\xff\xff\xff\xff\x07"),
    "string-beyond-the-frame": frame("Metadata", 1, struct.pack(">ih", 1, 32767)),
    "string-not-utf8": frame("Metadata", 4, struct.pack(">ih", 1, 2) + b"\xff\xfe\0"),
    "varint-too-long": frame("Metadata", 9, b"\xff" * 10),
}

for name, data in RAW.items():
    case(f"frame-{name}", lambda broker, data=data: shape(broker.raw(data)))


@case("frame-trailing-bytes")
def trailing(broker):
    return shape(broker.raw(frame("DescribeCluster", 0, schema.encode("DescribeCluster", 0, {}) + b"more")))


def error_of_describe(broker, **options):
    body = schema.encode("DescribeConfigs", 4, {"Resources": []})
    return answer("DescribeConfigs", 4, broker.raw(frame("DescribeConfigs", 4, body, **options)))


case("frame-null-client-id", lambda broker: error_of_describe(broker, client=None))
case("frame-empty-client-id", lambda broker: error_of_describe(broker, client=""))
case("frame-unknown-tag-in-the-header", lambda broker: error_of_describe(broker, tags=b"\x01\x63\x02hi"))
case("frame-tag-beyond-the-frame", lambda broker: error_of_describe(broker, tags=b"\x01\x63\xff\xff\x03hi"))


@case("frame-unknown-tag-in-the-body")
def tag_in_body(broker):
    body = schema.encode("DescribeConfigs", 4, {"Resources": []})[:-1] + b"\x01\x63\x02hi"
    return answer("DescribeConfigs", 4, broker.raw(frame("DescribeConfigs", 4, body)))


@case("frame-negative-correlation-id")
def negative_correlation(broker):
    data = broker.raw(frame("Metadata", 9, metadata(), correlation=-7))
    return struct.unpack_from(">i", data)[0]


@case("frame-pipelined-answers-in-order")
def pipelined(broker):
    """A fetch that waits, and then quick requests behind it."""
    topic = broker.filled(1)
    fetch = schema.encode("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": 1000, "Topics": [{
        "Topic": topic, "Partitions": [{"Partition": 0, "FetchOffset": 1, "PartitionMaxBytes": 1000}]}]})
    requests = [frame("Fetch", 11, fetch, correlation=1)]
    requests += [frame("Metadata", 9, metadata(), correlation=number) for number in range(2, 6)]
    connection = broker.fresh(broker.leader(topic))
    connection.send(b"".join(requests))
    order = [struct.unpack_from(">i", connection.receive())[0] for _ in requests]
    connection.close()
    return order


@case("frame-byte-by-byte")
def byte_by_byte(broker):
    connection = broker.fresh()
    for byte in frame("Metadata", 9, metadata(), correlation=5):
        connection.send(bytes([byte]))
    data = connection.receive()
    connection.close()
    return struct.unpack_from(">i", data)[0]
