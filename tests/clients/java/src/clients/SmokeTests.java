package clients;

import static clients.Cluster.*;

import clients.Cluster.Batch;
import clients.Run.Test;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;

/** What every client since 2.8 can do: these tests run with old clients too. */
final class SmokeTests {
    static final List<Test> ALL = List.of(
            new Test("produce_consume", SmokeTests::produceConsume),
            new Test("codecs", SmokeTests::codecs),
            new Test("idempotent", SmokeTests::idempotent),
            new Test("seek_and_times", SmokeTests::seekAndTimes),
            new Test("small_fetches", SmokeTests::smallFetches),
            new Test("admin_topics", SmokeTests::adminTopics),
            new Test("admin_configs", SmokeTests::adminConfigs),
            new Test("admin_records", SmokeTests::adminRecords));

    static void produceConsume(Cluster cluster) throws Exception {
        String topic = cluster.topic(3);
        for (String acks : List.of("all", "1", "0")) {
            Producer<byte[], byte[]> producer =
                    cluster.producer("acks", acks, "enable.idempotence", "false", "linger.ms", "5");
            for (int partition = 0; partition < 3; partition++) fill(producer, topic, partition, 500);
        }
        var records = cluster.read(topic, 3, 4500);
        for (int partition = 0; partition < 3; partition++) {
            List<Integer> expected = new ArrayList<>();
            for (int round = 0; round < 3; round++) expected.addAll(range(0, 500));
            int mine = partition;
            var ours = records.stream().filter(record -> record.partition() == mine).toList();
            equal(expected, numbers(ours), "partition " + partition);
            for (int at = 0; at < ours.size(); at++) equal((long) at, ours.get(at).offset(), "offset");
        }
    }

    static void codecs(Cluster cluster) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = cluster.topic(1);
            Producer<byte[], byte[]> producer = cluster.producer("compression.type", codec, "linger.ms", "20");
            byte[] value = bytes("as compressible as can be ".repeat(20));
            for (int number = 0; number < 1000; number++) {
                producer.send(new ProducerRecord<>(topic, bytes("" + number), value));
            }
            producer.flush();
            var records = cluster.read(topic, 1, 1000);
            for (int number = 0; number < 1000; number++) {
                equal(bytes("" + number), records.get(number).key(), "key");
                equal(value, records.get(number).value(), "value");
            }
            for (Batch batch : cluster.stored(topic, 0)) equal(codec, batch.codec(), "stored codec");
        }
    }

    static void idempotent(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Producer<byte[], byte[]> producer = cluster.producer("enable.idempotence", "true", "acks", "all",
                "max.in.flight.requests.per.connection", "5", "batch.size", "200", "linger.ms", "0");
        for (int partition = 0; partition < 2; partition++) {
            List<Long> offsets = fill(producer, topic, partition, 2000).stream()
                    .map(RecordMetadata::offset).toList();
            for (int at = 0; at < 2000; at++) equal((long) at, offsets.get(at), "offset");
            int sequence = 0;
            for (Batch batch : cluster.stored(topic, partition)) {
                check(batch.producerId() >= 0, "a producer id");
                equal(sequence, batch.sequence(), "sequence");
                sequence += batch.records();
            }
        }
    }

    static void seekAndTimes(Cluster cluster) throws Exception {
        long start = 1_700_000_000_000L;
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "5");
        for (int number = 0; number < 100; number++) {
            byte[] value = bytes("" + number);
            producer.send(new ProducerRecord<>(partition.topic(), 0, start + 10 * number, null, value));
        }
        producer.flush();
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        equal(Map.of(partition, 0L), consumer.beginningOffsets(Set.of(partition)), "beginning");
        equal(Map.of(partition, 100L), consumer.endOffsets(Set.of(partition)), "end");
        for (int[] place : new int[][] {{-1, 0}, {0, 0}, {1, 1}, {500, 50}, {990, 99}}) {
            var found = consumer.offsetsForTimes(Map.of(partition, start + place[0])).get(partition);
            equal((long) place[1], found.offset(), "offset for " + place[0]);
            equal(start + 10 * place[1], found.timestamp(), "timestamp for " + place[0]);
        }
        equal(null, consumer.offsetsForTimes(Map.of(partition, start + 991)).get(partition), "beyond");
        consumer.assign(Set.of(partition));
        consumer.seek(partition, 90);
        equal(range(90, 100), numbers(take(consumer, 10)), "after a seek");
        equal(100L, consumer.position(partition), "position");
        consumer.seekToBeginning(Set.of(partition));
        equal(range(0, 100), numbers(take(consumer, 100)), "from the beginning");
    }

    /** Batches larger than every limit of a fetch must come all the same. */
    static void smallFetches(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        for (int size : new int[] {10, 900_000, 1, 300_000}) {
            for (int partition = 0; partition < 2; partition++) {
                get(producer.send(new ProducerRecord<>(topic, partition, null, new byte[size])));
            }
        }
        Consumer<byte[], byte[]> consumer = cluster.consumer(
                "fetch.max.bytes", "1", "max.partition.fetch.bytes", "1", "receive.buffer.bytes", "4096");
        consumer.assign(partitions(topic, 2));
        long sum = take(consumer, 8).stream().mapToLong(record -> record.value().length).sum();
        equal(2L * (10 + 900_000 + 1 + 300_000), sum, "bytes");
    }

    static void adminTopics(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        NewTopic again = new NewTopic(topic, 1, (short) 1);
        fails(TopicExistsException.class, () -> cluster.admin().createTopics(List.of(again)).all());
        get(cluster.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        eventually("three partitions", () -> consumer.partitionsFor(topic).size() == 3);
        check(get(cluster.admin().listTopics().names()).contains(topic), "listed");
        check(!get(cluster.admin().describeCluster().nodes()).isEmpty(), "nodes");
        check(get(cluster.admin().describeCluster().clusterId()) != null, "a cluster id");
        get(cluster.admin().deleteTopics(List.of(topic)).all());
        eventually("deleted", () -> !get(cluster.admin().listTopics().names()).contains(topic));
    }

    static void adminConfigs(Cluster cluster) throws Exception {
        ConfigResource resource = new ConfigResource(
                ConfigResource.Type.TOPIC, cluster.topic(1, Map.of("retention.ms", "3600000")));
        ConfigEntry limit = new ConfigEntry("max.message.bytes", "5000");
        get(cluster.admin().incrementalAlterConfigs(
                Map.of(resource, List.of(new AlterConfigOp(limit, AlterConfigOp.OpType.SET)))).all());
        eventually("the new limit", () -> {
            Config config = get(cluster.admin().describeConfigs(List.of(resource)).all()).get(resource);
            equal("3600000", config.get("retention.ms").value(), "what was not named");
            return config.get("max.message.bytes").value().equals("5000");
        });
    }

    static void adminRecords(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        fill(cluster.producer(), partition.topic(), 0, 100);
        var deleted = cluster.admin().deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40)));
        equal(40L, get(deleted.lowWatermarks().get(partition)).lowWatermark(), "low watermark");
        for (var place : Map.of(OffsetSpec.earliest(), 40L, OffsetSpec.latest(), 100L).entrySet()) {
            ListOffsetsResult offsets = cluster.admin().listOffsets(Map.of(partition, place.getKey()));
            equal(place.getValue(), get(offsets.partitionResult(partition)).offset(), "offset");
        }
        equal(range(40, 100), numbers(cluster.read(partition.topic(), 1, 60)), "the rest");
    }
}
