package clients;

import static clients.Cluster.*;

import clients.Run.Test;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The admin client of the newest version: topics, settings, offsets, records, log directories, the cluster. */
final class AdminTests {
    static final List<Test> ALL = List.of(
            new Test("describe_cluster", AdminTests::describeCluster),
            new Test("describe_features", AdminTests::describeFeatures),
            new Test("create_topic_tells_what_it_made", AdminTests::createTopic),
            new Test("create_topic_by_assignment", AdminTests::createByAssignment),
            new Test("create_topic_refused", AdminTests::createRefused),
            new Test("validate_only", AdminTests::validateOnly),
            new Test("topic_ids", AdminTests::topicIds),
            new Test("describe_topics_in_pages", AdminTests::describeInPages),
            new Test("describe_unknown_topics", AdminTests::describeUnknown),
            new Test("create_partitions", AdminTests::createPartitions),
            new Test("incremental_alter_configs", AdminTests::incrementalAlterConfigs),
            new Test("alter_configs_refused", AdminTests::alterConfigsRefused),
            new Test("settings_take_effect", AdminTests::settingsTakeEffect),
            new Test("describe_configs", AdminTests::describeConfigs),
            new Test("list_config_resources", AdminTests::listConfigResources),
            new Test("list_offsets", AdminTests::listOffsets),
            new Test("list_offsets_unknown", AdminTests::listOffsetsUnknown),
            new Test("delete_records", AdminTests::deleteRecords),
            new Test("describe_log_dirs", AdminTests::describeLogDirs),
            new Test("alter_replica_log_dirs", AdminTests::alterReplicaLogDirs));

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static TopicDescription describe(Cluster cluster, String topic) throws Exception {
        return get(cluster.admin().describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    private static Set<Integer> brokers(Cluster cluster) throws Exception {
        return get(cluster.admin().describeCluster().nodes()).stream().map(Node::id).collect(Collectors.toSet());
    }

    static void describeCluster(Cluster cluster) throws Exception {
        var description = cluster.admin().describeCluster();
        check(!get(description.clusterId()).isEmpty(), "a cluster id");
        check(brokers(cluster).contains(get(description.controller()).id()), "the controller is a broker");
        int port = Integer.parseInt(cluster.bootstrap.substring(cluster.bootstrap.lastIndexOf(':') + 1));
        check(get(description.nodes()).stream().anyMatch(node -> node.port() == port), "the bootstrap's port");
    }

    static void describeFeatures(Cluster cluster) throws Exception {
        var features = get(cluster.admin().describeFeatures().featureMetadata());
        check(features.finalizedFeatures().containsKey("metadata.version"), "features: " + features);
    }

    static void createTopic(Cluster cluster) throws Exception {
        String name = cluster.name();
        NewTopic topic = new NewTopic(name, 3, (short) 1).configs(Map.of("retention.ms", "7777"));
        var created = cluster.admin().createTopics(List.of(topic));
        equal(3, get(created.numPartitions(name)), "partitions");
        equal(1, get(created.replicationFactor(name)), "replicas");
        equal("7777", get(created.config(name)).get("retention.ms").value(), "the setting");
        equal("delete", get(created.config(name)).get("cleanup.policy").value(), "a default");
        check(!get(created.topicId(name)).equals(Uuid.ZERO_UUID), "an id");
        equal(get(created.topicId(name)), describe(cluster, name).topicId(), "the id as described");
        String defaults = cluster.name();
        created = cluster.admin().createTopics(List.of(new NewTopic(defaults, Optional.empty(), Optional.empty())));
        check(get(created.numPartitions(defaults)) >= 1, "a default number of partitions");
        equal(1, get(created.replicationFactor(defaults)), "the default number of replicas");
    }

    static void createByAssignment(Cluster cluster) throws Exception {
        String name = cluster.name();
        int broker = brokers(cluster).iterator().next();
        NewTopic topic = new NewTopic(name, Map.of(0, List.of(broker), 1, List.of(broker)));
        get(cluster.admin().createTopics(List.of(topic)).all());
        eventually("both lead by " + broker, () -> {
            var partitions = describe(cluster, name).partitions();
            return partitions.size() == 2
                    && partitions.stream().allMatch(partition -> partition.leader().id() == broker);
        });
    }

    static void createRefused(Cluster cluster) throws Exception {
        String name = cluster.name();
        Map<NewTopic, Class<? extends Throwable>> cases = Map.of(
                new NewTopic("no spaces", 1, (short) 1), InvalidTopicException.class,
                new NewTopic("", 1, (short) 1), InvalidTopicException.class,
                new NewTopic("x".repeat(250), 1, (short) 1), InvalidTopicException.class,
                new NewTopic(name, 0, (short) 1), InvalidPartitionsException.class,
                new NewTopic(name, 1, (short) 100), InvalidReplicationFactorException.class,
                new NewTopic(name, Map.of(0, List.of(999_999))), InvalidReplicaAssignmentException.class,
                new NewTopic(name, Map.of(1, List.of(brokers(cluster).iterator().next()))),
                        InvalidReplicaAssignmentException.class,
                new NewTopic(name, 1, (short) 1).configs(Map.of("no.such", "1")), InvalidConfigurationException.class,
                new NewTopic(name, 1, (short) 1).configs(Map.of("segment.bytes", "0")),
                        InvalidConfigurationException.class);
        for (var one : cases.entrySet()) {
            fails(one.getValue(), () -> cluster.admin().createTopics(List.of(one.getKey())).all());
        }
        check(!get(cluster.admin().listTopics().names()).contains(name), "nothing was created");
    }

    static void validateOnly(Cluster cluster) throws Exception {
        NewTopic topic = new NewTopic(cluster.name(), 5, (short) 1);
        CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(true);
        var validated = cluster.admin().createTopics(List.of(topic), options);
        equal(5, get(validated.numPartitions(topic.name())), "partitions");
        check(!get(cluster.admin().listTopics().names()).contains(topic.name()), "nothing was created");
        String existing = cluster.topic(1);
        var wish = Map.of(resource(existing), List.of(new AlterConfigOp(
                new ConfigEntry("retention.ms", "1"), OpType.SET)));
        Map<ConfigResource, Collection<AlterConfigOp>> wishes = Map.copyOf(wish);
        get(cluster.admin().incrementalAlterConfigs(wishes, new AlterConfigsOptions().validateOnly(true)).all());
        equal("604800000", value(cluster, existing, "retention.ms"), "nothing was changed");
    }

    static void topicIds(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Uuid id = describe(cluster, topic).topicId();
        var listed = get(cluster.admin().listTopics().namesToListings()).get(topic);
        equal(id, listed.topicId(), "as listed");
        TopicCollection ids = TopicCollection.ofTopicIds(List.of(id));
        var described = get(cluster.admin().describeTopics(ids).allTopicIds()).get(id);
        equal(topic, described.name(), "the name by id");
        equal(2, described.partitions().size(), "the partitions by id");
        get(cluster.admin().deleteTopics(ids).all());
        eventually("deleted by id", () -> !get(cluster.admin().listTopics().names()).contains(topic));
        fails(UnknownTopicIdException.class, () -> cluster.admin().deleteTopics(ids).all());
    }

    /** DescribeTopicPartitions with a cursor: five pages a topic, and the page's limit cuts across topics. */
    static void describeInPages(Cluster cluster) throws Exception {
        List<String> topics = List.of(cluster.topic(20), cluster.topic(13), cluster.topic(1));
        var options = new DescribeTopicsOptions().partitionSizeLimitPerResponse(4);
        var described = get(cluster.admin().describeTopics(topics, options).allTopicNames());
        for (int at = 0; at < 3; at++) {
            var partitions = described.get(topics.get(at)).partitions();
            int count = List.of(20, 13, 1).get(at);
            equal(range(0, count), partitions.stream().map(partition -> partition.partition()).toList(), "partitions");
        }
    }

    static void describeUnknown(Cluster cluster) {
        fails(UnknownTopicOrPartitionException.class,
                () -> cluster.admin().describeTopics(List.of(cluster.name())).allTopicNames());
        TopicCollection ids = TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()));
        fails(UnknownTopicIdException.class, () -> cluster.admin().describeTopics(ids).allTopicIds());
        fails(UnknownTopicOrPartitionException.class,
                () -> cluster.admin().describeConfigs(List.of(resource(cluster.name()))).all());
    }

