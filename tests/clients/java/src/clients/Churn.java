package clients;

import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * One member in each of several groups, to be started, stopped and killed as a process; or who writes what they read.
 *
 * <p>{@code Churn BOOTSTRAP TOPIC members PROTOCOL SEED GROUP=ASSIGNOR...} goes on until its input ends, and prints
 * what it sees, one line each, for scripts/group-churn to judge:
 * {@code NANOS GROUP MEMBER GENERATION EVENT DETAIL...}. {@code Churn BOOTSTRAP TOPIC feed PER-SECOND} writes numbers.
 */
public final class Churn {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final PrintStream OUT = System.out;
    private static volatile boolean stopped;

    private Churn() {}

    public static void main(String[] arguments) throws Exception {
        Clients clients = new Clients(arguments[0]);
        String topic = arguments[1];
        List<Thread> threads = new ArrayList<>();
        if (arguments[2].equals("feed")) {
            int rate = Integer.parseInt(arguments[3]);
            threads.add(new Thread(() -> feed(clients, topic, rate)));
        } else {
            for (int at = 5; at < arguments.length; at++) {
                String[] group = arguments[at].split("=");
                Random random = new Random(Long.parseLong(arguments[4]) ^ at);
                threads.add(new Thread(() -> member(clients, topic, arguments[3], group[0], group[1], random)));
            }
        }
        for (Thread thread : threads) {
            thread.setUncaughtExceptionHandler((of, failure) -> {
                failure.printStackTrace();
                Runtime.getRuntime().halt(3);
            });
            thread.start();
        }
        while (System.in.read() >= 0) {}
        stopped = true;
        for (Thread thread : threads) thread.join();
    }

    private static void feed(Clients clients, String topic, int rate) {
        try (Producer<String, String> producer = clients.producer()) {
            for (int number = 0; !stopped; number++) {
                producer.send(new ProducerRecord<>(topic, null, "" + number), (done, failure) -> {
                    if (failure != null) {
                        failure.printStackTrace();
                        Runtime.getRuntime().halt(4);
                    }
                });
                Thread.sleep(1000 / rate);
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    private static void member(
            Clients clients, String topic, String protocol, String group, String assignor, Random random) {
        List<String> settings = new ArrayList<>(List.of("group.id", group, "group.protocol", protocol,
                "max.poll.interval.ms", "20000", "isolation.level", "read_uncommitted"));
        if (protocol.equals("classic")) {
            settings.addAll(List.of("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor,
                    "session.timeout.ms", "1500", "heartbeat.interval.ms", "300"));
        } else {
            settings.addAll(List.of("group.remote.assignor", assignor));
        }
        while (!stopped) {
            try (Consumer<String, String> consumer = clients.consumer(settings.toArray(String[]::new))) {
                new Member(group, consumer, random).live(topic);
            } catch (KafkaException failure) {
                System.err.println(group + " begins anew: " + failure);
            }
        }
    }

    private static final class Member implements ConsumerRebalanceListener {
        final String group;
        final Consumer<String, String> consumer;
        final Random random;
        /** What was read and not committed. */
        final Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();

        Member(String group, Consumer<String, String> consumer, Random random) {
            this.group = group;
            this.consumer = consumer;
            this.random = random;
        }

        void live(String topic) {
            consumer.subscribe(List.of(topic), this);
            while (!stopped) {
                ConsumerRecords<String, String> polled = consumer.poll(POLL);
                for (TopicPartition partition : polled.partitions()) {
                    List<ConsumerRecord<String, String>> of = polled.records(partition);
                    long first = of.get(0).offset(), next = of.get(of.size() - 1).offset() + 1;
                    tell("polled", partition.partition(), first, next, of.size());
                    read.put(partition, new OffsetAndMetadata(next));
                }
                if (!read.isEmpty() && (polled.isEmpty() || random.nextBoolean())) commit(Map.copyOf(read));
            }
            if (!read.isEmpty()) commit(Map.copyOf(read));
        }

        private void tell(String event, Object... details) {
            var who = consumer.groupMetadata();
            StringBuilder line = new StringBuilder();
            line.append(System.nanoTime()).append(' ').append(group).append(' ');
            line.append(who.memberId().isEmpty() ? "-" : who.memberId()).append(' ').append(who.generationId());
            line.append(' ').append(event);
            for (Object detail : details) line.append(' ').append(detail);
            line.append('\n');
            synchronized (OUT) {
                OUT.print(line);
                OUT.flush();
            }
        }

        private void commit(Map<TopicPartition, OffsetAndMetadata> offsets) {
            long began = System.nanoTime();
            try {
                consumer.commitSync(offsets);
                offsets.forEach((partition, offset) -> {
                    tell("committed", began, partition.partition(), offset.offset());
                    read.remove(partition, offset);
                });
            } catch (CommitFailedException | TimeoutException refused) {
                read.keySet().removeAll(offsets.keySet());
            } catch (org.apache.kafka.common.errors.RebalanceInProgressException later) {
                // What it owns then is committed again.
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            tell("owns", consumer.assignment().stream().map(it -> "" + it.partition()).sorted()
                    .collect(Collectors.joining(",", "[", "]")));
            read.keySet().removeAll(partitions);
            if (partitions.isEmpty()) return;
            long began = System.nanoTime();
            Map<TopicPartition, OffsetAndMetadata> found = consumer.committed(Set.copyOf(partitions));
            for (TopicPartition partition : partitions) {
                OffsetAndMetadata offset = found.get(partition);
                tell("found", began, partition.partition(), offset == null ? 0 : offset.offset());
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            Map<TopicPartition, OffsetAndMetadata> own = new HashMap<>(read);
            own.keySet().retainAll(partitions);
            if (!own.isEmpty()) commit(own);
            partitions.forEach(partition -> tell("gives", partition.partition()));
            read.keySet().removeAll(partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            partitions.forEach(partition -> tell("loses", partition.partition()));
            read.keySet().removeAll(partitions);
        }
    }
}
