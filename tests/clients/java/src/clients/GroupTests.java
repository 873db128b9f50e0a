package clients;

import static clients.Cluster.*;

import clients.Run.Test;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;

/** Consumer groups by both protocols, with the newest client. */
final class GroupTests {
    /** Ringmain's command line, or null. */
    private static final String OURS = System.getenv("RINGMAIN");

    static final List<Test> ALL = Stream.concat(
                    Stream.of("classic", "consumer").flatMap(GroupTests::of),
                    Stream.of(
                            new Test("cooperative_members_keep_what_they_can", GroupTests::cooperative, 11, 8),
                            new Test("a_double_fences_a_static_member", GroupTests::fenced, 11, 8),
                            new Test("a_pattern_is_read_by_the_broker", GroupTests::pattern, 68, 8),
                            new Test("a_group_changes_its_protocol", GroupTests::migrated, 11, 68, 8)))
            .flatMap(GroupTests::withOurs)
            .toList();

    /** Behind the first test those with Ringmain's own consumer, where there is one. */
    private static Stream<Test> withOurs(Test test) {
        if (OURS == null || !test.name().startsWith("classic_members")) return Stream.of(test);
        return Stream.of(
                test,
                new Test("ours_shares_by_range", cluster -> beside(cluster, "range", RangeAssignor.class), 11, 8),
                new Test("ours_shares_by_cooperative_sticky",
                        cluster -> beside(cluster, "cooperative-sticky", CooperativeStickyAssignor.class), 11, 8));
    }

    private static Stream<Test> of(String protocol) {
        int api = protocol.equals("classic") ? 11 : 68;
        return Stream.of(
                new Test(protocol + "_members_share_and_inherit", cluster -> share(cluster, protocol), api, 8),
                new Test(protocol + "_commit_and_resume", cluster -> resume(cluster, protocol), api, 8),
                new Test(protocol + "_static_member_comes_back", cluster -> comesBack(cluster, protocol), api, 8),
                new Test(protocol + "_late_commit_is_refused", cluster -> lateCommit(cluster, protocol), api, 8),
                new Test(protocol + "_group_is_told_of", cluster -> told(cluster, protocol), api, 8));
    }

    /** A consumer of a group; what it was given and what was taken, and what came to it. */
    static final class Member implements ConsumerRebalanceListener {
        final Consumer<byte[], byte[]> consumer;
        final List<String> events = new ArrayList<>();
        final List<ConsumerRecord<byte[], byte[]>> came = new ArrayList<>();

        Member(Cluster cluster, String group, String protocol, String... settings) {
            List<String> all = new ArrayList<>(List.of("group.id", group, "group.protocol", protocol));
            if (protocol.equals("classic")) {
                all.addAll(List.of("session.timeout.ms", "6000", "heartbeat.interval.ms", "300"));
            }
            all.addAll(List.of(settings));
            consumer = cluster.consumer(all.toArray(String[]::new));
        }

        Member subscribed(String topic) {
            consumer.subscribe(List.of(topic), this);
            return this;
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            if (!partitions.isEmpty()) events.add("+" + partitions.size());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            if (!partitions.isEmpty()) events.add("-" + partitions.size());
        }

        int size() {
            return consumer.assignment().size();
        }
    }

    /** Polls the members in turn until something is true of them. */
    static void together(String what, Callable<Boolean> truth, Member... members)
            throws Exception {
        eventually(what, () -> {
            for (Member member : members) member.consumer.poll(Duration.ofMillis(50)).forEach(member.came::add);
            return truth.call();
        });
    }

    static void share(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(4);
        Member one = new Member(cluster, topic, protocol).subscribed(topic);
        Member two = new Member(cluster, topic, protocol).subscribed(topic);
        together("two partitions each", () -> one.size() == 2 && two.size() == 2, one, two);
        for (int partition = 0; partition < 4; partition++) fill(cluster.producer(), topic, partition, 50);
        together("all records", () -> one.came.size() + two.came.size() >= 200, one, two);
        equal(100, one.came.size(), "records of one");
        equal(100, two.came.size(), "records of two");
        one.consumer.close();
        together("all partitions", () -> two.size() == 4, two);
    }

