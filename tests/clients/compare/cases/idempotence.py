"""InitProducerId, and what a partition remembers of a producer."""

from ..records import batch
from . import case


def init(broker, version=4, transactional_id=None, timeout=60000, **fields):
    return broker.init_producer_id(version, TransactionalId=transactional_id, TransactionTimeoutMs=timeout, **fields)


for version in range(6):
    case(f"init-producer-id-v{version}", lambda broker, version=version: init(broker, version))
case("init-producer-id-empty-transactional-id", lambda broker: init(broker, transactional_id=""))
case("init-producer-id-with-own-id", lambda broker: init(broker, ProducerId=7, ProducerEpoch=0))
case("init-producer-id-with-epoch-only", lambda broker: init(broker, ProducerId=-1, ProducerEpoch=3))
case("init-producer-id-with-id-only", lambda broker: init(broker, ProducerId=7, ProducerEpoch=-1))
case("init-producer-id-no-timeout", lambda broker: init(broker, timeout=0))
case("init-producer-id-negative-timeout", lambda broker: init(broker, timeout=-1))


@case("init-producer-id-never-the-same")
def different(broker):
    return len({broker.producer_id() for _ in range(20)})


def answers(broker, *sends):
    """(epoch, sequence, records) each, from one producer into one partition: (error, base offset) each."""
    topic, producer = broker.topic(), broker.producer_id()
    found = []
    for epoch, sequence, count in sends:
        data = batch([b"%d" % sequence] * count, producer=producer, epoch=epoch, sequence=sequence)
        answer = broker.produce(topic, data)
        (one,) = answer["Responses"][0]["PartitionResponses"]
        found.append([one["ErrorCode"], one["BaseOffset"], one["LogStartOffset"]])
    return found, broker.fetch(topic)["Responses"][0]["Partitions"][0]["Records"] is None


LAST = 2**31 - 1
SENDS = {
    "in-order": [(0, 0, 2), (0, 2, 3), (0, 5, 1)],
    "first-is-not-zero": [(0, 5, 1), (0, 6, 1)],
    "gap": [(0, 0, 1), (0, 2, 1), (0, 1, 1)],
    "duplicate": [(0, 0, 3), (0, 0, 3), (0, 3, 1)],
    "duplicate-of-five": [(0, number, 1) for number in range(5)] + [(0, number, 1) for number in range(5)],
    "duplicate-too-old": [(0, number, 1) for number in range(7)] + [(0, number, 1) for number in range(7)],
    "duplicate-of-another-size": [(0, 0, 3), (0, 0, 2), (0, 1, 2), (0, 0, 4)],
    "going-back": [(0, 0, 5), (0, 5, 5), (0, 3, 1)],
    "overlapping": [(0, 0, 5), (0, 4, 2)],
    "new-epoch": [(0, 0, 1), (1, 0, 1), (1, 1, 1)],
    "new-epoch-not-from-zero": [(0, 0, 1), (1, 1, 1)],
    "new-epoch-same-sequence": [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 0, 1)],
    "old-epoch": [(1, 0, 1), (0, 0, 1), (0, 1, 1)],
    "first-epoch-is-high": [(9, 0, 1)],
    "epoch-skips": [(0, 0, 1), (5, 0, 1)],
    "wrap": [(0, LAST - 1, 2), (0, 0, 1), (0, 1, 1)],
    "wrap-inside-a-batch": [(0, LAST, 3), (0, 2, 1)],
    "wrap-with-a-gap": [(0, LAST - 1, 2), (0, 1, 1)],
}
for word, sends in SENDS.items():
    case(f"idempotence-{word}", lambda broker, sends=sends: answers(broker, *sends))


@case("idempotence-two-partitions")
def partitions(broker):
    topic, producer = broker.topic(2), broker.producer_id()
    return [broker.produce(topic, batch(producer=producer, epoch=0, sequence=sequence), partition=partition)
            for partition, sequence in ((0, 0), (1, 0), (0, 1), (1, 1), (1, 1), (0, 3))]


@case("idempotence-two-batches-in-one-request")
def two_batches(broker):
    topic, producer = broker.topic(), broker.producer_id()
    data = b"".join(batch(producer=producer, epoch=0, sequence=sequence) for sequence in range(2))
    return broker.produce(topic, data)


@case("idempotence-two-producers")
def producers(broker):
    topic = broker.topic()
    return [broker.produce(topic, batch(producer=producer, epoch=0, sequence=0))
            for producer in (broker.producer_id(), broker.producer_id())]


@case("idempotence-made-up-id")
def made_up(broker):
    topic = broker.topic()
    return [broker.produce(topic, batch(producer=987_654_321, epoch=0, sequence=sequence)) for sequence in (0, 1, 3)]


@case("idempotence-after-delete-records")
def after_delete(broker):
    """The records are gone, the producer is not forgotten."""
    topic, producer = broker.topic(), broker.producer_id()
    send = lambda sequence: broker.produce(topic, batch(producer=producer, epoch=0, sequence=sequence))
    found = [send(0), send(1)]
    broker.ask("DeleteRecords", 2, broker.leader(topic), TimeoutMs=5000, Topics=[
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}])
    return found + [send(1), send(2), send(9)]