    static void createPartitions(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        int broker = brokers(cluster).iterator().next();
        get(cluster.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
        get(cluster.admin().createPartitions(
                Map.of(topic, NewPartitions.increaseTo(4, List.of(List.of(broker))))).all());
        eventually("four partitions", () -> describe(cluster, topic).partitions().size() == 4);
        equal(broker, describe(cluster, topic).partitions().get(3).leader().id(), "the assigned broker");
        fill(cluster.producer(), topic, 3, 10);
        cluster.read(topic, 4, 10);
        for (NewPartitions wish : List.of(NewPartitions.increaseTo(4), NewPartitions.increaseTo(1))) {
            fails(InvalidPartitionsException.class,
                    () -> cluster.admin().createPartitions(Map.of(topic, wish)).all());
        }
        NewPartitions tooMany = NewPartitions.increaseTo(5, List.of(List.of(broker), List.of(broker)));
        fails(InvalidReplicaAssignmentException.class,
                () -> cluster.admin().createPartitions(Map.of(topic, tooMany)).all());
        fails(UnknownTopicOrPartitionException.class,
                () -> cluster.admin().createPartitions(Map.of(cluster.name(), NewPartitions.increaseTo(2))).all());
    }

    private static void alter(Cluster cluster, String topic, String name, String value, OpType operation)
            throws Exception {
        var wish = new AlterConfigOp(new ConfigEntry(name, value), operation);
        get(cluster.admin().incrementalAlterConfigs(Map.of(resource(topic), List.of(wish))).all());
    }

    private static Config settings(Cluster cluster, String topic) throws Exception {
        return get(cluster.admin().describeConfigs(List.of(resource(topic))).all()).get(resource(topic));
    }

    private static String value(Cluster cluster, String topic, String name) throws Exception {
        return settings(cluster, topic).get(name).value();
    }

    private static void eventuallyIs(Cluster cluster, String topic, String name, String value) throws Exception {
        eventually(name + " = " + value, () -> value(cluster, topic, name).equals(value));
    }

    static void incrementalAlterConfigs(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, Map.of("retention.ms", "7777"));
        alter(cluster, topic, "max.message.bytes", "5000", OpType.SET);
        alter(cluster, topic, "cleanup.policy", "compact", OpType.APPEND);
        eventuallyIs(cluster, topic, "max.message.bytes", "5000");
        eventuallyIs(cluster, topic, "cleanup.policy", "delete,compact");
        equal("7777", value(cluster, topic, "retention.ms"), "what was not named");
        alter(cluster, topic, "cleanup.policy", "delete", OpType.SUBTRACT);
        alter(cluster, topic, "retention.ms", "", OpType.DELETE);
        eventuallyIs(cluster, topic, "cleanup.policy", "compact");
        eventuallyIs(cluster, topic, "retention.ms", "604800000");
    }

