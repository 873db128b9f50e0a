"""One of the two brokers: connections, raw and decoded questions, and the answers without what may differ."""

import itertools
import re
import socket
import struct
import time
import uuid

from . import records, schema

PATIENCE = 10
LATEST = -1
NEAR = "near"
LOADING = 14  # COORDINATOR_LOAD_IN_PROGRESS
UNKNOWN_ID = uuid.UUID("12345678-9abc-4def-8123-456789abcdef")


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.correlations = itertools.count(1)

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next frame, or "closed" when the broker ended the connection, or "silent"."""
        try:
            head = self.exactly(4)
            return self.exactly(struct.unpack(">i", head)[0])
        except (ConnectionError, EOFError):
            return "closed"
        except TimeoutError:
            return "silent"

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data


def frame(api, version, body, correlation=1, client="compare", tags=b"\0"):
    """A whole request. The header is of the second version where the API's version is flexible."""
    name = struct.pack(">h", -1) if client is None else struct.pack(">h", len(client)) + client.encode()
    number = api if isinstance(api, int) else schema.key(api)
    flexible = not isinstance(api, int) and schema.flexible(f"{api}Request", version)
    request = struct.pack(">hhi", number, version, correlation) + name + (tags if flexible else b"") + body
    return struct.pack(">i", len(request)) + request


def answer(api, version, data):
    """The decoded body of an answer frame; "closed" and "silent" as they are."""
    if isinstance(data, str):
        return data
    flexible = schema.flexible(f"{api}Response", version) and api != "ApiVersions"
    assert not flexible or data[4] == 0, "a tag in the answer's header"
    return schema.decode(api, version, data[5 if flexible else 4:])


