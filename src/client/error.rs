//! What can go wrong between a client and its brokers: one line each, and whether trying again may
//! help.

use std::fmt;
use std::time::Duration;

use crate::model::ErrorCode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No connection could be made.
    Unreachable { peer: String, reason: String },
    /// The connection ended before an answer came.
    Lost { peer: String, reason: String },
    /// No answer came in time.
    TimedOut { peer: String, api: &'static str, after: Duration },
    /// There is no version of this API that both sides speak.
    Unsupported { peer: String, api: &'static str },
    /// What came does not follow the protocol.
    Malformed { peer: String, reason: String },
    /// The broker said no; the subject is what was asked for.
    Refused { subject: String, code: ErrorCode, message: Option<String> },
    /// A partition without a leader.
    NoLeader { subject: String },
    /// Record bytes that are damaged.
    Corrupt { subject: String, reason: String },
}

impl Error {
    /// A refusal with the broker's own words, if it had any.
    pub fn refused(subject: impl Into<String>, code: ErrorCode, message: Option<&str>) -> Error {
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Error::Refused { subject: subject.into(), code, message }
    }

    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, perhaps at another broker.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Lost { .. } | Error::TimedOut { .. } => true,
            Error::NoLeader { .. } => true,
            Error::Refused { code, .. } => is_retriable(*code),
            Error::Unsupported { .. } | Error::Malformed { .. } | Error::Corrupt { .. } => false,
        }
    }

    /// Whether the request may have been carried out all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Error::Lost { .. } | Error::TimedOut { .. } | Error::Malformed { .. } => true,
            Error::Refused { code, .. } => matches!(
                *code,
                ErrorCode::REQUEST_TIMED_OUT
                    | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                    | ErrorCode::NETWORK_EXCEPTION
                    | ErrorCode::UNKNOWN_SERVER_ERROR
                    | ErrorCode::KAFKA_STORAGE_ERROR
            ),
            _ => false,
        }
    }
}

/// Kafka's own division of its codes (the protocol guide's column "retriable").
fn is_retriable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::NETWORK_EXCEPTION
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::CONCURRENT_TRANSACTIONS
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::LISTENER_NOT_FOUND
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE
            | ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE
            | ErrorCode::UNSTABLE_OFFSET_COMMIT
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreachable { peer, reason } => write!(f, "{peer} cannot be reached: {reason}"),
            Error::Lost { peer, reason } => write!(f, "the connection to {peer} broke: {reason}"),
            Error::TimedOut { peer, api, after } => {
                write!(f, "{peer} did not answer {api} within {} s", after.as_secs_f64())
            }
            Error::Unsupported { peer, api } => {
                write!(f, "{peer} speaks no version of {api} that this client knows")
            }
            Error::Malformed { peer, reason } => {
                write!(f, "{peer} does not follow Kafka's protocol: {reason}")
            }
            Error::Refused { subject, code, message } => {
                let said = message.as_deref().unwrap_or(code.message()).trim_end_matches('.');
                write!(f, "{subject}: {said} ({code})")
            }
            Error::NoLeader { subject } => write!(f, "{subject} has no leader at the moment"),
            Error::Corrupt { subject, reason } => write!(f, "{subject} is damaged: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
