"""The broker under test and short ways to use it. Consumers are assigned unless a test is of groups."""

import os
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE = 30
SALT = int(time.time() * 1000)


def needs(**apis):
    """Skips, with the reason, where the broker does not offer one of these: a name and its key."""
    offered = {int(key) for key in os.environ["OFFERS"].split()}
    lacking = [name for name, key in apis.items() if key not in offered]
    return pytest.mark.skipif(bool(lacking), reason=f"the broker does not offer {', '.join(lacking)}")


class Cluster:
    def __init__(self):
        self.bootstrap = os.environ["BOOTSTRAP"]
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})

    def name(self, name):
        return f"confluent-{name}-{SALT}"

    def topic(self, name, partitions=1, **settings):
        name = self.name(name)
        config = {key.replace("_", "."): value for key, value in settings.items()}
        done(self.admin.create_topics([NewTopic(name, partitions, 1, config=config)]))
        # Kafka answers before every partition can be written.
        for partition in range(partitions):
            eventually(lambda: self.has_leader(TopicPartition(name, partition)), f"a leader of {name}-{partition}")
        return name

    def has_leader(self, partition):
        try:
            return self.consumer().get_watermark_offsets(partition, PATIENCE) is not None
        except KafkaException:
            return False

    def producer(self, **settings):
        """Idempotent unless told otherwise: a retry while a topic comes into being would change the order."""
        return Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, **dotted(settings)})

    def fill(self, topic, count, partition=0, **settings):
        """Numbered records, all delivered; gives the delivered messages."""
        producer, messages = self.producer(**settings), []

        def delivered(error, message):
            assert error is None, error
            messages.append(message)

        for number in range(count):
            producer.produce(topic, str(number), partition=partition, on_delivery=delivered)
            producer.poll(0)
        assert producer.flush(PATIENCE) == 0
        assert len(messages) == count
        return messages

    def consumer(self, *places, **settings):
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": "assigned-only", "enable.auto.commit": False,
            "enable.auto.offset.store": False, "check.crcs": True, "auto.offset.reset": "error",
            **dotted(settings)})
        if places:
            consumer.assign([TopicPartition(*place) for place in places])
        return consumer

    def take(self, consumer, count):
        until, messages = time.monotonic() + PATIENCE, []
        while len(messages) < count:
            assert time.monotonic() < until, f"only {len(messages)} of {count}"
            for message in consumer.consume(count - len(messages), 0.1):
                if message.error():
                    raise KafkaException(message.error())
                messages.append(message)
        return messages

    def stored(self, topic, partition=0):
        """(records, codec, producer id) of each batch, as the broker keeps them."""
        out = subprocess.run([os.environ["STORED"], self.bootstrap, topic, str(partition)],
                             check=True, capture_output=True, text=True).stdout
        return [(int(fields[1]), fields[2], int(fields[3])) for fields in map(str.split, out.splitlines())]


def dotted(settings):
    return {key.replace("_", "."): value for key, value in settings.items()}


def done(futures):
    """The results of an admin call, in order; raises what any of them raised."""
    return [future.result(PATIENCE) for future in futures.values()]


def eventually(true, what):
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.fixture(scope="session")
def cluster():
    return Cluster()
