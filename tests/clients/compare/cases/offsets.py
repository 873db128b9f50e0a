"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeLogDirs."""

from ..records import TIME, batch
from . import case

PLACES = {"latest": -1, "earliest": -2, "max-timestamp": -3, "earliest-local": -4, "latest-tiered": -5,
          "earliest-pending-upload": -6, "minus-7": -7, "minus-99": -99}


for word, place in PLACES.items():
    for version in (1, 4, 6, 7, 8, 9, 10, 11):
        case(f"list-offsets-{word}-v{version}", lambda broker, place=place, version=version: broker.list_offsets(
            broker.filled(3), 0, place, version))
    case(f"list-offsets-{word}-of-an-empty-partition",
         lambda broker, place=place: broker.list_offsets(broker.topic(), 0, place, 11))

for version in range(1, 12):
    case(f"list-offsets-v{version}",
         lambda broker, version=version: broker.list_offsets(broker.filled(3), 0, TIME + 1, version))

case("list-offsets-unknown-topic", lambda broker: broker.list_offsets(broker.name("nowhere"), 0, -1))
case("list-offsets-unknown-partition", lambda broker: broker.list_offsets(broker.topic(), 7, -1))
case("list-offsets-negative-partition", lambda broker: broker.list_offsets(broker.topic(), -1, -1))
case("list-offsets-bad-name", lambda broker: broker.list_offsets("a b", 0, -1))
case("list-offsets-read-committed", lambda broker: broker.list_offsets(broker.filled(3), 0, -1, IsolationLevel=1))
case("list-offsets-isolation-7", lambda broker: broker.list_offsets(broker.filled(3), 0, -1, IsolationLevel=7))
case("list-offsets-isolation-negative",
     lambda broker: broker.list_offsets(broker.filled(3), 0, -1, IsolationLevel=-1))
case("list-offsets-as-a-follower", lambda broker: broker.list_offsets(broker.filled(3), 0, -1, ReplicaId=424242))
case("list-offsets-as-a-debugger", lambda broker: broker.list_offsets(broker.filled(3), 0, -1, ReplicaId=-2))
for epoch in (-1, 0, 1, -2):
    case(f"list-offsets-current-leader-epoch-{epoch}", lambda broker, epoch=epoch: broker.list_offsets(
        broker.filled(3), 0, -1, partition_fields={"CurrentLeaderEpoch": epoch}))


@case("list-offsets-by-time")
def by_time(broker):
    """Times that go up and down, and a batch of several."""
    topic = broker.topic()
    for time in (0, 500, 200):
        broker.produce(topic, batch([b"a", b"b"], time=TIME + time))
    return [broker.list_offset(topic, 0, TIME + after) for after in (-1, 0, 1, 200, 201, 500, 501)]


@case("list-offsets-max-timestamp-of-equal-ones")
def equal_times(broker):
    topic = broker.topic()
    for _ in range(3):
        broker.produce(topic, batch([b"a", b"b"]))
    return broker.list_offset(topic, 0, -3)


@case("list-offsets-same-partition-twice")
def twice(broker):
    topic = broker.filled(1)
    partition = {"PartitionIndex": 0, "Timestamp": -1}
    return broker.ask("ListOffsets", 7, broker.leader(topic), ReplicaId=-1, Topics=[
        {"Name": topic, "Partitions": [partition, partition]}])


@case("list-offsets-after-delete-records")
def after_delete(broker):
    topic = broker.filled(5)
    delete(broker, topic, 3)
    return [broker.list_offset(topic, 0, place) for place in (-1, -2, -3, -4, TIME, TIME + 2, TIME + 4)]


# OffsetForLeaderEpoch

def epoch_end(broker, topic, epoch, current=-1, partition=0, version=4, replica=-1):
    return broker.ask("OffsetForLeaderEpoch", version, broker.leader(topic), ReplicaId=replica, Topics=[{
        "Topic": topic, "Partitions": [
            {"Partition": partition, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}]}])


for version in (2, 3, 4):
    case(f"leader-epoch-v{version}", lambda broker, version=version: epoch_end(
        broker, broker.filled(3), 0, version=version))
