"""A pytest plugin: skips, by name and with the reason, those of kafka-python's tests whose API the broker does not
offer. So they run by themselves as soon as it does."""

import os

import pytest
from kafka import KafkaAdminClient

# What a test needs beyond the data path and topics: the name and key of an API.
GROUPS, TRANSACTIONS = ("JoinGroup", 11), ("AddPartitionsToTxn", 24)
NEEDS = {
    "test_kafka_consumer__offset_commit_resume": GROUPS,
    "test_kafka_consumer_max_bytes_one_msg": GROUPS,
    "test_group": GROUPS,
    "test_heartbeat_thread": GROUPS,
    "test_describe_group_exists": GROUPS,
    "test_delete_groups": GROUPS,
    "test_delete_groups_with_errors": GROUPS,
    "test_transactional_producer_messages": TRANSACTIONS,
    "test_transactional_producer_offsets": TRANSACTIONS,
    "test_create_describe_delete_acls": ("CreateAcls", 30),
    "test_alter_replica_log_dirs": ("AlterReplicaLogDirs", 34),
    "test_elect_leaders": ("ElectLeaders", 43),
    "test_alter_partition_reassignments": ("AlterPartitionReassignments", 45),
    "test_list_partition_reassignments": ("ListPartitionReassignments", 46),
    "test_describe_metadata_quorum": ("DescribeQuorum", 55),
}


def pytest_collection_modifyitems(items):
    names = {item.originalname for item in items}
    assert not NEEDS.keys() - names, f"no such tests: {NEEDS.keys() - names}"
    with KafkaAdminClient(bootstrap_servers=os.environ["BOOTSTRAP"]) as admin:
        # Not admin.api_versions(): it trips over keys which this client has no name for.
        offered = admin._manager.broker_version_data.api_versions.keys()
        brokers = {broker.node_id for broker in admin._manager.cluster.brokers()}
    for item in items:
        name, key = NEEDS.get(item.originalname, ("", None))
        if key is not None and key not in offered:
            item.add_marker(pytest.mark.skip(reason=f"the broker does not offer {name}"))
        if item.originalname == "test_create_partitions" and 0 not in brokers:
            item.add_marker(pytest.mark.skip(reason="it puts replicas on broker 0, and there is none"))
        if item.originalname == "test_delete_records" and len(brokers) > 1:
            item.add_marker(pytest.mark.skip(reason="it wants one poll to bring the records of all brokers"))
