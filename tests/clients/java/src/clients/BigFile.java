package clients;

import java.io.FileInputStream;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * big-file's writer and reader; the records are those of rust-rdkafka/src/file.rs.
 * {@code BigFile write BOOTSTRAP TOPIC CODEC PARTITIONS FILE}, {@code BigFile read BOOTSTRAP TOPIC PARTITIONS RECORDS FILE}
 */
public final class BigFile {
    private static final int CHUNK = 32 * 1024;

    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = new Cluster(arguments[1], "big-file")) {
            if (arguments[0].equals("write")) {
                write(cluster, arguments[2], arguments[3], Integer.parseInt(arguments[4]), arguments[5]);
            } else {
                read(cluster, arguments[2], Integer.parseInt(arguments[3]), Long.parseLong(arguments[4]), arguments[5]);
            }
        }
    }

    private static void write(Cluster cluster, String topic, String codec, int partitions, String path)
            throws Exception {
        Producer<byte[], byte[]> producer = cluster.producer("compression.type", codec, "linger.ms", "20",
                "batch.size", "900000", "buffer.memory", "67108864");
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (InputStream file = new FileInputStream(path)) {
            for (long number = 0; failure.get() == null; number++) {
                byte[] chunk = file.readNBytes(CHUNK);
                if (chunk.length == 0) break;
                byte[] key = ByteBuffer.allocate(8).putLong(number).array();
                var record = new ProducerRecord<>(topic, (int) (number % partitions), key, chunk);
                producer.send(record, (done, error) -> failure.compareAndSet(null, error));
            }
        }
        producer.flush();
        if (failure.get() != null) throw failure.get();
    }

    private static void read(Cluster cluster, String topic, int partitions, long records, String path)
            throws Exception {
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        consumer.assign(Cluster.partitions(topic, partitions));
        // The number that must come next, for each partition.
        long[] next = new long[partitions];
        for (int partition = 0; partition < partitions; partition++) next[partition] = partition;
        long came = 0;
        try (RandomAccessFile file = new RandomAccessFile(path, "rw")) {
            while (came < records) {
                var polled = consumer.poll(Cluster.PATIENCE);
                Cluster.check(!polled.isEmpty(), "no more than " + came + " of " + records + " records came");
                for (ConsumerRecord<byte[], byte[]> record : polled) {
                    long number = ByteBuffer.wrap(record.key()).getLong();
                    Cluster.equal(next[record.partition()], number, "chunk");
                    next[record.partition()] += partitions;
                    file.seek(number * CHUNK);
                    file.write(record.value());
                }
                came += polled.count();
            }
        }
        Cluster.equal(records, came, "records");
        Cluster.check(consumer.poll(Duration.ofMillis(500)).isEmpty(), "more records came");
    }
}