for epoch in (-2, -1, 1, 100):
    case(f"leader-epoch-{epoch}", lambda broker, epoch=epoch: epoch_end(broker, broker.filled(3), epoch))
for current in (0, 1, -2):
    case(f"leader-epoch-current-{current}",
         lambda broker, current=current: epoch_end(broker, broker.filled(3), 0, current))
for epoch in (-2, 1):
    case(f"leader-epoch-{epoch}-empty-partition",
         lambda broker, epoch=epoch: epoch_end(broker, broker.topic(), epoch))
case("leader-epoch-empty-partition", lambda broker: epoch_end(broker, broker.topic(), 0))
case("leader-epoch-unknown-topic", lambda broker: epoch_end(broker, broker.name("nowhere"), 0))
case("leader-epoch-unknown-partition", lambda broker: epoch_end(broker, broker.topic(), 0, partition=7))
case("leader-epoch-as-a-follower", lambda broker: epoch_end(broker, broker.filled(3), 0, replica=424242))


# DeleteRecords

def delete(broker, topic, offset, partition=0, version=2):
    return broker.ask("DeleteRecords", version, broker.leader(topic, partition), TimeoutMs=5000, Topics=[
        {"Name": topic, "Partitions": [{"PartitionIndex": partition, "Offset": offset}]}])


for version in range(3):
    case(f"delete-records-v{version}", lambda broker, version=version: delete(broker, broker.filled(3), 2, version=version))
for offset in (0, 3, 4, -1, -2, 2**62):
    case(f"delete-records-{offset}", lambda broker, offset=offset: delete(broker, broker.filled(3), offset))


@case("delete-records-twice")
def delete_twice(broker):
    topic = broker.filled(5)
    return [delete(broker, topic, offset) for offset in (3, 3, 1, -1)]


case("delete-records-unknown-topic", lambda broker: delete(broker, broker.name("nowhere"), 0))
case("delete-records-unknown-partition", lambda broker: delete(broker, broker.topic(), 0, partition=7))
case("delete-records-bad-name", lambda broker: delete(broker, "a b", 0))
case("delete-records-empty-partition", lambda broker: delete(broker, broker.topic(), -1))
case("delete-records-compacted", lambda broker: delete(broker, broker.topic(cleanup_policy="compact"), -1))
case("delete-records-none", lambda broker: broker.ask("DeleteRecords", 2, Topics=[], TimeoutMs=1000))


# DescribeLogDirs

def directories(broker, topic, version=4, partitions=(0,), to=None):
    """Of each directory, what it says of the topic."""
    answer = broker.ask("DescribeLogDirs", version, to or broker.leader(topic),
                        Topics=[{"Topic": topic, "Partitions": list(partitions)}])
    for one in answer["Results"]:
        for found in one["Topics"]:
            for partition in found["Partitions"]:
                partition["PartitionSize"] = partition["PartitionSize"] > 0
    return answer


for version in range(1, 6):
    case(f"log-dirs-v{version}", lambda broker, version=version: directories(broker, broker.filled(3), version))
case("log-dirs-unknown-topic", lambda broker: directories(broker, broker.name("nowhere")))
case("log-dirs-unknown-partition", lambda broker: directories(broker, broker.topic(), partitions=[7]))
case("log-dirs-no-partitions", lambda broker: directories(broker, broker.topic(), partitions=[]))


@case("log-dirs-null-is-all")
def everything(broker):
    topic = broker.filled(1)
    answer = broker.ask("DescribeLogDirs", 4, broker.leader(topic), Topics=None)
    return topic in {found["Name"] for one in answer["Results"] for found in one["Topics"]}


@case("log-dirs-size-is-the-log's")
def size(broker):
    """The size of a partition is that of its batches."""
    topic = broker.topic()
    data = batch([b"x" * 1000])
    broker.produce(topic, data)
    answer = broker.ask("DescribeLogDirs", 4, broker.leader(topic), Topics=[{"Topic": topic, "Partitions": [0]}])
    return [partition["PartitionSize"] - len(data) for one in answer["Results"] for found in one["Topics"]
            for partition in found["Partitions"]]
