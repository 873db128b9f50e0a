// Makes the topics of a data directory that another broker wrote known to a Kafka node which has no metadata yet:
// under the ids that the directories name, at leader epochs above those that the logs have seen, with producer ids
// above those that wrote them. They become the node's first metadata records, written as `kafka-storage format` does.
//
//     java -cp ... Adopt.java DATA-DIRECTORY

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.internals.Topic;
import org.apache.kafka.common.metadata.ConfigRecord;
import org.apache.kafka.common.metadata.PartitionRecord;
import org.apache.kafka.common.metadata.ProducerIdsRecord;
import org.apache.kafka.common.metadata.TopicRecord;
import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.KRaftVersion;
import org.apache.kafka.server.common.MetadataVersion;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManager;
import org.apache.kafka.storage.internals.log.UnifiedLog;

class Adopt {
    /** Ids left free above the largest found: a log may know producers that are in no snapshot yet. */
    static final long PRODUCER_IDS_APART = 1_000_000;

    static final MetadataVersion VERSION = MetadataVersion.latestProduction();
    static final LogDirFailureChannel FAILURES = new LogDirFailureChannel(1);

    public static void main(String[] args) throws Exception {
        File data = new File(args[0]).getCanonicalFile();
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(data.getPath(), "meta.properties"))) {
            properties.load(reader);
        }
        int node = Integer.parseInt(properties.getProperty("node.id"));
        Uuid directory = Uuid.fromString(properties.getProperty("directory.id"));

        Map<String, Uuid> topics = new TreeMap<>();
        Map<String, int[]> counts = new HashMap<>();
        List<ApiMessageAndVersion> partitions = new ArrayList<>();
        long largestProducerId = -1;
        for (File dir : data.listFiles(File::isDirectory)) {
            File metadata = PartitionMetadataFile.newFile(dir);
            if (!metadata.exists() || dir.getName().matches(".*-(delete|stray|future)")) continue;
            TopicPartition partition = UnifiedLog.parseTopicPartitionName(dir);
            Uuid id = new PartitionMetadataFile(metadata, FAILURES).read().topicId();
            Uuid other = topics.put(partition.topic(), id);
            if (other != null && !other.equals(id)) throw new Exception(dir + ": another topic id than its neighbours");
            counts.merge(partition.topic(), new int[] {1, partition.partition()},
                (a, b) -> new int[] {a[0] + 1, Math.max(a[1], b[1])});
            largestProducerId = Math.max(largestProducerId, largestProducerId(dir));
            partitions.add(new ApiMessageAndVersion(new PartitionRecord()
                .setPartitionId(partition.partition())
                .setTopicId(id)
                .setReplicas(List.of(node))
                .setIsr(List.of(node))
                .setLeader(node)
                .setLeaderEpoch(lastEpoch(dir) + 1)
                .setPartitionEpoch(0)
                .setDirectories(List.of(directory)), VERSION.partitionRecordVersion()));
        }
        for (var count : counts.entrySet()) {
            int[] foundAndHighest = count.getValue();
            if (foundAndHighest[0] <= foundAndHighest[1]) throw new Exception(count.getKey() + ": partitions are missing");
        }

        Map<String, Short> features = new HashMap<>();
        for (Feature feature : Feature.PRODUCTION_FEATURES) {
            short level = feature.defaultLevel(VERSION);
            if (feature != Feature.KRAFT_VERSION && level > 0) features.put(feature.featureName(), level);
        }
        List<ApiMessageAndVersion> records =
            new ArrayList<>(BootstrapMetadata.fromVersions(VERSION, features, "adopted").records());
        topics.forEach((name, id) -> records.add(
            new ApiMessageAndVersion(new TopicRecord().setName(name).setTopicId(id), (short) 0)));
        // What coordinators keep is compacted, or it would be gone after a week.
        topics.keySet().stream().filter(Topic::isInternal).forEach(name -> records.add(
            new ApiMessageAndVersion(new ConfigRecord().setResourceType(ConfigResource.Type.TOPIC.id())
                .setResourceName(name).setName("cleanup.policy").setValue("compact"), (short) 0)));
        partitions.sort(Comparator.comparingInt(record -> ((PartitionRecord) record.message()).partitionId()));
        records.addAll(partitions);
        records.add(new ApiMessageAndVersion(new ProducerIdsRecord()
            .setBrokerId(node)
            .setBrokerEpoch(-1)
            .setNextProducerId(largestProducerId + PRODUCER_IDS_APART), (short) 0));
        Formatter.writeBoostrapSnapshot(data.getPath(), BootstrapMetadata.fromRecords(records, "adopted"),
            Optional.empty(), KRaftVersion.KRAFT_VERSION_0.featureLevel(), "CONTROLLER");
        System.out.printf("%d topics with %d partitions%n", topics.size(), partitions.size());
    }

    static int lastEpoch(File dir) throws Exception {
        File file = LeaderEpochCheckpointFile.newFile(dir);
        if (!file.exists()) return -1;
        return new LeaderEpochCheckpointFile(file, FAILURES).read().stream().mapToInt(entry -> entry.epoch()).max()
            .orElse(-1);
    }

    static long largestProducerId(File dir) throws Exception {
        var last = ProducerStateManager.listSnapshotFiles(dir).stream().max(Comparator.comparingLong(file -> file.offset));
        if (last.isEmpty()) return -1;
        return ProducerStateManager.readSnapshot(last.get().file()).stream().mapToLong(entry -> entry.producerId()).max()
            .orElse(-1);
    }
}
