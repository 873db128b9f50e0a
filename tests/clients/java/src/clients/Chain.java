package clients;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * Consume, transform, produce: workers of one group take records from one topic and give them to another, each
 * transaction with the offsets it comes from, while somebody kills the broker. In the end every record must be in
 * the output once, in the order of its key, and the offsets must cover the input.
 *
 * <p>{@code Chain BOOTSTRAP RECORDS SECONDS SEED}: prints {@code ready} when the topics are there, {@code done} when
 * all is committed, and then waits for a line before it judges. Some transactions are aborted on purpose, and some
 * producers are left behind with one open and must find themselves fenced.
 */
public final class Chain {
    private static final String INPUT = "chain-in", OUTPUT = "chain-out", GROUP = "chain";
    private static final int INPUTS = 6, OUTPUTS = 4, KEYS = 64, WORKERS = 3;
    private static final Duration POLL = Duration.ofMillis(100);

    private final Clients clients;
    private final int records, seconds;
    private final long seed;
    private final List<String> faults = Collections.synchronizedList(new ArrayList<>());
    private final AtomicInteger committed = new AtomicInteger(), aborted = new AtomicInteger(),
            failed = new AtomicInteger(), zombies = new AtomicInteger();
    private final Map<Integer, List<String>> shown = new TreeMap<>();
    private volatile boolean stopped, judging;

    private Chain(String bootstrap, int records, int seconds, long seed) {
        this.clients = new Clients(bootstrap);
        this.records = records;
        this.seconds = seconds;
        this.seed = seed;
    }

