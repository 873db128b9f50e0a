"""Consumer groups of the protocol of KIP-848: every question in every state of a group, joins that are refused, and how
partitions pass from one member to another.

Kafka must assign at once (group.consumer.assignment.interval.ms=0, group.consumer.assignor.offload.enable=
false), or what an answer tells would be a matter of time.
"""

import struct
import time

from . import case as any_case
from .groups import Group, coordinator, simple, subscription
from .groups import stable as classic

HEARTBEAT, DESCRIBE = 68, 69
JOIN, LEAVE, LEAVE_FOR_NOW = 0, -1, -2


def case(name, question=None):
    return any_case(name, question, (HEARTBEAT, DESCRIBE))


def tidy(value):
    """Members and partitions in one order: Kafka's tables have none."""
    if isinstance(value, dict):
        value = {key: tidy(one) for key, one in value.items()}
        for key, order in {"Members": lambda one: one["MemberId"], "Partitions": None,
                           "TopicPartitions": lambda one: (one.get("TopicName", ""), one["Partitions"]),
                           "Groups": lambda one: one["GroupId"], "SubscribedTopicNames": None}.items():
            if isinstance(value.get(key), list):
                value[key] = sorted(value[key], key=order)
    elif isinstance(value, list):
        value = [tidy(one) for one in value]
    return value


def shard(name, count):
    """The partition of __consumer_offsets that a group belongs to: by Java's hash of its name."""
    number = 0
    for letter in name:
        number = (31 * number + ord(letter)) & 0xFFFFFFFF
    number -= (number >> 31) << 32
    return (0 if number == -1 << 31 else abs(number)) % count


class Modern:
    """A group and what its members were told last: their epochs and partitions. Members name themselves."""

    def __init__(self, broker, name=None, partitions=4):
        self.broker, self.name = broker, name if name is not None else broker.name("modern")
        self.address = coordinator(broker, self.name)
        self.topic = broker.topic(partitions)
        self.epochs, self.owned = {}, {}
        self.knows(self.topic)

    def knows(self, topic):
        """Waits until the coordinator has heard of the topic: Kafka's hears of it later than those who are asked for
        metadata, each of its partitions for itself."""
        (offsets,) = self.broker.ask("Metadata", 12, Topics=[{"Name": "__consumer_offsets"}])["Topics"]
        count = len(offsets["Partitions"])
        names = (f"{self.broker.prefix}-probe-{number}" for number in range(1000000))
        group = next(name for name in names if shard(name, count) == shard(self.name, count))
        probe, epoch, until = topic, JOIN, time.monotonic() + 10
        while True:
            told = self.broker.ask("ConsumerGroupHeartbeat", 1, self.address, GroupId=group, MemberId=probe, **{
                "MemberEpoch": epoch, "RebalanceTimeoutMs": 60000, "SubscribedTopicNames": [topic],
                "TopicPartitions": []})
            if told["ErrorCode"] or told["Assignment"] and told["Assignment"]["TopicPartitions"]:
                break
            assert time.monotonic() < until, f"the coordinator of {self.name} does not know {topic}"
            epoch = told["MemberEpoch"]
            time.sleep(0.01)
        assert told["ErrorCode"] == 0, told
        self.broker.ask("ConsumerGroupHeartbeat", 1, self.address, GroupId=group, MemberId=probe, MemberEpoch=LEAVE)

    def ask(self, api, version, **fields):
        return tidy(self.broker.ask(api, version, self.address, **fields))

    def beat(self, member="one", epoch=None, version=1, **fields):
        """A heartbeat with the epoch that the member was told last."""
        epoch = self.epochs.get(member, 7) if epoch is None else epoch
        told = self.ask("ConsumerGroupHeartbeat", version, **{
            "GroupId": self.name, "MemberId": member, "MemberEpoch": epoch, **fields})
        if not isinstance(told, str) and told["ErrorCode"] == 0:
            self.epochs[member] = told["MemberEpoch"]
            if told["Assignment"] is not None:
                self.owned[member] = told["Assignment"]["TopicPartitions"]
        return told

    def join(self, member="one", **fields):
        return self.beat(member, **{"epoch": JOIN, "RebalanceTimeoutMs": 60000, "TopicPartitions": [],
                                    "SubscribedTopicNames": [self.topic], **fields})

    def has(self, member="one", **fields):
        """A heartbeat in which the member says that it has what it was told to have."""
        return self.beat(member, TopicPartitions=self.owned.get(member, []), **fields)

    def until(self, true, member="one"):
        """Heartbeats until the last answer is as wished: Kafka resolves patterns in the background."""
        end = time.monotonic() + 10
        while not true(told := self.has(member)) and time.monotonic() < end:
            time.sleep(0.05)
        return told

    def describe(self, version=1):
        return self.ask("ConsumerGroupDescribe", version, GroupIds=[self.name])

    def commit(self, member="one", epoch=None, version=9, **fields):
        return self.ask("OffsetCommit", version, **{
            "GroupId": self.name, "MemberId": member, "Topics": [{"Name": self.topic, "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": 3, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}]}],
            "GenerationIdOrMemberEpoch": self.epochs.get(member, 7) if epoch is None else epoch, **fields})

    def fetch(self, member="one", epoch=None):
        return self.ask("OffsetFetch", 9, Groups=[{
            "GroupId": self.name, "MemberId": member, "Topics": [{"Name": self.topic, "PartitionIndexes": [0]}],
            "MemberEpoch": self.epochs.get(member, 7) if epoch is None else epoch}])

    def classic(self, api, version, **fields):
        return self.ask(api, version, **{"GroupId": self.name, **fields})


