package clients;

import static clients.Cluster.*;

import clients.Run.Test;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/** Consuming by assignment with the newest client. */
final class ConsumeTests {
    static final List<Test> ALL = List.of(
            new Test("isolation_levels", ConsumeTests::isolationLevels),
            new Test("many_partitions", ConsumeTests::manyPartitions),
            new Test("fetch_session_over_one_busy_partition", ConsumeTests::fetchSession),
            new Test("small_limits_reach_every_partition", ConsumeTests::smallLimits),
            new Test("min_bytes_are_waited_for", ConsumeTests::minBytes),
            new Test("waiting_at_the_end_is_woken", ConsumeTests::wokenAtTheEnd),
            new Test("pause_and_resume", ConsumeTests::pauseAndResume),
            new Test("out_of_range", ConsumeTests::outOfRange),
            new Test("position_inside_a_batch", ConsumeTests::insideABatch),
            new Test("partitions_for", ConsumeTests::partitionsFor),
            new Test("topic_created_again_under_a_consumer", ConsumeTests::topicCreatedAgain));

    static void isolationLevels(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        fill(cluster.producer(), partition.topic(), 0, 1000);
        for (String level : List.of("read_committed", "read_uncommitted")) {
            Consumer<byte[], byte[]> consumer = cluster.consumer("isolation.level", level);
            equal(Map.of(partition, 1000L), consumer.endOffsets(Set.of(partition)), "end, " + level);
            consumer.assign(Set.of(partition));
            equal(range(0, 1000), numbers(take(consumer, 1000)), level);
            equal(0L, consumer.currentLag(partition).getAsLong(), "lag, " + level);
        }
    }

    static void manyPartitions(Cluster cluster) throws Exception {
        String topic = cluster.topic(32);
        Producer<byte[], byte[]> producer = cluster.producer();
        for (int number = 0; number < 3200; number++) {
            producer.send(new ProducerRecord<>(topic, number % 32, null, bytes("" + number)));
        }
        producer.flush();
        var records = cluster.read(topic, 32, 3200);
        for (int partition = 0; partition < 32; partition++) {
            int mine = partition;
            var numbers = numbers(records.stream().filter(record -> record.partition() == mine).toList());
            equal(range(0, 100).stream().map(round -> mine + 32 * round).toList(), numbers, "partition " + mine);
        }
    }

    /** Of ten partitions in a session, the answer names only the one which has something new. */
    static void fetchSession(Cluster cluster) throws Exception {
        String topic = cluster.topic(10);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        consumer.assign(partitions(topic, 10));
        for (int round = 0; round < 20; round++) {
            fill(producer, topic, round % 10, 5);
            for (var record : take(consumer, 5)) equal(round % 10, record.partition(), "partition");
        }
        consumer.assign(partitions(topic, 3));
        consumer.seekToBeginning(consumer.assignment());
        take(consumer, 30);
        consumer.assign(partitions(topic, 10));
        consumer.seekToBeginning(consumer.assignment());
        take(consumer, 100);
    }

    /** With room for one batch in an answer, the partitions must take turns. */
    static void smallLimits(Cluster cluster) throws Exception {
        String topic = cluster.topic(5);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        for (int round = 0; round < 5; round++) {
            for (int partition = 0; partition < 5; partition++) {
                get(producer.send(new ProducerRecord<>(topic, partition, null, new byte[50_000])));
            }
        }
        Consumer<byte[], byte[]> consumer = cluster.consumer("fetch.max.bytes", "60000", "max.poll.records", "1");
        consumer.assign(partitions(topic, 5));
        var seen = new HashSet<Integer>();
        for (var record : take(consumer, 25).subList(0, 15)) seen.add(record.partition());
        check(seen.size() >= 4, "the first fifteen records of 25 come from partitions " + seen);
    }

    static void minBytes(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        fill(cluster.producer(), partition.topic(), 0, 10);
        Consumer<byte[], byte[]> consumer =
                cluster.consumer("fetch.min.bytes", "1000000", "fetch.max.wait.ms", "2000");
        consumer.assign(Set.of(partition));
        consumer.seek(partition, 0);
        long began = System.nanoTime();
        var records = consumer.poll(Duration.ofSeconds(10));
        long millis = (System.nanoTime() - began) / 1_000_000;
        equal(range(0, 10), numbers(records), "too few bytes come when the time is up");
        check(millis >= 1900 && millis < 6000, "came after " + millis + " ms");
    }

