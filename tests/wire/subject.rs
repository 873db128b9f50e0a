//! Every message of ours beside the oracle's: the same bytes can be given to both.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as oracle;
use kafka_protocol::protocol::{Decodable, Encodable, Message as OracleMessage};
use ringmain::wire::consumer_protocol::{Assignment, Subscription};
use ringmain::wire::internal::consumer_group_current_member_assignment::*;
use ringmain::wire::internal::consumer_group_member_metadata::*;
use ringmain::wire::internal::consumer_group_metadata::*;
use ringmain::wire::internal::consumer_group_partition_metadata::*;
use ringmain::wire::internal::consumer_group_regular_expression::*;
use ringmain::wire::internal::consumer_group_target_assignment_member::*;
use ringmain::wire::internal::consumer_group_target_assignment_metadata::*;
use ringmain::wire::internal::group_metadata::*;
use ringmain::wire::internal::offset_commit::*;
use ringmain::wire::internal::transaction_log::*;
use ringmain::wire::messages::*;
use ringmain::wire::schema::{Shape, Versions};
use ringmain::wire::value::Value;
use ringmain::wire::versioned::Versioned;
use ringmain::wire::{Api, Error, Message, Reader, Writer};

/// A message that was read: printed, written again, and the bytes that were left over.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub text: String,
    pub bytes: Vec<u8>,
    pub left: usize,
}

#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub versions: Versions,
    pub flexible: i16,
    /// Whether we can read it; does nothing else.
    pub reads: fn(&[u8], i16) -> bool,
    pub ours: fn(&[u8], i16) -> Result<Seen, Error>,
    pub oracle: fn(&[u8], i16) -> Result<Seen, String>,
    pub oracle_versions: Versions,
}

pub fn request<A: Api, O: Encodable + Decodable + Debug + OracleMessage>() -> Subject {
    Subject {
        name: A::Request::SHAPE.name,
        shape: A::Request::SHAPE,
        versions: Versions::between(A::MIN, A::MAX),
        flexible: A::FLEXIBLE,
        reads: |bytes, version| A::Request::decode(&mut Reader::new(bytes), version).is_ok(),
        ours: |bytes, version| see::<A::Request<'_>>(bytes, version),
        oracle: see_by_oracle::<O>,
        oracle_versions: Versions::between(O::VERSIONS.min, O::VERSIONS.max),
    }
}

pub fn response<A: Api, O: Encodable + Decodable + Debug + OracleMessage>() -> Subject {
    Subject {
        name: A::Response::SHAPE.name,
        shape: A::Response::SHAPE,
        versions: Versions::between(A::MIN, A::MAX),
        flexible: A::FLEXIBLE,
        reads: |bytes, version| A::Response::decode(&mut Reader::new(bytes), version).is_ok(),
        ours: |bytes, version| see::<A::Response<'_>>(bytes, version),
        oracle: see_by_oracle::<O>,
        oracle_versions: Versions::between(O::VERSIONS.min, O::VERSIONS.max),
    }
}

fn see<'a, M: Message<'a>>(bytes: &'a [u8], version: i16) -> Result<Seen, Error> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version)?;
    let mut out = Vec::new();
    message.encode(&mut Writer::new(&mut out), version);
    Ok(Seen { text: format!("{message:?}"), bytes: out, left: reader.remaining() })
}

fn see_by_oracle<M: Encodable + Decodable + Debug>(
    bytes: &[u8],
    version: i16,
) -> Result<Seen, String> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let message = M::decode(&mut rest, version).map_err(|error| error.to_string())?;
    let mut out = BytesMut::new();
    message.encode(&mut out, version).map_err(|error| error.to_string())?;
    Ok(Seen { text: format!("{message:?}"), bytes: out.to_vec(), left: rest.len() })
}