# A state takes a broker and gives a group.

def missing(broker):
    return Modern(broker)


def one(broker):
    """One member, which has all and says so."""
    group = Modern(broker)
    group.join()
    group.has()
    return group


def empty(broker):
    group = one(broker)
    group.beat(epoch=LEAVE)
    return group


def joining(broker):
    """A second member waits for what the first one has not let go yet."""
    group = one(broker)
    group.join("two")
    return group


def revoking(broker):
    """The first one has heard of it."""
    group = joining(broker)
    group.has()
    return group


def two(broker):
    group = revoking(broker)
    group.has()
    group.has("two")
    group.has("two")
    return group


def static(broker):
    """A static member that left for now."""
    group = Modern(broker)
    group.join(InstanceId="i")
    group.has()
    group.beat(epoch=LEAVE_FOR_NOW, InstanceId="i")
    return group


STATES = [missing, empty, one, joining, revoking, two, static]

QUESTIONS = {
    "heartbeat": lambda group: group.beat(),
    "heartbeat-v0": lambda group: group.beat(version=0),
    "heartbeat-with-what-it-has": lambda group: group.has(),
    "heartbeat-with-nothing": lambda group: group.beat(TopicPartitions=[]),
    "heartbeat-with-everything-anew": lambda group: group.beat(
        RebalanceTimeoutMs=60000, SubscribedTopicNames=[group.topic], TopicPartitions=group.owned.get("one", [])),
    "heartbeat-old": lambda group: group.beat(epoch=group.epochs.get("one", 7) - 1),
    "heartbeat-old-with-what-it-has": lambda group: group.has(epoch=group.epochs.get("one", 7) - 1),
    "heartbeat-very-old": lambda group: [group.join("three"), group.beat(epoch=group.epochs.get("one", 7) - 2)],
    "heartbeat-to-come": lambda group: group.beat(epoch=group.epochs.get("one", 7) + 1),
    "heartbeat-of-a-stranger": lambda group: group.beat("stranger", 3),
    "heartbeat-of-an-unknown-instance": lambda group: group.beat(InstanceId="unknown"),
    "join-again": lambda group: group.join(),
    "join-of-another": lambda group: group.join("three"),
    "join-of-the-instance": lambda group: group.join("three", InstanceId="i"),
    "leave": lambda group: [group.beat(epoch=LEAVE), group.describe()],
    "leave-of-a-stranger": lambda group: group.beat("stranger", LEAVE),
    "leave-for-now": lambda group: group.beat(epoch=LEAVE_FOR_NOW, InstanceId="i"),
    "leave-for-now-without-an-instance": lambda group: group.beat(epoch=LEAVE_FOR_NOW),
    "leave-for-good-of-the-instance": lambda group: group.beat(epoch=LEAVE, InstanceId="i"),
    "subscribe-to-nothing": lambda group: group.beat(SubscribedTopicNames=[]),
    "choose-range": lambda group: [group.beat(ServerAssignor="range"), group.describe()],
    "choose-an-unknown-assignor": lambda group: group.beat(ServerAssignor="unknown"),
    "describe": lambda group: group.describe(),
    "describe-v0": lambda group: group.describe(0),
    "commit": lambda group: [group.commit(), group.fetch()],
    "commit-old": lambda group: group.commit(epoch=group.epochs.get("one", 7) - 1),
    "commit-to-come": lambda group: group.commit(epoch=group.epochs.get("one", 7) + 1),
    "commit-of-a-stranger": lambda group: group.commit("stranger"),
    "commit-of-nobody": lambda group: group.commit("", -1),
    "commit-v8": lambda group: group.commit(version=8),
    "commit-v8-old": lambda group: group.commit(version=8, epoch=group.epochs.get("one", 7) - 1),
    "fetch-offsets": lambda group: group.fetch(),
    "fetch-offsets-old": lambda group: group.fetch(epoch=group.epochs.get("one", 7) - 1),
    "fetch-offsets-of-a-stranger": lambda group: group.fetch("stranger"),
    "fetch-offsets-of-nobody": lambda group: group.fetch(None, -1),
    "delete-offsets": lambda group: group.classic("OffsetDelete", 0, Topics=[
        {"Name": group.topic, "Partitions": [{"PartitionIndex": 0}]}]),
    "delete": lambda group: [group.ask("DeleteGroups", 2, GroupsNames=[group.name]), group.describe()],
    "list": lambda group: [
        [told for told in group.ask("ListGroups", 5, TypesFilter=types, StatesFilter=states)["Groups"]
         if told["GroupId"] == group.name]
        for types, states in [([], []), (["consumer"], []), (["Consumer"], []), (["classic"], []), ([], ["Stable"]),
                              ([], ["stable"]), ([], ["Empty"]), ([], ["Reconciling"]), ([], ["Assigning"])]],
    "classic-describe": lambda group: group.ask("DescribeGroups", 6, Groups=[group.name]),
    "classic-describe-v5": lambda group: group.ask("DescribeGroups", 5, Groups=[group.name]),
    "classic-heartbeat": lambda group: group.classic("Heartbeat", 4, GenerationId=1, MemberId="one"),
    "classic-heartbeat-of-a-stranger": lambda group: group.classic("Heartbeat", 4, GenerationId=1, MemberId="stranger"),
    "classic-sync": lambda group: group.classic(
        "SyncGroup", 5, GenerationId=1, MemberId="one", ProtocolType="consumer", ProtocolName="range"),
    "classic-leave": lambda group: [
        group.classic("LeaveGroup", 5, Members=[{"MemberId": "one"}, {"MemberId": "stranger"}]), group.describe()],
    "classic-leave-of-the-instance": lambda group: [
        group.classic("LeaveGroup", 5, Members=[{"MemberId": "", "GroupInstanceId": "i"}]), group.describe()],
    "classic-join-with-garbage": lambda group: group.classic(
        "JoinGroup", 9, SessionTimeoutMs=45000, RebalanceTimeoutMs=60000, ProtocolType="consumer", MemberId="stranger",
        Protocols=[{"Name": "range", "Metadata": b"?"}]),
    "classic-join-of-another-type": lambda group: group.classic(
        "JoinGroup", 9, SessionTimeoutMs=45000, RebalanceTimeoutMs=60000, ProtocolType="other", MemberId="stranger",
        Protocols=[{"Name": "range", "Metadata": subscription(group.topic)}]),
    "classic-join-of-a-stranger": lambda group: group.classic(
        "JoinGroup", 9, SessionTimeoutMs=45000, RebalanceTimeoutMs=60000, ProtocolType="consumer", MemberId="stranger",
        Protocols=[{"Name": "range", "Metadata": subscription(group.topic)}]),
    "transactional-commit-of-a-stranger": lambda group: transactional_commit(group, "stranger", 1),
    "transactional-commit-old": lambda group: transactional_commit(group, "one", group.epochs.get("one", 7) - 1),
    "transactional-commit": lambda group: transactional_commit(group, "one", group.epochs.get("one", 7)),
}