    static void wokenAtTheEnd(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        fill(producer, partition.topic(), 0, 10);
        Consumer<byte[], byte[]> consumer = cluster.consumer("fetch.max.wait.ms", "15000");
        consumer.assign(Set.of(partition));
        consumer.seekToEnd(Set.of(partition));
        check(consumer.poll(Duration.ofSeconds(2)).isEmpty(), "nothing is there yet");
        long began = System.nanoTime();
        fill(producer, partition.topic(), 0, 1);
        equal(10L, consumer.poll(Duration.ofSeconds(20)).iterator().next().offset(), "offset");
        long millis = (System.nanoTime() - began) / 1_000_000;
        check(millis < 3000, "came after " + millis + " ms");
    }

    static void pauseAndResume(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        for (int partition = 0; partition < 2; partition++) fill(cluster.producer(), topic, partition, 100);
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        List<TopicPartition> both = partitions(topic, 2);
        consumer.assign(both);
        consumer.pause(both.subList(0, 1));
        for (var record : take(consumer, 100)) equal(1, record.partition(), "partition");
        consumer.resume(both);
        for (var record : take(consumer, 100)) equal(0, record.partition(), "partition");
    }

    static void outOfRange(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        fill(cluster.producer(), partition.topic(), 0, 10);
        Consumer<byte[], byte[]> strict = cluster.consumer("auto.offset.reset", "none");
        strict.assign(Set.of(partition));
        strict.seek(partition, 11);
        fails(OffsetOutOfRangeException.class, () -> {
            take(strict, 1);
            return null;
        });
        for (String policy : List.of("earliest", "by_duration:PT1H")) {
            Consumer<byte[], byte[]> lenient = cluster.consumer("auto.offset.reset", policy);
            lenient.assign(Set.of(partition));
            lenient.seek(partition, 11);
            equal(range(0, 10), numbers(take(lenient, 10)), policy);
        }
    }

    /** The broker answers with the whole batch; the client skips what is before its position. */
    static void insideABatch(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        fill(cluster.producer("linger.ms", "1000", "batch.size", "100000", "compression.type", "zstd"),
                partition.topic(), 0, 100);
        equal(1, cluster.stored(partition.topic(), 0).size(), "batches");
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        consumer.assign(Set.of(partition));
        for (int offset : new int[] {57, 0, 99}) {
            consumer.seek(partition, offset);
            equal(range(offset, 100), numbers(take(consumer, 100 - offset)), "from " + offset);
        }
    }

    static void partitionsFor(Cluster cluster) throws Exception {
        String topic = cluster.topic(7);
        Consumer<byte[], byte[]> consumer = cluster.consumer("allow.auto.create.topics", "false");
        List<PartitionInfo> partitions = consumer.partitionsFor(topic);
        equal(7, partitions.size(), "partitions");
        for (PartitionInfo partition : partitions) {
            equal(1, partition.replicas().length, "replicas");
            equal(partition.leader(), partition.replicas()[0], "the leader is the replica");
            equal(partition.leader(), partition.inSyncReplicas()[0], "and in sync");
        }
        equal(partitions.size(), consumer.listTopics().get(topic).size(), "partitions listed");
        Collection<PartitionInfo> nothing = consumer.partitionsFor(cluster.name());
        check(nothing == null || nothing.isEmpty(), "an unknown topic has partitions");
    }

    /**
     * The consumer's fetches name the old topic's id: it must learn the new one and go on. Where it goes on is the
     * client's affair: at the beginning, or, when another broker leads and the epochs look alike, at the end.
     */
    static void topicCreatedAgain(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        String topic = partition.topic();
        fill(cluster.producer(), topic, 0, 10);
        Consumer<byte[], byte[]> consumer = cluster.consumer("metadata.max.age.ms", "1000");
        consumer.assign(Set.of(partition));
        take(consumer, 10);
        get(cluster.admin().deleteTopics(List.of(topic)).all());
        eventually("deleted", () -> !get(cluster.admin().listTopics().names()).contains(topic));
        cluster.create(topic, 1, Map.of());
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        eventually("a record of the new topic", () -> {
            get(producer.send(new ProducerRecord<>(topic, bytes("new"))));
            var records = consumer.poll(Duration.ofMillis(100));
            for (var record : records) equal(bytes("new"), record.value(), "value");
            return !records.isEmpty();
        });
    }
}
