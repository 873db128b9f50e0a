package clients;

import static clients.Cluster.*;
import static clients.GroupTests.together;

import clients.GroupTests.Member;
import clients.Run.Test;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** What groups of the new protocol can and those of the old one cannot, and how the one becomes the other. */
final class ConsumerProtocolTests {
    static final List<Test> ALL = List.of(
            new Test("consumer_members_never_share_a_partition", ConsumerProtocolTests::churn, 68, 8),
            new Test("consumer_members_take_over_from_classic_ones", ConsumerProtocolTests::rolling, 11, 68, 8),
            new Test("consumer_member_gets_new_partitions", ConsumerProtocolTests::grows, 68),
            new Test("consumer_member_reads_something_else", ConsumerProtocolTests::subscribesAnew, 68),
            new Test("consumer_ranges_line_up", ConsumerProtocolTests::ranges, 68),
            new Test("consumer_unknown_assignor_is_refused", ConsumerProtocolTests::unknownAssignor, 68),
            new Test("consumer_bad_pattern_is_refused", ConsumerProtocolTests::badPattern, 68),
            new Test("consumer_static_double_is_refused", ConsumerProtocolTests::doubled, 68),
            new Test("consumer_static_member_is_removed", ConsumerProtocolTests::removed, 68, 69, 13),
            new Test("consumer_group_is_told_of_in_full", ConsumerProtocolTests::told, 68, 69),
            new Test("consumer_offsets_go_with_a_transaction", ConsumerProtocolTests::transform, 68, 24, 26, 28),
            new Test("consumer_group_has_settings", ConsumerProtocolTests::settings, 68, 44));

    /**
     * Readers of one topic, of both protocols. Each commits what it hands over, so that between them every record is
     * read once; and nobody may be given what another has not handed over yet. A team is strict about it unless it has
     * classic readers beside new ones: those may lose what they have when the group changes under them (Kafka's do),
     * and then records come again.
     */
    private static final class Team {
        final Cluster cluster;
        final String topic;
        final int partitions;
        final boolean strict;
        final Producer<byte[], byte[]> producer;
        final List<Reader> readers = new ArrayList<>();
        final Map<TopicPartition, Reader> owners = new HashMap<>();
        final List<ConsumerRecord<byte[], byte[]>> came = new ArrayList<>();
        int sent;

        final class Reader implements ConsumerRebalanceListener {
            final Consumer<byte[], byte[]> consumer;

            Reader(String protocol) {
                consumer = protocol.equals("consumer")
                        ? cluster.consumer("group.id", topic, "group.protocol", protocol)
                        : cluster.consumer("group.id", topic, "group.protocol", protocol,
                                "session.timeout.ms", "10000", "heartbeat.interval.ms", "300");
                consumer.subscribe(List.of(topic), this);
                readers.add(this);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> given) {
                for (TopicPartition one : given) {
                    Reader other = owners.put(one, this);
                    check(other == null || !strict, one + " is given to a second reader");
                }
            }

            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> taken) {
                try {
                    consumer.commitSync();
                } catch (CommitFailedException | RebalanceInProgressException late) {
                    if (strict) throw late;
                }
                for (TopicPartition one : taken) {
                    check(owners.remove(one, this) || !strict, one + " is taken from another reader");
                }
            }

            @Override
            public void onPartitionsLost(Collection<TopicPartition> lost) {
                check(!strict, lost + " is lost");
                for (TopicPartition one : lost) owners.remove(one, this);
            }

            void leaves() throws Exception {
                consumer.close();
                readers.remove(this);
            }
        }

        Team(Cluster cluster, int partitions, boolean strict) throws Exception {
            this.cluster = cluster;
            this.partitions = partitions;
            this.strict = strict;
            topic = cluster.topic(partitions);
            producer = cluster.producer();
        }

        /** More records, and polls until all are read and shared as evenly as can be. */
        void works() throws Exception {
            for (int partition = 0; partition < partitions; partition++) fill(producer, topic, partition, 5);
            sent += 5 * partitions;
            polls("all is read, by everybody", () -> each() == sent && owners.size() == partitions
                    && readers.stream().allMatch(one -> has(one) >= partitions / readers.size()));
            check(!strict || came.size() == sent, came.size() + " records came of " + sent);
        }

        private long each() {
            return came.stream().map(one -> one.partition() + "-" + one.offset()).distinct().count();
        }

        private int has(Reader reader) {
            return (int) owners.values().stream().filter(owner -> owner == reader).count();
        }

        void polls(String what, Callable<Boolean> truth) throws Exception {
            eventually(what, () -> {
                for (Reader one : readers) one.consumer.poll(Duration.ofMillis(20)).forEach(came::add);
                return truth.call();
            });
        }

