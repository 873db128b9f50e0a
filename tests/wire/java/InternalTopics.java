// Lets a real Kafka write its internal topics: groups of both protocols and in between, static members, patterns,
// committed offsets, transactions, and what deleting them leaves. Prints every record of __consumer_offsets and
// __transaction_state: topic, key and value in hex ("-" for none), separated by tabs.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class InternalTopics {
    static String servers;

    public static void main(String[] args) throws Exception {
        servers = args[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            admin.createTopics(List.of(new NewTopic("events", 3, (short) 1), new NewTopic("events-2", 2, (short) 1)))
                .all().get();
            for (String topic : List.of("events", "events-2")) {
                try (var producer = producer(null)) {
                    for (int i = 0; i < 20; i++) {
                        producer.send(new ProducerRecord<>(topic, new byte[] {(byte) i}));
                    }
                }
            }
            groups(admin);
            transactions(admin);
        }
        for (String topic : List.of("__consumer_offsets", "__transaction_state")) {
            print(topic);
        }
    }

    static void groups(Admin admin) throws Exception {
        var classic = List.of(
            consumer("classic", "classic", Map.of()),
            consumer("classic", "classic", Map.of("group.instance.id", "static-1", "client.rack", "rack-1",
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor,"
                    + "org.apache.kafka.clients.consumer.RangeAssignor")));
        work(classic);
        var modern = List.of(
            consumer("modern", "consumer", Map.of("client.rack", "rack-2")),
            consumer("modern", "consumer", Map.of("group.instance.id", "static-2", "group.remote.assignor", "range")));
        work(modern);
        var pattern = consumer("pattern", "consumer", Map.of());
        pattern.subscribe(new SubscriptionPattern("ev.*"));
        poll(List.of(pattern), 40);
        pattern.commitSync();
        pattern.close();
        // A group that changes its protocol while it reads has members of both.
        var old = consumer("mixed", "classic", Map.of("client.rack", "rack-3"));
        old.subscribe(List.of("events"));
        poll(List.of(old), 20);
        var young = consumer("mixed", "consumer", Map.of());
        young.subscribe(List.of("events", "events-2"));
        poll(List.of(old, young), 80);
        old.commitSync();
        young.commitSync();
        old.close();
        poll(List.of(young), 20);
        young.close();
        var partition = new TopicPartition("events", 1);
        admin.alterConsumerGroupOffsets("by-hand", Map.of(
            partition, new OffsetAndMetadata(7, Optional.of(0), "a note"),
            new TopicPartition("events-2", 0), new OffsetAndMetadata(3))).all().get();
        admin.deleteConsumerGroupOffsets("by-hand", java.util.Set.of(partition)).all().get();
        admin.deleteConsumerGroups(List.of("pattern", "by-hand")).all().get();
    }

    static void transactions(Admin admin) throws Exception {
        try (var producer = producer("tx-1"); var reader = consumer("in-tx", "consumer", Map.of())) {
            reader.subscribe(List.of("events"));
            poll(List.of(reader), 20);
            producer.initTransactions();
            for (int round = 0; round < 3; round++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>("events-2", 0, null, new byte[] {1}));
                producer.send(new ProducerRecord<>("events-2", 1, null, new byte[] {2}));
                producer.sendOffsetsToTransaction(
                    Map.of(new TopicPartition("events", 0), new OffsetAndMetadata(round, "in a transaction")),
                    reader.groupMetadata());
                if (round == 1) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        var open = producer("tx-2");
        open.initTransactions();
        open.beginTransaction();
        open.send(new ProducerRecord<>("events", 2, null, new byte[] {3})).get();
        open.close(Duration.ZERO);
        try (var fence = producer("tx-2")) {
            fence.initTransactions();
        }
    }

    /** Everybody reads, commits, and leaves, the last one first. */
    static void work(List<KafkaConsumer<byte[], byte[]>> members) {
        members.forEach(member -> member.subscribe(List.of("events", "events-2")));
        poll(members, 60);
        for (var member : members) {
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (var partition : member.assignment()) {
                offsets.put(partition, new OffsetAndMetadata(member.position(partition), Optional.of(0), "mark"));
            }
            member.commitSync(offsets);
        }
        for (int i = members.size() - 1; i >= 0; i--) {
            members.get(i).close();
            poll(members.subList(0, i), 10);
        }
    }

    static void poll(Collection<KafkaConsumer<byte[], byte[]>> members, int rounds) {
        for (int i = 0; i < rounds; i++) {
            members.forEach(member -> member.poll(Duration.ofMillis(100)));
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(String group, String protocol, Map<String, String> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
            "bootstrap.servers", servers, "group.id", group, "group.protocol", protocol,
            "enable.auto.commit", "false", "auto.offset.reset", "earliest", "client.id", group + "-client"));
        config.putAll(more);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static KafkaProducer<byte[], byte[]> producer(String id) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", servers));
        if (id != null) {
            config.put("transactional.id", id);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void print(String topic) {
        Map<String, Object> config = Map.of("bootstrap.servers", servers, "exclude.internal.topics", "false");
        try (var reader = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            reader.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            reader.assign(partitions);
            reader.seekToBeginning(partitions);
            var ends = reader.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> reader.position(partition) < ends.get(partition))) {
                for (var record : reader.poll(Duration.ofMillis(200))) {
                    System.out.println(topic + "\t" + hex(record.key()) + "\t" + hex(record.value()));
                }
            }
        }
    }

    static String hex(byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }
}
