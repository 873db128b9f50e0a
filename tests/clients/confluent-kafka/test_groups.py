"""Consumer groups by both protocols: subscriptions, rebalances, commits, static members, and their administration."""

import time
from collections import Counter

import pytest
from confluent_kafka import (OFFSET_INVALID, ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType,
                             KafkaError, KafkaException, TopicPartition)
from confluent_kafka.admin import NewPartitions, NewTopic

from conftest import PATIENCE, done, eventually, needs

CLASSIC = pytest.param("classic", marks=needs(JoinGroup=11, OffsetCommit=8))
CONSUMER = pytest.param("consumer", marks=needs(ConsumerGroupHeartbeat=68, OffsetCommit=8))
both = pytest.mark.parametrize("protocol", [CLASSIC, CONSUMER])
classic = pytest.mark.parametrize("protocol", [CLASSIC])
consumer = pytest.mark.parametrize("protocol", [CONSUMER])


migrating = pytest.mark.parametrize("protocol", [pytest.param("consumer", marks=needs(
    JoinGroup=11, ConsumerGroupHeartbeat=68, OffsetCommit=8))])


class Member:
    """A consumer of a group which knows what it was given and keeps what came."""

    def __init__(self, cluster, group, topic, protocol, **settings):
        if protocol == "classic":
            settings = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 500, **settings}
        self.consumer = cluster.consumer(
            group_id=group, group_protocol=protocol, auto_offset_reset="earliest", **settings)
        self.protocol, self.events, self.came, self.places = protocol, [], [], set()
        told = {word: lambda _, partitions, word=word: self.events.append((word, len(partitions)))
                for word in ["on_assign", "on_revoke", "on_lost"]}
        self.consumer.subscribe([topic], **told)

    def poll(self):
        for message in self.consumer.consume(100, 0.1):
            if message.error():
                raise KafkaException(message.error())
            self.came.append((message.partition(), int(message.value())))
            self.places.add((message.partition(), message.offset()))

    def has(self):
        return sorted(partition.partition for partition in self.consumer.assignment())

    def commit(self, **what):
        return self.consumer.commit(asynchronous=False, **what)

    def committed(self, topic, partition=0):
        (found,) = self.consumer.committed([TopicPartition(topic, partition)], PATIENCE)
        return found


@pytest.fixture
def member(cluster):
    members = []

    def join(*args, **settings):
        members.append(Member(cluster, *args, **settings))
        return members[-1]

    yield join
    # Left to the garbage collector, a consumer with callbacks would wait for itself.
    for one in members:
        one.consumer.close()


def together(what, true, *members):
    """Polls the members in turn until something is true of them."""
    def truth():
        for one in members:
            one.poll()
        return true()
    eventually(truth, what)


def fill(cluster, topic, count, partitions=4):
    for partition in range(partitions):
        cluster.fill(topic, count, partition)


@both
def test_two_members_share_and_one_inherits(cluster, member, protocol):
    topic = cluster.topic(f"share-{protocol}", 4)
    one, two = member(topic, topic, protocol), member(topic, topic, protocol)
    together("two partitions each", lambda: len(one.has()) == len(two.has()) == 2, one, two)
    assert sorted(one.has() + two.has()) == [0, 1, 2, 3]
    fill(cluster, topic, 50)
    together("all records", lambda: len(one.came) + len(two.came) >= 200, one, two)
    assert set(Counter(one.came + two.came).values()) == {1}, "each record once"
    for mine in (one, two):
        assert {partition for partition, _ in mine.came} == set(mine.has())
    one.consumer.close()
    together("all partitions", lambda: two.has() == [0, 1, 2, 3], two)


@both
def test_the_next_member_goes_on_where_it_was_committed(cluster, member, protocol):
    topic = cluster.topic(f"resume-{protocol}")
    cluster.fill(topic, 100)
    one = member(topic, topic, protocol)
    together("all records", lambda: len(one.came) == 100, one)
    one.commit(offsets=[TopicPartition(topic, 0, 42, "noted")])
    found = one.committed(topic)
    assert (found.offset, found.metadata) == (42, "noted")
    one.consumer.close()
    two = member(topic, topic, protocol)
    together("the rest", lambda: len(two.came) == 58, two)
    assert two.came == [(0, number) for number in range(42, 100)]
    two.consumer.seek(TopicPartition(topic, 0, 7))
    together("again from 7", lambda: len(two.came) == 58 + 93, two)
    assert two.came[58] == (0, 7)