    public static void main(String[] arguments) throws Exception {
        Chain chain = new Chain(arguments[0], Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]),
                Long.parseLong(arguments[3]));
        chain.run();
        chain.faults.stream().limit(20).forEach(fault -> System.out.println("FAULT " + fault));
        boolean good = chain.faults.isEmpty();
        System.out.printf("%s: %d records, %d transactions committed, %d aborted on purpose, %d after a failure, "
                        + "%d left behind%n", good ? "ok" : chain.faults.size() + " faults", chain.records,
                chain.committed.get(), chain.aborted.get(), chain.failed.get(), chain.zombies.get());
        System.exit(good ? 0 : 1);
    }

    private interface Body {
        void run() throws Exception;
    }

    private Thread start(String name, Body body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (Throwable failure) {
                failure.printStackTrace();
                faults.add(name + ": " + failure);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private void run() throws Exception {
        try (Admin admin = clients.admin()) {
            admin.createTopics(List.of(
                    new NewTopic(INPUT, INPUTS, (short) 1), new NewTopic(OUTPUT, OUTPUTS, (short) 1))).all().get();
            System.out.println("ready");
            Thread filler = start("filler", this::fill);
            Thread reader = start("reader", this::follow);
            List<Thread> workers = new ArrayList<>();
            for (int number = 0; number < WORKERS; number++) {
                int own = number;
                workers.add(start("worker-" + number, () -> work(own)));
            }
            awaitAll(admin, filler);
            System.out.println("done");
            new BufferedReader(new InputStreamReader(System.in)).readLine();
            stopped = true;
            for (Thread worker : workers) worker.join(TimeUnit.SECONDS.toMillis(90));
            judge(admin, reader);
        }
    }

    /** Numbers of each key in turn, evenly over the time, so that kills meet all of it. */
    private void fill() throws InterruptedException {
        try (Producer<String, String> producer = clients.producer()) {
            long began = System.nanoTime();
            for (int number = 0; number < records; number++) {
                long due = began + TimeUnit.SECONDS.toNanos(seconds) * number / records;
                long wait = due - System.nanoTime();
                if (wait > 5_000_000) TimeUnit.NANOSECONDS.sleep(wait);
                producer.send(new ProducerRecord<>(INPUT, "key-" + number % KEYS, "" + number / KEYS), (done, failure) -> {
                    if (failure != null) faults.add("the input was refused: " + failure);
                });
            }
            producer.flush();
        }
    }

    /** Until everything is committed. */
    private void awaitAll(Admin admin, Thread filler) throws Exception {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds * 4L + 180);
        filler.join(TimeUnit.SECONDS.toMillis(seconds * 2L + 120));
        while (faults.isEmpty()) {
            try {
                long sum = offsets(admin).values().stream().mapToLong(OffsetAndMetadata::offset).sum();
                System.out.println("committed " + sum + " of " + records);
                if (sum >= records) return;
            } catch (java.util.concurrent.ExecutionException away) {
                System.out.println("no answer: " + away.getCause());
            }
            if (System.nanoTime() > until) {
                faults.add("the offsets do not cover the input");
                return;
            }
            Thread.sleep(500);
        }
    }

    private Map<TopicPartition, OffsetAndMetadata> offsets(Admin admin) throws Exception {
        return admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
    }

    private Producer<String, String> transactional(int number) {
        Producer<String, String> producer = clients.producer("transactional.id", "chain-" + number,
                "transaction.timeout.ms", "10000", "delivery.timeout.ms", "30000", "max.block.ms", "30000");
        while (!stopped) {
            try {
                producer.initTransactions();
                break;
            } catch (TimeoutException away) {
                // It is asked again.
            } catch (RuntimeException fenced) {
                producer.close(Duration.ZERO);
                throw fenced;
            }
        }
        return producer;
    }

    /** Whatever a client cannot go on after: it begins anew, as an application that restarts would. */
    private void work(int number) throws InterruptedException {
        Random random = new Random(seed ^ number);
        while (!stopped) {
            try (Consumer<String, String> consumer = clients.consumer("group.id", GROUP, "session.timeout.ms", "6000",
                    "heartbeat.interval.ms", "500", "max.poll.records", "" + (20 + random.nextInt(100)))) {
                consumer.subscribe(List.of(INPUT));
                live(number, random, consumer);
            } catch (KafkaException failure) {
                failed.incrementAndGet();
                System.err.println("worker " + number + " begins anew: " + failure);
                Thread.sleep(50);
            }
        }
    }

    private void live(int number, Random random, Consumer<String, String> consumer) {
        Producer<String, String> producer = transactional(number);
        try {
            while (!stopped) {
                ConsumerRecords<String, String> polled = consumer.poll(POLL);
                if (polled.isEmpty()) continue;
                producer.beginTransaction();
                int fate = random.nextInt(24);
                if (!write(producer, consumer, polled)) {
                    failed.incrementAndGet();
                } else if (fate == 0) {
                    aborted.incrementAndGet();
                } else if (fate == 1) {
                    Producer<String, String> left = producer;
                    producer = transactional(number);
                    mustBeFenced(left);
                    rewind(consumer);
                    continue;
                } else if (commit(producer)) {
                    committed.incrementAndGet();
                    continue;
                } else {
                    failed.incrementAndGet();
                }
                producer.abortTransaction();
                rewind(consumer);
            }
        } finally {
            producer.close(Duration.ofSeconds(10));
        }
    }

    /** False: it failed in a way after which the transaction can be aborted. */
    private boolean write(Producer<String, String> producer, Consumer<String, String> consumer,
            ConsumerRecords<String, String> polled) {
        try {
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (ConsumerRecord<String, String> record : polled) {
                producer.send(new ProducerRecord<>(OUTPUT, record.key(), record.value()));
                TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                offsets.put(partition, new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            return true;
        } catch (ProducerFencedException | OutOfOrderSequenceException fatal) {
            throw fatal;
        } catch (KafkaException failure) {
            System.err.println("aborts: " + failure);
            return false;
        }
    }

    /** Asks again when the answer does not come: nobody knows what became of it. */
    private boolean commit(Producer<String, String> producer) {
        for (int attempt = 0; ; attempt++) {
            try {
                producer.commitTransaction();
                return true;
            } catch (TimeoutException away) {
                if (attempt == 3) throw away;
            } catch (ProducerFencedException | OutOfOrderSequenceException fatal) {
                throw fatal;
            } catch (KafkaException failure) {
                System.err.println("does not commit: " + failure);
                return false;
            }
        }
    }

    private void mustBeFenced(Producer<String, String> left) {
        zombies.incrementAndGet();
        try {
            left.commitTransaction();
            faults.add("a producer that was left behind could commit");
        } catch (KafkaException expected) {
            // Fenced, or the broker is away: either way nothing was committed.
        } finally {
            left.close(Duration.ZERO);
        }
    }

    private static void rewind(Consumer<String, String> consumer) {
        Set<TopicPartition> own = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> found = consumer.committed(own);
        for (TopicPartition partition : own) {
            OffsetAndMetadata offset = found.get(partition);
            consumer.seek(partition, offset == null ? 0 : offset.offset());
        }
    }

    private static List<TopicPartition> all(String topic, int count) {
        return IntStream.range(0, count).mapToObj(number -> new TopicPartition(topic, number)).toList();
    }

    private static String text(ConsumerRecord<String, String> record) {
        return record.offset() + ":" + record.key() + ":" + record.value();
    }

    /** Reads what is committed all the while; nothing of it may be different later. */
    private void follow() {
        try (Consumer<String, String> consumer = clients.consumer("auto.offset.reset", "none")) {
            List<TopicPartition> places = all(OUTPUT, OUTPUTS);
            consumer.assign(places);
            places.forEach(place -> consumer.seek(place, 0));
            boolean ended = false;
            while (!ended) {
                boolean last = judging;
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    shown.computeIfAbsent(record.partition(), none -> new ArrayList<>()).add(text(record));
                }
                ended = last && consumer.endOffsets(places).entrySet().stream()
                        .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
            }
        }
    }

    private void judge(Admin admin, Thread reader) throws Exception {
        awaitStable();
        judging = true;
        reader.join(TimeUnit.SECONDS.toMillis(60));
        if (reader.isAlive()) faults.add("the reader does not reach the end");
        Map<Integer, List<ConsumerRecord<String, String>>> input = read(INPUT, INPUTS), output = read(OUTPUT, OUTPUTS);
        once("input", input.values());
        once("output", output.values());
        output.forEach((partition, found) -> {
            List<String> again = found.stream().map(Chain::text).toList();
            List<String> before = shown.getOrDefault(partition, List.of());
            if (!again.equals(before)) faults.add("partition " + partition + " was read differently before: "
                    + before.size() + " and " + again.size() + " records");
        });
        Map<TopicPartition, OffsetAndMetadata> offsets = offsets(admin);
        try (Consumer<String, String> consumer = clients.consumer()) {
            consumer.endOffsets(all(INPUT, INPUTS)).forEach((partition, end) -> {
                OffsetAndMetadata offset = offsets.get(partition);
                long found = offset == null ? 0 : offset.offset();
                if (found != end) faults.add(partition + ": " + found + " is committed, " + end + " is its end");
            });
        }
    }

    /** No transaction may hold up readers for longer than it may take. */
    private void awaitStable() throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        try (Consumer<String, String> stable = clients.consumer();
                Consumer<String, String> any = clients.consumer("isolation.level", "read_uncommitted")) {
            List<TopicPartition> places = all(OUTPUT, OUTPUTS);
            while (!stable.endOffsets(places).equals(any.endOffsets(places))) {
                if (System.nanoTime() > until) {
                    faults.add("the last stable offsets stay behind: " + stable.endOffsets(places) + " of "
                            + any.endOffsets(places));
                    return;
                }
                Thread.sleep(100);
            }
        }
    }

    private Map<Integer, List<ConsumerRecord<String, String>>> read(String topic, int partitions) {
        Map<Integer, List<ConsumerRecord<String, String>>> found = new TreeMap<>();
        try (Consumer<String, String> consumer = clients.consumer()) {
            List<TopicPartition> places = all(topic, partitions);
            consumer.assign(places);
            Map<TopicPartition, Long> ends = consumer.endOffsets(places);
            long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (places.stream().anyMatch(place -> consumer.position(place) < ends.get(place))) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    found.computeIfAbsent(record.partition(), none -> new ArrayList<>()).add(record);
                }
                if (System.nanoTime() > until) {
                    faults.add(topic + " cannot be read to its end");
                    break;
                }
            }
        }
        return found;
    }

    /** Every number of every key once, in order: a key has one partition. */
    private void once(String topic, Collection<List<ConsumerRecord<String, String>>> partitions) {
        Map<String, Integer> next = new HashMap<>();
        int count = 0;
        for (List<ConsumerRecord<String, String>> partition : partitions) {
            for (ConsumerRecord<String, String> record : partition) {
                count++;
                int number = Integer.parseInt(record.value());
                int expected = next.getOrDefault(record.key(), 0);
                if (number != expected) {
                    faults.add(topic + ": " + record.key() + " has " + number + " at " + record.partition() + "@"
                            + record.offset() + ", should be " + expected);
                }
                next.put(record.key(), number + 1);
            }
        }
        if (count != records) faults.add(topic + " has " + count + " records of " + records);
    }
}
