"""Transactions: what their coordinator answers to each step in each state, and what the partitions then hold.

A case is a line of steps of one producer; `>` before a step takes the epoch before the present one (a zombie), `<` the one
after it, `?` another producer id. Each step gives its error, and the epoch it was given, if any.
"""

import time

from ..broker import PATIENCE
from ..records import batch, summary
from . import case

TRANSACTIONAL = 16
RETRIABLE = {14, 15, 16}  # the coordinator loads, or is not there yet
CONCURRENT = 51


class Producer:
    def __init__(self, broker, timeout=60000):
        self.broker, self.timeout = broker, timeout
        self.topic, self.group = broker.topic(2), broker.name("g")
        self.id, self.epoch, self.ids = -1, -1, []
        self.name = broker.name("x")
        self.sequences = {}
        self.at = self.coordinator(1, self.name)

    def coordinator(self, kind, key):
        until = time.monotonic() + PATIENCE
        while True:
            (found,) = self.broker.ask("FindCoordinator", 4, KeyType=kind, CoordinatorKeys=[key])["Coordinators"]
            if found["ErrorCode"] == 0 or time.monotonic() > until:
                return self.broker.nodes.get(found["NodeId"], self.broker.address)
            time.sleep(0.05)

    def ask(self, api, version, read, **fields):
        """Again while the coordinator is on its way; the state must not hang on how quick it is."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.broker.ask(api, version, self.at, **fields)
            code = answer if isinstance(answer, str) else read(answer)
            if code not in RETRIABLE or time.monotonic() > until:
                return answer
            time.sleep(0.05)

    def who(self, shift, other=False):
        return {"TransactionalId": self.name, "ProducerId": self.id + (10**12 if other else 0),
                "ProducerEpoch": self.epoch + shift}

    def taken(self, producer, epoch):
        """The id only as new or known, in the order of their coming."""
        if producer < 0:
            return [None, epoch]
        if producer not in self.ids:
            self.ids.append(producer)
        if (producer, epoch) != (self.id, self.epoch):
            self.sequences = {}
        self.id, self.epoch = producer, epoch
        return [self.ids.index(producer), epoch]

    # The steps

    def init(self, version, shift, other, said=False):
        fields = {"ProducerId": self.id, "ProducerEpoch": self.epoch + shift} if said else {}
        if other:
            fields["ProducerId"] = self.id + 10**12
        made = self.ask("InitProducerId", version, lambda a: a["ErrorCode"], TransactionalId=self.name,
                        TransactionTimeoutMs=self.timeout, **fields)
        if made["ErrorCode"] == CONCURRENT:
            self.settle()
        return [made["ErrorCode"], *(self.taken(made["ProducerId"], made["ProducerEpoch"])
                                     if made["ErrorCode"] == 0 else [made["ProducerId"], made["ProducerEpoch"]])]

    def reinit(self, version, shift, other):
        return self.init(version, shift, other, said=True)

    def add(self, version, shift, other, partitions=(0,), topic=None, verify=False):
        topics = [{"Name": topic or self.topic, "Partitions": list(partitions)}]
        who = self.who(shift, other)
        if version >= 4:
            fields = {"Transactions": [{**who, "VerifyOnly": verify, "Topics": topics}]}
            results = lambda a: a["ResultsByTransaction"][0]["TopicResults"]
        else:
            fields = {f"V3AndBelow{key}": value for key, value in who.items()} | {"V3AndBelowTopics": topics}
            results = lambda a: a["ResultsByTopicV3AndBelow"]
        codes = lambda a: [one["PartitionErrorCode"] for of in results(a) for one in of["ResultsByPartition"]]
        answer = self.ask("AddPartitionsToTxn", version, lambda a: codes(a)[0], **fields)
        return answer if isinstance(answer, str) else sorted(codes(answer))

    def both(self, version, shift, other):
        return self.add(version, shift, other, (0, 1))

    def nowhere(self, version, shift, other):
        return self.add(version, shift, other, (0, 9))

    def internal(self, version, shift, other):
        return self.add(version, shift, other, (0,), "__transaction_state")

    def verify(self, version, shift, other):
        return self.add(version, shift, other, (0, 1), verify=True)

    def offsets(self, version, shift, other):
        return self.ask("AddOffsetsToTxn", version, lambda a: a["ErrorCode"], GroupId=self.group,
                        **self.who(shift, other))["ErrorCode"]

    def txncommit(self, version, shift, other, **fields):
        at, self.at = self.at, self.coordinator(0, self.group)
        named = {"TopicId": self.broker.ids[self.topic]} if version >= 6 else {"Name": self.topic}
        read = lambda a: a["Topics"][0]["Partitions"][0]["ErrorCode"]
        try:
            answer = self.ask("TxnOffsetCommit", version, read, GroupId=self.group, **self.who(shift, other), **{
                "GenerationId": -1, "MemberId": "", "GroupInstanceId": None,
                "Topics": [{**named, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 7,
                                                     "CommittedMetadata": ""}]}], **fields})
        finally:
            self.at = at
        return answer if isinstance(answer, str) else read(answer)

    def member(self, version, shift, other):
        return self.txncommit(version, shift, other, GenerationId=3, MemberId="nobody")

    def commit(self, version, shift, other, committed=True):
        said = self.who(shift, other)
        made = self.ask("EndTxn", version, lambda a: a["ErrorCode"], Committed=committed, **said)
        if made["ErrorCode"] in (0, CONCURRENT):
            self.settle()
        if version < 5 or made["ErrorCode"]:
            return [made["ErrorCode"]]
        before = (self.id, self.epoch)
        told = self.taken(made["ProducerId"], made["ProducerEpoch"])
        if shift:
            self.id, self.epoch = before
        return [0, *told]

    def abort(self, version, shift, other):
        return self.commit(version, shift, other, False)

    def produce(self, version, shift, other, partition=0, skip=0, transactional=True):
        sequence = self.sequences.get(partition, 0) + skip
        data = batch([b"x"], attributes=TRANSACTIONAL * transactional, producer=self.id + (10**12 if other else 0),
                     epoch=self.epoch + shift, sequence=sequence)
        answer = self.broker.produce(self.topic, data, version, partition, TransactionalId=self.name)
        (one,) = answer["Responses"][0]["PartitionResponses"]
        if one["ErrorCode"] == 0 and not shift:
            self.sequences[partition] = sequence + 1
        return one["ErrorCode"]

    def plain(self, version, shift, other):
        return self.produce(version, shift, other, transactional=False)

    def skipping(self, version, shift, other):
        return self.produce(version, shift, other, skip=3)

    def again(self, version, shift, other):
        return self.produce(version, shift, other, skip=-1)

    def state(self, version, shift, other):
        (told,) = self.ask("DescribeTransactions", 0, lambda a: a["TransactionStates"][0]["ErrorCode"],
                           TransactionalIds=[self.name])["TransactionStates"]
        places = sorted(["internal" if topic["Topic"].startswith("__") else "T", len(topic["Partitions"])]
                        for topic in told["Topics"])
        return [told["ErrorCode"], told["TransactionState"], told["TransactionTimeoutMs"], told["ProducerEpoch"],
                told["TransactionStartTimeMs"] > 0, places]

    def settle(self):
        until = time.monotonic() + PATIENCE
        while self.state(0, 0, False)[1] in ("PrepareCommit", "PrepareAbort") and time.monotonic() < until:
            time.sleep(0.02)

    def read(self, version, shift, other):
        """To the end, in as many answers as the broker likes."""
        offset, aborted = 0, set()
        while True:
            fetched = self.broker.fetch(self.topic, offset, IsolationLevel=1)
            (one,) = fetched["Responses"][0]["Partitions"]
            aborted.update(it["FirstOffset"] for it in one["AbortedTransactions"] or [])
            heads = summary(one["Records"] or b"")
            if one["ErrorCode"] or not heads:
                return [one["ErrorCode"], one["HighWatermark"], one["LastStableOffset"], sorted(aborted)]
            offset = heads[-1]["base"] + heads[-1]["last delta"] + 1

    def producers(self, version, shift, other):
        told = self.broker.ask("DescribeProducers", 0, self.broker.leader(self.topic), Topics=[
            {"Name": self.topic, "PartitionIndexes": [0]}])["Topics"][0]["Partitions"][0]
        return [told["ErrorCode"], [[one["ProducerEpoch"], one["LastSequence"], one["CoordinatorEpoch"] >= 0,
                                     one["CurrentTxnStartOffset"]] for one in told["ActiveProducers"]]]

    def listed(self, version, shift, other):
        told = [self.broker.ask("ListTransactions", version, address, StateFilters=[], ProducerIdFilters=[self.id],
                                DurationFilter=-1, TransactionalIdPattern=None)
                for address in self.broker.nodes.values()]
        return [[one["TransactionState"] for answer in told for one in answer["TransactionStates"]],
                sorted(answer["ErrorCode"] for answer in told)[-1]]


def walk(broker, steps, **fields):
    producer, found = Producer(broker, **fields), []
    for step in steps.split():
        shift, other = 0, False
        while step[0] in "<>?":
            shift += {"<": 1, ">": -1}.get(step[0], 0)
            other, step = other or step[0] == "?", step[1:]
        word, _, version = step.partition(".")
        found.append([word, getattr(producer, word)(int(version or 0), shift, other)])
    return found


OLD = "init.4 add.3 produce.11"
NEW = "init.5 produce.12"
WALKS = {
    # Old clients (transaction.version 0)
    "old-commit": f"{OLD} state commit.4 state read producers",
    "old-abort": f"{OLD} state abort.4 state read producers",
    "old-two": f"{OLD} commit.4 add.3 produce.11 abort.4 add.3 produce.11 commit.4 read state",
    "old-commit-twice": f"{OLD} commit.4 commit.4 abort.4 state",
    "old-abort-twice": f"{OLD} abort.4 abort.4 commit.4 state",
    "old-end-before-init": "commit.4 abort.4 state",
    "old-end-of-nothing": "init.4 commit.4 abort.4 state",
    "old-add-before-init": "add.3 add.1 state",
    "old-add-twice": "init.4 add.3 add.3 both.3 state commit.4",
    "old-add-nowhere": "init.4 nowhere.3 state",
    "old-add-internal": "init.4 internal.3 state",
    "old-add-zombie": "init.4 init.4 >add.3 >add.1 <add.3 ?add.3 state",
    "old-end-zombie": f"{OLD} >commit.4 >commit.1 <commit.4 ?commit.4 state",
    "old-produce-not-added": "init.4 produce.11 produce.9 produce.3 state",
    "old-produce-other-partition": "init.4 add.3 produce.11 again.11 produce.11 skipping.11",
    "old-produce-after-commit": f"{OLD} commit.4 produce.11 produce.9 read",
    "old-produce-duplicate-after-commit": f"{OLD} commit.4 again.11 read",
    "old-produce-zombie": "init.4 init.4 add.3 >produce.11 produce.11 >produce.11 commit.4 read",
    "old-produce-other-id": "init.4 add.3 ?produce.11 ?produce.9",
    "old-produce-plain-inside": f"{OLD} plain.11 commit.4 plain.11",
    "old-init-inside": f"{OLD} init.4 init.4 state read add.3 produce.11 commit.4 read",
    "old-init-zombie-inside": f"{OLD} init.4 >produce.11 >commit.4 >add.3",
    "old-offsets": "init.4 offsets.3 txncommit.3 state commit.4 state",
    "old-offsets-not-added": "init.4 txncommit.3 txncommit.4 state",
    "old-offsets-zombie": "init.4 init.4 offsets.3 >offsets.3 >offsets.1 ?offsets.3 >txncommit.3 ?txncommit.3",
    "old-offsets-member": "init.4 offsets.3 member.3 abort.4",
    # New ones (transaction.version 2)
    "new-commit": f"{NEW} state commit.5 state read producers",
    "new-abort": f"{NEW} state abort.5 state read producers",
    "new-three": f"{NEW} commit.5 produce.12 abort.5 produce.12 commit.5 read state",
    "new-commit-again": f"{NEW} commit.5 >commit.5 >abort.5 state",
    "new-abort-again": f"{NEW} abort.5 >abort.5 >commit.5 state",
    "new-commit-of-nothing": "init.5 commit.5 state",
    "new-abort-of-nothing": "init.5 abort.5 abort.5 state",
    "new-abort-of-nothing-later": f"{NEW} commit.5 abort.5 commit.5 state",
    "new-end-before-init": "commit.5 abort.5",
    "new-end-zombie": f"{NEW} >commit.5 <commit.5 ?commit.5 state",
    "new-end-zombie-later": f"{NEW} commit.5 >>commit.5 <commit.5 ?abort.5 state",
    "new-produce-zombie": f"{NEW} commit.5 >produce.12 produce.12 >produce.12 state",
    "new-produce-other-id": "init.5 ?produce.12 state",
    "new-produce-next-epoch": f"{NEW} <produce.12 state",
    "new-produce-not-from-zero": "init.5 skipping.12 state",
    "new-produce-gap": f"{NEW} skipping.12 produce.12 commit.5 read",
    "new-produce-duplicate": f"{NEW} again.12 commit.5 read",
    "new-produce-plain-inside": f"{NEW} plain.12",
    "new-init-inside": f"{NEW} init.5 init.5 state produce.12 commit.5 read",
    "new-offsets": "init.5 txncommit.5 state commit.5 state",
    "new-offsets-zombie": "init.5 init.5 txncommit.5 >txncommit.5 ?txncommit.5 abort.5",
    "new-offsets-member": "init.5 member.5 state",
    # KIP-360
    "init-own": "init.4 reinit.4 reinit.4 state",
    "init-own-again": "init.4 reinit.4 >reinit.4 >>reinit.4",
    "init-own-next": "init.4 <reinit.4 ?reinit.4 ?reinit.3 state",
    "init-own-inside": f"{OLD} reinit.4 reinit.4 state",
    "init-own-zombie-inside": f"{OLD} >reinit.4 ?reinit.4 state",
    # What others see
    "verify": "init.5 verify.4 produce.12 verify.4 verify.5 >verify.4 ?verify.4 commit.5 verify.4",
    "verify-before-init": "verify.4",
    "add-batched": "init.5 both.4 state nowhere.4 internal.4 >add.4 ?add.4 add.5 commit.5",
    "listed": "init.5 listed.0 produce.12 listed.1 commit.5 listed.2",
    "mixed-old-after-new": f"{NEW} commit.5 add.3 produce.11 commit.4 commit.4 state read",
    "mixed-new-after-old": f"{OLD} commit.4 produce.12 commit.5 state read",
    "mixed-old-end-of-new": f"{NEW} commit.4 state read",
}
for word, steps in WALKS.items():
    case(f"txn-{word}", lambda broker, steps=steps: walk(broker, steps))

for timeout in (-1, 0, 1, 900_000, 900_001, 2**31 - 1):
    case(f"txn-timeout-{timeout}", lambda broker, timeout=timeout: walk(broker, "init.4 state", timeout=timeout))

for version in range(6):
    case(f"txn-init-v{version}", lambda broker, version=version: walk(broker, f"init.{version} init.{version}"))
for version in range(4):
    case(f"txn-add-v{version}", lambda broker, version=version: walk(broker, f"init.4 add.{version} >add.{version}"))
    case(f"txn-offsets-v{version}", lambda broker, version=version: walk(
        broker, f"init.4 offsets.{version} txncommit.{version} >offsets.{version} commit.{version} commit.4"))
for version in range(6):
    case(f"txn-end-v{version}", lambda broker, version=version: walk(
        broker, f"init.4 add.3 commit.{version} >commit.{version}"))


def list_with(broker, version=2, **fields):
    answer = broker.ask("ListTransactions", version, **{
        "StateFilters": [], "ProducerIdFilters": [], "DurationFilter": -1, "TransactionalIdPattern": None, **fields})
    return [answer["ErrorCode"], sorted(answer["UnknownStateFilters"])]


case("txn-list-unknown-state", lambda broker: list_with(broker, StateFilters=["Ongoing", "Sleeping"]))
case("txn-list-bad-pattern", lambda broker: list_with(broker, TransactionalIdPattern="(", StateFilters=["Ongoing"]))
case("txn-list-no-pattern", lambda broker: list_with(broker, TransactionalIdPattern=""))
case("txn-describe-unknown", lambda broker: Producer(broker).state(0, 0, False))
case("txn-describe-empty", lambda broker: broker.ask("DescribeTransactions", 0, TransactionalIds=[""]))
case("txn-producers-unknown", lambda broker: broker.ask("DescribeProducers", 0, Topics=[
    {"Name": broker.name("nowhere"), "PartitionIndexes": [0]}, {"Name": "a b", "PartitionIndexes": [0]},
    {"Name": broker.topic(), "PartitionIndexes": [0, 9]}]))


@case("txn-markers")
def markers(broker):
    """From the coordinator's side, as tools send them; one partition is unknown."""
    producer = Producer(broker)
    found = [producer.init(4, 0, False), producer.add(3, 0, False), producer.produce(11, 0, False)]
    told = broker.ask("WriteTxnMarkers", 1, broker.leader(producer.topic), Markers=[{
        "ProducerId": producer.id, "ProducerEpoch": producer.epoch, "TransactionResult": False, "CoordinatorEpoch": 0,
        "Topics": [{"Name": producer.topic, "PartitionIndexes": [0, 9]}]}])
    codes = {one["PartitionIndex"]: one["ErrorCode"] for one in told["Markers"][0]["Topics"][0]["Partitions"]}
    return found, sorted(codes.items()), producer.read(0, 0, False), producer.producers(0, 0, False)


@case("txn-markers-zombie")
def zombie_markers(broker):
    producer = Producer(broker)
    found = [producer.init(4, 0, False), producer.init(4, 0, False), producer.add(3, 0, False),
             producer.produce(11, 0, False)]
    told = [broker.ask("WriteTxnMarkers", version, broker.leader(producer.topic), Markers=[{
        "ProducerId": producer.id, "ProducerEpoch": epoch, "TransactionResult": False, "CoordinatorEpoch": 0,
        "TransactionVersion": level, "Topics": [{"Name": producer.topic, "PartitionIndexes": [0]}]}])
        for version, epoch, level in ((1, 0, 0), (2, 1, 2), (2, 2, 2), (2, 2, 2), (2, 1, 0))]
    return found, [one["Markers"][0]["Topics"][0]["Partitions"][0]["ErrorCode"] for one in told]
