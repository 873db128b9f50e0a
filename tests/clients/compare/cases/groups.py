"""Consumer groups of the classic protocol: every question in every state of a group."""

import struct
import time

from ..broker import Connection, answer, frame
from .. import schema
from . import case

COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, MEMBER_ID_REQUIRED = 15, 16, 79
LOADING = 14


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


def subscription(*topics):
    """ConsumerProtocolSubscription, version 0."""
    return struct.pack(">hi", 0, len(topics)) + b"".join(text(topic) for topic in topics) + struct.pack(">i", -1)


def coordinator(broker, group):
    """The address of the group's coordinator; Kafka makes its topic first, and loads it."""
    until = time.monotonic() + 30
    while True:
        (found,) = broker.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=[group])["Coordinators"]
        if found["ErrorCode"] == 0:
            address = broker.nodes[found["NodeId"]]
            told = broker.ask("Heartbeat", 4, address, GroupId=group or "x", GenerationId=1, MemberId="x")
            if told["ErrorCode"] not in (LOADING, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE):
                return address
        assert time.monotonic() < until, f"no coordinator for {group}"
        time.sleep(0.05)


class Group:
    """A group in some state, with one member that has its own connection."""

    def __init__(self, broker, name=None):
        self.broker, self.name = broker, name if name is not None else broker.name("group")
        self.address = coordinator(broker, self.name)
        self.topic = broker.topic()
        self.member, self.generation, self.connection = "", -1, None

    def ask(self, api, version, **fields):
        return self.broker.ask(api, version, self.address, **{"GroupId": self.name, **fields})

    def send(self, api, version, **fields):
        self.connection = self.connection or Connection(self.address)
        fields = {"GroupId": self.name, **fields}
        self.connection.send(frame(api, version, schema.encode(api, version, fields)))
        return answer(api, version, self.connection.receive())

    def join_fields(self, **fields):
        return {"SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 60000, "MemberId": "", "ProtocolType": "consumer",
                "Protocols": [{"Name": "range", "Metadata": subscription(self.topic)}], **fields}

    def join(self, version=9, **fields):
        """Joins, with the id that is given first where one is."""
        told = self.send("JoinGroup", version, **self.join_fields(**fields))
        if told["ErrorCode"] == MEMBER_ID_REQUIRED:
            told = self.send("JoinGroup", version, **self.join_fields(**{**fields, "MemberId": told["MemberId"]}))
        if told["ErrorCode"] == 0:
            self.member, self.generation = told["MemberId"], told["GenerationId"]
        return told

    def sync(self, version=5, **fields):
        return self.send("SyncGroup", version, **{
            "GenerationId": self.generation, "MemberId": self.member, "ProtocolType": "consumer",
            "ProtocolName": "range", "Assignments": [{"MemberId": self.member, "Assignment": b"part"}], **fields})

    def commit(self, version=9, offset=3, metadata="note", partition=0, topic=None, **fields):
        named = {"TopicId": self.broker.ids.get(topic or self.topic)} if version >= 10 else {
            "Name": topic or self.topic}
        return self.ask("OffsetCommit", version, **{
            "GenerationIdOrMemberEpoch": self.generation, "MemberId": self.member, "Topics": [{
                **named, "Partitions": [{"PartitionIndex": partition, "CommittedOffset": offset,
                                         "CommittedLeaderEpoch": -1, "CommittedMetadata": metadata}]}], **fields})

    def fetch(self, version=9, topics=(), **fields):
        topics = [self.topic] if topics == () else topics
        if version < 8:
            named = topics and [{"Name": topic, "PartitionIndexes": [0, 7]} for topic in topics]
            return self.ask("OffsetFetch", version, Topics=named, **fields)
        named = topics and [{
            **({"TopicId": self.broker.ids[topic]} if version >= 10 else {"Name": topic}),
            "PartitionIndexes": [0, 7]} for topic in topics]
        return self.broker.ask("OffsetFetch", version, self.address, Groups=[
            {"GroupId": self.name, "MemberId": None, "MemberEpoch": -1, "Topics": named}], **fields)

    def leave(self, version=5, **fields):
        return self.ask("LeaveGroup", version, **{
            "MemberId": self.member, "Members": [{"MemberId": self.member}], **fields})


def missing(broker):
    return Group(broker)


def simple(broker):
    group = Group(broker)
    group.commit()
    return group


def completing(broker):
    group = Group(broker)
    group.join()
    return group


def stable(broker):
    group = completing(broker)
    group.sync()
    return group


def empty(broker):
    group = stable(broker)
    group.leave()
    return group


STATES = [missing, simple, empty, completing, stable]