@both
def test_closing_commits_what_was_stored(cluster, member, protocol):
    topic = cluster.topic(f"auto-{protocol}")
    cluster.fill(topic, 10)
    one = member(topic, topic, protocol, enable_auto_commit=True, enable_auto_offset_store=True)
    together("all records", lambda: len(one.came) == 10, one)
    one.consumer.close()
    assert member(topic, topic, protocol).committed(topic).offset == 10


@classic
def test_sticky_members_keep_what_they_can(cluster, member, protocol):
    topic = cluster.topic("cooperative", 4)
    settings = {"partition_assignment_strategy": "cooperative-sticky"}
    one = member(topic, topic, protocol, **settings)
    together("all partitions", lambda: len(one.has()) == 4, one)
    two = member(topic, topic, protocol, **settings)
    together("two partitions each", lambda: len(one.has()) == len(two.has()) == 2, one, two)
    assert [event for event in one.events if event[1]] == [("on_assign", 4), ("on_revoke", 2)]
    assert [event for event in two.events if event[1]] == [("on_assign", 2)]


@both
def test_a_static_member_comes_back_unnoticed(cluster, member, protocol):
    topic = cluster.topic(f"static-{protocol}", 4)
    one = member(topic, topic, protocol, group_instance_id="one")
    two = member(topic, topic, protocol, group_instance_id="two")
    together("two partitions each", lambda: len(one.has()) == len(two.has()) == 2, one, two)
    had, seen = one.has(), len(two.events)
    one.consumer.close()
    again = member(topic, topic, protocol, group_instance_id="one")
    together("its partitions back", lambda: again.has() == had, again, two)
    assert len(two.events) == seen, "the other saw nothing of it"


@classic
def test_a_static_member_is_fenced_by_its_double(cluster, member, protocol):
    topic = cluster.topic("double")
    one = member(topic, topic, protocol, group_instance_id="same")
    together("the partition", lambda: one.has() == [0], one)
    two = member(topic, topic, protocol, group_instance_id="same")
    with pytest.raises(KafkaException) as raised:
        together("fenced", lambda: False, two, one)
    assert raised.value.args[0].code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)


@consumer
def test_a_static_name_is_given_once(cluster, member, protocol):
    topic = cluster.topic("once")
    one = member(topic, topic, protocol, group_instance_id="same")
    together("the partition", lambda: one.has() == [0], one)
    two = member(topic, topic, protocol, group_instance_id="same")
    with pytest.raises(KafkaException) as raised:
        together("refused", lambda: False, two, one)
    assert raised.value.args[0].code() in (KafkaError.UNRELEASED_INSTANCE_ID, KafkaError._FATAL)


@consumer
@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_the_broker_assigns(cluster, member, protocol, assignor):
    topic = cluster.topic(f"assignor-{assignor}", 5)
    one, two = (member(topic, topic, protocol, group_remote_assignor=assignor) for _ in range(2))
    together("all partitions", lambda: len(one.has()) + len(two.has()) == 5 and one.has() and two.has(), one, two)
    assert {len(one.has()), len(two.has())} == {2, 3}
    if assignor == "range":
        assert sorted([one.has(), two.has()]) == [[0, 1, 2], [3, 4]]


@consumer
def test_partitions_that_come_later_are_shared(cluster, member, protocol):
    topic = cluster.topic("grows", 2)
    one, two = member(topic, topic, protocol), member(topic, topic, protocol)
    together("one partition each", lambda: len(one.has()) == len(two.has()) == 1, one, two)
    done(cluster.admin.create_partitions([NewPartitions(topic, 5)]))
    together("all partitions", lambda: sorted(one.has() + two.has()) == [0, 1, 2, 3, 4], one, two)
    assert {len(one.has()), len(two.has())} == {2, 3}


@both
def test_a_member_subscribes_to_something_else(cluster, member, protocol):
    first, second = cluster.topic(f"first-{protocol}", 2), cluster.topic(f"second-{protocol}", 3)
    one = member(first, first, protocol)
    together("the first topic", lambda: one.has() == [0, 1], one)
    one.consumer.subscribe([second])
    together("the second topic", lambda: one.has() == [0, 1, 2], one)
    assert {place.topic for place in one.consumer.assignment()} == {second}
    one.consumer.unsubscribe()
    one.consumer.subscribe([first, second])
    together("both topics", lambda: len(one.has()) == 5, one)


