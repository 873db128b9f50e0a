//! Appending: what is checked, which offset is given, where the bytes go. Synchronous, so that
//! the order of calls is the order of offsets.

use std::rc::Rc;

use super::error::AppendError;
use super::flush::Mark;
use super::header::Header;
use super::producers::{
    Claim, Ended, Guard, Marker, Origin, Producers, Refusal, Remembered, Verdict,
};
use super::segment::Segment;
use super::settings::TimestampType;
use super::{Log, check, marker};
use crate::base::buf::{ALIGN, Buf};
use crate::base::planted;
use crate::model::{LeaderEpoch, Offset};
use crate::wire::batch;

/// Smaller record sets are copied even when they could be adopted: a chunk of their own would
/// cost more than the copy.
const ADOPT_MIN: usize = 32 << 10;

/// The bytes of a record set.
pub enum Records<'a> {
    /// Copied into the tail.
    Copy(&'a [u8]),
    /// Received straight into a pooled buffer from `start` on (up to its length); becomes part of
    /// the tail when `start` is still [`Log::adoption_start`], and is copied otherwise.
    Adopt { buf: Buf, start: usize },
}

impl Records<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Records::Copy(bytes) => bytes,
            Records::Adopt { buf, start } => &buf[*start..],
        }
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    /// In ms under LogAppendTime, -1 otherwise.
    pub append_time_ms: i64,
    pub bytes: usize,
    /// The batch had been appended before: these are its first offsets, and nothing changed.
    pub duplicate: bool,
}

impl Log {
    /// Where in a buffer a record set must be received for it to be adopted; holds until the next
    /// append.
    pub fn adoption_start(&self) -> usize {
        (self.tail.end() % ALIGN as u64) as usize
    }

    /// Appends the one batch of a produce request (or of a coordinator), or all batches of a
    /// leader, which keep their offsets and epochs. The records may be read when the watermark
    /// that the reader honours has passed them; they are on their way to the device with the next
    /// flush step.
    pub fn append(
        &self,
        records: Records<'_>,
        epoch: LeaderEpoch,
        now_ms: i64,
        origin: Origin,
    ) -> Result<Appended, AppendError> {
        self.check_open()?;
        if origin == Origin::Client && self.room.is_short() {
            self.room.refuse();
            return Err(AppendError::DiskFull);
        }
        match origin {
            Origin::Leader => self.append_leaders(records.bytes()),
            Origin::Client | Origin::Coordinator => {
                self.append_one(records, epoch, now_ms, origin, Terms::Any)
            }
        }
    }

    /// Appends the batch of a client, of which nobody knows yet whether the transaction it belongs
    /// to is under way: the first one needs the guard of [`Log::begin_verification`].
    pub fn append_verified(
        &self,
        records: Records<'_>,
        epoch: LeaderEpoch,
        now_ms: i64,
        guard: Option<Guard>,
    ) -> Result<Appended, AppendError> {
        self.check_open()?;
        if self.room.is_short() {
            self.room.refuse();
            return Err(AppendError::DiskFull);
        }
        self.append_one(records, epoch, now_ms, Origin::Client, Terms::Guarded(guard))
    }

    /// Goes on with the guards that the log gave which this one takes the place of.
    pub fn take_verifications(&self, other: &Log) {
        self.verifications.replace(other.verifications.take());
    }

    /// Before the coordinator is asked whether a client's batch belongs to a transaction under way.
    /// `None`: it does, as far as this log knows, and nobody need be asked. `raises_epoch`: the
    /// producer has a new epoch for each transaction.
    pub fn begin_verification(
        &self,
        claim: &Claim,
        raises_epoch: bool,
        now_ms: i64,
    ) -> Result<Option<Guard>, Refusal> {
        if !self.producers.borrow().needs_verification(claim)? {
            return Ok(None);
        }
        let most = self.settings.get().producer_ids_max;
        self.verifications.borrow_mut().begin(claim, raises_epoch, now_ms, most).map(Some)
    }

    /// Whether records of this producer's transaction may be appended now by a coordinator of this
    /// broker, which has no sequences: the transaction is under way here, or this is its guard.
    pub fn check_guard(
        &self,
        producer_id: i64,
        epoch: i16,
        guard: Option<Guard>,
    ) -> Result<(), Refusal> {
        let producers = self.producers.borrow();
        if producers.is_stale(producer_id, epoch) {
            return Err(Refusal::StaleEpoch);
        }
        let is_open = producers.is_open(producer_id, epoch);
        let is_proved = is_open || self.verifications.borrow().holds(producer_id, guard);
        is_proved.then_some(()).ok_or(Refusal::NotVerified)
    }