    /** A member from Ringmain's command line beside one of this client; each leads for a while. */
    static void beside(Cluster cluster, String assignor, Class<?> same) throws Exception {
        String topic = cluster.topic(4);
        String[] sharing = {"partition.assignment.strategy", same.getName()};
        Member one = new Member(cluster, topic, "classic", sharing).subscribed(topic);
        together("all partitions", () -> one.size() == 4, one);
        Process ours = new ProcessBuilder(OURS, "consume", "--group", topic, topic, "--assignor", assignor,
                        "--session-timeout", "6", "--from-beginning", "-q", "-b", System.getenv("BOOTSTRAP"))
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        AtomicInteger printed = new AtomicInteger();
        Thread reader = new Thread(() -> ours.inputReader().lines().forEach(line -> printed.incrementAndGet()));
        reader.start();
        try {
            together("two partitions", () -> one.size() == 2, one);
            for (int partition = 0; partition < 4; partition++) fill(cluster.producer(), topic, partition, 50);
            together("half of the records", () -> one.came.size() == 100 && printed.get() == 100, one);
            one.consumer.commitSync();
            one.consumer.close();
            for (int partition = 0; partition < 4; partition++) fill(cluster.producer(), topic, partition, 50);
            eventually("the rest", () -> printed.get() == 300);
            Member two = new Member(cluster, topic, "classic", sharing).subscribed(topic);
            together("two partitions again", () -> two.size() == 2, two);
            ours.destroy();
            together("all partitions, since it left", () -> two.size() == 4, two);
            equal(0, two.came.size(), "records that were committed");
        } finally {
            ours.destroy();
            ours.waitFor();
            reader.join();
        }
    }

    static void resume(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(cluster.producer(), topic, 0, 100);
        Member one = new Member(cluster, topic, protocol).subscribed(topic);
        together("all records", () -> one.came.size() == 100, one);
        OffsetAndMetadata place = new OffsetAndMetadata(42, "noted");
        one.consumer.commitSync(Map.of(partition, place));
        equal(place, one.consumer.committed(Set.of(partition)).get(partition), "committed");
        one.consumer.close();
        Member two = new Member(cluster, topic, protocol).subscribed(topic);
        together("the rest", () -> two.came.size() == 58, two);
        equal(range(42, 100), numbers(two.came), "the rest");
        two.came.clear();
        two.consumer.seek(partition, 90);
        together("the last ten again", () -> two.came.size() == 10, two);
        two.consumer.commitSync();
        equal(100L, two.consumer.committed(Set.of(partition)).get(partition).offset(), "committed");
    }

    /** The other member must not notice. */
    static void comesBack(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(4);
        Member one = new Member(cluster, topic, protocol, "group.instance.id", "one").subscribed(topic);
        Member two = new Member(cluster, topic, protocol, "group.instance.id", "two").subscribed(topic);
        together("two partitions each", () -> one.size() == 2 && two.size() == 2, one, two);
        Set<TopicPartition> had = Set.copyOf(one.consumer.assignment());
        two.events.clear();
        one.consumer.close();
        Member again = new Member(cluster, topic, protocol, "group.instance.id", "one").subscribed(topic);
        together("its partitions back", () -> again.consumer.assignment().equals(had), again, two);
        equal(List.of(), two.events, "what the other saw");
    }

