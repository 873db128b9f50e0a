//! Moving a partition to another data directory of its host while it goes on (KIP-113). Its files are
//! copied into `<topic>-<partition>.<id>-future` there, in the small share; when little is missing the
//! two are exchanged ([`super::switch`]). One at a time on each core, in the order in which they were
//! asked for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use super::directories::Directory;
use super::partition::Partition;
use super::query::{Ask, Future, Query};
use super::space::floor;
use crate::base::prng::Prng;
use crate::base::signal::Broadcast;
use crate::log::checkpoint::Entry;
use crate::log::{self, Copy, names};
use crate::model::error_code::ErrorCode;
use crate::model::{DirectoryId, PartitionId, TopicId};
use crate::notice;
use crate::rt::{self, file};

/// With so little missing the rest is taken while appends wait; and the most to which that grows
/// where producers are as quick as the copy.
const NEAR_BYTES: u64 = 1 << 20;
const NEAR_BYTES_MAX: u64 = 32 << 20;
/// Rounds that bring it no nearer before it grows.
const ROUNDS: u32 = 8;
/// How long a log that waits for room is left alone.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// After which a move that has to wait looks whether it still has to.
const PACE_PAUSE: Duration = Duration::from_millis(200);

/// One move, from when it was asked for to its end.
pub struct Relocation {
    pub(super) to: Rc<Directory>,
    /// What the copy has.
    offset: Cell<i64>,
    bytes: Cell<u64>,
    is_cancelled: Cell<bool>,
}

impl Relocation {
    fn new(to: Rc<Directory>) -> Rc<Relocation> {
        Rc::new(Relocation {
            to,
            offset: Cell::new(0),
            bytes: Cell::new(0),
            is_cancelled: Cell::new(false),
        })
    }

    /// It comes to nothing, unless it is decided already.
    pub(super) fn cancel(&self) {
        self.is_cancelled.set(true);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }

    pub(super) fn sizes(&self, end_offset: i64) -> Future {
        Future {
            directory: self.to.place,
            bytes: self.bytes.get(),
            lag: (end_offset - self.offset.get()).max(0),
        }
    }

    pub(super) fn note(&self, copy: &Copy) {
        self.offset.set(copy.end_offset());
        self.bytes.set(copy.bytes());
    }
}

/// The moves of one core.
#[derive(Default)]
pub(super) struct Relocations {
    queue: RefCell<VecDeque<Rc<Partition>>>,
    is_busy: Cell<bool>,
    idle: Broadcast,
    must_end: Cell<bool>,
    /// What a directory's checkpoint says of a log that is about to be its own.
    arriving: RefCell<Vec<(usize, Entry)>>,
}

/// Why a move came to nothing.
pub(super) enum Stopped {
    /// Somebody wanted so: its files are to go.
    Cancelled,
    /// The broker stops: it begins again with the next start.
    Ending,
    Fault(log::Error),
    /// What became of it is not known before the next start.
    Undecided(String),
}

impl From<log::Error> for Stopped {
    fn from(error: log::Error) -> Stopped {
        Stopped::Fault(error)
    }
}

impl Shard {
    /// Begins to move a partition of this core to the directory of this place. The codes are Kafka's.
    pub(super) async fn move_partition(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        place: usize,
    ) -> ErrorCode {
        let Some(to) = self.directories().get(place).cloned() else {
            return ErrorCode::LOG_DIR_NOT_FOUND;
        };
        // A log that is closed may just be on its way; then this is what comes next.
        if to.is_lost() || partition.home().is_lost() || partition.has_failed() {
            return ErrorCode::KAFKA_STORAGE_ERROR;
        }
        let same = |moving: Rc<Relocation>| moving.to.place == to.place && !moving.is_cancelled();
        if partition.hold.moving().is_some_and(same) {
            return ErrorCode::NONE;
        }
        if partition.home().place != to.place
            && let Err(reason) = self.check_room(partition, &to).await
        {
            notice!("{}-{} does not move: {reason}", partition.name, partition.index);
            return ErrorCode::KAFKA_STORAGE_ERROR;
        }
        // Meanwhile much may have happened: what counts is how it is now.
        let present = partition.hold.moving();
        if let Some(present) = &present {
            if present.to.place == to.place && !present.is_cancelled() {
                return ErrorCode::NONE;
            }
            present.cancel();
        }
        if partition.home().place == to.place && present.is_none() {
            return ErrorCode::NONE;
        }
        partition.hold.set_moving(Some(Relocation::new(to)));
        self.relocations.queue.borrow_mut().push_back(partition.clone());
        self.work_on_moves();
        ErrorCode::NONE
    }