class Broker:
    def __init__(self, bootstrap, prefix):
        host, port = bootstrap.rsplit(":", 1)
        self.address, self.prefix = (host, int(port)), prefix
        self.connections, self.ids, self.counter = {}, {}, itertools.count()
        self.nodes = {node["NodeId"]: (node["Host"], node["Port"])
                      for node in self.ask("Metadata", 12, Topics=[])["Brokers"]}

    def fresh(self, address=None):
        return Connection(address or self.address)

    def connection(self, address):
        if address not in self.connections:
            self.connections[address] = Connection(address)
        return self.connections[address]

    def forget(self, address):
        self.connections.pop(address).close()

    def ask(self, api, version, to=None, **fields):
        """The decoded answer of the broker at `to`, or "closed" or "silent"."""
        address = to or self.address
        connection = self.connection(address)
        correlation = next(connection.correlations)
        try:
            connection.send(frame(api, version, schema.encode(api, version, fields), correlation))
            data = connection.receive()
        except ConnectionError:
            data = "closed"
        if isinstance(data, str):
            self.forget(address)
            return data
        assert struct.unpack_from(">i", data)[0] == correlation, "the answer has another correlation id"
        return answer(api, version, data)

    def raw(self, data, count=1):
        """What comes back to these bytes on a connection of their own: frames, "closed" or "silent"."""
        connection = self.fresh()
        try:
            connection.send(data)
            got = []
            for _ in range(count):
                got.append(connection.receive())
            return got[0] if count == 1 else got
        except ConnectionError:
            return "closed"
        finally:
            connection.close()

    # Topics

    def name(self, word="t"):
        """A name of the same length at both brokers; it comes back as `T-word-number`."""
        return f"{self.prefix}-{word}-{next(self.counter)}"

    def topic(self, partitions=1, name=None, **settings):
        name = name or self.name()
        configs = [{"Name": key.replace("_", "."), "Value": value} for key, value in settings.items()]
        made = self.ask("CreateTopics", 7, TimeoutMs=10000, Topics=[{
            "Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": configs}])["Topics"][0]
        assert made["ErrorCode"] == 0, made
        self.ids[name] = made["TopicId"]
        # Kafka answers before every partition can be used.
        until = time.monotonic() + PATIENCE
        for partition in range(partitions):
            while self.list_offset(name, partition, LATEST)["ErrorCode"] != 0:
                assert time.monotonic() < until, f"no leader for {name}-{partition}"
                time.sleep(0.02)
        return name

    def leader(self, topic, partition=0):
        """The address of the partition's leader; of an unknown one, the bootstrap's."""
        (found,) = self.ask("Metadata", 9, Topics=[{"Name": topic}], AllowAutoTopicCreation=False)["Topics"]
        for one in found["Partitions"]:
            if one["PartitionIndex"] == partition:
                return self.nodes.get(one["LeaderId"], self.address)
        return self.address

    def neighbour(self, topic):
        """A new topic whose partition has the same leader; how many were made for it does not show in its name."""
        name = self.name(NEAR)
        for tries in range(100):
            other = self.topic(name=name + "x" * tries)
            if self.leader(other) == self.leader(topic):
                return other
        raise AssertionError(f"no new topic gets the leader of {topic}")

    # The data path, in its usual shape

    def topic_fields(self, topic, by_id):
        return {"TopicId": self.ids.get(topic, UNKNOWN_ID)} if by_id else {"Name": topic, "Topic": topic}

    def produce(self, topic, data, version=11, partition=0, acks=-1, to=None, **fields):
        named = {"TopicId": self.ids.get(topic, UNKNOWN_ID)} if version >= 13 else {"Name": topic}
        return self.ask("Produce", version, to or self.leader(topic, partition), **{
            "Acks": acks, "TimeoutMs": 5000,
            "TopicData": [{**named, "PartitionData": [{"Index": partition, "Records": data}]}], **fields})

    def fetch(self, topic, offset=0, version=16, partition=0, to=None, partition_fields=(), **fields):
        named = {"TopicId": self.ids.get(topic, UNKNOWN_ID)} if version >= 13 else {"Topic": topic}
        return self.ask("Fetch", version, to or self.leader(topic, partition), **{
            "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 10 << 20, "Topics": [{**named, "Partitions": [{
                "Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20,
                **dict(partition_fields)}]}], **fields})

    def list_offsets(self, topic, partition, timestamp, version=9, partition_fields=(), **fields):
        return self.ask("ListOffsets", version, self.leader(topic, partition), **{
            "ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [{
                "PartitionIndex": partition, "Timestamp": timestamp, **dict(partition_fields)}]}], **fields})

    def list_offset(self, topic, partition, timestamp):
        return self.list_offsets(topic, partition, timestamp)["Topics"][0]["Partitions"][0]

    def filled(self, count=10, partitions=1, **settings):
        """A topic whose partition 0 has `count` batches of one record."""
        topic = self.topic(partitions, **settings)
        for number in range(count):
            made = self.produce(topic, records.batch([b"%d" % number], time=records.TIME + number))
            assert made["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, made
        return topic

    def init_producer_id(self, version=4, **fields):
        """Kafka must first get a block of ids from its controller, and says so to the first that ask."""
        until = time.monotonic() + PATIENCE
        while True:
            made = self.ask("InitProducerId", version, **{
                "TransactionalId": None, "TransactionTimeoutMs": 60000, **fields})
            if isinstance(made, str) or made["ErrorCode"] != LOADING or time.monotonic() > until:
                return made
            time.sleep(0.05)

    def producer_id(self):
        made = self.init_producer_id()
        assert made["ErrorCode"] == 0, made
        return made["ProducerId"]


MASKS = {
    "ClusterId": bool,
    "Host": bool,
    "Port": lambda port: port > 0,
    "TopicId": lambda topic: topic != schema.ZERO_ID,
    "ProducerId": lambda producer: producer >= 0,
    "LogAppendTimeMs": lambda time: "now" if time > 0 else time,
    "SessionId": lambda session: session != 0,
    "LogDir": bool,
    "TotalBytes": lambda size: size > 0,
    "UsableBytes": lambda size: size > 0,
    "Records": lambda data: data if data is None else records.summary(data),
}
NODES = {"NodeId", "BrokerId", "LeaderId", "ControllerId"}
NODE_LISTS = {"ReplicaNodes", "IsrNodes"}
DROPPED = {"ThrottleTimeMs"}
EXPLANATIONS = {"ErrorMessage", "BatchIndexErrorMessage"}


def comparable(broker, value, name="", messages=False):
    """The value without what may differ between two brokers: names of nodes, ids, times; of words of explanation it
    leaves whether there are any."""
    if name in EXPLANATIONS and not messages:
        return bool(value)
    if name in MASKS:
        return MASKS[name](value)
    if name in NODES:
        return "a node" if value in broker.nodes else value
    if name in NODE_LISTS:
        return ["a node" if node in broker.nodes else node for node in value or []]
    if name in ("Brokers", "Nodes", "NodeEndpoints") and isinstance(value, list):
        shapes = [comparable(broker, one, messages=messages) for one in value]
        return [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    if isinstance(value, dict):
        return {key: comparable(broker, one, key, messages) for key, one in value.items()
                if key not in DROPPED}
    if isinstance(value, (list, tuple)):
        return [comparable(broker, one, messages=messages) for one in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", value)
        return re.sub(rf"(-{NEAR}-\d+)x+", r"\1", value.replace(broker.prefix, "T"))
    if isinstance(value, bytes):
        return str(value.replace(broker.prefix.encode(), b"T"))
    if isinstance(value, uuid.UUID):
        return str(value)
    return value