def transactional_commit(group, member, epoch):
    broker, name = group.broker, group.broker.name("txn")
    until = time.monotonic() + 30
    while True:
        (found,) = broker.ask("FindCoordinator", 4, KeyType=1, CoordinatorKeys=[name])["Coordinators"]
        if found["ErrorCode"] == 0:
            address = broker.nodes[found["NodeId"]]
            made = broker.ask("InitProducerId", 4, address, TransactionalId=name, TransactionTimeoutMs=60000)
            if made["ErrorCode"] not in (14, 15, 16):
                break
        assert time.monotonic() < until, "no coordinator of transactions"
        time.sleep(0.05)
    producer = {"ProducerId": made["ProducerId"], "ProducerEpoch": made["ProducerEpoch"]}
    added = broker.ask("AddOffsetsToTxn", 3, address, TransactionalId=name, GroupId=group.name, **producer)
    told = group.classic("TxnOffsetCommit", 3, TransactionalId=name, MemberId=member, GenerationId=epoch, Topics=[
        {"Name": group.topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3}]}], **producer)
    ended = broker.ask("EndTxn", 3, address, TransactionalId=name, Committed=False, **producer)
    return [added, told, ended]


for state in STATES:
    for word, question in QUESTIONS.items():
        case(f"modern-{state.__name__}-{word}",
             lambda broker, state=state, question=question: question(state(broker)))

