package clients;

import static clients.Cluster.*;

import clients.Run.Test;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** Transactions with the newest client. */
final class TransactionTests {
    static final List<Test> ALL = List.of(
            new Test("committed_readers_see_what_was_committed", TransactionTests::committed, 24, 26),
            new Test("a_producer_is_fenced_by_the_next", TransactionTests::fenced, 24, 26),
            new Test("a_producer_is_fenced_by_the_admin", TransactionTests::fencedByAdmin, 24, 26),
            new Test("a_slow_transaction_is_aborted", TransactionTests::slow, 24, 26),
            new Test("a_hasty_producer_is_not_fenced", TransactionTests::hasty, 24, 26),
            new Test("consume_transform_produce", TransactionTests::transform, 24, 26, 11, 28),
            new Test("transactions_are_told_of", TransactionTests::told, 24, 26, 61, 65, 66));

    private static Producer<byte[], byte[]> begin(Cluster cluster, String name) {
        Producer<byte[], byte[]> producer =
                cluster.producer("transactional.id", name, "transaction.timeout.ms", "3000");
        producer.initTransactions();
        producer.beginTransaction();
        return producer;
    }

    private static List<Integer> read(Cluster cluster, String topic, String level, int count) {
        Consumer<byte[], byte[]> consumer = cluster.consumer("isolation.level", level);
        consumer.assign(partitions(topic, 1));
        return numbers(take(consumer, count));
    }

    private static long end(Cluster cluster, String topic, String level) {
        TopicPartition partition = new TopicPartition(topic, 0);
        return cluster.consumer("isolation.level", level).endOffsets(Set.of(partition)).get(partition);
    }

    static void committed(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = begin(cluster, topic);
        fill(producer, topic, 0, 3);
        equal(0L, end(cluster, topic, "read_committed"), "end for committed readers while it is open");
        equal(3L, end(cluster, topic, "read_uncommitted"), "end for all others");
        producer.commitTransaction();
        producer.beginTransaction();
        fill(producer, topic, 0, 1);
        producer.abortTransaction();
        producer.beginTransaction();
        fill(producer, topic, 0, 2);
        producer.commitTransaction();
        equal(List.of(0, 1, 2, 0, 1), read(cluster, topic, "read_committed", 5), "committed");
        equal(List.of(0, 1, 2, 0, 0, 1), read(cluster, topic, "read_uncommitted", 6), "all");
        equal(9L, end(cluster, topic, "read_committed"), "end, with three markers");
    }

    static void fenced(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> one = begin(cluster, topic);
        fill(one, topic, 0, 1);
        Producer<byte[], byte[]> two = begin(cluster, topic);
        fill(two, topic, 0, 3);
        two.commitTransaction();
        fails(ProducerFencedException.class, () -> {
            one.commitTransaction();
            return null;
        });
        equal(range(0, 3), read(cluster, topic, "read_committed", 3), "of the second alone");
    }

    static void fencedByAdmin(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = begin(cluster, topic);
        fill(producer, topic, 0, 1);
        get(cluster.admin().fenceProducers(List.of(topic)).all());
        fails(ProducerFencedException.class, () -> {
            producer.commitTransaction();
            return null;
        });
        eventually("aborted", () -> end(cluster, topic, "read_committed") == 2);
    }

    /** The coordinator itself ends what took longer than its timeout; readers go on, the producer must begin anew. */
    static void slow(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = begin(cluster, topic);
        fill(producer, topic, 0, 1);
        eventually("aborted", () -> end(cluster, topic, "read_committed") == 2);
        fails(InvalidTxnStateException.class, () -> {
            producer.commitTransaction();
            return null;
        });
        equal(List.of(), read(cluster, topic, "read_committed", 0), "committed");
    }

    /** An abort drops what was not sent yet, so that the next end comes while the last one is being written. */
    static void hasty(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer =
                cluster.producer("transactional.id", topic, "linger.ms", "5", "transaction.timeout.ms", "30000");
        producer.initTransactions();
        for (int number = 0; number < 50; number++) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, bytes("" + number)));
            if (number % 5 == 4) producer.commitTransaction();
            else producer.abortTransaction();
        }
        equal(range(0, 10).stream().map(number -> 5 * number + 4).toList(),
                read(cluster, topic, "read_committed", 10), "committed");
    }

    static void transform(Cluster cluster) throws Exception {
        String source = cluster.topic(1), sink = cluster.topic(1);
        TopicPartition partition = new TopicPartition(source, 0);
        fill(cluster.producer(), source, 0, 20);
        Consumer<byte[], byte[]> consumer = cluster.consumer("group.id", source, "max.poll.records", "10");
        consumer.subscribe(List.of(source));
        Producer<byte[], byte[]> producer =
                cluster.producer("transactional.id", source, "transaction.timeout.ms", "30000");
        producer.initTransactions();
        for (boolean commit : List.of(false, true, true)) {
            producer.beginTransaction();
            long from = Optional.ofNullable(consumer.committed(Set.of(partition)).get(partition))
                    .map(OffsetAndMetadata::offset).orElse(0L);
            for (var record : poll(consumer)) producer.send(new ProducerRecord<>(sink, 0, null, record.value()));
            producer.sendOffsetsToTransaction(
                    Map.of(partition, new OffsetAndMetadata(from + 10)), consumer.groupMetadata());
            if (commit) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
                check(consumer.committed(Set.of(partition)).get(partition) == null, "nothing is committed");
                consumer.seek(partition, 0);
            }
        }
        equal(20L, consumer.committed(Set.of(partition)).get(partition).offset(), "committed");
        equal(range(0, 20), read(cluster, sink, "read_committed", 20), "each once");
    }

    /** Ten records at once: the consumer hands out no more. */
    private static ConsumerRecords<byte[], byte[]> poll(Consumer<byte[], byte[]> consumer) throws Exception {
        AtomicReference<ConsumerRecords<byte[], byte[]>> records = new AtomicReference<>();
        eventually("records", () -> {
            records.set(consumer.poll(Duration.ofMillis(100)));
            return records.get().count() > 0;
        });
        equal(10, records.get().count(), "records");
        return records.get();
    }

    static void told(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Producer<byte[], byte[]> producer = begin(cluster, topic);
        fill(producer, topic, 0, 1);
        var described = get(cluster.admin().describeTransactions(List.of(topic)).all()).get(topic);
        equal(TransactionState.ONGOING, described.state(), "state");
        equal(Set.of(partition), described.topicPartitions(), "partitions");
        var active = get(cluster.admin().describeProducers(List.of(partition)).partitionResult(partition))
                .activeProducers().get(0);
        equal(described.producerId(), active.producerId(), "producer id");
        equal(0L, active.currentTransactionStartOffset().getAsLong(), "begun at");
        check(get(cluster.admin().listTransactions().all()).stream()
                .anyMatch(listed -> listed.transactionalId().equals(topic)), "listed");
        producer.commitTransaction();
        eventually("complete", () -> get(cluster.admin().describeTransactions(List.of(topic)).all())
                .get(topic).state() == TransactionState.COMPLETE_COMMIT);
        fails(TransactionalIdNotFoundException.class,
                () -> cluster.admin().describeTransactions(List.of(topic + "-none")).all());
    }
}
