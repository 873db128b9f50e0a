"""Fetch: every version, limits, positions, epochs, sessions."""

import time

from ..broker import UNKNOWN_ID
from ..records import TIME, batch
from .. import schema
from . import case


def one(answer):
    return answer["Responses"][0]["Partitions"][0]


for version in range(4, 19):
    case(f"fetch-v{version}", lambda broker, version=version: broker.fetch(broker.filled(3), version=version))
    case(f"fetch-unknown-topic-v{version}",
         lambda broker, version=version: broker.fetch(broker.name("nowhere"), version=version))

for version in (4, 12, 16):
    case(f"fetch-unknown-partition-v{version}",
         lambda broker, version=version: broker.fetch(broker.topic(), version=version, partition=5))
    case(f"fetch-beyond-the-end-v{version}",
         lambda broker, version=version: broker.fetch(broker.filled(3), 4, version))
    case(f"fetch-at-the-end-v{version}", lambda broker, version=version: broker.fetch(broker.filled(3), 3, version))

case("fetch-negative-partition", lambda broker: broker.fetch(broker.topic(), partition=-1))
case("fetch-negative-offset", lambda broker: broker.fetch(broker.filled(3), -1))
case("fetch-offset-max", lambda broker: broker.fetch(broker.filled(3), 2**63 - 1))
case("fetch-empty-topic", lambda broker: broker.fetch(broker.topic()))
case("fetch-bad-name", lambda broker: broker.fetch("a b", version=12))
case("fetch-zero-id", lambda broker: broker.ask("Fetch", 13, MaxWaitMs=0, MinBytes=0, Topics=[
    {"TopicId": schema.ZERO_ID, "Partitions": [{"Partition": 0, "PartitionMaxBytes": 100}]}]))
case("fetch-nothing", lambda broker: broker.ask("Fetch", 12, MaxWaitMs=0, MinBytes=0, Topics=[]))
case("fetch-read-committed", lambda broker: broker.fetch(broker.filled(3), IsolationLevel=1))
case("fetch-isolation-7", lambda broker: broker.fetch(broker.filled(3), IsolationLevel=7))
case("fetch-isolation-7-v4", lambda broker: broker.fetch(broker.filled(3), version=4, IsolationLevel=7))
case("fetch-isolation-negative", lambda broker: broker.fetch(broker.filled(3), IsolationLevel=-1))


@case("fetch-inside-a-batch")
def inside(broker):
    """The whole batch comes, from its own base offset on."""
    topic = broker.topic()
    broker.produce(topic, batch([b"a", b"b", b"c"]))
    broker.produce(topic, batch([b"d", b"e"]))
    return [broker.fetch(topic, offset) for offset in range(6)]


