//! Bytes that Kafka's own Java client 4.4.0 wrote: messages in versions that the oracle does not
//! know, and batches in every codec.

use ringmain::model::ErrorCode;
use ringmain::wire::compression::{self, Codec};
use ringmain::wire::messages::alter_replica_log_dirs::*;
use ringmain::wire::messages::api_versions::*;
use ringmain::wire::messages::describe_log_dirs::*;
use ringmain::wire::messages::list_offsets::{self, *};
use ringmain::wire::{Message, Reader, Writer, batch, record};

pub fn check<'a, M: Message<'a>>(message: M, version: i16, golden: &'a [u8]) {
    let mut bytes = Vec::new();
    message.encode(&mut Writer::new(&mut bytes), version);
    assert_eq!(bytes, golden, "{message:?}");
    let mut reader = Reader::new(golden);
    assert_eq!(M::decode(&mut reader, version), Ok(message));
    assert_eq!(reader.expect_end(), Ok(()));
}

#[test]
fn list_offsets_11() {
    let partition = ListOffsetsPartition {
        partition_index: 3,
        current_leader_epoch: 7,
        timestamp: list_offsets::EARLIEST_PENDING_UPLOAD,
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: 1,
        topics: vec![ListOffsetsTopic { name: "events", partitions: vec![partition] }],
        timeout_ms: 30_000,
    };
    check(
        request,
        11,
        b"\xff\xff\xff\xff\x01\x02\x07events\x02\0\0\0\x03\0\0\0\x07\
          \xff\xff\xff\xff\xff\xff\xff\xfa\0\0\0\0\x75\x30\0",
    );
    let partition = ListOffsetsPartitionResponse {
        partition_index: 3,
        error_code: ErrorCode::OFFSET_NOT_AVAILABLE,
        timestamp: 1_700_000_000_000,
        offset: 42,
        leader_epoch: 7,
    };
    let response = ListOffsetsResponse {
        throttle_time_ms: 5,
        topics: vec![ListOffsetsTopicResponse { name: "events", partitions: vec![partition] }],
    };
    check(
        response,
        11,
        b"\0\0\0\x05\x02\x07events\x02\0\0\0\x03\0\x4e\0\0\x01\x8b\xcf\xe5\x68\0\
          \0\0\0\0\0\0\0\x2a\0\0\0\x07\0\0\0",
    );
}

#[test]
fn api_versions_5() {
    let request = ApiVersionsRequest {
        client_software_name: "librdkafka",
        client_software_version: "2.10",
        cluster_id: Some("clu"),
        node_id: 1001,
    };
    check(request, 5, b"\x0blibrdkafka\x052.10\x04clu\0\0\x03\xe9\0");
    let request = ApiVersionsRequest {
        client_software_name: "x",
        client_software_version: "1",
        ..Default::default()
    };
    check(request, 5, b"\x02x\x021\0\xff\xff\xff\xff\0");
    let response = ApiVersionsResponse {
        error_code: ErrorCode::REBOOTSTRAP_REQUIRED,
        api_keys: vec![ApiVersion { api_key: 18, min_version: 0, max_version: 5 }],
        throttle_time_ms: 2,
        supported_features: vec![SupportedFeatureKey {
            name: "group.version",
            min_version: 0,
            max_version: 1,
        }],
        finalized_features_epoch: 9,
        finalized_features: vec![FinalizedFeatureKey {
            name: "group.version",
            max_version_level: 1,
            min_version_level: 0,
        }],
        zk_migration_ready: false,
    };
    check(
        response,
        5,
        b"\0\x81\x02\0\x12\0\0\0\x05\0\0\0\0\x02\x03\
          \0\x14\x02\x0egroup.version\0\0\0\x01\0\
          \x01\x08\0\0\0\0\0\0\0\x09\
          \x02\x14\x02\x0egroup.version\0\x01\0\0\0",
    );
}

#[test]
fn alter_replica_log_dirs_2() {
    let topics = vec![AlterReplicaLogDirTopic { name: "events", partitions: vec![0, 1] }];
    let dirs = vec![AlterReplicaLogDir { path: "/disk", topics }];
    let request = AlterReplicaLogDirsRequest { dirs };
    check(request, 2, b"\x02\x06/disk\x02\x07events\x03\0\0\0\0\0\0\0\x01\0\0\0");
    let partition = AlterReplicaLogDirPartitionResult {
        partition_index: 1,
        error_code: ErrorCode::LOG_DIR_NOT_FOUND,
    };
    let result =
        AlterReplicaLogDirTopicResult { topic_name: "events", partitions: vec![partition] };
    let response = AlterReplicaLogDirsResponse { throttle_time_ms: 1, results: vec![result] };
    check(response, 2, b"\0\0\0\x01\x02\x07events\x02\0\0\0\x01\0\x39\0\0\0");
}