    /// Begins again with what the last stop cut short.
    pub async fn move_again(self: &Rc<Self>, moves: Vec<(TopicId, PartitionId, DirectoryId)>) {
        let query = |(topic, partition, to)| {
            let directory = self.directory(to)?.place;
            let ask = Ask::Move { directory };
            Some(Query { topic, partition, leader_epoch: -1, ask })
        };
        let queries: Vec<Query> = moves.into_iter().filter_map(query).collect();
        for answer in self.ask(queries).await {
            if !answer.error.is_none() {
                notice!("a move that was cut short does not go on: {}", answer.error.message());
            }
        }
    }

    /// Whether the directory takes this partition and those that are on their way to it.
    async fn check_room(&self, partition: &Partition, to: &Directory) -> Result<(), String> {
        let path = to.path.display();
        let (free, total) =
            file::disk_space(&to.path).await.map_err(|error| format!("{path}: {error}"))?;
        let left = free.saturating_sub(floor(self.config().disk_free_min_bytes, total));
        let coming = |other: &Rc<Partition>| {
            let moving = other.hold.moving().filter(|moving| moving.to.place == to.place)?;
            Some(other.log().size_bytes().saturating_sub(moving.bytes.get()))
        };
        let queue = self.relocations.queue.borrow();
        let others = queue.iter().filter(|other| !std::ptr::eq(&***other, partition));
        let needed = partition.log().size_bytes() + others.filter_map(coming).sum::<u64>();
        if needed > left {
            return Err(format!("{path} has no room for {needed} bytes, {left} may be taken"));
        }
        Ok(())
    }

    fn work_on_moves(self: &Rc<Self>) {
        if self.relocations.is_busy.replace(true) {
            return;
        }
        let shard = self.clone();
        rt::spawn_background(async move {
            loop {
                let next = shard.relocations.queue.borrow_mut().pop_front();
                let Some(partition) = next.filter(|_| !shard.relocations.must_end.get()) else {
                    break;
                };
                if let Some(moving) = partition.hold.moving() {
                    shard.carry_out(&partition, &moving).await;
                }
            }
            shard.relocations.is_busy.set(false);
            shard.relocations.idle.raise();
        })
        .detach();
    }

    async fn carry_out(self: &Rc<Self>, partition: &Rc<Partition>, moving: &Rc<Relocation>) {
        let future = self.future_dir(partition, moving);
        let moved = self.relocate(partition, moving, future.clone()).await;
        let is_present =
            partition.hold.moving().is_some_and(|present| Rc::ptr_eq(&present, moving));
        if is_present {
            partition.hold.set_moving(None);
        }
        let (name, to) = (format!("{}-{}", partition.name, partition.index), &moving.to);
        let Err(stopped) = moved else { return };
        match stopped {
            Stopped::Ending | Stopped::Undecided(_) => {}
            Stopped::Cancelled | Stopped::Fault(_) => {
                if let Err(error) = log::remove_partition(&future).await {
                    notice!("{} was not removed: {error}", future.display());
                }
            }
        }
        match stopped {
            Stopped::Cancelled | Stopped::Ending => {}
            Stopped::Fault(error) => {
                notice!("{name} does not move to {}: {error}", to.path.display());
                let is_there = error.path().starts_with(&to.path);
                let at = if is_there { to.clone() } else { partition.home() };
                at.suspect(&error);
            }
            Stopped::Undecided(reason) => {
                notice!("{name} is offline: its move to {}: {reason}", to.path.display());
                let reason = std::io::Error::other(reason);
                partition.lose(log::Error::io(&to.path, None, &reason));
            }
        }
    }