    /** A member which was silent for too long has lost its partitions, and may not commit. */
    static void lateCommit(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        fill(cluster.producer(), topic, 0, 10);
        Member one = new Member(cluster, topic, protocol, "max.poll.interval.ms", "2000").subscribed(topic);
        together("all records", () -> one.came.size() == 10, one);
        Member two = new Member(cluster, topic, protocol).subscribed(topic);
        together("the partition passes on", () -> two.size() == 1 && two.came.size() == 10, two);
        fails(CommitFailedException.class, () -> {
            one.consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(5)));
            return null;
        });
        two.consumer.commitSync();
    }

    static void told(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(2);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(cluster.producer(), topic, 0, 10);
        Member one = new Member(cluster, topic, protocol).subscribed(topic);
        together("all records", () -> one.came.size() == 10, one);
        one.consumer.commitSync();
        GroupType type = protocol.equals("classic") ? GroupType.CLASSIC : GroupType.CONSUMER;
        var listed = get(cluster.admin().listGroups().all()).stream()
                .filter(group -> group.groupId().equals(topic)).findFirst().orElseThrow();
        equal(type, listed.type().orElseThrow(), "listed type");
        var described = get(cluster.admin().describeConsumerGroups(List.of(topic)).all()).get(topic);
        equal(GroupState.STABLE, described.groupState(), "state");
        equal(type, described.type(), "type");
        equal(Set.copyOf(partitions(topic, 2)),
                described.members().iterator().next().assignment().topicPartitions(), "assignment");
        fails(GroupNotEmptyException.class, () -> cluster.admin().deleteConsumerGroups(List.of(topic)).all());
        one.consumer.close();
        get(cluster.admin().alterConsumerGroupOffsets(topic, Map.of(partition, new OffsetAndMetadata(3))).all());
        equal(3L, get(cluster.admin().listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata())
                .get(partition).offset(), "altered offset");
        get(cluster.admin().deleteConsumerGroupOffsets(topic, Set.of(partition)).all());
        equal(null, get(cluster.admin().listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata()).get(partition),
                "deleted offset");
        get(cluster.admin().deleteConsumerGroups(List.of(topic)).all());
        fails(GroupIdNotFoundException.class, () -> cluster.admin().deleteConsumerGroups(List.of(topic)).all());
    }

    /** Only what another member gets is taken away, and nothing stops meanwhile. */
    static void cooperative(Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        String[] sticky = {"partition.assignment.strategy", CooperativeStickyAssignor.class.getName()};
        Member one = new Member(cluster, topic, "classic", sticky).subscribed(topic);
        together("all partitions", () -> one.size() == 4, one);
        Member two = new Member(cluster, topic, "classic", sticky).subscribed(topic);
        together("two partitions each", () -> one.size() == 2 && two.size() == 2, one, two);
        equal(List.of("+4", "-2"), one.events, "what the first saw");
        equal(List.of("+2"), two.events, "what the second saw");
    }

    static void fenced(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Member one = new Member(cluster, topic, "classic", "group.instance.id", "same").subscribed(topic);
        together("the partition", () -> one.size() == 1, one);
        Member two = new Member(cluster, topic, "classic", "group.instance.id", "same").subscribed(topic);
        together("the partition, in the other's place", () -> two.size() == 1, two);
        fails(FencedInstanceIdException.class, () -> {
            together("fenced", () -> false, one);
            return null;
        });
    }

    static void pattern(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Member one = new Member(cluster, topic, "consumer");
        one.consumer.subscribe(new SubscriptionPattern(Pattern.quote(topic) + "(-more)?"), one);
        together("one topic", () -> one.size() == 1, one);
        cluster.create(topic + "-more", 2, Map.of());
        cluster.create(topic + "-most", 2, Map.of());
        together("and what was created since", () -> one.size() == 3, one);
    }

    /** Members of the new protocol go on where those of the old one stopped, and the other way round. */
    static void migrated(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        fill(cluster.producer(), topic, 0, 30);
        int done = 0;
        for (String protocol : List.of("classic", "consumer", "classic")) {
            Member one = new Member(cluster, topic, protocol).subscribed(topic);
            int rest = 30 - done;
            together("the rest", () -> one.came.size() == rest, one);
            done += 10;
            one.consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(done)));
            one.consumer.close();
        }
    }
}
