//! What can go wrong with a log. An [`Error`] names file and position and takes the partition
//! offline until it is opened again; a refusal of one append or read changes nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::producers::Refusal;
use crate::model::Offset;
use crate::wire::batch::BatchError;

/// A fault of the disk or of what is on it.
#[derive(Clone, Debug)]
pub struct Error(Rc<Fault>);

#[derive(Debug)]
struct Fault {
    path: PathBuf,
    position: Option<u64>,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The file system or the device refused; the kind and its text.
    Io(io::ErrorKind, String),
    /// Bytes that were on stable media are not what was written.
    Corrupt(String),
    /// The log was closed or deleted.
    Closed,
}

impl Error {
    pub fn io(path: &Path, position: Option<u64>, error: &io::Error) -> Error {
        let cause = Cause::Io(error.kind(), error.to_string());
        Error(Rc::new(Fault { path: path.to_owned(), position, cause }))
    }

    pub fn corrupt(path: &Path, position: u64, what: impl Into<String>) -> Error {
        let cause = Cause::Corrupt(what.into());
        Error(Rc::new(Fault { path: path.to_owned(), position: Some(position), cause }))
    }

    pub fn closed(path: &Path) -> Error {
        Error(Rc::new(Fault { path: path.to_owned(), position: None, cause: Cause::Closed }))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Bytes from the start of the file, where one place is to blame.
    pub fn position(&self) -> Option<u64> {
        self.0.position
    }

    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    pub fn is_corruption(&self) -> bool {
        matches!(self.0.cause, Cause::Corrupt(_))
    }

    pub fn is_closed(&self) -> bool {
        self.0.cause == Cause::Closed
    }

    /// No room: passes by itself when there is some.
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.0.cause,
            Cause::Io(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.path.display())?;
        if let Some(position) = self.0.position {
            write!(f, " at byte {position}")?;
        }
        match &self.0.cause {
            Cause::Io(_, text) => write!(f, ": {text}"),
            Cause::Corrupt(what) => write!(f, ": corrupt: {what}"),
            Cause::Closed => f.write_str(": the log is closed"),
        }
    }
}

impl std::error::Error for Error {}

/// Names the file in an [`io::Error`].
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Error> {
        self.map_err(|error| Error::io(path, None, &error))
    }
}

/// Why a batch was not appended. Nothing has changed.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// KAFKA_STORAGE_ERROR: the log has failed or is closed.
    Offline(Error),
    /// KAFKA_STORAGE_ERROR: too little room on the disk now; passes when there is more.
    DiskFull,
    /// MESSAGE_TOO_LARGE
    TooLarge { bytes: usize, most: usize },
    /// MESSAGE_TOO_LARGE: a batch that had to be decompressed grows too large.
    UnpacksTooLarge { most: usize },
    /// INVALID_RECORD: so does one of its records.
    RecordTooLarge { most: usize },
    /// What [`BatchError::error_code`] says.
    Batch(BatchError),
    /// INVALID_RECORD: only coordinators write control batches.
    ControlBatch,
    /// INVALID_RECORD: records without keys, by their places, in a compacted topic.
    NoKey(Vec<i32>),
    /// INVALID_TIMESTAMP: records too old or too far ahead, by their places; none are named when
    /// they are compressed.
    Timestamp(Vec<i32>),
    /// What the producer's state says; see [`Refusal`] for the codes.
    Producer(Refusal),
    /// OFFSET_OUT_OF_RANGE: a leader's batch that does not continue this log.
    NotNext { expected: Offset, found: Offset },
}

impl AppendError {
    /// The records that are to blame, by their places in the batch.
    pub fn records(&self) -> &[i32] {
        match self {
            AppendError::NoKey(records) | AppendError::Timestamp(records) => records,
            _ => &[],
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Where it failed is the operator's business.
            AppendError::Offline(_) => f.write_str("the partition is offline"),
            AppendError::DiskFull => f.write_str("the disk is full, or nearly so"),
            AppendError::TooLarge { bytes, most } => {
                write!(f, "the batch has {bytes} bytes, the topic takes {most} (max.message.bytes)")
            }
            AppendError::UnpacksTooLarge { most } => {
                write!(f, "the batch has more than {most} bytes when it is decompressed")
            }
            AppendError::RecordTooLarge { most } => write!(
                f,
                "a record has more than {most} bytes when it is decompressed \
                 (max.decompressed.message.bytes)"
            ),
            AppendError::Batch(error) => error.fmt(f),
            AppendError::ControlBatch => f.write_str("only a broker writes control batches"),
            AppendError::NoKey(_) => f.write_str("records of a compacted topic need a key"),
            AppendError::Timestamp(_) => f.write_str(
                "a timestamp is too old or too far ahead (message.timestamp.before.max.ms and \
                 message.timestamp.after.max.ms)",
            ),
            AppendError::Producer(refusal) => f.write_str(refusal.message()),
            AppendError::NotNext { expected, found } => {
                write!(f, "the batch begins at offset {found} and not at {expected}")
            }
        }
    }
}

/// Why nothing was read.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE
    OutOfRange { log_start_offset: Offset, log_end_offset: Offset },
    /// KAFKA_STORAGE_ERROR
    Offline(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> ReadError {
        ReadError::Offline(error)
    }
}
