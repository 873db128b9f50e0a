//! Every bound of the broker. Reaching one is a clear refusal, never an abort; what a setting may
//! choose lies below its bound here.

use crate::model::topic_name;

/// Bytes of one request frame; the ceiling of `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: usize = 512 << 20;
/// Bytes of a fetch answer; the ceiling of `fetch.max.bytes`.
pub const FETCH_BYTES_MAX: usize = 1 << 30;
/// Bytes of one record batch; the ceiling of `message.max.bytes`.
pub const BATCH_BYTES_MAX: usize = 256 << 20;
/// What one batch may grow to when decompressed.
pub const BATCH_DECOMPRESSED_BYTES_MAX: usize = 64 << 20;
/// Records that the refusal of a batch names; a client takes the others for bystanders.
pub const RECORD_ERRORS_PER_BATCH_MAX: usize = 1000;

/// Lanes of a host.
pub const LANES_MAX: u16 = 64;
/// Broker ids of one host: lane l of node n is broker n * this + l.
pub const BROKER_IDS_PER_NODE: i32 = 1000;
pub const NODE_ID_MAX: i32 = i32::MAX / BROKER_IDS_PER_NODE - 1;
/// Data cores of a host.
pub const CORES_MAX: u16 = 1024;
/// Data directories of a host.
pub const DATA_DIRS_MAX: usize = 64;

pub const CONNECTIONS_PER_CORE_MAX: usize = 20_000;
/// The floor of `ringmain.memory.per.core.bytes`.
pub const MEMORY_PER_CORE_BYTES_MIN: usize = 64 << 20;
/// Share of a core's memory which requests in flight may hold; the rest is for the tails of logs.
pub const REQUESTS_IN_FLIGHT_MEMORY_PERCENT: usize = 50;

/// New partitions which one CreateTopics or CreatePartitions request may ask for (Kafka: 10,000).
pub const PARTITIONS_CREATED_PER_REQUEST_MAX: usize = 10_000;
pub const PARTITIONS_PER_TOPIC_MAX: usize = 10_000;
pub const PARTITIONS_MAX: usize = 200_000;
pub const REPLICAS_PER_PARTITION_MAX: usize = 16;

/// The ceiling of `max.incremental.fetch.session.cache.slots`.
pub const FETCH_SESSIONS_MAX: usize = 100_000;
/// Partitions that one fetch session may hold; more are served without one.
pub const PARTITIONS_PER_FETCH_SESSION_MAX: usize = 100_000;
/// Idempotent producers remembered by one partition; the oldest gives way.
pub const PRODUCER_IDS_PER_PARTITION_MAX: usize = 100_000;
/// Transactional ids of one partition of `__transaction_state`; new ones are refused.
pub const TRANSACTIONAL_IDS_PER_PARTITION_MAX: usize = 100_000;
/// Those that expire with one batch of records, and transactions that are aborted with one.
pub const TRANSACTIONAL_IDS_EXPIRED_AT_ONCE: usize = 1000;
/// Bytes of a regular expression in a request, and of what it is compiled to.
pub const PATTERN_BYTES_MAX: usize = 4 << 10;
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;
/// Producer ids handed to a broker at once (Kafka: 1,000).
pub const PRODUCER_ID_BLOCK_LEN: i32 = 1000;

/// Requests that wait for the coordinators of one core, joins of members among them.
pub const COORDINATOR_CALLS_PER_CORE_MAX: usize = 100_000;
/// Groups of one partition of `__consumer_offsets`; no more can be founded then.
pub const GROUPS_PER_PARTITION_MAX: usize = 100_000;
/// Bytes of what the members of a group say of all their protocols, in the largest batches of the
/// partition that keeps it.
pub const GROUP_BATCHES_MAX: usize = 8;
/// The same of the topics that the members of a group of the new protocol subscribe to.
pub const CONSUMER_GROUP_BATCHES_MAX: usize = 64;
/// Patterns by which the members of one group subscribe: each is matched with every topic.
pub const PATTERNS_PER_GROUP_MAX: usize = 100;
/// Ids that one group has given out to members which have not joined with them yet.
pub const PENDING_MEMBERS_PER_GROUP_MAX: usize = 10_000;
/// What a server-side assignor may look at to level its members' loads, a fraction of a second's
/// work; then they stay as even as they are.
pub const ASSIGNMENT_STEPS_MAX: u64 = 10_000_000;

/// Files of a partition's deleted segments that wait to be written again.
pub const SEGMENTS_RECYCLED_MAX: i32 = 2;

pub const HOST_BYTES_MAX: usize = 255;
pub const RACK_BYTES_MAX: usize = 255;
pub const CONFIG_VALUE_BYTES_MAX: usize = 32 << 10;
/// Bytes of everything that is set for topics and brokers.
pub const CONFIG_BYTES_MAX: usize = 128 << 20;
/// Bytes of one metadata command and of a snapshot.
pub const COMMAND_BYTES_MAX: usize = 16 << 20;
pub const SNAPSHOT_BYTES_MAX: usize = 1 << 30;

/// The longest file name on Linux, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

const _: () = assert!(FRAME_BYTES_MAX <= i32::MAX as usize, "a frame's length is an i32");
const _: () = assert!(FETCH_BYTES_MAX <= i32::MAX as usize, "an answer's length is an i32");
const _: () = assert!(BATCH_BYTES_MAX < FRAME_BYTES_MAX, "a batch travels inside a frame");
const _: () = assert!(BATCH_BYTES_MAX <= FETCH_BYTES_MAX, "what was accepted can be fetched");
const _: () = assert!(LANES_MAX as i32 <= BROKER_IDS_PER_NODE, "lanes fit the node's broker ids");
const _: () = assert!(
    (NODE_ID_MAX as i64 + 1) * BROKER_IDS_PER_NODE as i64 <= i32::MAX as i64,
    "the last host's broker ids fit"
);
const _: () = assert!(REQUESTS_IN_FLIGHT_MEMORY_PERCENT < 100, "tails need memory, too");
const _: () = assert!(PARTITIONS_PER_TOPIC_MAX <= PARTITIONS_MAX);
const _: () = assert!(PARTITIONS_CREATED_PER_REQUEST_MAX <= PARTITIONS_PER_TOPIC_MAX);
// "-<partition>" is at most 11 bytes, Kafka's deleted directories end in ".<32 hex>-delete".
const _: () = assert!(topic_name::LEN_MAX + "-99999".len() <= FILE_NAME_BYTES_MAX);
const _: () = assert!(PARTITIONS_PER_TOPIC_MAX <= 99_999, "a partition's directory name fits");
// A command of the largest topic: a partition's replicas take some tens of bytes each.
const _: () = assert!(
    PARTITIONS_PER_TOPIC_MAX * REPLICAS_PER_PARTITION_MAX * 32 + (1 << 20) <= COMMAND_BYTES_MAX
);
// The fullest image: every partition with all its replicas, each in a topic of its own with the
// longest name, and all settings, with as much again for what their entries take.
const _: () = assert!(
    PARTITIONS_MAX * (REPLICAS_PER_PARTITION_MAX * 16 + topic_name::LEN_MAX + 256)
        + 2 * CONFIG_BYTES_MAX
        <= SNAPSHOT_BYTES_MAX
);
const _: () = assert!(SNAPSHOT_BYTES_MAX <= i32::MAX as usize);
// Beside it, where every replica lies: an id of 16 bytes each, and some for every topic.
const _: () =
    assert!(PARTITIONS_MAX * (REPLICAS_PER_PARTITION_MAX * 16 + 64) <= SNAPSHOT_BYTES_MAX);
