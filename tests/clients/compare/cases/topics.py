"""CreateTopics, DeleteTopics, CreatePartitions."""

import time

from .. import schema
from ..broker import PATIENCE, UNKNOWN_ID
from . import case


def node(broker):
    return min(broker.nodes)


def create(broker, *topics, version=7, only_codes=True, **fields):
    answer = broker.ask("CreateTopics", version, Topics=list(topics), **{"TimeoutMs": 10000, **fields})
    if isinstance(answer, str) or not only_codes:
        return answer
    return [[one["Name"], one["ErrorCode"], one.get("NumPartitions"), one.get("ReplicationFactor")]
            for one in sorted(answer["Topics"], key=lambda one: one["Name"])]


def topic(broker, name=None, partitions=1, replicas=1, **fields):
    return {"Name": broker.name() if name is None else name, "NumPartitions": partitions,
            "ReplicationFactor": replicas, **fields}


def assigned(*partitions):
    return [{"PartitionIndex": index, "BrokerIds": brokers} for index, brokers in partitions]


for version in range(2, 8):
    def made(broker, version=version):
        answer = create(broker, topic(broker, partitions=2), version=version, only_codes=False)
        for one in answer["Topics"]:
            one.pop("Configs", None)
        return answer
    case(f"create-topics-v{version}", made)


@case("create-topics-tells-settings")
def settings(broker):
    """Of the settings in the answer, those that every broker has."""
    one = topic(broker, Configs=[{"Name": "retention.ms", "Value": "7777"}])
    answer = create(broker, one, only_codes=False)
    wanted = {"retention.ms", "cleanup.policy", "max.message.bytes", "segment.bytes", "compression.type"}
    return {entry["Name"]: entry for entry in answer["Topics"][0]["Configs"] if entry["Name"] in wanted}


for word, name in {"empty": "", "dot": ".", "two-dots": "..", "space": "a b", "slash": "a/b", "unicode": "ü",
                   "250": "x" * 250, "newline": "a\n"}.items():
    case(f"create-topics-name-{word}", lambda broker, name=name: create(broker, topic(broker, name)))

SHAPES = {
    "no-partitions": {"partitions": 0},
    "partitions-minus-two": {"partitions": -2},
    "default-partitions": {"partitions": -1},
    "too-many-partitions": {"partitions": 100_000},
    "no-replicas": {"replicas": 0},
    "replicas-minus-two": {"replicas": -2},
    "default-replicas": {"replicas": -1},
    "too-many-replicas": {"replicas": 100},
    "both-defaults": {"partitions": -1, "replicas": -1},
    "assigned-to-an-unknown-broker": {"partitions": -1, "replicas": -1, "Assignments": assigned((0, [424242]))},
    "assigned-to-a-negative-broker": {"partitions": -1, "replicas": -1, "Assignments": assigned((0, [-1]))},
    "assigned-without-replicas": {"partitions": -1, "replicas": -1, "Assignments": assigned((0, []))},
    "setting-unknown": {"Configs": [{"Name": "no.such", "Value": "1"}]},
    "setting-no-number": {"Configs": [{"Name": "retention.ms", "Value": "soon"}]},
    "setting-too-small": {"Configs": [{"Name": "segment.bytes", "Value": "1"}]},
    "setting-null": {"Configs": [{"Name": "retention.ms", "Value": None}]},
    "setting-empty-name": {"Configs": [{"Name": "", "Value": "1"}]},
    "setting-empty-value": {"Configs": [{"Name": "cleanup.policy", "Value": ""}]},
    "setting-twice": {"Configs": [{"Name": "retention.ms", "Value": "1"}, {"Name": "retention.ms", "Value": "2"}]},
    "setting-bad-codec": {"Configs": [{"Name": "compression.type", "Value": "best"}]},
    "setting-bad-policy": {"Configs": [{"Name": "cleanup.policy", "Value": "burn"}]},
    "setting-bad-time-type": {"Configs": [{"Name": "message.timestamp.type", "Value": "Never"}]},
    "setting-min-insync-0": {"Configs": [{"Name": "min.insync.replicas", "Value": "0"}]},
    "setting-min-insync-2": {"Configs": [{"Name": "min.insync.replicas", "Value": "2"}]},
    "setting-of-a-broker": {"Configs": [{"Name": "log.retention.ms", "Value": "1"}]},
}
for word, fields in SHAPES.items():
    case(f"create-topics-{word}", lambda broker, fields=fields: create(broker, topic(broker, **fields)))


