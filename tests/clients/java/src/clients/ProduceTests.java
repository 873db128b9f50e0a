package clients;

import static clients.Cluster.*;

import clients.Cluster.Batch;
import clients.Run.Test;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

/** Producing with the newest client. */
final class ProduceTests {
    static final List<Test> ALL = List.of(
            new Test("idempotent_five_in_flight", ProduceTests::idempotentFiveInFlight),
            new Test("producers_have_their_own_ids", ProduceTests::producersHaveTheirOwnIds),
            new Test("headers", ProduceTests::headers),
            new Test("nulls_are_not_empty", ProduceTests::nullsAreNotEmpty),
            new Test("create_time", ProduceTests::createTime),
            new Test("log_append_time", ProduceTests::logAppendTime),
            new Test("large_record", ProduceTests::largeRecord),
            new Test("too_large_is_refused", ProduceTests::tooLargeIsRefused),
            new Test("too_large_batch_is_split", ProduceTests::tooLargeBatchIsSplit),
            new Test("invalid_topic_is_refused", ProduceTests::invalidTopicIsRefused),
            new Test("auto_creation", ProduceTests::autoCreation),
            new Test("topic_created_again_under_a_producer", ProduceTests::topicCreatedAgain));

    /** Many small batches over four partitions: order, offsets and sequences all run on without a gap. */
    static void idempotentFiveInFlight(Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        Producer<byte[], byte[]> producer = cluster.producer("enable.idempotence", "true",
                "max.in.flight.requests.per.connection", "5", "batch.size", "300", "linger.ms", "0");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int number = 0; number < 20_000; number++) {
            byte[] value = bytes("" + number);
            sent.add(producer.send(new ProducerRecord<>(topic, number % 4, null, value)));
        }
        for (int number = 0; number < 20_000; number++) {
            equal((long) (number / 4), get(sent.get(number)).offset(), "offset of " + number);
        }
        var records = cluster.read(topic, 4, 20_000);
        long[] next = new long[4];
        for (var record : records) {
            long at = next[record.partition()]++;
            equal(at, record.offset(), "offset");
            int number = Integer.parseInt(new String(record.value(), StandardCharsets.UTF_8));
            equal((int) (4 * at + record.partition()), number, "value");
        }
        for (int partition = 0; partition < 4; partition++) {
            int sequence = 0;
            for (Batch batch : cluster.stored(topic, partition)) {
                equal(sequence, batch.sequence(), "sequence");
                sequence += batch.records();
            }
        }
    }

    static void producersHaveTheirOwnIds(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        for (int round = 0; round < 5; round++) fill(cluster.producer(), topic, 0, 10);
        long ids = cluster.stored(topic, 0).stream().map(Batch::producerId).distinct().count();
        equal(5L, ids, "producer ids");
    }

    static void headers(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        byte[] binary = new byte[256];
        for (int at = 0; at < 256; at++) binary[at] = (byte) at;
        List<Header> headers = List.of(new RecordHeader("name", bytes("value")),
                new RecordHeader("name", bytes("again")), new RecordHeader("", new byte[0]),
                new RecordHeader("null", (byte[]) null), new RecordHeader("binary", binary));
        get(cluster.producer().send(new ProducerRecord<>(topic, 0, (Long) null, null, bytes("x"), headers)));
        Header[] came = cluster.read(topic, 1, 1).get(0).headers().toArray();
        equal(headers, List.of(came), "headers");
    }

    static void nullsAreNotEmpty(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = cluster.producer();
        byte[][] cases = {null, new byte[0]};
        for (byte[] key : cases) {
            for (byte[] value : cases) get(producer.send(new ProducerRecord<>(topic, key, value)));
        }
        var records = cluster.read(topic, 1, 4).iterator();
        for (byte[] key : cases) {
            for (byte[] value : cases) {
                var record = records.next();
                equal(key, record.key(), "key");
                equal(value, record.value(), "value");
            }
        }
    }

    static void createTime(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = cluster.producer();
        for (long time : new long[] {1_500_000_000_000L, 0, 1_700_000_000_123L}) {
            var done = get(producer.send(new ProducerRecord<>(topic, 0, time, null, new byte[1])));
            equal(time, done.timestamp(), "acknowledged timestamp");
        }
        var records = cluster.read(topic, 1, 3);
        equal(List.of(1_500_000_000_000L, 0L, 1_700_000_000_123L),
                records.stream().map(record -> record.timestamp()).toList(), "timestamps");
        for (var record : records) equal(TimestampType.CREATE_TIME, record.timestampType(), "type");
    }

    static void logAppendTime(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        var done = get(cluster.producer().send(new ProducerRecord<>(topic, 0, 1L, null, new byte[1])));
        long after = System.currentTimeMillis();
        check(before <= done.timestamp() && done.timestamp() <= after, "acknowledged " + done.timestamp());
        var record = cluster.read(topic, 1, 1).get(0);
        equal(TimestampType.LOG_APPEND_TIME, record.timestampType(), "type");
        equal(done.timestamp(), record.timestamp(), "timestamp");
    }

    static void largeRecord(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, Map.of("max.message.bytes", "10000000"));
        byte[] value = new byte[8_000_000];
        new Random(1).nextBytes(value);
        Producer<byte[], byte[]> producer = cluster.producer(
                "max.request.size", "10000000", "buffer.memory", "40000000", "compression.type", "lz4");
        for (int round = 0; round < 3; round++) get(producer.send(new ProducerRecord<>(topic, value)));
        for (var record : cluster.read(topic, 1, 3)) equal(value, record.value(), "value");
    }

    static void tooLargeIsRefused(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = cluster.producer("max.request.size", "10000000");
        fails(RecordTooLargeException.class,
                () -> producer.send(new ProducerRecord<>(topic, new byte[2_000_000])));
        fill(producer, topic, 0, 10);
        equal(range(0, 10), numbers(cluster.read(topic, 1, 10)), "after the refusal");
    }

    /** MESSAGE_TOO_LARGE for a batch of many records makes this client split it and send the parts. */
    static void tooLargeBatchIsSplit(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, Map.of("max.message.bytes", "3000"));
        Producer<byte[], byte[]> producer =
                cluster.producer("batch.size", "100000", "linger.ms", "500", "compression.type", "gzip");
        byte[] value = new byte[1000];
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        Random random = new Random(1);
        for (int number = 0; number < 50; number++) {
            random.nextBytes(value);
            sent.add(producer.send(new ProducerRecord<>(topic, value.clone())));
        }
        for (int number = 0; number < 50; number++) {
            equal((long) number, get(sent.get(number)).offset(), "offset");
        }
    }

    static void invalidTopicIsRefused(Cluster cluster) {
        fails(InvalidTopicException.class,
                () -> cluster.producer().send(new ProducerRecord<>("no spaces, please", new byte[1])));
    }

    /** A topic that nobody created comes into being by Metadata, as brokers allow by default. */
    static void autoCreation(Cluster cluster) throws Exception {
        String topic = cluster.name();
        equal(0L, get(cluster.producer().send(new ProducerRecord<>(topic, 0, null, new byte[1])))
                .offset(), "offset");
        cluster.read(topic, 1, 1);
    }

    /** The name stays, the topic's id does not: the producer must learn the new one by itself. */
    static void topicCreatedAgain(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = cluster.producer();
        fill(producer, topic, 0, 10);
        get(cluster.admin().deleteTopics(List.of(topic)).all());
        eventually("deleted", () -> !get(cluster.admin().listTopics().names()).contains(topic));
        cluster.create(topic, 1, Map.of());
        fill(producer, topic, 0, 5);
        equal(range(0, 5), numbers(cluster.read(topic, 1, 5)), "in the new topic");
    }
}
