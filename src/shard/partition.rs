//! One partition at home on this core: its log, who waits for acknowledgements, who waits for more
//! to read. Owned by one core for as long as it lives there.
//!
//! Appends take their offsets at once, in the order they come. One flush task a partition runs while
//! there is something unwritten: all that arrives during a device write goes out with the next, and
//! acknowledgements leave strictly in offset order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::append_group::{AppendGroup, AppendResult, Reason};
use super::directories::Directory;
use super::forced_sync::ForcedSync;
use super::hold::Hold;
use super::message::{AckWait, Proof};
use super::query::{Answer, Ask, ProducerSeen, Read, ReadAnswer, Sizes, Told};
use crate::base::planted;
use crate::base::signal::{Broadcast, Signal};
use crate::log::producers::Refusal;
use crate::log::{self, AppendError, Log, Origin, ReadError, Records};
use crate::model::DurabilityLevel;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{LeaderEpoch, PartitionId, TopicId};
use crate::notice;
use crate::rt::{self, Piece};
use crate::wire::batch::BatchError;

pub struct Partition {
    pub topic: TopicId,
    pub name: Rc<str>,
    pub index: PartitionId,
    epoch: Cell<i32>,
    level: Cell<DurabilityLevel>,
    /// Another one after it has moved to another directory.
    log: RefCell<Rc<Log>>,
    home: RefCell<Rc<Directory>>,
    pub(super) hold: Hold,
    /// Waiting for the device write, and for the topic's level; each in offset order.
    at_written: RefCell<VecDeque<Waiting>>,
    at_level: RefCell<VecDeque<Waiting>>,
    watchers: RefCell<Vec<Rc<Signal>>>,
    flushing: Cell<bool>,
    flushed: Broadcast,
    pub(super) forced_sync: ForcedSync,
    /// The operator knows that the log has failed.
    told_offline: Cell<bool>,
    /// Given up from outside.
    is_lost: Cell<bool>,
    /// Raised on every step of the flush: memory may have become free.
    progress: Rc<Broadcast>,
}

/// How long a closing partition waits for room on a full disk.
const FULL_WAIT: Duration = Duration::from_secs(2);

struct Waiting {
    /// Acknowledged when everything below this offset is safe.
    end: i64,
    group: Rc<AppendGroup>,
    index: usize,
    result: AppendResult,
}

/// Kafka: RecordBatch.NO_PARTITION_LEADER_EPOCH.
const UNDEFINED_EPOCH: i32 = -1;

/// What a read finds besides the answer's numbers: memory and file ranges of this core.
pub type Pieces = Vec<Piece>;

impl Partition {
    pub fn new(
        topic: TopicId,
        name: Rc<str>,
        index: PartitionId,
        epoch: i32,
        log: Rc<Log>,
        home: Rc<Directory>,
        progress: Rc<Broadcast>,
    ) -> Rc<Partition> {
        let partition = Rc::new(Partition {
            topic,
            name,
            index,
            epoch: Cell::new(epoch),
            level: Cell::new(DurabilityLevel::Synced),
            log: RefCell::new(log),
            home: RefCell::new(home),
            hold: Hold::default(),
            at_written: RefCell::default(),
            at_level: RefCell::default(),
            watchers: RefCell::default(),
            flushing: Cell::new(false),
            flushed: Broadcast::default(),
            forced_sync: ForcedSync::default(),
            told_offline: Cell::new(false),
            is_lost: Cell::new(false),
            progress,
        });
        // What was recovered is on stable media: it is safe at every level.
        partition.log().set_high_watermark(partition.high_watermark());
        partition
    }

    #[inline]
    pub fn log(&self) -> Rc<Log> {
        self.log.borrow().clone()
    }

    /// The directory that it lies in.
    pub fn home(&self) -> Rc<Directory> {
        self.home.borrow().clone()
    }