def by_assignment(word, *partitions, **fields):
    """0 stands for a broker that exists."""
    def question(broker):
        real = [(index, [node(broker) for _ in brokers]) for index, brokers in partitions]
        shape = {"partitions": -1, "replicas": -1, **fields}
        return create(broker, topic(broker, Assignments=assigned(*real), **shape))
    case(f"create-topics-assigned-{word}", question)


by_assignment("well", (0, [0]), (1, [0]))
by_assignment("in-any-order", (1, [0]), (0, [0]))
by_assignment("with-a-count", (0, [0]), partitions=1)
by_assignment("with-a-replication-factor", (0, [0]), replicas=1)
by_assignment("with-a-gap", (0, [0]), (2, [0]))
by_assignment("from-one", (1, [0]))
by_assignment("same-partition-twice", (0, [0]), (0, [0]))
by_assignment("same-broker-twice", (0, [0, 0]))
by_assignment("negative-partition", (-1, [0]))


@case("create-topics-existing")
def existing(broker):
    name = broker.topic()
    return create(broker, topic(broker, name))


@case("create-topics-colliding-names")
def colliding(broker):
    """Metrics do not tell a dot from an underscore."""
    name = broker.name("a.b")
    return [create(broker, topic(broker, name)), create(broker, topic(broker, name.replace(".", "_")))]


@case("create-topics-same-name-twice")
def same_twice(broker):
    name = broker.name()
    return create(broker, topic(broker, name), topic(broker, name), topic(broker))


@case("create-topics-good-and-bad")
def good_and_bad(broker):
    return create(broker, topic(broker), topic(broker, "a b"), topic(broker, partitions=0))


for version in (2, 7):
    def refused(broker, version=version):
        """All that is told beside the error."""
        return create(broker, topic(broker, "a b"), version=version, only_codes=False)
    case(f"create-topics-refused-v{version}", refused)


@case("create-topics-none")
def none(broker):
    return create(broker)


@case("create-topics-validate-only")
def validate_only(broker):
    name = broker.name()
    return [create(broker, topic(broker, name), ValidateOnly=True),
            create(broker, topic(broker, name, partitions=0), ValidateOnly=True),
            broker.ask("Metadata", 9, Topics=[{"Name": name}], AllowAutoTopicCreation=False)["Topics"]]


@case("create-topics-no-patience")
def no_patience(broker):
    return create(broker, topic(broker), TimeoutMs=0)


@case("create-topics-internal-name")
def internal(broker):
    return create(broker, topic(broker, "__cluster_metadata"), ValidateOnly=True)


# DeleteTopics

def delete(broker, version, *topics, names=()):
    """The results are sorted: Kafka gives them in no order."""
    answer = broker.ask("DeleteTopics", version, Topics=list(topics), TopicNames=list(names), TimeoutMs=10000)
    if not isinstance(answer, str):
        answer["Responses"].sort(key=lambda one: (str(one["Name"]), one["ErrorCode"]))
    return answer


for version in range(1, 6):
    case(f"delete-topics-v{version}",
         lambda broker, version=version: delete(broker, version, names=[broker.topic(), broker.name("nowhere")]))


@case("delete-topics-v6")
def by_name_and_id(broker):
    one, two = broker.topic(), broker.topic()
    return delete(broker, 6, {"Name": one}, {"Name": None, "TopicId": broker.ids[two]},
                  {"Name": broker.name("nowhere")}, {"Name": None, "TopicId": UNKNOWN_ID})


case("delete-topics-neither-name-nor-id",
     lambda broker: delete(broker, 6, {"Name": None, "TopicId": schema.ZERO_ID}))