    fn future_dir(&self, partition: &Partition, moving: &Relocation) -> PathBuf {
        let unique = Prng::new(rt::unix_ms() as u64 ^ rt::now().as_nanos()).next_u64();
        let name =
            format!("{}-{}.{unique:032x}{}", partition.name, partition.index, names::FUTURE_DIR);
        moving.to.path.join(name)
    }

    async fn relocate(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        moving: &Rc<Relocation>,
        future: PathBuf,
    ) -> Result<(), Stopped> {
        self.check_move(partition, moving)?;
        if partition.home().place == moving.to.place {
            return Ok(());
        }
        let mut copy = Copy::begin(&future, partition.topic, moving.to.room.clone()).await?;
        let (mut near, mut least, mut rounds) = (NEAR_BYTES, u64::MAX, 0);
        loop {
            let log = partition.log();
            let goes_on = async |bytes| self.may_copy(partition, moving, bytes).await;
            let taken = log.copy_round(&mut copy, goes_on).await?;
            moving.note(&copy);
            self.check_move(partition, moving)?;
            if log.is_disk_full() {
                // To be closed it needs room, too.
                rt::sleep(FULL_PAUSE).await;
                continue;
            }
            if taken <= near {
                break;
            }
            rounds += 1;
            if taken < least {
                (least, rounds) = (taken, 0);
            } else if rounds == ROUNDS {
                (near, rounds) = ((near * 2).min(NEAR_BYTES_MAX), 0);
            }
        }
        self.switch(partition, moving, copy).await
    }

    /// Whether a move goes on with a piece of so many bytes, as soon as it may.
    async fn may_copy(&self, partition: &Partition, moving: &Relocation, bytes: u64) -> bool {
        while self.check_move(partition, moving).is_ok() {
            let wait = match bytes {
                0 => Duration::ZERO,
                _ => self.wait_to_copy(bytes).await,
            };
            if wait.is_zero() {
                return true;
            }
            rt::sleep(wait.min(PACE_PAUSE)).await;
        }
        false
    }

    /// Whether a move is to go on.
    pub(super) fn check_move(
        &self,
        partition: &Partition,
        moving: &Relocation,
    ) -> Result<(), Stopped> {
        if moving.is_cancelled() || partition.hold.is_retired() {
            return Err(Stopped::Cancelled);
        }
        if self.relocations.must_end.get() {
            return Err(Stopped::Ending);
        }
        let home = partition.home();
        for directory in [&home, &moving.to] {
            if directory.is_lost() {
                let reason = std::io::Error::other(directory.reason());
                return Err(log::Error::io(&directory.path, None, &reason).into());
            }
        }
        Ok(())
    }

    /// Lets no move go on, and waits until none does: they begin again with the next start.
    pub async fn end_moves(&self) {
        self.relocations.must_end.set(true);
        while self.relocations.is_busy.get() {
            self.relocations.idle.wait().await;
        }
    }

    /// The entries of logs that are about to be this directory's.
    pub(super) fn arriving(&self, directory: &Directory) -> Vec<Entry> {
        let arriving = self.relocations.arriving.borrow();
        let here = arriving.iter().filter(|(place, _)| *place == directory.place);
        here.map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn note_arrival(&self, directory: &Directory, entry: Entry) {
        self.relocations.arriving.borrow_mut().push((directory.place, entry));
    }

    pub(super) fn forget_arrival(&self, topic: TopicId, partition: PartitionId) {
        let mut arriving = self.relocations.arriving.borrow_mut();
        arriving.retain(|(_, entry)| (entry.topic_id, entry.partition) != (topic, partition.0));
    }
}