#[test]
fn describe_log_dirs_5() {
    let topic = DescribableLogDirTopic { topic: "events", partitions: vec![0, 1] };
    let request = DescribeLogDirsRequest { topics: Some(vec![topic]) };
    check(request, 5, b"\x02\x07events\x03\0\0\0\0\0\0\0\x01\0\0");
    check(DescribeLogDirsRequest { topics: None }, 5, b"\0\0");
    let partition = DescribeLogDirsPartition {
        partition_index: 1,
        partition_size: 4096,
        offset_lag: 8,
        is_future_key: true,
    };
    let result = DescribeLogDirsResult {
        error_code: ErrorCode::KAFKA_STORAGE_ERROR,
        log_dir: "/data",
        topics: vec![DescribeLogDirsTopic { name: "events", partitions: vec![partition] }],
        total_bytes: 1 << 40,
        usable_bytes: 1 << 39,
        is_cordoned: true,
    };
    let response = DescribeLogDirsResponse {
        throttle_time_ms: 1,
        error_code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        results: vec![result],
    };
    check(
        response,
        5,
        b"\0\0\0\x01\0\x1f\x02\0\x38\x06/data\x02\x07events\x02\0\0\0\x01\
          \0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\x08\x01\0\0\
          \0\0\x01\0\0\0\0\0\0\0\0\x80\0\0\0\0\x01\0\0",
    );
}

#[test]
fn batches_of_the_java_client() {
    // Two records in one transaction of producer 9: ("k", 40 times "a", header h = v), and one
    // of nulls seven milliseconds later.
    let head = |len: u8, crc: u32, codec: u8| {
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, len, 0xff, 0xff, 0xff, 0xff, 2];
        bytes.extend(crc.to_be_bytes());
        bytes.extend([0, 0x10 | codec, 0, 0, 0, 1]);
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        bytes.extend(1_700_000_000_007_i64.to_be_bytes());
        bytes.extend(b"\0\0\0\0\0\0\0\x09\0\x01\0\0\0\x03\0\0\0\x02");
        bytes
    };
    let check = |head: Vec<u8>, codec: Codec, payload: &[u8]| {
        let bytes = [&head, payload].concat();
        let header = batch::validate(&bytes).expect("a good batch");
        assert_eq!(header.codec(), Some(codec));
        assert_eq!((header.producer_id(), header.base_sequence()), (9, 3));
        let records = compression::decompress(codec, payload, 1 << 10).expect("records");
        let seen = record::walk(header, &records).expect("good records");
        assert_eq!(
            (seen.min_timestamp, seen.max_timestamp),
            (1_700_000_000_000, 1_700_000_000_007)
        );
        assert_eq!(seen.first_without_key, Some(1));
        let first = record::RecordReader::new(&records, 2).next().expect("a record").expect("good");
        assert_eq!((first.key, first.value), (Some(&b"k"[..]), Some(&[b'a'; 40][..])));
        assert_eq!(first.headers.iter().next().expect("a header").key, b"h");
    };
    let plain = [
        &b"\x66\0\0\0\x02k\x50"[..],
        &[b'a'; 40],
        b"\x02\x02h\x02v\x12\0\x0e\x02\x01\x01\x02\x02n\x01",
    ];
    check(head(0x6f, 0x1d6f_52fb, 0), Codec::None, &plain.concat());
    check(
        head(0x5e, 0x18ad_8447, 1),
        Codec::Gzip,
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x4b\x63\x60\x60\x60\xca\x0e\x48\x24\x12\x30\x31\x65\x30\x95\
          \x09\x31\xf0\x31\x31\x32\x32\x31\xe5\x31\x02\0\xc3\x7d\xd6\xe2\x3e\0\0\0",
    );
    check(
        head(0x62, 0x9b0d_266d, 2),
        Codec::Snappy,
        b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x1d\x3e\x1c\x66\0\0\0\x02k\x50a\x9a\x01\0\
          \x38\x02\x02h\x02v\x12\0\x0e\x02\x01\x01\x02\x02n\x01",
    );
    check(
        head(0x5d, 0x3a2e_f456, 3),
        Codec::Lz4,
        b"\x04\x22\x4d\x18\x60\x40\x82\x1d\0\0\0\x8f\x66\0\0\0\x02k\x50a\x01\0\x14\xf0\0\x02\
          \x02h\x02v\x12\0\x0e\x02\x01\x01\x02\x02n\x01\0\0\0\0",
    );
    check(
        head(0x5a, 0x4404_3a98, 4),
        Codec::Zstd,
        b"\x28\xb5\x2f\xfd\0\x58\xec\0\0\xb8\x66\0\0\0\x02k\x50a\x02\x02h\x02v\x12\0\x0e\x02\x01\
          \x01\x02\x02n\x01\x01\0\x4a\xc0\x05\x01\0\0",
    );
}
