"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources."""

import time

from ..broker import PATIENCE
from . import case

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)
# Settings of a topic which every Kafka-compatible broker is expected to have.
WELL_KNOWN = ["cleanup.policy", "compression.type", "delete.retention.ms", "file.delete.delay.ms", "flush.messages",
              "flush.ms", "index.interval.bytes", "max.compaction.lag.ms", "max.message.bytes",
              "message.timestamp.after.max.ms", "message.timestamp.before.max.ms", "message.timestamp.type",
              "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "preallocate", "retention.bytes",
              "retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms",
              "unclean.leader.election.enable"]


def describe(broker, *resources, version=4, **fields):
    return broker.ask("DescribeConfigs", version, Resources=list(resources), **fields)


def by_name(answer):
    """The settings by name, since their order is free, and only the well-known ones."""
    for result in answer["Results"]:
        result["Configs"] = {one["Name"]: one for one in result["Configs"] if one["Name"] in WELL_KNOWN}
        for one in result["Configs"].values():
            one.pop("Documentation", None)
    return answer


def resource(name, kind=TOPIC, keys=None):
    return {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}


for version in range(1, 5):
    case(f"describe-configs-v{version}",
         lambda broker, version=version: by_name(describe(broker, resource(broker.topic()), version=version)))

case("describe-configs-changed", lambda broker: by_name(describe(broker, resource(
    broker.topic(retention_ms="7777", cleanup_policy="compact,delete")), IncludeSynonyms=False)))


@case("describe-configs-has-well-known-keys")
def has(broker):
    (result,) = describe(broker, resource(broker.topic()))["Results"]
    return sorted({one["Name"] for one in result["Configs"]} & set(WELL_KNOWN))


@case("describe-configs-documentation-only-when-asked")
def documentation(broker):
    name = broker.topic()
    return [[bool(one["Documentation"]) for one in describe(
        broker, resource(name, keys=["retention.ms"]), IncludeDocumentation=asked)["Results"][0]["Configs"]]
        for asked in (False, True)]


for word, keys in {"some": ["retention.ms", "segment.bytes"], "none": [], "unknown": ["no.such"]}.items():
    case(f"describe-configs-keys-{word}", lambda broker, keys=keys: len(
        describe(broker, resource(broker.topic(), keys=keys))["Results"][0]["Configs"]) if keys else
        len(describe(broker, resource(broker.topic(), keys=keys))["Results"][0]["Configs"]) > 10)

for word, kind, name in [("unknown-topic", TOPIC, "nowhere"), ("bad-topic-name", TOPIC, "a b"),
                         ("empty-topic-name", TOPIC, ""), ("unknown-broker", BROKER, "424242"),
                         ("broker-no-number", BROKER, "one"), ("type-0", 0, "x"), ("type-99", 99, "x")]:
    case(f"describe-configs-{word}", lambda broker, kind=kind, name=name: describe(broker, resource(name, kind)))

case("describe-configs-none", lambda broker: describe(broker))


@case("describe-configs-broker")
def of_broker(broker):
    (result,) = describe(broker, resource(str(min(broker.nodes)), BROKER, ["log.retention.hours"]))["Results"]
    return [result["ErrorCode"], [one["Name"] for one in result["Configs"]]]


@case("describe-configs-same-twice")
def twice(broker):
    name = broker.topic()
    return len(describe(broker, resource(name), resource(name))["Results"])


# IncrementalAlterConfigs