def rejoin(group, version=9, **fields):
    """A join that is refused, or answered at once."""
    return group.send("JoinGroup", version, **group.join_fields(**{"MemberId": group.member or "nobody", **fields}))


QUESTIONS = {
    "heartbeat": lambda group: group.ask("Heartbeat", 4, GenerationId=group.generation, MemberId=group.member),
    "heartbeat-of-a-stranger": lambda group: group.ask(
        "Heartbeat", 4, GenerationId=group.generation, MemberId="stranger"),
    "heartbeat-old": lambda group: group.ask(
        "Heartbeat", 4, GenerationId=group.generation - 1, MemberId=group.member),
    "heartbeat-to-come": lambda group: group.ask(
        "Heartbeat", 4, GenerationId=group.generation + 1, MemberId=group.member),
    "heartbeat-of-an-unknown-instance": lambda group: group.ask(
        "Heartbeat", 4, GenerationId=group.generation, MemberId=group.member, GroupInstanceId="unknown"),
    "commit": lambda group: group.commit(),
    "commit-of-a-stranger": lambda group: group.commit(MemberId="stranger"),
    "commit-old": lambda group: group.commit(GenerationIdOrMemberEpoch=group.generation - 1),
    "commit-of-nobody": lambda group: group.commit(GenerationIdOrMemberEpoch=-1, MemberId=""),
    "commit-of-nobody-with-a-generation": lambda group: group.commit(GenerationIdOrMemberEpoch=1, MemberId=""),
    "commit-of-nobody-with-a-generation-v8": lambda group: group.commit(8, GenerationIdOrMemberEpoch=1, MemberId=""),
    "commit-without-a-generation": lambda group: group.commit(GenerationIdOrMemberEpoch=-1),
    "commit-of-an-unknown-instance": lambda group: group.commit(GroupInstanceId="unknown"),
    "sync": lambda group: group.sync(),
    "sync-of-a-stranger": lambda group: group.sync(MemberId="stranger"),
    "sync-old": lambda group: group.sync(GenerationId=group.generation - 1),
    "sync-by-another-protocol": lambda group: group.sync(ProtocolName="other"),
    "sync-of-another-type": lambda group: group.sync(ProtocolType="other"),
    "sync-without-a-protocol": lambda group: group.sync(ProtocolName=None),
    "leave": lambda group: group.leave(),
    "leave-of-a-stranger": lambda group: group.leave(Members=[{"MemberId": "stranger"}, {"MemberId": group.member}]),
    "leave-of-an-unknown-instance": lambda group: group.leave(
        Members=[{"MemberId": "", "GroupInstanceId": "unknown"}]),
    "leave-v2": lambda group: group.leave(2),
    "leave-v0-of-a-stranger": lambda group: group.leave(0, MemberId="stranger"),
    "leave-of-none": lambda group: group.leave(Members=[]),
    "describe-v6": lambda group: group.broker.ask(
        "DescribeGroups", 6, group.address, Groups=[group.name], IncludeAuthorizedOperations=True),
    "describe-v5": lambda group: group.broker.ask("DescribeGroups", 5, group.address, Groups=[group.name]),
    "describe-v0": lambda group: group.broker.ask("DescribeGroups", 0, group.address, Groups=[group.name]),
    "delete": lambda group: [group.broker.ask("DeleteGroups", 2, group.address, GroupsNames=[group.name]),
                             group.fetch()],
    "delete-offsets-in-use": lambda group: group.ask("OffsetDelete", 0, Topics=[
        {"Name": group.topic, "Partitions": [{"PartitionIndex": 7}, {"PartitionIndex": 0}]}]),
    "delete-offsets-of-another-topic": lambda group: group.ask("OffsetDelete", 0, Topics=[
        {"Name": group.broker.topic(), "Partitions": [{"PartitionIndex": 0}]}]),
    "delete-offsets-of-an-unknown-topic": lambda group: group.ask("OffsetDelete", 0, Topics=[
        {"Name": "nowhere", "Partitions": [{"PartitionIndex": 0}]}]),
    "fetch": lambda group: group.fetch(),
    "fetch-all": lambda group: group.fetch(topics=None),
    "fetch-stable": lambda group: group.fetch(RequireStable=True),
    "list": lambda group: [one for one in group.broker.ask("ListGroups", 5, group.address)["Groups"]
                           if one["GroupId"] == group.name],
    "join-of-a-stranger": lambda group: rejoin(group, MemberId="stranger"),
    "join-of-another-type": lambda group: rejoin(group, ProtocolType="other"),
    "join-by-another-protocol": lambda group: rejoin(group, Protocols=[{"Name": "other", "Metadata": b""}]),
    "join-without-protocols": lambda group: rejoin(group, MemberId="", Protocols=[]),
    "join-without-a-type": lambda group: rejoin(group, MemberId="", ProtocolType=""),
    "join-of-an-unknown-instance": lambda group: rejoin(group, GroupInstanceId="unknown"),
}