@case("fetch-after-delete-records")
def after_delete(broker):
    topic = broker.filled(10)
    broker.ask("DeleteRecords", 2, broker.leader(topic), TimeoutMs=5000, Topics=[
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": 5}]}])
    return [broker.fetch(topic, offset) for offset in (0, 4, 5, 9, 10, 11)]


def sizes(word, partition_bytes, most):
    """How many batches come of four large and four small ones."""
    def question(broker):
        topic = broker.topic()
        for size in (1000, 1000, 1000, 1000, 1, 1, 1, 1):
            broker.produce(topic, batch([b"x" * size]))
        found = broker.fetch(topic, 0, 12, MaxBytes=most, partition_fields={"PartitionMaxBytes": partition_bytes})
        return [found, [one(broker.fetch(topic, offset, 12, MaxBytes=most, partition_fields={
            "PartitionMaxBytes": partition_bytes})) for offset in (3, 6)]]
    case(f"fetch-limits-{word}", question)


sizes("none", 1 << 20, 1 << 20)
sizes("partition-1", 1, 1 << 20)
sizes("partition-0", 0, 1 << 20)
sizes("partition-negative", -1, 1 << 20)
sizes("partition-2500", 2500, 1 << 20)
sizes("all-1", 1 << 20, 1)
sizes("all-0", 1 << 20, 0)
sizes("all-2500", 1 << 20, 2500)
sizes("both-1", 1, 1)


@case("fetch-limit-over-two-partitions")
def two_partitions(broker):
    """The first may exceed the limit, the second then gets nothing."""
    topic = broker.topic()
    other = broker.neighbour(topic)
    for name in (topic, other):
        broker.produce(name, batch([b"x" * 1000]))
    return broker.ask("Fetch", 12, broker.leader(topic), MaxWaitMs=0, MinBytes=0, MaxBytes=500, Topics=[
        {"Topic": name, "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 500}]}
        for name in (topic, other)])


def elapsed(broker, **fields):
    topic = broker.filled(1)
    began = time.monotonic()
    answer = broker.fetch(topic, **fields)
    return [one(answer), round(time.monotonic() - began)]


case("fetch-waits-for-min-bytes", lambda broker: elapsed(broker, MinBytes=100_000, MaxWaitMs=2000))
case("fetch-waits-at-the-end", lambda broker: elapsed(broker, offset=1, MinBytes=1, MaxWaitMs=2000))
case("fetch-min-bytes-0-does-not-wait", lambda broker: elapsed(broker, offset=1, MinBytes=0, MaxWaitMs=2000))
case("fetch-max-wait-0-does-not-wait", lambda broker: elapsed(broker, offset=1, MinBytes=1, MaxWaitMs=0))
case("fetch-max-wait-negative", lambda broker: elapsed(broker, offset=1, MinBytes=1, MaxWaitMs=-1))
case("fetch-error-does-not-wait", lambda broker: elapsed(broker, offset=7, MinBytes=100, MaxWaitMs=2000))
case("fetch-unknown-does-not-wait", lambda broker: elapsed(broker, partition=7, MinBytes=100, MaxWaitMs=2000))

for epoch in (-1, 0, 1, 7, -2):
    for version in (9, 12, 16):
        case(f"fetch-current-leader-epoch-{epoch}-v{version}", lambda broker, epoch=epoch, version=version: broker.fetch(
            broker.filled(1), version=version, partition_fields={"CurrentLeaderEpoch": epoch}))
for epoch in (-1, 0, 1, 7, -2):
    case(f"fetch-last-fetched-epoch-{epoch}", lambda broker, epoch=epoch: broker.fetch(
        broker.filled(2), 1, partition_fields={"LastFetchedEpoch": epoch}))
case("fetch-last-fetched-epoch-beyond", lambda broker: broker.fetch(
    broker.filled(2), 7, partition_fields={"LastFetchedEpoch": 0}))


# A client that says it is a replica.
case("fetch-as-a-follower-v12", lambda broker: broker.fetch(broker.filled(1), version=12, ReplicaId=424242))
case("fetch-as-a-follower-v16", lambda broker: broker.fetch(
    broker.filled(1), version=16, ReplicaState={"ReplicaId": 424242, "ReplicaEpoch": 1}))
case("fetch-as-a-debugger", lambda broker: broker.fetch(broker.filled(1), version=12, ReplicaId=-2))
case("fetch-another-cluster", lambda broker: broker.fetch(broker.filled(1), version=12, ClusterId="another"))


@case("fetch-same-partition-twice")
def same_partition(broker):
    topic = broker.filled(2)
    partition = {"Partition": 0, "PartitionMaxBytes": 1000}
    return broker.ask("Fetch", 11, broker.leader(topic), MaxWaitMs=100, MinBytes=1, MaxBytes=10000, Topics=[
        {"Topic": topic, "Partitions": [{**partition, "FetchOffset": 0}, {**partition, "FetchOffset": 1}]}])


@case("fetch-some-good")
def some_good(broker):
    topic = broker.filled(1)
    to = broker.leader(topic)
    named = [{"TopicId": id, "Partitions": [{"Partition": partition, "PartitionMaxBytes": 1000}]}
             for id, partition in ((UNKNOWN_ID, 0), (broker.ids[topic], 0), (broker.ids[topic], 9))]
    answer = broker.ask("Fetch", 16, to, MaxWaitMs=100, MinBytes=1, MaxBytes=10000, Topics=named)
    # In no order, and a topic's partitions may come apart.
    found = [(one["TopicId"] == UNKNOWN_ID, partition) for one in answer["Responses"] for partition in one["Partitions"]]
    return [answer["ErrorCode"], sorted(found, key=lambda pair: pair[1]["ErrorCode"])]


# Sessions (KIP-227)

class Session:
    """One client's incremental fetches, at one leader."""

    def __init__(self, broker):
        self.broker, self.topic = broker, broker.filled(1)
        self.to, self.id = broker.leader(self.topic), 0

    def fetch(self, epoch, *partitions, forgotten=(), id=None, version=16):
        topics = [{"TopicId": self.broker.ids[topic], "Partitions": [{
            "Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1000}]}
            for topic, partition, offset in partitions]
        answer = self.broker.ask("Fetch", version, self.to, MaxWaitMs=100, MinBytes=1, MaxBytes=10000, Topics=topics,
                                 SessionId=self.id if id is None else id, SessionEpoch=epoch, ForgottenTopicsData=[
                                     {"TopicId": self.broker.ids[topic], "Partitions": [0]} for topic in forgotten])
        self.id = answer["SessionId"] or self.id
        return answer


@case("session-full-then-incremental")
def incremental(broker):
    session = Session(broker)
    found = [session.fetch(0, (session.topic, 0, 0)), session.fetch(1), session.fetch(2, (session.topic, 0, 1)),
             session.fetch(3)]
    broker.produce(session.topic, batch([b"new"], time=TIME))
    return found + [session.fetch(4), session.fetch(5, (session.topic, 0, 2)), session.fetch(6)]


@case("session-unknown-id")
def unknown_session(broker):
    return Session(broker).fetch(1, id=123456)


@case("session-unknown-id-epoch-0")
def unknown_session_epoch_0(broker):
    session = Session(broker)
    return session.fetch(0, (session.topic, 0, 0), id=123456)


@case("session-epoch-without-id")
def no_id(broker):
    session = Session(broker)
    return session.fetch(3, (session.topic, 0, 0), id=0)


@case("session-wrong-epoch")
def wrong_epoch(broker):
    session = Session(broker)
    return [session.fetch(0, (session.topic, 0, 0)), session.fetch(5), session.fetch(1), session.fetch(1),
            session.fetch(2)]


@case("session-closed")
def closed(broker):
    session = Session(broker)
    return [session.fetch(0, (session.topic, 0, 0)), session.fetch(-1), session.fetch(1)]


@case("session-none-wanted")
def none_wanted(broker):
    session = Session(broker)
    return session.fetch(-1, (session.topic, 0, 0))


@case("session-forgotten-partition")
def forgotten(broker):
    session = Session(broker)
    found = [session.fetch(0, (session.topic, 0, 1))]
    found.append(session.fetch(1, forgotten=[session.topic]))
    broker.produce(session.topic, batch([b"new"], time=TIME))
    return found + [session.fetch(2), session.fetch(3, (session.topic, 0, 0))]


@case("session-forgotten-one-of-two")
def forgotten_one(broker):
    session = Session(broker)
    other = broker.neighbour(session.topic)
    return [session.fetch(0, (session.topic, 0, 0), (other, 0, 0)), session.fetch(1, forgotten=[session.topic]),
            session.fetch(2)]


@case("session-same-partition-twice")
def session_twice(broker):
    session = Session(broker)
    return [session.fetch(0, (session.topic, 0, 0), (session.topic, 0, 1)), session.fetch(1)]


@case("session-error-is-told-again")
def error_again(broker):
    session = Session(broker)
    return [session.fetch(0, (session.topic, 9, 0)), session.fetch(1), session.fetch(2)]


@case("session-start-offset-changes")
def start_offset(broker):
    """Nothing new to read, but a new log start: that too is news."""
    session = Session(broker)
    found = [session.fetch(0, (session.topic, 0, 1)), session.fetch(1)]
    broker.ask("DeleteRecords", 2, session.to, TimeoutMs=5000, Topics=[
        {"Name": session.topic, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}])
    return found + [session.fetch(2), session.fetch(3)]


@case("session-replaced-by-a-full-fetch")
def replaced(broker):
    session = Session(broker)
    first = session.fetch(0, (session.topic, 0, 0))
    old = session.id
    second = session.fetch(0, (session.topic, 0, 0))
    return [first, second, session.id != old, session.fetch(1, id=old)]


@case("session-deleted-topic")
def deleted_topic(broker):
    session = Session(broker)
    session.fetch(0, (session.topic, 0, 1))
    broker.ask("DeleteTopics", 6, Topics=[{"Name": session.topic}], TimeoutMs=10000)
    for epoch in range(1, 100):
        answer = session.fetch(epoch)
        if answer["ErrorCode"] or answer["Responses"]:
            break
    return answer