    /// Appends the control batch with which a coordinator ends a transaction. Version 2 of
    /// transactions (KIP-890) demands more of the marker's epoch.
    pub fn append_marker(
        &self,
        records: &[u8],
        epoch: LeaderEpoch,
        now_ms: i64,
        txn_version: i16,
    ) -> Result<Appended, AppendError> {
        self.check_open()?;
        let records = Records::Copy(records);
        self.append_one(records, epoch, now_ms, Origin::Coordinator, Terms::Marker(txn_version))
    }

    fn check_open(&self) -> Result<(), AppendError> {
        match self.failure() {
            Some(error) => Err(AppendError::Offline(error)),
            None if self.disk_full.borrow().is_some() => {
                self.room.refuse();
                Err(AppendError::DiskFull)
            }
            None => Ok(()),
        }
    }

    fn append_one(
        &self,
        records: Records<'_>,
        epoch: LeaderEpoch,
        now_ms: i64,
        origin: Origin,
        terms: Terms,
    ) -> Result<Appended, AppendError> {
        let settings = self.settings.get();
        let bytes = records.bytes();
        if bytes.len() > settings.max_message_bytes && origin == Origin::Client {
            let most = settings.max_message_bytes;
            return Err(AppendError::TooLarge { bytes: bytes.len(), most });
        }
        let mut checked = check::one(bytes, origin)?;
        let mut header = checked.header;
        let said = Said::of(&header, bytes, terms.txn_version());
        let most = settings.producer_ids_max;
        let verdict = match &said {
            Said::Nothing => Ok(Verdict::Append),
            Said::Batch(claim) => match terms {
                Terms::Guarded(guard) => {
                    let verifications = self.verifications.borrow();
                    self.producers.borrow().check_verified(claim, most, &verifications, guard)
                }
                Terms::Any | Terms::Marker(_) => self.producers.borrow().check(claim, origin, most),
            },
            Said::End(marker) => {
                self.producers.borrow().check_marker(marker, origin).map(|()| Verdict::Append)
            }
        };
        if let Verdict::Duplicate(batch) = verdict.map_err(AppendError::Producer)? {
            return Ok(Appended {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset,
                append_time_ms: match settings.timestamp_type {
                    TimestampType::CreateTime => -1,
                    TimestampType::LogAppendTime => batch.timestamp,
                },
                bytes: 0,
                duplicate: true,
            });
        }
        let (mut youngest, mut repacked) = (None, None);
        if origin == Origin::Client {
            let other = checked.other_compression(&settings);
            if other.is_some() {
                checked.unpack(&settings)?;
            }
            youngest = checked.suits(&settings, now_ms)?;
            repacked = other.map(|to| checked.repack(to, &settings)).transpose()?;
        }
        let records = match &repacked {
            Some(bytes) => {
                header.len = bytes.len();
                Records::Copy(bytes)
            }
            None => records,
        };
        let append_time_ms = match settings.timestamp_type {
            TimestampType::LogAppendTime => now_ms,
            TimestampType::CreateTime => -1,
        };
        header.max_timestamp = match settings.timestamp_type {
            TimestampType::LogAppendTime => now_ms,
            TimestampType::CreateTime => youngest.unwrap_or(header.max_timestamp),
        };
        header.base_offset = self.end_offset.get();
        header.leader_epoch = epoch.0;
        let stamp = |bytes: &mut [u8]| {
            batch::stamp(bytes, header.base_offset, header.leader_epoch);
            if append_time_ms >= 0 {
                batch::stamp_append_time(bytes, append_time_ms);
            } else if let Some(youngest) = youngest {
                batch::stamp_max_timestamp(bytes, youngest);
            }
        };
        self.roll_for(&header, now_ms);
        let address = match records {
            Records::Adopt { mut buf, start }
                if buf.len() - start >= ADOPT_MIN && start == self.adoption_start() =>
            {
                stamp(&mut buf[start..]);
                self.tail.adopt(buf, start, header.base_offset)
            }
            records => self.tail.copy(records.bytes(), header.base_offset, stamp),
        };
        self.account(&header, address, &said);
        Ok(Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            append_time_ms,
            bytes: header.len,
            duplicate: false,
        })
    }

    /// All or nothing: every batch is checked before the first is appended.
    fn append_leaders(&self, records: &[u8]) -> Result<Appended, AppendError> {
        let mut expected = self.end_offset.get();
        let base_offset = expected;
        let mut at = 0;
        while at < records.len() {
            let header = check::whole(&records[at..])?;
            if header.base_offset < expected {
                return Err(AppendError::NotNext { expected, found: header.base_offset });
            }
            expected = header.last_offset() + 1;
            at += header.len;
        }
        let mut at = 0;
        while at < records.len() {
            let header = Header::read(&records[at..]).map_err(AppendError::Batch)?;
            self.roll_for(&header, header.max_timestamp);
            let batch = &records[at..at + header.len];
            let address = self.tail.copy(batch, header.base_offset, |_| {});
            self.account(&header, address, &Said::of(&header, batch, 0));
            at += header.len;
        }
        Ok(Appended {
            base_offset,
            last_offset: expected - 1,
            append_time_ms: -1,
            bytes: records.len(),
            duplicate: false,
        })
    }

    /// Enters a batch, now in the tail at `address`, into everything that knows of batches.
    fn account(&self, header: &Header, address: u64, said: &Said) {
        let segment: Rc<Segment> = self.active();
        let settings = self.settings.get();
        segment.note(header, address - segment.address.get(), settings.index_interval_bytes);
        if let Some(ended) = said.apply(&mut self.producers.borrow_mut(), header) {
            segment.note_ended(&ended);
        }
        if header.is_transactional {
            let is_marker = header.is_control;
            let (id, epoch) = (header.producer_id, header.producer_epoch);
            self.verifications.borrow_mut().appended(id, epoch, is_marker);
        }
        let epoch = LeaderEpoch(header.leader_epoch);
        if self.epochs.borrow_mut().assign(epoch, header.base_offset) {
            self.epochs_kept.set(false);
        }
        let end = header.last_offset() + 1;
        self.end_offset.set(end);
        if planted::is("count-as-written-at-once") {
            self.written_offset.set(end);
            self.synced_offset.set(end);
        }
        self.pipeline.borrow_mut().appended(Mark {
            end: address + header.len as u64,
            offset: end,
            bytes: header.len,
        });
        if settings.flush_messages < i64::MAX {
            self.count_towards_sync(settings.flush_messages);
        }
        segment.prepare_ahead(settings.growth(), &self.room);
    }
}

