"""big-file's writer and reader through confluent-kafka; the records are those of rust-rdkafka/src/file.rs.

    file.py create BOOTSTRAP TOPIC PARTITIONS
    file.py delete BOOTSTRAP TOPIC
    file.py write BOOTSTRAP TOPIC CODEC PARTITIONS FILE
    file.py read BOOTSTRAP TOPIC PARTITIONS RECORDS FILE
"""

import struct
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CHUNK = 32 * 1024
PATIENCE = 30


def create(bootstrap, topic, partitions):
    """The topic, and a leader for each partition: Kafka answers CreateTopics earlier."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
        future.result(PATIENCE)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "assigned-only"})
    until = time.monotonic() + PATIENCE
    for partition in range(int(partitions)):
        while True:
            try:
                consumer.get_watermark_offsets(TopicPartition(topic, partition), PATIENCE)
                break
            except KafkaException:
                if time.monotonic() > until:
                    raise


def delete(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics([topic]).values():
        future.result(PATIENCE)


def write(bootstrap, topic, codec, partitions, path):
    delivered, sent = 0, 0
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True,
                         "linger.ms": 20})

    def on_delivery(error, _):
        nonlocal delivered
        if error:
            raise KafkaException(error)
        delivered += 1

    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            while True:
                try:
                    producer.produce(topic, chunk, struct.pack(">Q", sent), sent % int(partitions),
                                     on_delivery=on_delivery)
                    break
                except BufferError:
                    producer.poll(0.005)
            producer.poll(0)
            sent += 1
    assert producer.flush(10 * PATIENCE) == 0 and delivered == sent, f"{delivered} of {sent} records delivered"


def read(bootstrap, topic, partitions, records, path):
    partitions, records = int(partitions), int(records)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "assigned-only", "enable.auto.commit": False,
                         "enable.auto.offset.store": False, "check.crcs": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    following = list(range(partitions))  # the number that must come next, for each partition
    came = 0
    with open(path, "wb") as file:
        while came < records:
            messages = consumer.consume(min(500, records - came), PATIENCE)
            assert messages, f"no more than {came} of {records} records came"
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                (number,) = struct.unpack(">Q", message.key())
                expected = following[message.partition()]
                assert number == expected, f"chunk {number} where {expected} should be"
                following[message.partition()] += partitions
                file.seek(number * CHUNK)
                file.write(message.value())
            came += len(messages)
    assert came == records and consumer.poll(0.5) is None, f"more than {records} records came"


{"create": create, "delete": delete, "write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