    static void alterConfigsRefused(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        for (String[] wish : new String[][] {{"no.such", "1"}, {"retention.ms", "soon"}, {"retention.ms", "-2"},
                {"min.insync.replicas", "0"}, {"compression.type", "best"}, {"segment.bytes", "13"}}) {
            fails(InvalidConfigurationException.class, () -> {
                alter(cluster, topic, wish[0], wish[1], OpType.SET);
                return null;
            });
        }
        fails(InvalidConfigurationException.class, () -> {
            alter(cluster, topic, "retention.ms", "1", OpType.APPEND);
            return null;
        });
        fails(UnknownTopicOrPartitionException.class, () -> {
            alter(cluster, cluster.name(), "retention.ms", "1", OpType.SET);
            return null;
        });
    }

    /** A changed limit is held against the next record, without a restart. */
    static void settingsTakeEffect(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        get(producer.send(new ProducerRecord<>(topic, new byte[2000])));
        alter(cluster, topic, "max.message.bytes", "1000", OpType.SET);
        eventually("a large record is refused", () -> {
            try {
                get(producer.send(new ProducerRecord<>(topic, new byte[2000])));
                return false;
            } catch (ExecutionException refused) {
                return refused.getCause() instanceof RecordTooLargeException;
            }
        });
        alter(cluster, topic, "max.message.bytes", null, OpType.DELETE);
        eventuallyIs(cluster, topic, "max.message.bytes", "1048588");
    }