/// What is asked of a batch beside the rules for all.
#[derive(Clone, Copy)]
enum Terms {
    Any,
    /// The first batch of a transaction needs a guard.
    Guarded(Option<Guard>),
    /// Of the level of `transaction.version`.
    Marker(i16),
}

impl Terms {
    fn txn_version(self) -> i16 {
        match self {
            Terms::Marker(version) => version,
            Terms::Any | Terms::Guarded(_) => 0,
        }
    }
}

/// What a batch says about its producer.
pub(super) enum Said {
    Nothing,
    Batch(Claim),
    /// A transaction has ended.
    End(Marker),
}

impl Said {
    pub(super) fn of(header: &Header, batch: &[u8], txn_version: i16) -> Said {
        let said = if header.is_control {
            marker::read(batch, txn_version).map(Said::End)
        } else {
            claim(header).map(Said::Batch)
        };
        said.unwrap_or(Said::Nothing)
    }

    /// Records it, now that the batch has its offset; yields the transaction that it ended.
    pub(super) fn apply(&self, producers: &mut Producers, header: &Header) -> Option<Ended> {
        match self {
            Said::Nothing => None,
            Said::Batch(claim) => {
                producers.apply(claim, remembered(header));
                None
            }
            Said::End(marker) => producers.apply_marker(marker, header.base_offset),
        }
    }
}

fn claim(header: &Header) -> Option<Claim> {
    (header.producer_id >= 0).then_some(Claim {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_sequence: header.last_sequence,
        transactional: header.is_transactional,
    })
}

fn remembered(header: &Header) -> Remembered {
    Remembered {
        last_sequence: header.last_sequence,
        last_offset: header.last_offset(),
        offset_delta: header.last_offset_delta,
        timestamp: header.max_timestamp,
    }
}
