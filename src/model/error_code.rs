//! Kafka's error codes: what an answer says when it cannot say yes. A code this list does not know
//! (from a newer peer) is kept as it came.

use std::fmt;

/// A code on the wire. Compare and match it with the constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($code:literal $name:ident $text:literal)*) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $name: ErrorCode = ErrorCode($code);)*

            /// Every known code, lowest first.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// Kafka's name of the code, `None` when this list does not know it.
            pub fn name(self) -> Option<&'static str> {
                match self { $(ErrorCode::$name => Some(stringify!($name)),)* _ => None }
            }

            /// One sentence for an answer's `error_message` where nothing closer is known.
            pub fn message(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* _ => "An error this version does not know." }
            }
        }
    };
}

codes! {
    -1 UNKNOWN_SERVER_ERROR "The server failed in a way it did not expect."
    0 NONE "No error."
    1 OFFSET_OUT_OF_RANGE "The offset lies outside the log."
    2 CORRUPT_MESSAGE "The batch fails its checksum or its length is wrong."
    3 UNKNOWN_TOPIC_OR_PARTITION "There is no such topic or partition here."
    4 INVALID_FETCH_SIZE "The fetch size is not valid."
    5 LEADER_NOT_AVAILABLE "The partition has no leader at the moment."
    6 NOT_LEADER_OR_FOLLOWER "This broker does not lead the partition, or holds no replica of it."
    7 REQUEST_TIMED_OUT "The request ran out of time."
    8 BROKER_NOT_AVAILABLE "The broker is not available."
    9 REPLICA_NOT_AVAILABLE "The replica is not available."
    10 MESSAGE_TOO_LARGE "The batch is larger than the topic allows."
    11 STALE_CONTROLLER_EPOCH "The controller has moved on to a later epoch."
    12 OFFSET_METADATA_TOO_LARGE "The metadata of the committed offset is too large."
    13 NETWORK_EXCEPTION "The connection went away before the answer came."
    14 COORDINATOR_LOAD_IN_PROGRESS "The coordinator is still loading its state."
    15 COORDINATOR_NOT_AVAILABLE "The coordinator is not available."
    16 NOT_COORDINATOR "This broker is not the coordinator asked for."
    17 INVALID_TOPIC_EXCEPTION "The topic name or the operation on this topic is not valid."
    18 RECORD_LIST_TOO_LARGE "The batches together are larger than a log segment."
    19 NOT_ENOUGH_REPLICAS "Fewer replicas are in sync than the topic requires."
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND "Written, but to fewer replicas in sync than required."
    21 INVALID_REQUIRED_ACKS "The required acknowledgements must be -1, 0 or 1."
    22 ILLEGAL_GENERATION "The group generation is not the present one."
    23 INCONSISTENT_GROUP_PROTOCOL "The member's protocols do not fit those of the group."
    24 INVALID_GROUP_ID "The group id is not valid."
    25 UNKNOWN_MEMBER_ID "The coordinator does not know this member."
    26 INVALID_SESSION_TIMEOUT "The session timeout lies outside the allowed range."
    27 REBALANCE_IN_PROGRESS "The group is rebalancing: join again."
    28 INVALID_COMMIT_OFFSET_SIZE "The committed offset is too large."
    29 TOPIC_AUTHORIZATION_FAILED "Not allowed on this topic."
    30 GROUP_AUTHORIZATION_FAILED "Not allowed on this group."
    31 CLUSTER_AUTHORIZATION_FAILED "Not allowed on this cluster."
    32 INVALID_TIMESTAMP "The record's timestamp lies outside the allowed range."
    33 UNSUPPORTED_SASL_MECHANISM "The SASL mechanism is not enabled here."
    34 ILLEGAL_SASL_STATE "The request does not fit the state of the SASL exchange."
    35 UNSUPPORTED_VERSION "This version of the request is not supported."
    36 TOPIC_ALREADY_EXISTS "A topic of this name exists."
    37 INVALID_PARTITIONS "The number of partitions is not valid."
    38 INVALID_REPLICATION_FACTOR "The replication factor is below 1 or above the number of brokers."
    39 INVALID_REPLICA_ASSIGNMENT "The assignment of replicas is not valid."
    40 INVALID_CONFIG "The configuration is not valid."
    41 NOT_CONTROLLER "This broker is not the controller."
    42 INVALID_REQUEST "The request contradicts itself or the protocol."
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT "The message format does not allow this request."
    44 POLICY_VIOLATION "A policy forbids the request."
    45 OUT_OF_ORDER_SEQUENCE_NUMBER "The producer's sequence number leaves a gap."
    46 DUPLICATE_SEQUENCE_NUMBER "The producer's sequence number was seen before."
    47 INVALID_PRODUCER_EPOCH "The producer's epoch is an old one."
    48 INVALID_TXN_STATE "The transaction's state does not allow the operation."
    49 INVALID_PRODUCER_ID_MAPPING "The producer id does not belong to this transactional id."
    50 INVALID_TRANSACTION_TIMEOUT "The transaction timeout is longer than allowed."
    51 CONCURRENT_TRANSACTIONS "Another operation on the same transaction is still under way."
    52 TRANSACTION_COORDINATOR_FENCED "A later coordinator owns this transaction."
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED "Not allowed with this transactional id."
    54 SECURITY_DISABLED "Security is not enabled."
    55 OPERATION_NOT_ATTEMPTED "Not attempted, because another part of the request failed."
    56 KAFKA_STORAGE_ERROR "The log could not be read or written."
    57 LOG_DIR_NOT_FOUND "The log directory is not configured here."
    58 SASL_AUTHENTICATION_FAILED "Authentication failed."
    59 UNKNOWN_PRODUCER_ID "Nothing is known of this producer id any more."
    60 REASSIGNMENT_IN_PROGRESS "The partition is being reassigned."
    61 DELEGATION_TOKEN_AUTH_DISABLED "Delegation tokens are not enabled."
    62 DELEGATION_TOKEN_NOT_FOUND "There is no such delegation token."
    63 DELEGATION_TOKEN_OWNER_MISMATCH "The delegation token belongs to somebody else."
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED "Delegation tokens cannot be requested on this channel."
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED "Not allowed with this delegation token."
    66 DELEGATION_TOKEN_EXPIRED "The delegation token has expired."
    67 INVALID_PRINCIPAL_TYPE "The type of principal is not supported."
    68 NON_EMPTY_GROUP "The group still has members."
    69 GROUP_ID_NOT_FOUND "There is no such group."
    70 FETCH_SESSION_ID_NOT_FOUND "There is no such fetch session."
    71 INVALID_FETCH_SESSION_EPOCH "The fetch session's epoch is not the expected one."
    72 LISTENER_NOT_FOUND "The leader has no listener of this name."
    73 TOPIC_DELETION_DISABLED "Topics cannot be deleted here."
    74 FENCED_LEADER_EPOCH "The leader epoch is older than the broker's."
    75 UNKNOWN_LEADER_EPOCH "The leader epoch is newer than the broker's."
    76 UNSUPPORTED_COMPRESSION_TYPE "The compression type is not supported by this version."
    77 STALE_BROKER_EPOCH "The broker has registered again since."
    78 OFFSET_NOT_AVAILABLE "The new leader does not know its high watermark yet."
    79 MEMBER_ID_REQUIRED "Join again with the member id given here."
    80 PREFERRED_LEADER_NOT_AVAILABLE "The preferred leader is not available."
    81 GROUP_MAX_SIZE_REACHED "The group is full."
    82 FENCED_INSTANCE_ID "Another member has taken this group instance id."
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE "No replica that may lead is available."
    84 ELECTION_NOT_NEEDED "No election is needed."
    85 NO_REASSIGNMENT_IN_PROGRESS "No reassignment is under way."
    86 GROUP_SUBSCRIBED_TO_TOPIC "The group is still subscribed to the topic."
    87 INVALID_RECORD "A record of the batch breaks the rules of its topic or format."
    88 UNSTABLE_OFFSET_COMMIT "A transaction still holds offsets of the group."
    89 THROTTLING_QUOTA_EXCEEDED "The quota is used up."
    90 PRODUCER_FENCED "A newer producer uses the same transactional id."
    91 RESOURCE_NOT_FOUND "There is no such resource."
    92 DUPLICATE_RESOURCE "The request names one resource twice."
    93 UNACCEPTABLE_CREDENTIAL "The credential does not meet the requirements."
    94 INCONSISTENT_VOTER_SET "One side is not among the expected voters."
    95 INVALID_UPDATE_VERSION "The version of the update is not valid."
    96 FEATURE_UPDATE_FAILED "The features could not be updated."
    97 PRINCIPAL_DESERIALIZATION_FAILURE "The forwarded principal could not be read."
    98 SNAPSHOT_NOT_FOUND "There is no such snapshot."
    99 POSITION_OUT_OF_RANGE "The position lies outside the snapshot."
    100 UNKNOWN_TOPIC_ID "There is no topic of this id here."
    101 DUPLICATE_BROKER_REGISTRATION "The broker id is in use."
    102 BROKER_ID_NOT_REGISTERED "The broker id is not registered."
    103 INCONSISTENT_TOPIC_ID "The log belongs to another topic id."
    104 INCONSISTENT_CLUSTER_ID "This is another cluster than the request expects."
    105 TRANSACTIONAL_ID_NOT_FOUND "There is no such transactional id."
    106 FETCH_SESSION_TOPIC_ID_ERROR "The fetch session mixes topic ids and names."
    107 INELIGIBLE_REPLICA "A replica may not join the in-sync set."
    108 NEW_LEADER_ELECTED "The partition changed, and its leader with it."
    109 OFFSET_MOVED_TO_TIERED_STORAGE "The offset now lies in tiered storage."
    110 FENCED_MEMBER_EPOCH "The member's epoch is fenced: give up all partitions and join again."
    111 UNRELEASED_INSTANCE_ID "Another member still holds this group instance id."
    112 UNSUPPORTED_ASSIGNOR "The group does not support this assignor."
    113 STALE_MEMBER_EPOCH "The member's epoch is an old one."
    114 MISMATCHED_ENDPOINT_TYPE "The request went to the wrong kind of endpoint."
    115 UNSUPPORTED_ENDPOINT_TYPE "This kind of endpoint is not supported."
    116 UNKNOWN_CONTROLLER_ID "There is no such controller."
    117 UNKNOWN_SUBSCRIPTION_ID "The telemetry subscription is not the present one."
    118 TELEMETRY_TOO_LARGE "The telemetry is larger than accepted."
    119 INVALID_REGISTRATION "The controller refuses this broker's registration."
    120 TRANSACTION_ABORTABLE "The transaction failed; abort it and go on."
    121 INVALID_RECORD_STATE "The records are not in a state that can be acknowledged."
    122 SHARE_SESSION_NOT_FOUND "There is no such share session."
    123 INVALID_SHARE_SESSION_EPOCH "The share session's epoch is not the expected one."
    124 FENCED_STATE_EPOCH "The share state's epoch is not the expected one."
    125 INVALID_VOTER_KEY "The voter key is not that of the receiving replica."
    126 DUPLICATE_VOTER "The voter is in the set already."
    127 VOTER_NOT_FOUND "The voter is not in the set."
    128 INVALID_REGULAR_EXPRESSION "The regular expression is not valid."
    129 REBOOTSTRAP_REQUIRED "The client's metadata is out of date: start from the bootstrap address."
    130 STREAMS_INVALID_TOPOLOGY "The topology is not valid."
    131 STREAMS_INVALID_TOPOLOGY_EPOCH "The topology's epoch is not valid."
    132 STREAMS_TOPOLOGY_FENCED "The topology's epoch is an old one."
    133 SHARE_SESSION_LIMIT_REACHED "No further share session can be opened."
    134 GROUP_DELETION_FAILED "The group could not be deleted; its message says why."
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED "The topology's description could not be kept."
    136 CONTROLLER_ID_NOT_REGISTERED "The controller id is not registered."
}

impl ErrorCode {
    pub fn is_none(self) -> bool {
        self == ErrorCode::NONE
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ERROR_{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_gaps() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(code.0, index as i16 - 1, "{code}");
        }
        assert_eq!(ErrorCode(3).to_string(), "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(ErrorCode(999).to_string(), "ERROR_999");
    }
}