# Joins, as one field is: in a group that is not there, and whether it is there after that.
for word, fields in {
        "plain": {}, "by-version-0": {"version": 0}, "without-an-id": {"member": ""},
        "with-a-blank-id": {"member": " "}, "without-a-timeout": {"RebalanceTimeoutMs": -1},
        "with-no-timeout": {"RebalanceTimeoutMs": 0}, "with-a-negative-timeout": {"RebalanceTimeoutMs": -2},
        "without-partitions": {"TopicPartitions": None}, "without-topics": {"SubscribedTopicNames": None},
        "with-no-topics": {"SubscribedTopicNames": []},
        "to-an-unknown-topic": {"SubscribedTopicNames": ["nowhere"]},
        "to-a-bad-name": {"SubscribedTopicNames": ["?"]}, "to-an-empty-name": {"SubscribedTopicNames": [""]},
        "with-an-empty-instance": {"InstanceId": ""}, "with-a-blank-instance": {"InstanceId": " "},
        "with-an-instance": {"InstanceId": "i"}, "with-an-empty-rack": {"RackId": ""}, "with-a-rack": {"RackId": "r"},
        "with-an-empty-assignor": {"ServerAssignor": ""}, "with-an-unknown-assignor": {"ServerAssignor": "sticky"},
        "with-uniform": {"ServerAssignor": "uniform"}, "with-range": {"ServerAssignor": "range"},
        "with-an-assignor-in-capitals": {"ServerAssignor": "Range"},
        "with-a-bad-pattern": {"SubscribedTopicNames": None, "SubscribedTopicRegex": "("},
        "with-an-empty-pattern": {"SubscribedTopicNames": None, "SubscribedTopicRegex": ""},
        "with-a-pattern-that-looks-ahead": {"SubscribedTopicNames": None, "SubscribedTopicRegex": "(?=x)y"},
        "with-a-pattern-that-looks-back": {"SubscribedTopicNames": None, "SubscribedTopicRegex": r"(x)\1"},
        "with-a-pattern-that-repeats-without-end": {
            "SubscribedTopicNames": None, "SubscribedTopicRegex": "x{1001}"},
        "with-names-and-a-pattern": {"SubscribedTopicRegex": "x.*"},
        "with-names-and-a-bad-pattern": {"SubscribedTopicRegex": "("},
        "with-no-names-and-a-pattern": {"SubscribedTopicNames": [], "SubscribedTopicRegex": "x.*"},
        "at-epoch--3": {"epoch": -3}, "at-epoch-5": {"epoch": 5}, "at-epoch--2": {"epoch": LEAVE_FOR_NOW},
        "at-epoch--2-with-an-instance": {"epoch": LEAVE_FOR_NOW, "InstanceId": "i"},
        "leaving": {"epoch": LEAVE}, "with-the-smallest-epoch": {"epoch": -1 << 31},
        "with-the-largest-epoch": {"epoch": (1 << 31) - 1}}.items():
    case(f"modern-join-{word}", lambda broker, fields=fields: (
        group := Modern(broker), group.join(**fields), group.describe())[1:])

