//! A request of every API in every version, made from its shape: well-formed, and of sense enough to
//! reach what lies behind the decoder.

use ringmain::handlers::SERVED;
use ringmain::model::ids::TopicId;
use ringmain::wire::messages::*;
use ringmain::wire::schema::{Field, Kind, Shape};
use ringmain::wire::{Api, ApiKey, Message, Writer, api, frame};

use crate::topics::{Sequence, Topic, batch};

/// A length or count within a frame.
#[derive(Clone, Copy, Debug)]
pub struct LengthAt {
    pub position: usize,
    /// Bytes it takes.
    pub size: usize,
    pub compact: bool,
}

/// A whole frame, length prefix and all.
#[derive(Clone, Debug)]
pub struct Sample {
    pub api: &'static ApiKey,
    pub version: i16,
    pub bytes: Vec<u8>,
    /// The lengths in its body.
    pub lengths: Vec<LengthAt>,
}

/// The APIs that a broker answers.
pub fn served() -> impl Iterator<Item = &'static ApiKey> {
    SERVED.iter().map(|served| api(served.key).expect("an API of the table"))
}

macro_rules! shapes {
    ($($file:ident::$api:ident)*) => {
        /// The requests' shapes, in the order of the table.
        fn shapes() -> Vec<&'static Shape> {
            let keys = [$(<$file::$api as Api>::KEY),*];
            assert!(keys.into_iter().eq(served().map(|api| api.key)), "an API is not attacked");
            vec![$(<<$file::$api as Api>::Request<'static> as Message<'static>>::SHAPE),*]
        }
    };
}

shapes! {
    produce::Produce fetch::Fetch list_offsets::ListOffsets metadata::Metadata
    offset_commit::OffsetCommit offset_fetch::OffsetFetch find_coordinator::FindCoordinator
    join_group::JoinGroup heartbeat::Heartbeat leave_group::LeaveGroup sync_group::SyncGroup
    describe_groups::DescribeGroups list_groups::ListGroups
    api_versions::ApiVersions create_topics::CreateTopics
    delete_topics::DeleteTopics delete_records::DeleteRecords init_producer_id::InitProducerId
    offset_for_leader_epoch::OffsetForLeaderEpoch
    add_partitions_to_txn::AddPartitionsToTxn add_offsets_to_txn::AddOffsetsToTxn end_txn::EndTxn
    write_txn_markers::WriteTxnMarkers txn_offset_commit::TxnOffsetCommit
    describe_configs::DescribeConfigs
    alter_configs::AlterConfigs alter_replica_log_dirs::AlterReplicaLogDirs
    describe_log_dirs::DescribeLogDirs
    create_partitions::CreatePartitions delete_groups::DeleteGroups
    incremental_alter_configs::IncrementalAlterConfigs offset_delete::OffsetDelete
    describe_cluster::DescribeCluster describe_producers::DescribeProducers
    describe_transactions::DescribeTransactions list_transactions::ListTransactions
    consumer_group_heartbeat::ConsumerGroupHeartbeat
    consumer_group_describe::ConsumerGroupDescribe
    list_config_resources::ListConfigResources describe_topic_partitions::DescribeTopicPartitions
}

/// One sample for each API and version.
pub fn samples(topic: &Topic) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (api, shape) in served().zip(shapes()) {
        samples.extend((api.min..=api.max).map(|version| sample(api, shape, version, topic)));
    }
    samples
}

fn sample(api: &'static ApiKey, shape: &'static Shape, version: i16, topic: &Topic) -> Sample {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    let open = frame::open(&mut writer);
    let header = frame::RequestHeader {
        api_key: api.key,
        version,
        correlation_id: 77,
        client_id: Some("x"),
    };
    header.encode(&mut writer);
    let flexible = version >= api.flexible;
    let mut body = Body { writer, lengths: Vec::new(), version, flexible, topic };
    body.fields(shape);
    let Body { mut writer, lengths, .. } = body;
    frame::close(&mut writer, open);
    Sample { api, version, bytes, lengths }
}

struct Body<'a, 'b> {
    writer: Writer<'b>,
    lengths: Vec<LengthAt>,
    version: i16,
    flexible: bool,
    topic: &'a Topic,
}

