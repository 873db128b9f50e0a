"""Metadata, DescribeTopicPartitions, DescribeCluster."""

import time

from .. import schema
from ..broker import PATIENCE, UNKNOWN_ID
from . import case


def of(broker, version, *topics, **fields):
    return broker.ask("Metadata", version, Topics=list(topics), **{"AllowAutoTopicCreation": False, **fields})


def existing(version):
    def question(broker):
        topic = broker.topic(3)
        found = of(broker, version, {"Name": topic})
        for one in found["Topics"]:
            one["Partitions"].sort(key=lambda partition: partition["PartitionIndex"])
        return found
    return question


for version in range(14):
    case(f"metadata-v{version}", existing(version))
for version in (4, 9, 13):
    case(f"metadata-unknown-v{version}",
         lambda broker, version=version: of(broker, version, {"Name": broker.name("nowhere")})["Topics"])

for word, name in {"empty": "", "dot": ".", "two-dots": "..", "space": "a b", "slash": "a/b", "unicode": "ü",
                   "250": "x" * 250, "249": "x" * 249}.items():
    case(f"metadata-name-{word}", lambda broker, name=name: of(broker, 9, {"Name": name})["Topics"])


@case("metadata-null-is-all")
def everything(broker):
    topic = broker.topic()
    return [topic in {one["Name"] for one in broker.ask("Metadata", version, Topics=None)["Topics"]}
            for version in (1, 9, 12)]


@case("metadata-empty-is-all-in-v0-only")
def empty(broker):
    topic = broker.topic()
    return [topic in {one["Name"] for one in broker.ask("Metadata", version, Topics=[])["Topics"]}
            for version in (0, 1, 9, 12)]


@case("metadata-null-in-v0")
def null_in_v0(broker):
    return broker.ask("Metadata", 0, Topics=None)


@case("metadata-same-topic-twice")
def twice(broker):
    topic = broker.topic()
    return of(broker, 9, {"Name": topic}, {"Name": topic})["Topics"]


@case("metadata-by-id")
def by_id(broker):
    topic = broker.topic()
    return of(broker, 12, {"Name": None, "TopicId": broker.ids[topic]})["Topics"]


@case("metadata-same-id-twice")
def id_twice(broker):
    one = {"Name": None, "TopicId": broker.ids[broker.topic()]}
    return of(broker, 12, one, one)["Topics"]


case("metadata-unknown-id", lambda broker: of(broker, 12, {"Name": None, "TopicId": UNKNOWN_ID})["Topics"])
case("metadata-null-name-and-zero-id", lambda broker: of(broker, 12, {"Name": None, "TopicId": schema.ZERO_ID}))
case("metadata-null-name-v10", lambda broker: of(broker, 10, {"Name": None, "TopicId": UNKNOWN_ID}))


@case("metadata-name-and-id")
def name_and_id(broker):
    topic = broker.topic()
    return of(broker, 12, {"Name": topic, "TopicId": broker.ids[topic]})["Topics"]


@case("metadata-name-and-other-id")
def name_and_other_id(broker):
    return of(broker, 12, {"Name": broker.topic(), "TopicId": UNKNOWN_ID})["Topics"]


@case("metadata-id-in-v11")
def id_too_early(broker):
    topic = broker.topic()
    return of(broker, 11, {"Name": None, "TopicId": broker.ids[topic]})


@case("metadata-authorized-operations")
def operations(broker):
    topic = broker.topic()
    asked = of(broker, 9, {"Name": topic}, IncludeTopicAuthorizedOperations=True,
               IncludeClusterAuthorizedOperations=True)
    return [asked["ClusterAuthorizedOperations"], asked["Topics"][0]["TopicAuthorizedOperations"]]


@case("metadata-auto-creation")
def auto_creation(broker):
    """The first answer, and whether the topic is there in the end."""
    name = broker.name("auto")
    first = of(broker, 9, {"Name": name}, AllowAutoTopicCreation=True)["Topics"][0]
    until = time.monotonic() + PATIENCE
    while (last := of(broker, 9, {"Name": name})["Topics"][0])["ErrorCode"] and time.monotonic() < until:
        time.sleep(0.05)
    return [first, last["ErrorCode"]]


case("metadata-auto-creation-of-a-bad-name",
     lambda broker: of(broker, 9, {"Name": "no spaces"}, AllowAutoTopicCreation=True)["Topics"])


# DescribeTopicPartitions

def pages(broker, names, limit=2000, cursor=None):
    return broker.ask("DescribeTopicPartitions", 0, Topics=[{"Name": name} for name in names],
                      ResponsePartitionLimit=limit, Cursor=cursor)


case("topic-partitions", lambda broker: pages(broker, [broker.topic(3)]))
@case("topic-partitions-same-topic-twice")
def pages_twice(broker):
    topic = broker.topic()
    return pages(broker, [topic, topic])


case("topic-partitions-unknown", lambda broker: pages(broker, [broker.name("nowhere")]))
case("topic-partitions-bad-name", lambda broker: pages(broker, ["no spaces"]))
case("topic-partitions-empty-name", lambda broker: pages(broker, [""]))


@case("topic-partitions-cursor")
def cursor(broker):
    first, second = sorted([broker.topic(3), broker.topic(3)])
    answers, at = [], None
    for _ in range(4):
        answers.append(pages(broker, [second, first], 2, at))
        at = answers[-1]["NextCursor"]
    return answers


for word, place in {"beyond": 7, "last": 2, "negative": -1}.items():
    def at_place(broker, place=place):
        topic = broker.topic(3)
        return pages(broker, [topic], cursor={"TopicName": topic, "PartitionIndex": place})
    case(f"topic-partitions-cursor-{word}", at_place)

case("topic-partitions-cursor-of-an-unknown-topic", lambda broker: pages(
    broker, [broker.topic()], cursor={"TopicName": "zzz", "PartitionIndex": 0}))
for limit in (0, -1):
    case(f"topic-partitions-limit-{limit}", lambda broker, limit=limit: pages(broker, [broker.topic(2)], limit))


# DescribeCluster

for version in range(3):
    case(f"describe-cluster-v{version}", lambda broker, version=version: broker.ask("DescribeCluster", version))
for kind in (0, 1, 2, 7):
    case(f"describe-cluster-endpoint-type-{kind}",
         lambda broker, kind=kind: broker.ask("DescribeCluster", 1, EndpointType=kind))
case("describe-cluster-authorized-operations",
     lambda broker: broker.ask("DescribeCluster", 0, IncludeClusterAuthorizedOperations=True))
case("describe-cluster-fenced",
     lambda broker: broker.ask("DescribeCluster", 2, IncludeFencedBrokers=True))