/// Calls a macro with every API and its messages in the oracle: the one list that the tests have.
macro_rules! with_every_api {
    ($call:ident) => {
        $call! {
            produce::Produce: ProduceRequest, ProduceResponse;
            fetch::Fetch: FetchRequest, FetchResponse;
            list_offsets::ListOffsets: ListOffsetsRequest, ListOffsetsResponse;
            metadata::Metadata: MetadataRequest, MetadataResponse;
            offset_commit::OffsetCommit: OffsetCommitRequest, OffsetCommitResponse;
            offset_fetch::OffsetFetch: OffsetFetchRequest, OffsetFetchResponse;
            find_coordinator::FindCoordinator: FindCoordinatorRequest, FindCoordinatorResponse;
            join_group::JoinGroup: JoinGroupRequest, JoinGroupResponse;
            heartbeat::Heartbeat: HeartbeatRequest, HeartbeatResponse;
            leave_group::LeaveGroup: LeaveGroupRequest, LeaveGroupResponse;
            sync_group::SyncGroup: SyncGroupRequest, SyncGroupResponse;
            describe_groups::DescribeGroups: DescribeGroupsRequest, DescribeGroupsResponse;
            list_groups::ListGroups: ListGroupsRequest, ListGroupsResponse;
            api_versions::ApiVersions: ApiVersionsRequest, ApiVersionsResponse;
            create_topics::CreateTopics: CreateTopicsRequest, CreateTopicsResponse;
            delete_topics::DeleteTopics: DeleteTopicsRequest, DeleteTopicsResponse;
            delete_records::DeleteRecords: DeleteRecordsRequest, DeleteRecordsResponse;
            init_producer_id::InitProducerId: InitProducerIdRequest, InitProducerIdResponse;
            offset_for_leader_epoch::OffsetForLeaderEpoch:
                OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
            add_partitions_to_txn::AddPartitionsToTxn:
                AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
            add_offsets_to_txn::AddOffsetsToTxn: AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
            end_txn::EndTxn: EndTxnRequest, EndTxnResponse;
            write_txn_markers::WriteTxnMarkers: WriteTxnMarkersRequest, WriteTxnMarkersResponse;
            txn_offset_commit::TxnOffsetCommit: TxnOffsetCommitRequest, TxnOffsetCommitResponse;
            describe_configs::DescribeConfigs: DescribeConfigsRequest, DescribeConfigsResponse;
            alter_configs::AlterConfigs: AlterConfigsRequest, AlterConfigsResponse;
            alter_replica_log_dirs::AlterReplicaLogDirs:
                AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse;
            describe_log_dirs::DescribeLogDirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
            create_partitions::CreatePartitions: CreatePartitionsRequest, CreatePartitionsResponse;
            delete_groups::DeleteGroups: DeleteGroupsRequest, DeleteGroupsResponse;
            incremental_alter_configs::IncrementalAlterConfigs:
                IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
            offset_delete::OffsetDelete: OffsetDeleteRequest, OffsetDeleteResponse;
            describe_cluster::DescribeCluster: DescribeClusterRequest, DescribeClusterResponse;
            describe_producers::DescribeProducers:
                DescribeProducersRequest, DescribeProducersResponse;
            describe_transactions::DescribeTransactions:
                DescribeTransactionsRequest, DescribeTransactionsResponse;
            list_transactions::ListTransactions: ListTransactionsRequest, ListTransactionsResponse;
            consumer_group_heartbeat::ConsumerGroupHeartbeat:
                ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
            consumer_group_describe::ConsumerGroupDescribe:
                ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
            list_config_resources::ListConfigResources:
                ListConfigResourcesRequest, ListConfigResourcesResponse;
            describe_topic_partitions::DescribeTopicPartitions:
                DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
        }
    };
}
pub(crate) use with_every_api;

