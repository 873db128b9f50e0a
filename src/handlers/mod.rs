//! One file an API: authorise, check, route, await, answer.
//!
//! The `apis!` table is the only list: routes and the ApiVersions answer come from it. Awaiting a
//! handler fixes the order of what it does; its answer may come later through its [`Ticket`].

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_replica_log_dirs;
mod api_versions;
mod appending;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod cx;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod fetch;
mod fetch_session;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
pub mod produce;
mod replicas;
pub mod reply;
pub mod spare;
mod sync_group;
mod topics;
mod transactions;
mod txn_offset_commit;
mod vouching;
mod write_txn_markers;

use std::rc::Rc;

use crate::shard::Counters;
use crate::wire::frame::{RequestHeader, RequestKind};
use crate::wire::message::{Api, Message};
use crate::wire::messages::{self, ApiKey};
use crate::wire::primitives::Reader;
pub use cx::{Client, Cx, Desk};
use produce::Placed;
use reply::Ticket;

/// One line of the ApiVersions answer.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    pub key: i16,
    pub min: i16,
    pub max: i16,
}

macro_rules! apis {
    (hot { $($hot_file:ident::$hot:ident),* $(,)? } plain { $($file:ident::$api:ident),* $(,)? }) => {
        /// Every API this broker serves, with the versions it advertises, by key.
        pub const SERVED: &[Served] = &sorted([
            $(served::<messages::$hot_file::$hot>(),)*
            $(served::<messages::$file::$api>(),)*
        ]);

        /// The plain APIs: decoded whole, handled in a box of their own so that a connection's
        /// task stays small, answered before the next request is looked at.
        async fn plain(cx: &Cx<'_>, body: &[u8], ticket: Ticket) -> Result<(), String> {
            let version = cx.kind.version;
            match cx.kind.api_key {
                $(<messages::$file::$api as Api>::KEY => {
                    let mut reader = Reader::new(body);
                    let request = <messages::$file::$api as Api>::Request::decode(
                        &mut reader, version,
                    ).map_err(|error| malformed(stringify!($api), version, error))?;
                    ticket.answer(Box::pin($file::handle(cx, request)).await);
                })*
                key => return Err(format!("API key {key} is not served")),
            }
            Ok(())
        }
    };
}

apis! {
    hot { produce::Produce, fetch::Fetch }
    plain {
        list_offsets::ListOffsets,
        metadata::Metadata,
        offset_commit::OffsetCommit,
        offset_fetch::OffsetFetch,
        find_coordinator::FindCoordinator,
        join_group::JoinGroup,
        heartbeat::Heartbeat,
        leave_group::LeaveGroup,
        sync_group::SyncGroup,
        describe_groups::DescribeGroups,
        list_groups::ListGroups,
        api_versions::ApiVersions,
        create_topics::CreateTopics,
        delete_topics::DeleteTopics,
        delete_records::DeleteRecords,
        init_producer_id::InitProducerId,
        add_partitions_to_txn::AddPartitionsToTxn,
        add_offsets_to_txn::AddOffsetsToTxn,
        end_txn::EndTxn,
        write_txn_markers::WriteTxnMarkers,
        txn_offset_commit::TxnOffsetCommit,
        describe_producers::DescribeProducers,
        describe_transactions::DescribeTransactions,
        list_transactions::ListTransactions,
        offset_for_leader_epoch::OffsetForLeaderEpoch,
        describe_configs::DescribeConfigs,
        alter_configs::AlterConfigs,
        alter_replica_log_dirs::AlterReplicaLogDirs,
        describe_log_dirs::DescribeLogDirs,
        create_partitions::CreatePartitions,
        delete_groups::DeleteGroups,
        incremental_alter_configs::IncrementalAlterConfigs,
        offset_delete::OffsetDelete,
        describe_cluster::DescribeCluster,
        consumer_group_heartbeat::ConsumerGroupHeartbeat,
        consumer_group_describe::ConsumerGroupDescribe,
        list_config_resources::ListConfigResources,
        describe_topic_partitions::DescribeTopicPartitions,
    }
}

/// Messages may be known, for a client or for the log, of an API that nobody here answers.
fn served_api(key: i16) -> Option<&'static ApiKey> {
    SERVED.binary_search_by_key(&key, |served| served.key).ok()?;
    messages::api(key)
}

const fn served<A: Api>() -> Served {
    let mut index = 0;
    while index < messages::APIS.len() {
        let api = messages::APIS[index];
        if api.key == A::KEY {
            return Served { key: api.key, min: api.advertised_min, max: api.max };
        }
        index += 1;
    }
    panic!("an API that is not in the table of messages")
}

/// By key; two of the same do not compile.
const fn sorted<const N: usize>(mut list: [Served; N]) -> [Served; N] {
    let mut from = 0;
    while from < N {
        let mut least = from;
        let mut index = from + 1;
        while index < N {
            assert!(list[index].key != list[least].key, "an API stands twice in the table");
            if list[index].key < list[least].key {
                least = index;
            }
            index += 1;
        }
        let kept = list[from];
        list[from] = list[least];
        list[least] = kept;
        from += 1;
    }
    list
}

fn malformed(api: &str, version: i16, error: crate::wire::Error) -> String {
    format!("a malformed {api} v{version} request: {error}")
}

/// Handles one frame (without its length prefix); an error ends the connection. `placed`: the
/// frame's one record set was received apart from it, and `frame` is what stands before it.
pub async fn dispatch(
    desk: &Rc<Desk>,
    client: &Rc<Client>,
    frame: &[u8],
    placed: Option<(usize, Placed)>,
    ticket: Ticket,
) -> Result<(), String> {
    let kind =
        RequestKind::peek(frame).map_err(|error| format!("a frame without header: {error}"))?;
    let cx = Cx { desk, client, kind };
    Counters::add(&desk.shard.counters.requests, 1);
    let Some(api) = served_api(kind.api_key) else {
        return Err(format!("API key {} is not served", kind.api_key));
    };
    if !api.serves(kind.version) {
        if api.key == messages::api_versions::ApiVersions::KEY {
            ticket.answer(api_versions::unsupported(&cx));
            return Ok(());
        }
        return Err(format!("{} v{} is not served", api.name, kind.version));
    }
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader)
        .map_err(|error| format!("a malformed header of {}: {error}", api.name))?;
    client.note_id(header.client_id);
    let body = &frame[reader.position()..];
    if let Some((frame_len, placed)) = placed {
        let body_len = frame_len - reader.position();
        return produce::handle_placed(&cx, body, body_len, placed, ticket).await;
    }
    match kind.api_key {
        messages::produce::Produce::KEY => produce::handle(&cx, body, ticket).await,
        messages::fetch::Fetch::KEY => fetch::handle(&cx, body, ticket).await,
        _ => plain(&cx, body, ticket).await,
    }
}