@migrating
def test_members_take_over_from_classic_ones(cluster, member, protocol):
    """One by one, and back again: somebody has each partition all the time, and every record comes."""
    topic = cluster.topic("rolling", 4)
    team, gone, sent = [], [], 0

    def works():
        nonlocal sent
        fill(cluster, topic, 5)
        sent += 20
        together("all partitions, shared, and all records", lambda: sorted(
            partition for one in team for partition in one.has()) == [0, 1, 2, 3] and all(
            one.has() for one in team) and len(set().union(*(one.places for one in team + gone))) == sent, *team)

    def leaves():
        team[0].consumer.close()
        gone.append(team.pop(0))

    def kind():
        (told,) = done(cluster.admin.describe_consumer_groups([topic], request_timeout=PATIENCE))
        return told.type

    for step in ["classic", "classic", "consumer", None, "consumer", None, "classic", None, "classic", None]:
        if step:
            team.append(member(topic, topic, step, enable_auto_commit=True, enable_auto_offset_store=True))
        else:
            leaves()
        works()
        kinds = {one.protocol for one in team}
        assert kind() == (ConsumerGroupType.CONSUMER if "consumer" in kinds else ConsumerGroupType.CLASSIC)


@both
@needs(EndTxn=26, TxnOffsetCommit=28)
def test_offsets_go_with_a_transaction(cluster, member, protocol):
    topic = cluster.topic(f"transaction-{protocol}")
    cluster.fill(topic, 10)
    one = member(topic, topic, protocol)
    together("all records", lambda: len(one.came) == 10, one)
    producer = cluster.producer(transactional_id=topic)
    producer.init_transactions(PATIENCE)
    for commit in (False, True):
        producer.begin_transaction()
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, 7)], one.consumer.consumer_group_metadata(), PATIENCE)
        producer.commit_transaction(PATIENCE) if commit else producer.abort_transaction(PATIENCE)
        assert one.committed(topic).offset == (7 if commit else OFFSET_INVALID)
    before = one.consumer.consumer_group_metadata()
    one.consumer.close()
    producer.begin_transaction()
    with pytest.raises(KafkaException):
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 9)], before, PATIENCE)
    producer.abort_transaction(PATIENCE)
    assert member(topic, topic, protocol).committed(topic).offset == 7


@both
def test_a_pattern_finds_topics_that_come_later(cluster, member, protocol):
    stem = cluster.name(f"pattern-{protocol}")
    cluster.topic(f"pattern-{protocol}")
    one = member(stem, f"^{stem.replace('-', '.')}.*", protocol, topic_metadata_refresh_interval_ms=500)
    together("one topic", lambda: len(one.has()) == 1, one)
    done(cluster.admin.create_topics([NewTopic(f"{stem}-later", 1, 1)]))
    together("both topics", lambda: len(one.has()) == 2, one)


@both
def test_groups_are_told_of_and_deleted(cluster, member, protocol):
    topic, admin = cluster.topic(f"told-{protocol}"), cluster.admin
    cluster.fill(topic, 10)
    one = member(topic, topic, protocol)
    together("all records", lambda: len(one.came) == 10, one)
    one.commit(offsets=[TopicPartition(topic, 0, 10)])
    kind = {"classic": ConsumerGroupType.CLASSIC, "consumer": ConsumerGroupType.CONSUMER}[protocol]
    listed = {group.group_id: group for group in admin.list_consumer_groups(types={kind}).result(PATIENCE).valid}
    assert listed[topic].state == ConsumerGroupState.STABLE
    (told,) = done(admin.describe_consumer_groups([topic], request_timeout=PATIENCE))
    assert told.state == ConsumerGroupState.STABLE and told.type == kind
    (only,) = told.members
    assert [(place.topic, place.partition) for place in only.assignment.topic_partitions] == [(topic, 0)]
    if protocol == "consumer":
        assert [(place.topic, place.partition) for place in only.target_assignment.topic_partitions] == [(topic, 0)]
    with pytest.raises(KafkaException) as raised:
        done(admin.delete_consumer_groups([topic]))
    assert raised.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    one.consumer.close()

    def offset():
        (found,) = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)]))
        return found.topic_partitions[0].offset

    assert offset() == 10
    done(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(topic, [TopicPartition(topic, 0, 3)])]))
    assert offset() == 3
    done(admin.delete_consumer_groups([topic]))
    assert topic not in {group.group_id for group in admin.list_consumer_groups().result(PATIENCE).valid}


@classic
def test_a_silent_member_is_put_out(cluster, member, protocol):
    topic = cluster.topic("silent")
    one = member(topic, topic, protocol, max_poll_interval_ms=6000)
    together("the partition", lambda: one.has() == [0], one)
    two = member(topic, topic, protocol)
    began = time.monotonic()
    together("the partition passes on", lambda: two.has() == [0], two)
    assert time.monotonic() - began > 1
    with pytest.raises(KafkaException) as raised:
        one.poll()
        one.commit(offsets=[TopicPartition(topic, 0, 1)])
    assert raised.value.args[0].code() in (KafkaError._MAX_POLL_EXCEEDED, KafkaError.UNKNOWN_MEMBER_ID)
