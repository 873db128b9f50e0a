//! Versions that the oracle does not know, as Kafka's own Java client 4.4.0 writes them.

use ringmain::model::ErrorCode;
use ringmain::wire::messages::api_versions::*;
use ringmain::wire::messages::describe_log_dirs::*;
use ringmain::wire::messages::list_offsets::{self, *};
use ringmain::wire::{Message, Reader, Writer};

fn check<'a, M: Message<'a>>(message: M, version: i16, golden: &'a [u8]) {
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