    /// Its log goes on in another directory, or again where it was. What was recovered is safe at every
    /// level.
    pub(super) fn install(&self, log: Rc<Log>, home: Rc<Directory>) {
        // What it was asked about transactions is in no file.
        log.take_verifications(&self.log());
        *self.log.borrow_mut() = log;
        *self.home.borrow_mut() = home;
        self.log().set_high_watermark(self.high_watermark());
        self.wake_watchers();
    }

    /// Its directory does not work any more, or nobody knows which of two is its log.
    pub(super) fn lose(&self, error: log::Error) {
        // Whoever does so has told.
        self.told_offline.set(true);
        self.is_lost.set(true);
        self.home().note_outage();
        self.log().take_offline(error);
        self.fail_waiting(ErrorCode::KAFKA_STORAGE_ERROR);
    }

    pub fn epoch(&self) -> i32 {
        self.epoch.get()
    }

    pub fn set_epoch(&self, epoch: i32) {
        self.epoch.set(epoch);
    }

    pub fn set_level(&self, level: DurabilityLevel) {
        self.level.set(level);
        self.log().set_high_watermark(self.high_watermark());
    }

    /// What consumers may see: everything that is safe at the topic's level. So nothing that was
    /// consumed is ever taken back.
    pub fn high_watermark(&self) -> i64 {
        if planted::is("serve-unwritten") {
            return self.log().end_offset();
        }
        self.safe_at(self.level.get())
    }

    fn safe_at(&self, level: DurabilityLevel) -> i64 {
        match level {
            DurabilityLevel::Relaxed => self.log().end_offset(),
            DurabilityLevel::Written => self.log().progress().written_offset,
            DurabilityLevel::Synced if planted::is("ack-before-sync") => {
                self.log().progress().written_offset
            }
            DurabilityLevel::Synced => self.log().progress().synced_offset,
        }
    }

    /// Appends one record set; its result goes into `group` when it is safe enough.
    pub fn append(
        self: &Rc<Self>,
        records: Records<'_>,
        proof: Proof,
        wait: AckWait,
        group: &Rc<AppendGroup>,
        index: usize,
    ) {
        if self.hold.is_on() {
            self.hold.keep(records, proof, wait, group, index);
            return;
        }
        let (log, epoch, now_ms) = (self.log(), LeaderEpoch(self.epoch.get()), rt::unix_ms());
        let appended = match proof {
            Proof::Needless => log.append(records, epoch, now_ms, Origin::Client),
            Proof::Guard(guard) => log.append_verified(records, epoch, now_ms, guard),
        };
        match appended {
            Ok(appended) => {
                let result = AppendResult {
                    error: ErrorCode::NONE,
                    base_offset: appended.base_offset,
                    append_time_ms: appended.append_time_ms,
                    log_start_offset: self.log().log_start_offset(),
                    reason: None,
                };
                let end = appended.last_offset + 1;
                let level = match wait {
                    AckWait::Nothing => DurabilityLevel::Relaxed,
                    AckWait::Written => self.level.get().min(DurabilityLevel::Written),
                    AckWait::Level => self.level.get(),
                };
                let is_safe = self.safe_at(level) >= end || planted::is("ack-before-write");
                if is_safe || wait == AckWait::Nothing {
                    group.settle(index, result);
                } else {
                    let queue = match wait {
                        AckWait::Written => &self.at_written,
                        _ => &self.at_level,
                    };
                    let waiting = Waiting { end, group: group.clone(), index, result };
                    queue.borrow_mut().push_back(waiting);
                }
                self.appended();
            }
            Err(error) => group.settle(index, self.refusal(error)),
        }
    }