case("delete-topics-bad-name", lambda broker: delete(broker, 6, {"Name": "a b"}))
case("delete-topics-none", lambda broker: delete(broker, 6))


@case("delete-topics-name-and-id")
def both(broker):
    name = broker.topic()
    return delete(broker, 6, {"Name": name, "TopicId": broker.ids[name]})


@case("delete-topics-twice-in-one")
def twice(broker):
    name = broker.topic()
    return delete(broker, 6, {"Name": name}, {"Name": name})


@case("delete-topics-by-name-and-by-its-id")
def same_topic(broker):
    name = broker.topic()
    return delete(broker, 6, {"Name": name}, {"Name": None, "TopicId": broker.ids[name]})


@case("delete-topics-id-twice")
def id_twice(broker):
    id = broker.ids[broker.topic()]
    return delete(broker, 6, {"Name": None, "TopicId": id}, {"Name": None, "TopicId": id})


@case("delete-topics-unknown-twice")
def unknown_twice(broker):
    name = broker.name("nowhere")
    return delete(broker, 6, {"Name": name}, {"Name": name}, {"Name": None, "TopicId": UNKNOWN_ID},
                  {"Name": None, "TopicId": UNKNOWN_ID})


case("delete-topics-twice-v5", lambda broker: delete(broker, 5, names=[broker.topic()] * 2))


@case("deleted-topic-is-gone")
def gone(broker):
    """What the data path says of a topic which was there: once the broker has noticed."""
    name = broker.filled(1)
    to = broker.leader(name)
    delete(broker, 6, {"Name": name})
    until = time.monotonic() + PATIENCE
    while not (answer := broker.fetch(name, version=12, to=to))["Responses"][0]["Partitions"][0]["ErrorCode"]:
        if time.monotonic() > until:
            break
    return [answer, broker.fetch(name, version=13, to=to), broker.produce(name, b"", version=11, to=to),
            broker.produce(name, b"", version=13, to=to)]


# CreatePartitions

def grow(broker, *topics, version=3, validate_only=False):
    return broker.ask("CreatePartitions", version, TimeoutMs=10000, ValidateOnly=validate_only,
                      Topics=[{"Assignments": None, **topic} for topic in topics])


for version in range(4):
    case(f"create-partitions-v{version}",
         lambda broker, version=version: grow(broker, {"Name": broker.topic(), "Count": 3}, version=version))

for word, count in {"same": 2, "fewer": 1, "zero": 0, "negative": -1, "too-many": 100_000}.items():
    case(f"create-partitions-{word}",
         lambda broker, count=count: grow(broker, {"Name": broker.topic(2), "Count": count}))
case("create-partitions-unknown", lambda broker: grow(broker, {"Name": broker.name("nowhere"), "Count": 2}))
case("create-partitions-bad-name", lambda broker: grow(broker, {"Name": "a b", "Count": 2}))
case("create-partitions-none", lambda broker: grow(broker))


@case("create-partitions-same-topic-twice")
def grow_twice(broker):
    name = broker.topic()
    return grow(broker, {"Name": name, "Count": 2}, {"Name": name, "Count": 3})


@case("create-partitions-validate-only")
def grow_dry(broker):
    name = broker.topic()
    answer = grow(broker, {"Name": name, "Count": 5}, validate_only=True)
    (found,) = broker.ask("Metadata", 9, Topics=[{"Name": name}], AllowAutoTopicCreation=False)["Topics"]
    return [answer, len(found["Partitions"])]


for word, brokers in {"well": [[0]], "too-many": [[0], [0]], "none": [], "without-replicas": [[]],
                      "same-broker-twice": [[0, 0]], "unknown-broker": [[424242]]}.items():
    def grow_assigned(broker, brokers=brokers):
        real = [{"BrokerIds": [node(broker) if one == 0 else one for one in each]} for each in brokers]
        return grow(broker, {"Name": broker.topic(), "Count": 2, "Assignments": real})
    case(f"create-partitions-assigned-{word}", grow_assigned)
