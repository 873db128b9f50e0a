//! Reading a journal: frames of commands, one after the other.
//!
//! A crash can tear the last write, of one frame or of several that say so; from its first bad frame
//! on it is left out, because it was never acknowledged. A bad frame with a good one of a later
//! write behind it is damage to what was acknowledged, and so is a gap in the indexes: both end the
//! reading with a fault, and nothing is ever skipped.

use std::fmt;

use super::command;
use super::frame::{self, FrameFault};
use super::{ClusterImage, Command};
use crate::config::limits::COMMAND_BYTES_MAX;

/// A command and where its frame begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: usize,
    pub index: u64,
    pub command: Command,
}

/// Why a journal cannot be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalFault {
    /// The frame at `at` is bad and yet not in the torn end: a good one of a later write begins at
    /// `good_at`, or the frame's own checksum holds.
    Corrupt { at: usize, fault: FrameFault, good_at: Option<usize> },
    /// A newer broker wrote this.
    Newer { at: usize, version: u16 },
    /// Commands are missing before the one at `at`.
    Gap { at: usize, expected: u64, found: u64 },
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalFault::Corrupt { at, fault, good_at: Some(good_at) } => write!(
                f,
                "the frame at byte {at} is corrupt ({fault}), a good one follows at {good_at}"
            ),
            JournalFault::Corrupt { at, fault, good_at: None } => {
                write!(f, "the frame at byte {at} is corrupt ({fault})")
            }
            JournalFault::Newer { at, version } => {
                write!(f, "the frame at byte {at} has version {version}, of a newer broker")
            }
            JournalFault::Gap { at, expected, found } => {
                write!(f, "the frame at byte {at} has index {found} where {expected} is due")
            }
        }
    }
}

impl std::error::Error for JournalFault {}

/// The commands of a journal's bytes, in order. Ends at the end, at the torn tail, or after a
/// fault.
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Entries<'a> {
    pub fn new(bytes: &'a [u8]) -> Entries<'a> {
        Entries { bytes, at: 0, ended: false }
    }

    /// Bytes of whole frames so far. At the end, what lies beyond is the torn tail, to be cut off
    /// before anything is appended.
    pub fn kept(&self) -> usize {
        self.at
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, JournalFault>;

    fn next(&mut self) -> Option<Result<Entry, JournalFault>> {
        if self.ended || self.at == self.bytes.len() {
            return None;
        }
        let at = self.at;
        let fault = match command::decode(&self.bytes[at..]) {
            Ok((index, command, len)) => {
                self.at += len;
                return Some(Ok(Entry { at, index, command }));
            }
            Err(fault) => fault,
        };
        self.ended = true;
        match fault {
            FrameFault::Version(version) => Some(Err(JournalFault::Newer { at, version })),
            // A checksum which holds was not torn.
            FrameFault::Payload(_) => Some(Err(JournalFault::Corrupt { at, fault, good_at: None })),
            _ => {
                let good_at = Some(good_after(self.bytes, at)?);
                Some(Err(JournalFault::Corrupt { at, fault, good_at }))
            }
        }
    }
}

/// The frames of commands that are written in one go, from index `first` on.
pub fn encode(first: u64, commands: &[Command]) -> Vec<u8> {
    let joined = (first..).zip(commands);
    joined.flat_map(|(index, c)| command::encode_joined(index, c, index > first)).collect()
}

/// Where the next frame with a good checksum begins that was not written together with the frame
/// before it.
fn good_after(bytes: &[u8], at: usize) -> Option<usize> {
    let magic = &frame::COMMAND.0;
    let candidates = (at + 1..end_of_content(bytes)).filter(|&at| bytes[at..].starts_with(magic));
    candidates.into_iter().find(|&at| {
        let opened = frame::open(frame::COMMAND, &bytes[at..], COMMAND_BYTES_MAX);
        match opened {
            Ok(frame) => !frame.joins,
            Err(fault) => matches!(fault, FrameFault::Version(_)),
        }
    })
}

/// Where the zeros of the room that is reserved begin, or a little later. They are most of a
/// journal, so whole pieces of them are passed over.
fn end_of_content(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    while bytes[..end].ends_with(&ZEROS) {
        end -= ZEROS.len();
    }
    end
}

/// What a replay did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Commands that the image did not hold yet.
    pub commands: u64,
    /// Bytes of whole frames: the journal's length, or where its torn tail begins.
    pub kept: usize,
}

/// Brings an image, empty or from a snapshot, up to the end of the journal. What the image holds
/// already is passed over. After a fault the image is as far as the journal was good.
pub fn replay(image: &mut ClusterImage, bytes: &[u8]) -> Result<Replayed, JournalFault> {
    let mut entries = Entries::new(bytes);
    let mut previous: Option<u64> = None;
    let mut commands = 0;
    for entry in entries.by_ref() {
        let Entry { at, index, command } = entry?;
        let expected = previous.map_or(index.min(image.applied() + 1), |previous| previous + 1);
        if index != expected {
            return Err(JournalFault::Gap { at, expected, found: index });
        }
        previous = Some(index);
        if index > image.applied() {
            image.apply(&command);
            assert_eq!(image.applied(), index, "the image follows the journal");
            commands += 1;
        }
    }
    Ok(Replayed { commands, kept: entries.kept() })
}