    /// Appends one batch of a coordinator of this core; where the log then ends. It is safe when
    /// the high watermark is there. Refused, to be tried again, while the log goes on elsewhere.
    pub fn append_own(self: &Rc<Self>, batch: &[u8]) -> Result<i64, ErrorCode> {
        let (epoch, now_ms) = (LeaderEpoch(self.epoch.get()), rt::unix_ms());
        if self.hold.is_on() {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let records = Records::Copy(batch);
        let appended = self.log().append(records, epoch, now_ms, Origin::Coordinator);
        self.own(appended)
    }

    /// Appends the marker that ends a transaction; where the log then ends.
    pub fn append_marker(
        self: &Rc<Self>,
        marker: &[u8],
        txn_version: i16,
    ) -> Result<i64, ErrorCode> {
        let (epoch, now_ms) = (LeaderEpoch(self.epoch.get()), rt::unix_ms());
        if self.hold.is_on() {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let appended = self.log().append_marker(marker, epoch, now_ms, txn_version);
        self.own(appended)
    }

    fn own(
        self: &Rc<Self>,
        appended: Result<log::Appended, AppendError>,
    ) -> Result<i64, ErrorCode> {
        match appended {
            Ok(appended) => {
                self.appended();
                Ok(appended.last_offset + 1)
            }
            Err(error) => Err(self.refusal(error).error),
        }
    }

    /// Records have come in: brings them to the device, and shows those that are safe already.
    fn appended(self: &Rc<Self>) {
        if self.level.get() == DurabilityLevel::Relaxed {
            self.log().set_high_watermark(self.high_watermark());
            self.wake_watchers();
        }
        self.flush();
        self.time_sync();
    }

    fn refusal(&self, error: AppendError) -> AppendResult {
        if let AppendError::Offline(error) = &error {
            self.tell_offline(error);
        }
        let start = tells_start(&error).then(|| self.log().log_start_offset());
        AppendResult {
            log_start_offset: start.unwrap_or(-1),
            reason: Some(Box::new(Reason {
                message: error.to_string(),
                records: error.records().into(),
            })),
            ..AppendResult::failed(code_of(&error))
        }
    }

    /// Starts the flush task unless it runs or there is nothing to do.
    pub fn flush(self: &Rc<Self>) {
        if self.log().is_dirty() && !self.flushing.replace(true) {
            let partition = self.clone();
            rt::spawn(async move { partition.run_flush().await }).detach();
        }
    }

    async fn run_flush(self: Rc<Self>) {
        // Let every connection that is ready append first: one write then carries them all.
        rt::yield_now().await;
        while self.log().is_dirty() {
            if planted::is("slow-flush") {
                rt::sleep(Duration::from_millis(20)).await;
            }
            if self.log().flush_step().await.is_ok() {
                self.acknowledge();
            }
        }
        // Not only the flush finds faults: segments are finished beside it.
        if let Some(error) = self.log().failure() {
            self.tell_offline(&error);
            self.fail_waiting(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        self.flushing.set(false);
        self.flushed.raise();
        self.progress.raise();
    }

    fn acknowledge(&self) {
        let level = self.level.get();
        self.log().set_high_watermark(self.high_watermark());
        release(&self.at_written, self.safe_at(level.min(DurabilityLevel::Written)));
        release(&self.at_level, self.safe_at(level));
        self.wake_watchers();
        self.progress.raise();
    }

    fn tell_offline(&self, error: &log::Error) {
        if !self.told_offline.replace(true) && !error.is_closed() {
            notice!("{}-{} is offline: {error}", self.name, self.index);
            self.home().note_outage();
            self.home().suspect(error);
        }
    }

    /// A write, a flush or another operation of the disk has failed: nothing is served any more.
    pub fn has_failed(&self) -> bool {
        self.is_lost.get() || self.log().failure().is_some_and(|error| !error.is_closed())
    }

    /// Waits until nothing is unwritten (or the log has failed).
    pub async fn flushed(self: &Rc<Self>) {
        self.flush();
        while self.flushing.get() {
            self.flushed.wait().await;
        }
    }

    /// The topic is gone: who waits is told so.
    pub fn retire(&self) {
        self.hold.retire();
        self.end_forced_syncs();
        self.fail_waiting(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }

    /// Writes what is unwritten and closes the log. On a full disk neither may ever end: then the
    /// log is left as a crash would leave it.
    pub async fn close(self: &Rc<Self>) {
        self.end_forced_syncs();
        let closing = async {
            self.flushed().await;
            self.log().close().await
        };
        let mut closing = std::pin::pin!(closing);
        loop {
            match rt::timeout(FULL_WAIT, closing.as_mut()).await {
                None if !self.log().is_disk_full() => {}
                None => {
                    notice!(
                        "{}-{} was not closed in order: the disk is full",
                        self.name,
                        self.index
                    );
                    break;
                }
                Some(Err(error)) => {
                    notice!("{}-{} was not closed in order: {error}", self.name, self.index);
                    break;
                }
                Some(Ok(_)) => break,
            }
        }
        self.fail_waiting(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }

    fn fail_waiting(&self, error: ErrorCode) {
        for queue in [&self.at_written, &self.at_level] {
            for waiting in queue.borrow_mut().drain(..) {
                waiting.group.settle(waiting.index, AppendResult::failed(error));
            }
        }
        self.wake_watchers();
    }

    /// `watcher` is raised with the next advance of what can be read, once.
    pub fn watch(&self, watcher: &Rc<Signal>) {
        let mut watchers = self.watchers.borrow_mut();
        // Watchers whose request was answered meanwhile are swept as the list grows.
        if watchers.len() >= 64 && watchers.len().is_power_of_two() {
            watchers.retain(|watcher| Rc::strong_count(watcher) > 1);
        }
        watchers.push(watcher.clone());
    }

    fn wake_watchers(&self) {
        if !self.watchers.borrow().is_empty() {
            for watcher in self.watchers.borrow_mut().drain(..) {
                watcher.raise();
            }
        }
    }

    fn check_epoch(&self, believed: i32) -> ErrorCode {
        match believed {
            -1 => ErrorCode::NONE,
            older if older < self.epoch.get() => ErrorCode::FENCED_LEADER_EPOCH,
            newer if newer > self.epoch.get() => ErrorCode::UNKNOWN_LEADER_EPOCH,
            _ => ErrorCode::NONE,
        }
    }

    /// Answers everything but reads, which hand out pieces: see [`Partition::read`].
    pub async fn answer(self: &Rc<Self>, leader_epoch: i32, ask: Ask) -> Answer {
        let error = self.check_epoch(leader_epoch);
        if error != ErrorCode::NONE {
            return Answer::error(error);
        }
        if self.home().is_lost() {
            return Answer::error(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        let _using = match &ask {
            // A read says so itself.
            Ask::Read(_) | Ask::Size => None,
            _ => Some(self.hold.use_log().await),
        };
        match ask {
            Ask::Read(read) => {
                let (mut answer, pieces) = self.read(leader_epoch, read).await;
                if let Told::Read(told) = &mut answer.told {
                    match log::gather(pieces).await {
                        Ok(copied) => told.copied = Some(copied),
                        Err(error) => return Answer::error(self.unreadable(&error)),
                    }
                }
                answer
            }
            Ask::OffsetAt { timestamp_ms, committed_only } => {
                self.offset_at(timestamp_ms, committed_only).await
            }
            Ask::EpochEnd { epoch } => {
                let (leader_epoch, end_offset) = self.epoch_end(epoch);
                Answer::told(Told::EpochEnd { leader_epoch, end_offset })
            }
            Ask::DeleteBefore { offset } => self.delete_before(offset).await,
            Ask::Size => Answer::told(Told::Size(self.sizes())),
            Ask::Move { .. } => Answer::error(ErrorCode::INVALID_REQUEST),
            Ask::Vouch { claim, raises_epoch } => {
                match self.log().begin_verification(&claim, raises_epoch, rt::unix_ms()) {
                    Ok(guard) => Answer::told(Told::Vouched(guard)),
                    Err(refusal) => Answer::error(code_of_refusal(refusal)),
                }
            }
            Ask::Producers => Answer::told(Told::Producers(self.producers())),
        }
    }

    fn producers(&self) -> Vec<ProducerSeen> {
        let log = self.log();
        let known = log.producers();
        let seen = known.iter().map(|(producer_id, it)| ProducerSeen {
            producer_id,
            epoch: it.epoch,
            last_sequence: it.last().map_or(-1, |last| last.last_sequence),
            last_timestamp: it.last_timestamp,
            coordinator_epoch: it.coordinator_epoch,
            txn_first_offset: it.txn_first_offset.unwrap_or(-1),
        });
        seen.collect()
    }

    /// The end of an epoch in this log, as Kafka tells it: the present one ends at the log's end,
    /// one before everything that is left where that begins (whatever its number), and one that is
    /// still to come nowhere.
    fn epoch_end(&self, epoch: i32) -> (i32, i64) {
        let present = self.epoch.get();
        if epoch == present {
            return (epoch, self.log().end_offset());
        }
        if epoch == UNDEFINED_EPOCH || epoch > present {
            return (UNDEFINED_EPOCH, -1);
        }
        self.log().epoch_end(epoch).unwrap_or((epoch, self.log().log_start_offset()))
    }

    fn unreadable(&self, error: &log::Error) -> ErrorCode {
        notice!("{}-{} cannot be read: {error}", self.name, self.index);
        if self.has_failed() {
            self.home().note_outage();
        }
        self.home().suspect(error);
        ErrorCode::KAFKA_STORAGE_ERROR
    }

    fn sizes(&self) -> Sizes {
        let log = self.log();
        Sizes {
            directory: self.home().place,
            bytes: log.size_bytes(),
            future: self.hold.moving().map(|moving| moving.sizes(log.end_offset())),
        }
    }

    fn read_limit(&self, committed_only: bool) -> i64 {
        if committed_only { self.last_stable_offset() } else { self.high_watermark() }
    }

    pub fn last_stable_offset(&self) -> i64 {
        self.log().last_stable_offset()
    }

    /// Reads without decoding. The pieces hold whole batches and stay valid as long as they live.
    pub async fn read(self: &Rc<Self>, leader_epoch: i32, read: Read) -> (Answer, Pieces) {
        let error = self.check_epoch(leader_epoch);
        if error != ErrorCode::NONE {
            return (Answer::error(error), Vec::new());
        }
        if self.home().is_lost() {
            return (Answer::error(ErrorCode::KAFKA_STORAGE_ERROR), Vec::new());
        }
        let _using = self.hold.use_log().await;
        let mut told = ReadAnswer {
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
            log_start_offset: self.log().log_start_offset(),
            leader_epoch: self.epoch.get(),
            ..ReadAnswer::default()
        };
        if read.last_fetched_epoch >= 0 {
            let (epoch, end) = self.epoch_end(read.last_fetched_epoch);
            if end < 0 {
                return (Answer::error(ErrorCode::OFFSET_OUT_OF_RANGE), Vec::new());
            }
            if epoch < read.last_fetched_epoch || end < read.offset {
                told.diverging = Some((epoch, end));
                return (Answer::told(Told::Read(Box::new(told))), Vec::new());
            }
        }
        let limit = self.read_limit(read.committed_only);
        let plan =
            self.log().read(read.offset, read.bytes_max as u64, limit, read.at_least_one).await;
        match plan {
            Ok(plan) => {
                if read.committed_only && !plan.pieces.is_empty() {
                    told.aborted = self.log().aborted_transactions(read.offset, plan.next_offset);
                }
                (Answer::told(Told::Read(Box::new(told))), plan.pieces)
            }
            Err(error) => {
                let code = match &error {
                    ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
                    ReadError::Offline(error) => self.unreadable(error),
                };
                // Kafka tells no offsets beside an error either.
                (Answer::error(code), Vec::new())
            }
        }
    }

    async fn offset_at(&self, timestamp_ms: i64, committed_only: bool) -> Answer {
        const LATEST: i64 = -1;
        const EARLIEST: i64 = -2;
        const MAX_TIMESTAMP: i64 = -3;
        const EARLIEST_LOCAL: i64 = -4;
        const LATEST_TIERED: i64 = -5;
        const EARLIEST_PENDING_UPLOAD: i64 = -6;
        let at = |offset: i64, timestamp_ms: i64| {
            let leader_epoch = self.log().epoch_at(offset).unwrap_or(self.epoch.get());
            Answer::told(Told::Offset { offset, timestamp_ms, leader_epoch })
        };
        let none = Answer::told(Told::Offset { offset: -1, timestamp_ms: -1, leader_epoch: -1 });
        let found = match timestamp_ms {
            LATEST => return at(self.read_limit(committed_only), -1),
            EARLIEST | EARLIEST_LOCAL => return at(self.log().log_start_offset(), -1),
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return none,
            MAX_TIMESTAMP => self.log().max_timestamp().await,
            time if time >= 0 => self.log().offset_for_timestamp(time).await,
            _ => return Answer::error(ErrorCode::INVALID_REQUEST),
        };
        match found {
            Ok(Some((timestamp, offset))) if offset < self.read_limit(committed_only) => {
                at(offset, timestamp)
            }
            Ok(_) => none,
            Err(error) => Answer::error(self.unreadable(&error)),
        }
    }

    async fn delete_before(&self, offset: i64) -> Answer {
        const HIGH_WATERMARK: i64 = -1;
        let to = if offset == HIGH_WATERMARK { self.high_watermark() } else { offset };
        if to < 0 || to > self.high_watermark() {
            return Answer::error(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        match self.log().delete_before(to).await {
            Ok(()) => Answer::told(Told::Start(self.log().log_start_offset())),
            Err(error) => {
                notice!("{}-{}: records were not deleted: {error}", self.name, self.index);
                Answer::error(ErrorCode::KAFKA_STORAGE_ERROR)
            }
        }
    }
}

/// Kafka's answer to a producer.
fn code_of(error: &AppendError) -> ErrorCode {
    match error {
        // Offline was reported when it happened; a full disk is a state, and retriable.
        AppendError::Offline(_) | AppendError::DiskFull => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendError::TooLarge { .. } | AppendError::UnpacksTooLarge { .. } => {
            ErrorCode::MESSAGE_TOO_LARGE
        }
        AppendError::Batch(error) => error.error_code(),
        AppendError::ControlBatch | AppendError::NoKey(_) | AppendError::RecordTooLarge { .. } => {
            ErrorCode::INVALID_RECORD
        }
        AppendError::Timestamp(_) => ErrorCode::INVALID_TIMESTAMP,
        AppendError::NotNext { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        AppendError::Producer(refusal) => code_of_refusal(*refusal),
    }
}

pub(super) fn code_of_refusal(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::OutOfOrder => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        Refusal::StaleEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
        Refusal::TransactionOpen | Refusal::NotVerified => ErrorCode::INVALID_TXN_STATE,
        Refusal::CoordinatorFenced => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        Refusal::TooMany => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// Whether the answer says where the log begins: where Kafka looked into the batch and then refused
/// it (ReplicaManager.appendToLocalLog), a producer learns from it whether its records were deleted.
fn tells_start(error: &AppendError) -> bool {
    match error {
        AppendError::Batch(error) => matches!(
            error,
            BatchError::BaseOffset
                | BatchError::Count
                | BatchError::Codec
                | BatchError::AppendTime
                | BatchError::Sequence
                | BatchError::Records
        ),
        AppendError::ControlBatch
        | AppendError::NoKey(_)
        | AppendError::RecordTooLarge { .. }
        | AppendError::Timestamp(_)
        | AppendError::Producer(_) => true,
        AppendError::Offline(_)
        | AppendError::DiskFull
        | AppendError::TooLarge { .. }
        | AppendError::UnpacksTooLarge { .. }
        | AppendError::NotNext { .. } => false,
    }
}

/// Settles, in order, what waits for offsets below `safe`.
fn release(queue: &RefCell<VecDeque<Waiting>>, safe: i64) {
    let safe = if planted::is("ack-with-the-first") { i64::MAX } else { safe };
    let mut queue = queue.borrow_mut();
    while queue.front().is_some_and(|waiting| waiting.end <= safe) {
        if let Some(waiting) = queue.pop_front() {
            waiting.group.settle(waiting.index, waiting.result);
        }
    }
}