case("modern-join-twice-the-same-topic", lambda broker: (
    group := Modern(broker), group.join(SubscribedTopicNames=[group.topic] * 2), group.describe())[1:])
case("modern-join-with-partitions", lambda broker: (
    group := Modern(broker), group.join(TopicPartitions=[
        {"TopicId": broker.ids[group.topic], "Partitions": [0]}]))[1:])
case("modern-heartbeat-with-unknown-partitions", lambda broker: (
    group := one(broker), group.beat(TopicPartitions=[
        {"TopicId": broker.ids[group.topic], "Partitions": [0, 1, 2, 3, 99]}]))[1:])
case("modern-group-without-a-name", lambda broker: Modern(broker, "").join())
case("modern-group-with-a-blank-name", lambda broker: Modern(broker, " ").join())
case("modern-describe-of-nothing", lambda broker: Modern(broker).ask("ConsumerGroupDescribe", 1, GroupIds=[]))
case("modern-describe-without-a-name", lambda broker: Modern(broker).ask("ConsumerGroupDescribe", 1, GroupIds=[""]))
case("modern-describe-of-strangers", lambda broker: Modern(broker).ask(
    "ConsumerGroupDescribe", 1, GroupIds=["nobody", "nobody", "none"], IncludeAuthorizedOperations=True))
case("modern-describe-with-operations", lambda broker: (
    group := one(broker), group.ask(
        "ConsumerGroupDescribe", 1, GroupIds=[group.name], IncludeAuthorizedOperations=True))[1:])


@case("modern-join-v0-without-an-id")
def named_by_the_broker(broker):
    told = Modern(broker).join("", version=0)
    return {**told, "MemberId": len(told["MemberId"])}


@case("modern-two-share")
def two_share(broker):
    """Every step, with what the group is between them."""
    group = Modern(broker)
    told = [group.join()]
    for step in [lambda: group.join("two"), lambda: group.beat("two"), lambda: group.beat(), lambda: group.beat("two"),
                 lambda: group.beat(), lambda: group.has(), lambda: group.beat("two"), lambda: group.has("two"),
                 lambda: group.has()]:
        told += [step(), group.describe()]
    return told


@case("modern-one-inherits")
def one_inherits(broker):
    group = two(broker)
    return [group.beat("two", LEAVE), group.describe(), group.has(), group.has(), group.describe()]


@case("modern-a-lost-answer")
def a_lost_answer(broker):
    """The epoch went up with an answer that never came: what the member has tells that it is the same."""
    group = one(broker)
    old, had = group.epochs["one"], group.owned["one"]
    group.join("two")
    lost = group.beat(epoch=old)
    group.beat(TopicPartitions=[{**had[0], "Partitions": had[0]["Partitions"][:2]}])
    fewer = [{**had[0], "Partitions": had[0]["Partitions"][:2]}]
    return [lost, group.beat(epoch=old, TopicPartitions=fewer), group.beat(epoch=old, TopicPartitions=had),
            group.beat(epoch=old), group.describe()]


@case("modern-fenced-member-comes-again")
def fenced_comes_again(broker):
    group = two(broker)
    return [group.beat(epoch=99), group.join(), group.describe(), group.has(), group.has("two"), group.describe()]