for state in STATES:
    for word, question in QUESTIONS.items():
        case(f"group-{state.__name__}-{word}",
             lambda broker, state=state, question=question: question(state(broker)))

for version in range(10):
    case(f"join-group-v{version}", lambda broker, version=version: Group(broker).join(version))
    case(f"join-group-for-the-first-time-v{version}", lambda broker, version=version: Group(broker).send(
        "JoinGroup", version, **Group(broker).join_fields()))
for version in range(6):
    case(f"sync-group-v{version}", lambda broker, version=version: completing(broker).sync(version))
for version in range(2, 11):
    case(f"offset-commit-v{version}", lambda broker, version=version: (
        group := Group(broker), group.commit(version), group.fetch())[1:])
for version in range(1, 11):
    case(f"offset-fetch-v{version}", lambda broker, version=version: simple(broker).fetch(version))
for version in range(2, 11):
    case(f"offset-fetch-all-v{version}", lambda broker, version=version: simple(broker).fetch(version, None))

for word, fields in {
        "metadata-at-the-limit": {"metadata": "x" * 4096}, "metadata-too-large": {"metadata": "x" * 4097},
        "no-metadata": {"metadata": None}, "unknown-partition": {"partition": 7}, "partition-negative": {
            "partition": -1}, "unknown-topic": {"topic": "nowhere"}, "offset-negative": {"offset": -1},
        "offset-very-negative": {"offset": -100}, "offset-beyond-the-end": {"offset": 1 << 60}}.items():
    case(f"offset-commit-{word}", lambda broker, fields=fields: (
        group := Group(broker), group.commit(**fields), group.fetch())[1:])

for word, fields in {
        "session-too-short": {"SessionTimeoutMs": 5999}, "session-too-long": {"SessionTimeoutMs": 1800001},
        "session-negative": {"SessionTimeoutMs": -1}, "session-zero": {"SessionTimeoutMs": 0}}.items():
    case(f"join-group-{word}", lambda broker, fields=fields: Group(broker).join(**fields))

case("group-without-a-name-join", lambda broker: Group(broker, "").join())
case("group-without-a-name-sync", lambda broker: Group(broker, "").sync(GenerationId=1, MemberId="x"))
case("group-without-a-name-heartbeat",
     lambda broker: Group(broker, "").ask("Heartbeat", 4, GenerationId=1, MemberId="x"))
case("group-without-a-name-leave", lambda broker: Group(broker, "").leave(MemberId="x"))
case("group-without-a-name-describe",
     lambda broker: broker.ask("DescribeGroups", 6, Group(broker, "").address, Groups=["", ""]))
case("group-without-a-name-delete-offsets",
     lambda broker: Group(broker, "").ask("OffsetDelete", 0, Topics=[]))
case("find-coordinator-unknown-type",
     lambda broker: broker.ask("FindCoordinator", 4, KeyType=7, CoordinatorKeys=["x"]))


@case("group-member-joins-again")
def joins_again(broker):
    """With nothing new, and then as the leader that it is."""
    group = completing(broker)
    return [group.join(MemberId=group.member), group.sync(), group.join(MemberId=group.member), group.sync()]


@case("group-static-member-comes-back")
def comes_back(broker):
    group = Group(broker)
    told = [group.join(GroupInstanceId="one"), group.sync(GroupInstanceId="one")]
    old, other = group.member, Group(broker, group.name)
    other.topic = group.topic
    told += [other.join(GroupInstanceId="one"), other.sync(GroupInstanceId="one", Assignments=[])]
    for word in ("Heartbeat",):
        told.append(group.ask(word, 4, GenerationId=1, MemberId=old, GroupInstanceId="one"))
    told += [group.commit(GroupInstanceId="one"), group.sync(GroupInstanceId="one"),
             group.send("JoinGroup", 9, **group.join_fields(MemberId=old, GroupInstanceId="one")),
             group.leave(Members=[{"MemberId": old, "GroupInstanceId": "one"}]),
             group.leave(Members=[{"MemberId": "", "GroupInstanceId": "one"}]),
             group.broker.ask("DescribeGroups", 6, group.address, Groups=[group.name])]
    return told


for version in (5, 8):
    @case(f"group-static-leader-comes-back-v{version}")
    def comes_back_old(broker, version=version):
        group = Group(broker)
        group.join(GroupInstanceId="one")
        group.sync(GroupInstanceId="one")
        other = Group(broker, group.name)
        other.topic = group.topic
        return other.join(version, GroupInstanceId="one")
