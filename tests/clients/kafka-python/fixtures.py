"""Stands in for kafka-python's test/integration/fixtures.py: its tests' broker is the one that already runs."""

from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError
from test.testutil import env_kafka_version, random_string


class ZookeeperFixture:
    """Named by their conftest, never used: the broker has no ZooKeeper."""


class KafkaFixture:
    """What their tests ask of a broker: its address and how many partitions and replicas their topics have."""

    partitions, replicas = 4, 1

    def __init__(self, host, port):
        self.host, self.port = host, port

    @classmethod
    def instance(cls, _broker_id, host, port, external):
        assert external, "KAFKA_URI names the broker"
        broker = cls(host, port)
        try:
            # One test leaves this topic to the broker, and needs more partitions than a broker gives by itself.
            create_topics(broker, ["transactional_test_topic"])
        except TopicAlreadyExistsError:
            pass
        return broker

    def _enrich_client_params(self, params, **defaults):
        return {"bootstrap_servers": f"{self.host}:{self.port}", **defaults, **params}


def client_params(broker, client_id="client", **overrides):
    return broker._enrich_client_params(overrides, client_id=f"{client_id}_{random_string(4)}")


def create_topics(broker, topic_names, num_partitions=KafkaFixture.partitions,
                  replication_factor=KafkaFixture.replicas):
    shape = {"num_partitions": num_partitions, "replication_factor": replication_factor}
    with KafkaAdminClient(**client_params(broker, api_version=env_kafka_version())) as admin:
        admin.create_topics({name: shape for name in topic_names}, wait_for_metadata=True)
