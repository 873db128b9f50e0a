//! Every message of the protocol that we speak, one file per API: its shape, its versions, and how
//! to refuse it.

use crate::model::error_code::ErrorCode;
use crate::wire::message::Api;

/// Lists the files and makes the table; the lowest version to advertise stands where it differs
/// from the lowest that can be decoded.
macro_rules! apis {
    ($($file:ident::$api:ident $(advertised from $advertised:literal)?;)*) => {
        $(pub mod $file;)*

        /// Every API known here, in the order of their keys.
        pub const APIS: &[ApiKey] = &[$(ApiKey {
            key: <$file::$api as Api>::KEY,
            name: <$file::$api as Api>::NAME,
            min: <$file::$api as Api>::MIN,
            max: <$file::$api as Api>::MAX,
            flexible: <$file::$api as Api>::FLEXIBLE,
            advertised_min: apis!(@min <$file::$api as Api>::MIN $(, $advertised)?),
        },)*];
    };
    (@min $min:expr) => { $min };
    (@min $min:expr, $advertised:literal) => { $advertised };
}

apis! {
    // KAFKA-18659: librdkafka takes a broker without Produce v0 for one without compression.
    produce::Produce advertised from 0;
    fetch::Fetch;
    list_offsets::ListOffsets;
    metadata::Metadata;
    offset_commit::OffsetCommit;
    offset_fetch::OffsetFetch;
    find_coordinator::FindCoordinator;
    join_group::JoinGroup;
    heartbeat::Heartbeat;
    leave_group::LeaveGroup;
    sync_group::SyncGroup;
    describe_groups::DescribeGroups;
    list_groups::ListGroups;
    api_versions::ApiVersions;
    create_topics::CreateTopics;
    delete_topics::DeleteTopics;
    delete_records::DeleteRecords;
    init_producer_id::InitProducerId;
    offset_for_leader_epoch::OffsetForLeaderEpoch;
    add_partitions_to_txn::AddPartitionsToTxn;
    add_offsets_to_txn::AddOffsetsToTxn;
    end_txn::EndTxn;
    write_txn_markers::WriteTxnMarkers;
    txn_offset_commit::TxnOffsetCommit;
    describe_configs::DescribeConfigs;
    alter_configs::AlterConfigs;
    alter_replica_log_dirs::AlterReplicaLogDirs;
    describe_log_dirs::DescribeLogDirs;
    create_partitions::CreatePartitions;
    delete_groups::DeleteGroups;
    incremental_alter_configs::IncrementalAlterConfigs;
    offset_delete::OffsetDelete;
    describe_cluster::DescribeCluster;
    describe_producers::DescribeProducers;
    describe_transactions::DescribeTransactions;
    list_transactions::ListTransactions;
    consumer_group_heartbeat::ConsumerGroupHeartbeat;
    consumer_group_describe::ConsumerGroupDescribe;
    list_config_resources::ListConfigResources;
    describe_topic_partitions::DescribeTopicPartitions;
}

const _: () = {
    let mut index = 1;
    while index < APIS.len() {
        assert!(APIS[index - 1].key < APIS[index].key, "APIs out of order");
        index += 1;
    }
};

/// An API's place in the protocol, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub key: i16,
    pub name: &'static str,
    pub min: i16,
    pub max: i16,
    pub flexible: i16,
    pub advertised_min: i16,
}

impl ApiKey {
    /// Whether requests of this version can be decoded and answered.
    pub fn serves(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

pub fn api(key: i16) -> Option<&'static ApiKey> {
    APIS.binary_search_by_key(&key, |api| api.key).ok().map(|index| &APIS[index])
}

/// How an API says no: the error stands wherever a client of that version looks for one.
pub trait Refuse<'a>: Api {
    fn refusal(request: &Self::Request<'a>, version: i16, error: ErrorCode) -> Self::Response<'a>;
}