def alter(broker, name, *changes, kind=TOPIC, version=1, validate_only=False):
    configs = [{"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in changes]
    return broker.ask("IncrementalAlterConfigs", version, ValidateOnly=validate_only, Resources=[
        {"ResourceType": kind, "ResourceName": name, "Configs": configs}])


def values(broker, name, *keys):
    (result,) = describe(broker, resource(name, keys=list(keys)))["Results"]
    return {one["Name"]: [one["Value"], one["ConfigSource"]] for one in result["Configs"]}


for version in range(2):
    case(f"alter-incrementally-v{version}", lambda broker, version=version: alter(
        broker, broker.topic(), ("retention.ms", SET, "7777"), version=version))

CHANGES = {
    "unknown-key": [("no.such", SET, "1")],
    "no-number": [("retention.ms", SET, "soon")],
    "too-small": [("retention.ms", SET, "-2")],
    "null": [("retention.ms", SET, None)],
    "empty": [("retention.ms", SET, "")],
    "spaces": [("retention.ms", SET, " 7777 ")],
    "same-key-twice": [("retention.ms", SET, "1"), ("retention.ms", SET, "2")],
    "operation-7": [("retention.ms", 7, "1")],
    "append-to-a-number": [("retention.ms", APPEND, "1")],
    "append": [("cleanup.policy", APPEND, "compact")],
    "append-what-is-there": [("cleanup.policy", APPEND, "delete")],
    "append-nonsense": [("cleanup.policy", APPEND, "burn")],
    "subtract-what-is-not-there": [("cleanup.policy", SUBTRACT, "compact")],
    "subtract-all": [("cleanup.policy", SUBTRACT, "delete")],
    "delete": [("retention.ms", DELETE, None)],
    "delete-unknown": [("no.such", DELETE, None)],
    "nothing": [],
    "good-and-bad": [("retention.ms", SET, "7777"), ("segment.bytes", SET, "tiny")],
    "min-insync-0": [("min.insync.replicas", SET, "0")],
    "max-message-negative": [("max.message.bytes", SET, "-1")],
    "boolean": [("preallocate", SET, "TRUE")],
    "boolean-nonsense": [("preallocate", SET, "yes")],
    "ratio": [("min.cleanable.dirty.ratio", SET, "1.5")],
}
for word, changes in CHANGES.items():
    def altered(broker, changes=changes):
        name = broker.topic()
        answer = alter(broker, name, *changes)
        return [answer, values(broker, name, "retention.ms", "cleanup.policy", "segment.bytes", "preallocate")
                if answer["Responses"][0]["ErrorCode"] else None]
    case(f"alter-incrementally-{word}", altered)

for word, kind, name in [("unknown-topic", TOPIC, "nowhere"), ("empty-name", TOPIC, ""), ("bad-name", TOPIC, "a b"),
                         ("type-0", 0, "x"), ("type-99", 99, "x"), ("unknown-broker", BROKER, "424242"),
                         ("broker-no-number", BROKER, "one")]:
    case(f"alter-incrementally-{word}",
         lambda broker, kind=kind, name=name: alter(broker, name, ("retention.ms", SET, "1"), kind=kind))


@case("alter-incrementally-validate-only")
def validate_only(broker):
    name = broker.topic()
    return [alter(broker, name, ("retention.ms", SET, "7777"), validate_only=True),
            alter(broker, name, ("retention.ms", SET, "soon"), validate_only=True),
            values(broker, name, "retention.ms")]


@case("alter-incrementally-same-resource-twice")
def same_resource(broker):
    name = broker.topic()
    one = {"ResourceType": TOPIC, "ResourceName": name,
           "Configs": [{"Name": "retention.ms", "ConfigOperation": SET, "Value": "1"}]}
    return broker.ask("IncrementalAlterConfigs", 1, Resources=[one, one])


# AlterConfigs

def replace(broker, name, version=2, validate_only=False, kind=TOPIC, **settings):
    configs = [{"Name": key.replace("_", "."), "Value": value} for key, value in settings.items()]
    return broker.ask("AlterConfigs", version, ValidateOnly=validate_only, Resources=[
        {"ResourceType": kind, "ResourceName": name, "Configs": configs}])


for version in range(3):
    case(f"alter-configs-v{version}",
         lambda broker, version=version: replace(broker, broker.topic(), version, retention_ms="7777"))
case("alter-configs-unknown-key", lambda broker: replace(broker, broker.topic(), no_such="1"))
case("alter-configs-no-number", lambda broker: replace(broker, broker.topic(), retention_ms="soon"))
case("alter-configs-null", lambda broker: replace(broker, broker.topic(), retention_ms=None))
case("alter-configs-unknown-topic", lambda broker: replace(broker, "nowhere", retention_ms="1"))
case("alter-configs-empty-name", lambda broker: replace(broker, "", retention_ms="1"))
case("alter-configs-bad-name", lambda broker: replace(broker, "a b", retention_ms="1"))
case("alter-configs-type-99", lambda broker: replace(broker, "x", kind=99))
case("alter-configs-validate-only",
     lambda broker: replace(broker, broker.topic(), validate_only=True, retention_ms="1"))


@case("alter-configs-takes-back-the-rest")
def takes_back(broker):
    name = broker.topic(retention_ms="7777")
    answer = replace(broker, name, max_message_bytes="5000")
    until = time.monotonic() + PATIENCE
    while (found := values(broker, name, "retention.ms", "max.message.bytes"))["max.message.bytes"][0] != "5000":
        if time.monotonic() > until:
            break
    return [answer, found]


# ListConfigResources

def resources(broker, version, *kinds):
    answer = broker.ask("ListConfigResources", version, ResourceTypes=list(kinds))
    if isinstance(answer, str):
        return answer
    return [answer["ErrorCode"], sorted({one.get("ResourceType") for one in answer["ConfigResources"]}, key=str)]


case("list-config-resources-v0", lambda broker: resources(broker, 0))
for kind in (0, TOPIC, BROKER, 8, 16, 32, 99):
    def of_kind(broker, kind=kind):
        broker.topic()
        return resources(broker, 1, kind)
    case(f"list-config-resources-of-{kind}", of_kind)


@case("list-config-resources-topic-is-listed")
def listed(broker):
    name = broker.topic()
    return name in {one["ResourceName"] for one in broker.ask(
        "ListConfigResources", 1, ResourceTypes=[TOPIC])["ConfigResources"]}