@case("modern-static-member-comes-back")
def comes_back(broker):
    group = Modern(broker)
    told = [group.join("one", InstanceId="i"), group.has("one"), group.join("two", InstanceId="j"), group.beat("one")]
    told += [group.has("one"), group.beat("two"), group.has("two"), group.describe()]
    told += [group.beat("one", LEAVE_FOR_NOW, InstanceId="i"), group.describe(), group.beat("one", InstanceId="i"),
             group.join("three", InstanceId="i"), group.describe(), group.beat("one", 2, InstanceId="i"),
             group.beat("one", 2), group.has("three", InstanceId="i"), group.has("two"), group.describe()]
    return told


@case("modern-static-double")
def static_double(broker):
    group = Modern(broker)
    return [group.join("one", InstanceId="i"), group.join("two", InstanceId="i"), group.has("one", InstanceId="i"),
            group.beat("two", 1, InstanceId="i"), group.beat("two", LEAVE, InstanceId="i"),
            group.beat("two", LEAVE_FOR_NOW, InstanceId="i"), group.join("one", InstanceId="j"), group.describe()]


@case("modern-static-member-changes-its-mind-while-away")
def changes_while_away(broker):
    group, other = static(broker), broker.topic(2)
    group.knows(other)
    return [group.join("two", InstanceId="i", SubscribedTopicNames=[other]), group.has("two"), group.describe()]


@case("modern-member-subscribes-to-another-topic")
def another_topic(broker):
    group, other = one(broker), broker.topic(2)
    group.knows(other)
    told = [group.beat(SubscribedTopicNames=[other]), group.beat(TopicPartitions=[]), group.has(), group.describe()]
    return told + [group.beat(SubscribedTopicNames=[other, group.topic]), group.has(), group.has(), group.describe()]


@case("modern-topic-grows")
def topic_grows(broker):
    group = one(broker)
    broker.ask("CreatePartitions", 3, TimeoutMs=10000, Topics=[{"Name": group.topic, "Count": 6}])
    grown = group.until(
        lambda told: told["Assignment"] and len(told["Assignment"]["TopicPartitions"][0]["Partitions"]) > 4)
    return [grown, group.has(), group.describe()]


@case("modern-topic-comes-later")
def topic_comes(broker):
    group, later = Modern(broker), broker.name("later")
    told = [group.join(SubscribedTopicNames=[later])]
    broker.topic(2, later)
    came = group.until(lambda told: told["Assignment"] and told["Assignment"]["TopicPartitions"])
    return told + [came, group.has(), group.describe()]


@case("modern-topic-goes")
def topic_goes(broker):
    group = one(broker)
    broker.ask("DeleteTopics", 6, TimeoutMs=10000, Topics=[{"Name": group.topic}])
    gone = group.until(lambda told: told["Assignment"] is not None)
    return [gone, group.beat(TopicPartitions=[]), group.describe()]


@case("modern-pattern")
def pattern(broker):
    """How many epochs it takes until the pattern is resolved is nobody's business."""
    group = Modern(broker)
    told = group.join(SubscribedTopicNames=None, SubscribedTopicRegex=group.topic + "|nowhere")
    group.until(lambda told: told["Assignment"] and told["Assignment"]["TopicPartitions"])
    (shape,) = group.describe()["Groups"]
    behind = {shape.pop("GroupEpoch"), shape.pop("AssignmentEpoch")} | {
        member.pop("MemberEpoch") for member in shape["Members"]}
    return [told["ErrorCode"], group.owned, len(behind), shape]


for assignor in ("uniform", "range"):
    @case(f"modern-{assignor}-of-two-topics")
    def two_topics(broker, assignor=assignor):
        group = Modern(broker, partitions=3)
        other = broker.topic(3)
        group.knows(other)
        both = {"SubscribedTopicNames": [group.topic, other], "ServerAssignor": assignor}
        group.join("one", **both)
        group.has("one")
        group.join("two", **both)
        for member in ("one", "one", "two", "two"):
            group.has(member)
        (told,) = group.describe()["Groups"]
        sizes = [sorted(len(topic["Partitions"]) for topic in member["Assignment"]["TopicPartitions"])
                 for member in told["Members"]]
        return [told["GroupState"], told["AssignorName"], sizes if assignor == "range" else sorted(map(sum, sizes))]