macro_rules! subjects {
    ($($file:ident::$api:ident: $request:ident, $response:ident;)*) => {
        /// Requests and responses of every API, in the order of their keys.
        pub fn subjects() -> Vec<Subject> {
            let subjects = vec![$(
                request::<$file::$api, oracle::$request>(),
                response::<$file::$api, oracle::$response>(),
            )*];
            let covered = [$(<$file::$api as Api>::KEY),*];
            assert!(covered.iter().eq(APIS.iter().map(|api| &api.key)), "an API is not tested");
            subjects
        }
    };
}

with_every_api!(subjects);

/// A versioned struct, its content without the version in front; with its oracle if there is one.
macro_rules! data {
    ($name:ident) => {
        data!($name, |_, _| Err("no oracle".into()), Versions::from(i16::MAX))
    };
    ($name:ident, $oracle:ident) => {
        data!(
            $name,
            see_by_oracle::<oracle::$oracle>,
            Versions::between(oracle::$oracle::VERSIONS.min, oracle::$oracle::VERSIONS.max)
        )
    };
    ($name:ident, $see_by_oracle:expr, $oracle_versions:expr) => {
        Subject {
            name: stringify!($name),
            shape: $name::SHAPE,
            versions: $name::VERSIONS,
            flexible: $name::FLEXIBLE,
            reads: |bytes, version| {
                $name::read(&mut Reader::new(bytes), $name::form(version)).is_ok()
            },
            ours: |bytes, version| {
                let mut reader = Reader::new(bytes);
                let data = $name::read(&mut reader, $name::form(version))?;
                let mut out = Vec::new();
                data.encode(version, &mut out);
                let (text, bytes) = (format!("{data:?}"), out.split_off(2));
                Ok(Seen { text, bytes, left: reader.remaining() })
            },
            oracle: $see_by_oracle,
            oracle_versions: $oracle_versions,
        }
    };
}

/// What the members of a group tell each other.
pub fn member_data() -> Vec<Subject> {
    vec![
        data!(Subscription, ConsumerProtocolSubscription),
        data!(Assignment, ConsumerProtocolAssignment),
    ]
}

/// Keys and values of the internal topics.
pub fn record_data() -> Vec<Subject> {
    vec![
        data!(LegacyOffsetCommitKey),
        data!(LegacyOffsetCommitValue),
        data!(OffsetCommitKey),
        data!(OffsetCommitValue),
        data!(GroupMetadataKey),
        data!(GroupMetadataValue),
        data!(ConsumerGroupMetadataKey),
        data!(ConsumerGroupMetadataValue),
        data!(ConsumerGroupPartitionMetadataKey),
        data!(ConsumerGroupPartitionMetadataValue),
        data!(ConsumerGroupMemberMetadataKey),
        data!(ConsumerGroupMemberMetadataValue),
        data!(ConsumerGroupTargetAssignmentMetadataKey),
        data!(ConsumerGroupTargetAssignmentMetadataValue),
        data!(ConsumerGroupTargetAssignmentMemberKey),
        data!(ConsumerGroupTargetAssignmentMemberValue),
        data!(ConsumerGroupCurrentMemberAssignmentKey),
        data!(ConsumerGroupCurrentMemberAssignmentValue),
        data!(ConsumerGroupRegularExpressionKey),
        data!(ConsumerGroupRegularExpressionValue),
        data!(TransactionLogKey),
        data!(TransactionLogValue),
    ]
}

/// Messages and data.
pub fn everything() -> Vec<Subject> {
    [subjects(), member_data(), record_data()].concat()
}

impl Subject {
    /// The versions that both sides speak.
    pub fn common_versions(&self) -> impl Iterator<Item = i16> + use<> {
        let (ours, theirs) = (self.versions, self.oracle_versions);
        ours.first.max(theirs.first)..=ours.last.min(theirs.last)
    }

    /// The versions that only we speak.
    pub fn own_versions(&self) -> impl Iterator<Item = i16> + use<> {
        let theirs = self.oracle_versions;
        (self.versions.first..=self.versions.last).filter(move |&version| !theirs.hold(version))
    }
}