        GroupType type() throws Exception {
            return describe(cluster, topic).type();
        }
    }

    private static ConsumerGroupDescription describe(Cluster cluster, String group) throws Exception {
        return get(cluster.admin().describeConsumerGroups(List.of(group)).all()).get(group);
    }

    private static Set<Integer> numbers(Member member, String topic) {
        return member.consumer.assignment().stream().filter(one -> one.topic().equals(topic))
                .map(TopicPartition::partition).collect(Collectors.toCollection(TreeSet::new));
    }

    static void churn(Cluster cluster) throws Exception {
        Team team = new Team(cluster, 12, true);
        Team.Reader one = team.new Reader("consumer");
        team.works();
        Team.Reader two = team.new Reader("consumer");
        team.new Reader("consumer");
        team.works();
        one.leaves();
        team.works();
        team.new Reader("consumer");
        team.new Reader("consumer");
        two.leaves();
        team.works();
    }

    /** Readers are exchanged one by one while the others go on, and back again. */
    static void rolling(Cluster cluster) throws Exception {
        Team team = new Team(cluster, 6, false);
        Team.Reader one = team.new Reader("classic"), two = team.new Reader("classic");
        team.works();
        equal(GroupType.CLASSIC, team.type(), "type at first");
        Team.Reader three = team.new Reader("consumer");
        team.works();
        equal(GroupType.CONSUMER, team.type(), "type with both kinds of readers");
        equal(List.of(false, false, true), describe(cluster, team.topic).members().stream()
                .map(member -> member.upgraded().orElseThrow()).sorted().toList(), "who is upgraded");
        one.leaves();
        Team.Reader four = team.new Reader("consumer");
        team.works();
        two.leaves();
        team.works();
        equal(GroupType.CONSUMER, team.type(), "type with new readers alone");
        Team.Reader five = team.new Reader("classic");
        team.works();
        three.leaves();
        team.new Reader("classic");
        team.works();
        equal(GroupType.CONSUMER, team.type(), "type with one new reader");
        four.leaves();
        team.works();
        equal(GroupType.CLASSIC, team.type(), "type at last");
        five.leaves();
        team.works();
    }

    static void grows(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Member one = new Member(cluster, topic, "consumer").subscribed(topic);
        Member two = new Member(cluster, topic, "consumer").subscribed(topic);
        together("one each", () -> one.size() == 1 && two.size() == 1, one, two);
        one.events.clear();
        two.events.clear();
        get(cluster.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        together("what is new too", () -> one.size() + two.size() == 5, one, two);
        check(Math.abs(one.size() - two.size()) == 1, "shared evenly");
        for (Member member : List.of(one, two)) {
            check(member.events.stream().noneMatch(event -> event.startsWith("-")), "taken: " + member.events);
        }
    }

    static void subscribesAnew(Cluster cluster) throws Exception {
        String first = cluster.topic(2), second = cluster.topic(3), group = cluster.name();
        Member one = new Member(cluster, group, "consumer").subscribed(first);
        together("the first", () -> numbers(one, first).size() == 2, one);
        one.consumer.subscribe(List.of(second), one);
        together("the second alone", () -> one.size() == 3 && numbers(one, second).size() == 3, one);
        one.consumer.subscribe(List.of(first, second), one);
        together("both", () -> one.size() == 5, one);
        one.consumer.unsubscribe();
        eventually("nobody is there", () -> describe(cluster, group).groupState() == GroupState.EMPTY);
        one.subscribed(first);
        together("the first again", () -> one.size() == 2, one);
    }

    static void ranges(Cluster cluster) throws Exception {
        String first = cluster.topic(4), second = cluster.topic(4), group = cluster.name();
        String[] range = {"group.remote.assignor", "range"};
        Member one = new Member(cluster, group, "consumer", range), two = new Member(cluster, group, "consumer", range);
        for (Member member : List.of(one, two)) member.consumer.subscribe(List.of(first, second), member);
        together("half each", () -> one.size() == 4 && two.size() == 4, one, two);
        for (Member member : List.of(one, two)) {
            Set<Integer> has = numbers(member, first);
            check(has.equals(Set.of(0, 1)) || has.equals(Set.of(2, 3)), "a range: " + has);
            equal(has, numbers(member, second), "the same of the second topic");
        }
        equal("range", describe(cluster, group).partitionAssignor(), "assignor");
    }

    /** Polls until the client gives up. */
    private static void givesUp(Class<? extends Throwable> expected, Member... members) {
        fails(expected, () -> {
            together("refused", () -> false, members);
            return null;
        });
    }

    static void unknownAssignor(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        givesUp(UnsupportedAssignorException.class,
                new Member(cluster, topic, "consumer", "group.remote.assignor", "nosuch").subscribed(topic));
    }

    static void badPattern(Cluster cluster) {
        Member one = new Member(cluster, cluster.name(), "consumer");
        one.consumer.subscribe(new SubscriptionPattern("(a"), one);
        givesUp(InvalidRegularExpression.class, one);
    }

    static void doubled(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Member one = new Member(cluster, topic, "consumer", "group.instance.id", "same").subscribed(topic);
        together("the partition", () -> one.size() == 1, one);
        Member two = new Member(cluster, topic, "consumer", "group.instance.id", "same").subscribed(topic);
        givesUp(UnreleasedInstanceIdException.class, two, one);
        together("the first still has it", () -> one.size() == 1, one);
    }

    /** The admin puts a static member out, which comes again by itself. */
    static void removed(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Member one = new Member(cluster, topic, "consumer", "group.instance.id", "one").subscribed(topic);
        together("both", () -> one.size() == 2, one);
        String id = one.consumer.groupMetadata().memberId();
        get(cluster.admin().removeMembersFromConsumerGroup(topic,
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all());
        eventually("both again", () -> {
            try {
                one.consumer.poll(Duration.ofMillis(50));
            } catch (UnknownMemberIdException gone) {
                // Until the next heartbeat, whatever else it asks for may tell it first.
            }
            return one.events.equals(List.of("+2", "-2", "+2"));
        });
        equal(id, one.consumer.groupMetadata().memberId(), "its id");
    }

    static void told(Cluster cluster) throws Exception {
        String topic = cluster.topic(4), empty = cluster.name();
        Member one = new Member(cluster, topic, "consumer", "group.instance.id", "one", "client.id", "first",
                "client.rack", "r").subscribed(topic);
        Member two = new Member(cluster, topic, "consumer", "client.id", "second").subscribed(topic);
        together("two each", () -> one.size() == 2 && two.size() == 2, one, two);
        eventually("stable", () -> {
            together("still two each", () -> one.size() == 2 && two.size() == 2, one, two);
            return describe(cluster, topic).groupState() == GroupState.STABLE;
        });
        ConsumerGroupDescription told = describe(cluster, topic);
        equal("uniform", told.partitionAssignor(), "assignor");
        equal(told.groupEpoch(), told.targetAssignmentEpoch(), "epochs");
        equal(2, told.members().size(), "members");
        for (var member : told.members()) {
            boolean first = member.clientId().equals("first");
            equal(first ? Optional.of("one") : Optional.empty(), member.groupInstanceId(), "instance");
            equal((first ? one : two).consumer.assignment(), member.assignment().topicPartitions(), "assignment");
            equal(member.assignment(), member.targetAssignment().orElseThrow(), "target");
            equal(told.groupEpoch(), member.memberEpoch(), "epoch");
            equal((first ? one : two).consumer.groupMetadata().memberId(), member.consumerId(), "id");
            equal(Optional.of(true), member.upgraded(), "upgraded");
        }
        Member gone = new Member(cluster, empty, "consumer").subscribed(topic);
        together("all", () -> gone.size() == 4, gone);
        gone.consumer.close();
        equal(GroupState.EMPTY, describe(cluster, empty).groupState(), "without members");
        get(cluster.admin().deleteConsumerGroups(List.of(empty)).all());
    }

    static void transform(Cluster cluster) throws Exception {
        String topic = cluster.topic(1), group = cluster.name();
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(cluster.producer(), topic, 0, 10);
        Member one = new Member(cluster, group, "consumer").subscribed(topic);
        together("all records", () -> one.came.size() == 10, one);
        Producer<byte[], byte[]> producer = cluster.producer("transactional.id", topic);
        producer.initTransactions();
        for (boolean commit : List.of(false, true)) {
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(
                    Map.of(partition, new OffsetAndMetadata(7)), one.consumer.groupMetadata());
            if (commit) producer.commitTransaction();
            else producer.abortTransaction();
            OffsetAndMetadata committed = one.consumer.committed(Set.of(partition)).get(partition);
            equal(commit ? 7L : null, committed == null ? null : committed.offset(), "committed");
        }
        ConsumerGroupMetadata old = one.consumer.groupMetadata();
        one.consumer.close();
        producer.beginTransaction();
        fails(CommitFailedException.class, () -> {
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(9)), old);
            return null;
        });
        producer.abortTransaction();
        equal(7L, get(cluster.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
                .get(partition).offset(), "committed at last");
    }

    static void settings(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, topic);
        set(cluster, group, "consumer.heartbeat.interval.ms", "7000");
        eventually("it is set", () -> get(cluster.admin().describeConfigs(List.of(group)).all()).get(group)
                .get("consumer.heartbeat.interval.ms").value().equals("7000"));
        check(get(cluster.admin().listConfigResources(Set.of(ConfigResource.Type.GROUP),
                new ListConfigResourcesOptions()).all()).contains(group), "it is listed");
        for (String bad : List.of("1", "60001", "soon")) {
            fails(InvalidConfigurationException.class, () -> {
                set(cluster, group, "consumer.heartbeat.interval.ms", bad);
                return null;
            });
        }
        fails(InvalidConfigurationException.class, () -> {
            set(cluster, group, "consumer.session.timeout.ms", "1");
            return null;
        });
        Member one = new Member(cluster, topic, "consumer").subscribed(topic);
        together("the partition", () -> one.size() == 1, one);
    }

    private static void set(Cluster cluster, ConfigResource resource, String key, String value) throws Exception {
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        get(cluster.admin().incrementalAlterConfigs(Map.of(resource, List.of(set))).all());
    }
}