@case("modern-static-members-have-their-range")
def static_ranges(broker):
    group = Modern(broker)
    group.join("a", ServerAssignor="range")
    group.has("a")
    group.join("z", InstanceId="1", ServerAssignor="range")
    for member in ("a", "a", "z", "z"):
        group.has(member)
    return group.describe()


# From the classic protocol to the new one and back.

@case("modern-takes-over-an-empty-classic-group")
def takes_over(broker):
    old = Group(broker)
    old.join()
    old.sync()
    old.commit()
    old.leave()
    group = Modern(broker, old.name)
    return [group.join(), group.describe(), group.fetch(), old.join(MemberId="")["ErrorCode"]]


@case("modern-takes-over-offsets")
def takes_over_offsets(broker):
    old = simple(broker)
    group = Modern(broker, old.name)
    return [group.join(), group.describe()]


@case("classic-takes-over-an-empty-modern-group")
def gives_back(broker):
    group = empty(broker)
    old = Group(broker, group.name)
    return [old.join(), old.sync(), group.describe(), group.join(), group.ask("DescribeGroups", 6, Groups=[group.name])]


@case("modern-joins-a-classic-group-that-cannot-be-read")
def cannot_be_read(broker):
    """Its member's share is no assignment of the consumer protocol."""
    old = classic(broker)
    group = Modern(broker, old.name)
    return [group.join(), group.describe(), old.ask(
        "Heartbeat", 4, GenerationId=old.generation, MemberId=old.member)]


@case("modern-joins-a-classic-group-of-another-type")
def other_type(broker):
    old = Group(broker)
    old.join(ProtocolType="connect", Protocols=[{"Name": "range", "Metadata": b"x"}])
    group = Modern(broker, old.name)
    return [group.join(), group.describe()]


def live_classic(broker):
    """A classic group with one member that has both partitions."""
    old = Group(broker)
    old.topic = broker.topic(2)
    old.join()
    part = struct.pack(">hi", 0, 1) + struct.pack(">h", len(old.topic)) + old.topic.encode() + struct.pack(
        ">iii", 2, 0, 1) + struct.pack(">i", -1)
    old.sync(Assignments=[{"MemberId": old.member, "Assignment": part}])
    return old


@case("modern-joins-a-classic-group")
def joins_classic(broker):
    old = live_classic(broker)
    group = Modern(broker, old.name)
    told = [group.join("new", SubscribedTopicNames=[old.topic])]
    told.append(group.ask("DescribeGroups", 6, Groups=[group.name]))
    beat = lambda: old.ask("Heartbeat", 4, GenerationId=old.generation, MemberId=old.member)
    told.append(beat())
    joined = old.send("JoinGroup", 9, **old.join_fields(MemberId=old.member))
    old.generation = joined["GenerationId"]
    told += [joined, old.sync(Assignments=[]), beat(), group.has("new")]
    joined = old.send("JoinGroup", 9, **old.join_fields(MemberId=old.member))
    old.generation = joined["GenerationId"]
    told += [joined, old.sync(Assignments=[]), group.has("new"), group.has("new"), beat()]
    (shape,) = group.describe()["Groups"]
    shape["Members"] = sorted(({**member, "MemberId": member["MemberType"]} for member in shape["Members"]),
                              key=lambda member: member["MemberType"])
    told.append(shape)
    told += [group.beat("new", LEAVE), group.ask("DescribeGroups", 6, Groups=[group.name])["Groups"][0]["GroupState"],
             beat()]
    return told


@case("modern-last-classic-member-leaves")
def last_classic_leaves(broker):
    old = live_classic(broker)
    group = Modern(broker, old.name)
    group.join("new", SubscribedTopicNames=[old.topic])
    return [old.leave(), group.has("new"), group.has("new"), group.describe()]