impl Body<'_, '_> {
    fn fields(&mut self, shape: &'static Shape) {
        for field in shape.fields {
            if field.versions.hold(self.version) && field.tag.is_none() {
                self.field(shape.name, field);
            }
        }
        if self.flexible {
            self.writer.unsigned_varint(0);
        }
    }

    fn field(&mut self, of: &str, field: &'static Field) {
        let nullable = field.null_from.is_some_and(|from| self.version >= from);
        // What has no meaning in an ordinary request.
        let absent =
            matches!(field.name, "transactional_id" | "cluster_id" | "next_cursor" | "cursor");
        if nullable && absent {
            match field.kind {
                Kind::Struct(_) => self.writer.i8(-1),
                _ => self.length(field.kind, None),
            }
            return;
        }
        if let (Kind::Struct(_), true) = (field.kind, nullable) {
            self.writer.i8(1);
        }
        self.value(of, field.name, field.kind);
    }

    fn value(&mut self, of: &str, name: &str, kind: Kind) {
        match kind {
            Kind::Bool => self.writer.bool(name == "validate_only"),
            Kind::I8 => self.writer.i8(number(name) as i8),
            Kind::U16 => self.writer.u16(number(name) as u16),
            Kind::I16 => self.writer.i16(number(name) as i16),
            Kind::I32 => self.writer.i32(number(name) as i32),
            Kind::I64 => self.writer.i64(number(name)),
            Kind::F64 => self.writer.f64(1.0),
            Kind::Uuid => {
                let id = if of.starts_with("Delete") { TopicId([9; 16]) } else { self.topic.id };
                self.writer.uuid(id);
            }
            Kind::String => {
                let text = text(of, name, self.topic);
                self.length(kind, Some(text.len()));
                self.writer.put(text.as_bytes());
            }
            Kind::Bytes | Kind::Records => {
                let bytes = batch(Sequence::NONE, &[1], 10);
                self.length(kind, Some(bytes.len()));
                self.writer.put(&bytes);
            }
            Kind::Array(element) => {
                let count = if name == "assignments" { 0 } else { 1 };
                self.length(kind, Some(count));
                for _ in 0..count {
                    self.value(of, name, *element);
                }
            }
            Kind::Struct(shape) => self.fields(shape),
        }
    }

    fn length(&mut self, kind: Kind, len: Option<usize>) {
        let position = self.writer.position();
        match (self.flexible, kind, len) {
            (true, _, len) => self.writer.unsigned_varint(len.map_or(0, |len| len as u32 + 1)),
            (false, Kind::String, len) => self.writer.i16(len.map_or(-1, |len| len as i16)),
            (false, _, len) => self.writer.i32(len.map_or(-1, |len| len as i32)),
        }
        let size = self.writer.position() - position;
        self.lengths.push(LengthAt { position, size, compact: self.flexible });
    }
}

/// A number that makes sense for a field of this name.
fn number(name: &str) -> i64 {
    match name {
        "acks"
        | "replica_id"
        | "current_leader_epoch"
        | "leader_epoch"
        | "last_fetched_epoch"
        | "node_id"
        | "session_epoch"
        | "timestamp"
        | "producer_id"
        | "producer_epoch" => -1,
        "num_partitions" | "replication_factor" | "min_bytes" => 1,
        "count" => 4,
        "timeout_ms" => 1000,
        "max_bytes" | "partition_max_bytes" => 1 << 20,
        "resource_type" => 2,
        "response_partition_limit" => 100,
        _ => 0,
    }
}

fn text<'a>(of: &str, name: &str, topic: &'a Topic) -> &'a str {
    match (of, name) {
        // Not the one that the others need.
        ("DeleteTopicsRequest" | "DeleteTopicState" | "CreatableTopic", _) => "another",
        (_, "client_software_name" | "client_software_version") => "1",
        (_, "configs" | "configuration_keys" | "config_names") => "retention.ms",
        ("AlterableConfig" | "CreatableTopicConfig", "name") => "retention.ms",
        (_, "value") => "600000",
        (_, "rack_id") => "",
        _ => &topic.name,
    }
}