    static void describeConfigs(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, Map.of("retention.ms", "7777"));
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        Config config = get(cluster.admin().describeConfigs(List.of(resource(topic)), options).all())
                .get(resource(topic));
        ConfigEntry retention = config.get("retention.ms");
        equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, retention.source(), "source");
        equal(ConfigEntry.ConfigType.LONG, retention.type(), "type");
        check(!retention.isReadOnly() && !retention.isSensitive() && !retention.isDefault(), "" + retention);
        check(!retention.documentation().isEmpty(), "documentation");
        equal("7777", retention.synonyms().get(0).value(), "the first synonym is the value in force");
        for (var expected : Map.of("cleanup.policy", "delete", "max.message.bytes", "1048588",
                "message.timestamp.type", "CreateTime", "compression.type", "producer",
                "segment.bytes", "1073741824", "delete.retention.ms", "86400000").entrySet()) {
            ConfigEntry entry = config.get(expected.getKey());
            equal(expected.getValue(), entry.value(), entry.name());
            equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, entry.source(), entry.name());
        }
        for (int broker : brokers(cluster)) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, "" + broker);
            Config settings = get(cluster.admin().describeConfigs(List.of(resource)).all()).get(resource);
            check(settings.get("log.retention.ms") != null, "log.retention.ms of broker " + broker);
        }
    }

    static void listConfigResources(Cluster cluster) throws Exception {
        ConfigResource topic = resource(cluster.topic(1));
        var topics = Set.of(ConfigResource.Type.TOPIC);
        eventually("listed", () -> get(cluster.admin()
                .listConfigResources(topics, new ListConfigResourcesOptions()).all()).contains(topic));
        Set<String> all = new HashSet<>();
        for (ConfigResource one : get(cluster.admin().listConfigResources().all())) all.add(one.type() + one.name());
        for (int broker : brokers(cluster)) check(all.contains("BROKER" + broker), "broker " + broker + " in " + all);
    }

    static void listOffsets(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        long start = 1_700_000_000_000L;
        Producer<byte[], byte[]> producer = cluster.producer("linger.ms", "0");
        for (long after : new long[] {0, 500, 200}) {
            get(producer.send(new ProducerRecord<>(partition.topic(), 0, start + after, null, new byte[1])));
        }
        Map<OffsetSpec, List<Long>> cases = Map.of(
                OffsetSpec.earliest(), List.of(0L, -1L),
                OffsetSpec.latest(), List.of(3L, -1L),
                OffsetSpec.maxTimestamp(), List.of(1L, start + 500),
                OffsetSpec.earliestLocal(), List.of(0L, -1L),
                OffsetSpec.latestTiered(), List.of(-1L, -1L),
                OffsetSpec.forTimestamp(start + 1), List.of(1L, start + 500),
                OffsetSpec.forTimestamp(start + 501), List.of(-1L, -1L));
        for (var one : cases.entrySet()) {
            var found = get(cluster.admin().listOffsets(Map.of(partition, one.getKey())).partitionResult(partition));
            equal(one.getValue(), List.of(found.offset(), found.timestamp()), "" + one.getKey());
        }
        TopicPartition empty = new TopicPartition(cluster.topic(1), 0);
        for (OffsetSpec spec : List.of(OffsetSpec.maxTimestamp(), OffsetSpec.forTimestamp(0))) {
            var found = get(cluster.admin().listOffsets(Map.of(empty, spec)).partitionResult(empty));
            equal(-1L, found.offset(), "of an empty partition");
        }
    }

    static void listOffsetsUnknown(Cluster cluster) throws Exception {
        TopicPartition beyond = new TopicPartition(cluster.topic(1), 7);
        var options = new ListOffsetsOptions().timeoutMs(3000);
        fails(TimeoutException.class,
                () -> cluster.admin().listOffsets(Map.of(beyond, OffsetSpec.latest()), options).all());
    }

    static void deleteRecords(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        for (int partition = 0; partition < 2; partition++) fill(cluster.producer(), topic, partition, 100);
        List<TopicPartition> both = partitions(topic, 2);
        var deleted = cluster.admin().deleteRecords(Map.of(
                both.get(0), RecordsToDelete.beforeOffset(55), both.get(1), RecordsToDelete.beforeOffset(-1)));
        equal(55L, get(deleted.lowWatermarks().get(both.get(0))).lowWatermark(), "low watermark");
        equal(100L, get(deleted.lowWatermarks().get(both.get(1))).lowWatermark(), "low watermark, everything");
        Consumer<byte[], byte[]> consumer = cluster.consumer();
        equal(Map.of(both.get(0), 55L, both.get(1), 100L), consumer.beginningOffsets(both), "beginning");
        equal(range(55, 100), numbers(cluster.read(topic, 2, 45)), "the rest");
        fails(OffsetOutOfRangeException.class, () -> cluster.admin().deleteRecords(
                Map.of(both.get(0), RecordsToDelete.beforeOffset(101))).all());
    }

    static void describeLogDirs(Cluster cluster) throws Exception {
        String topic = cluster.topic(3);
        for (int partition = 0; partition < 3; partition++) fill(cluster.producer(), topic, partition, 100);
        Set<TopicPartition> seen = new HashSet<>();
        var described = get(cluster.admin().describeLogDirs(brokers(cluster)).allDescriptions());
        equal(brokers(cluster), described.keySet(), "brokers");
        for (var directories : described.values()) {
            check(!directories.isEmpty(), "a directory");
            for (var directory : directories.values()) {
                equal(null, directory.error(), "error");
                check(directory.totalBytes().getAsLong() > 0, "total bytes");
                check(directory.usableBytes().getAsLong() > 0, "usable bytes");
                directory.replicaInfos().forEach((partition, replica) -> {
                    if (!partition.topic().equals(topic)) return;
                    check(seen.add(partition), partition + " is in one directory of one broker");
                    check(replica.size() > 100, "size of " + partition + ": " + replica.size());
                    equal(0L, replica.offsetLag(), "lag");
                    check(!replica.isFuture(), "not a future replica");
                });
            }
        }
        equal(Set.copyOf(partitions(topic, 3)), seen, "partitions seen");
    }

    /// To where it is, which is done at once; to another directory, where the broker has several; and nowhere.
    static void alterReplicaLogDirs(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        fill(cluster.producer(), topic, 0, 100);
        var partition = new TopicPartition(topic, 0);
        for (var described : get(cluster.admin().describeLogDirs(brokers(cluster)).allDescriptions()).entrySet()) {
            var replica = new TopicPartitionReplica(topic, 0, described.getKey());
            boolean isHere = described.getValue().values().stream()
                .anyMatch(directory -> directory.replicaInfos().containsKey(partition));
            for (String directory : described.getValue().keySet()) {
                var moved = cluster.admin().alterReplicaLogDirs(Map.of(replica, directory)).all();
                get(moved);
                // Another lane of its host takes the request, too; where it lies its own one tells.
                if (!isHere) continue;
                for (int tries = 0; ; tries++) {
                    var infos = get(cluster.admin().describeReplicaLogDirs(List.of(replica)).all()).get(replica);
                    if (directory.equals(infos.getCurrentReplicaLogDir())) break;
                    check(tries < 1000, "it does not arrive in " + directory + ": " + infos);
                    Thread.sleep(20);
                }
            }
            // Where it is not, that comes after the directory.
            fails(LogDirNotFoundException.class, () -> cluster.admin()
                .alterReplicaLogDirs(Map.of(replica, "/no/such/directory")).all());
        }
    }
}
