package clients;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The broker under test and short ways to use it, for one test: its clients end with it. Consumers are assigned
 * their partitions unless a test gives them a group. Only calls which every client since 2.8 has: the old ones run
 * this too.
 */
public final class Cluster implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);

    final String bootstrap;
    private final String test;
    private final List<Runnable> closings = new ArrayList<>();
    private Admin admin;

    Cluster(String bootstrap, String test) {
        this.bootstrap = bootstrap;
        this.test = test;
    }

    /** One batch as the broker stores it. */
    record Batch(long baseOffset, int records, String codec, long producerId, int sequence) {}

    @Override
    public void close() {
        closings.forEach(Runnable::run);
    }

    /** The settings are names and values in turn. */
    private Properties properties(String... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        for (int at = 0; at < settings.length; at += 2) properties.put(settings[at], settings[at + 1]);
        return properties;
    }

    Admin admin() {
        if (admin == null) {
            admin = Admin.create(properties());
            closings.add(admin::close);
        }
        return admin;
    }

    /**
     * With acks=all unless told otherwise: old clients have another default, and only then may a reader count on
     * what was acknowledged.
     */
    Producer<byte[], byte[]> producer(String... settings) {
        Properties properties = properties("acks", "all");
        properties.putAll(properties(settings));
        Producer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        closings.add(producer::close);
        return producer;
    }

    Consumer<byte[], byte[]> consumer(String... settings) {
        Properties properties = properties("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        properties.putAll(properties(settings));
        Consumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        closings.add(consumer::close);
        return consumer;
    }

    /** A name which no earlier run used. */
    String name() {
        return "java-" + test.replace('_', '-') + "-" + System.nanoTime();
    }

    String topic(int partitions) throws Exception {
        return topic(partitions, Map.of());
    }

    String topic(int partitions, Map<String, String> settings) throws Exception {
        String name = name();
        create(name, partitions, settings);
        return name;
    }

    /**
     * Creates the topic and waits for its leaders: Kafka answers before every partition can be written. A producer
     * which begins at once may see its first batch refused and its second one accepted, and then never gets its
     * sequence right.
     */
    void create(String name, int partitions, Map<String, String> settings) throws Exception {
        NewTopic topic = new NewTopic(name, partitions, (short) 1);
        get(admin().createTopics(List.of(topic.configs(settings))).all());
        Map<TopicPartition, OffsetSpec> wishes = partitions(name, partitions).stream()
                .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()));
        get(admin().listOffsets(wishes).all());
    }

    static List<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(partition -> new TopicPartition(topic, partition)).toList();
    }

    static <T> T get(Future<T> future) throws Exception {
        return future.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Numbered records, all acknowledged, in order. */
    static List<RecordMetadata> fill(Producer<byte[], byte[]> producer, String topic, int partition, int count)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            sent.add(producer.send(new ProducerRecord<>(topic, partition, null, bytes("" + number))));
        }
        producer.flush();
        List<RecordMetadata> done = new ArrayList<>();
        for (Future<RecordMetadata> future : sent) done.add(get(future));
        return done;
    }

    /** The next records, {@code count} exactly: no more may come with the last poll, nor in a last short one. */
    static List<ConsumerRecord<byte[], byte[]>> take(Consumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long until = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            check(System.nanoTime() < until, "only " + records.size() + " of " + count + " records");
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        equal(count, records.size(), "records");
        return records;
    }

    /** Everything in the topic, from its beginning. */
    List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions, int count) {
        Consumer<byte[], byte[]> consumer = consumer();
        consumer.assign(partitions(topic, partitions));
        return take(consumer, count);
    }

    List<Batch> stored(String topic, int partition) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(System.getenv("STORED"), bootstrap, topic, "" + partition)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        equal(0, process.waitFor(), "exit status of stored");
        return out.lines().map(line -> line.split(" ")).map(field -> new Batch(
                Long.parseLong(field[0]), Integer.parseInt(field[1]), field[2],
                Long.parseLong(field[3]), Integer.parseInt(field[5]))).toList();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static List<Integer> numbers(Iterable<ConsumerRecord<byte[], byte[]>> records) {
        List<Integer> numbers = new ArrayList<>();
        records.forEach(record -> numbers.add(Integer.parseInt(new String(record.value(), StandardCharsets.UTF_8))));
        return numbers;
    }

    static List<Integer> range(int from, int until) {
        return IntStream.range(from, until).boxed().toList();
    }

    static void check(boolean truth, String what) {
        if (!truth) throw new AssertionError(what);
    }

    static void equal(Object expected, Object actual, String what) {
        boolean same = expected instanceof byte[] bytes
                ? Arrays.equals(bytes, (byte[]) actual)
                : expected == null ? actual == null : expected.equals(actual);
        check(same, what + ": " + actual + ", should be " + expected);
    }

    /** The call must fail in this very way, itself or by its future. */
    static void fails(Class<? extends Throwable> expected, Callable<?> call) {
        try {
            Object result = call.call();
            if (result instanceof Future<?> future) get(future);
        } catch (Throwable failure) {
            Throwable cause = failure instanceof ExecutionException ? failure.getCause() : failure;
            if (expected.isInstance(cause)) return;
            throw new AssertionError("fails with " + cause + ", should fail with " + expected.getSimpleName(), cause);
        }
        throw new AssertionError("should fail with " + expected.getSimpleName());
    }

    /** What an admin call changed may take a moment to be seen. */
    static void eventually(String what, Callable<Boolean> truth) throws Exception {
        long until = System.nanoTime() + PATIENCE.toNanos();
        while (!truth.call()) {
            check(System.nanoTime() < until, what);
            Thread.sleep(50);
        }
    }
}
