//! How much room the file system of each data directory has. The metadata core looks, says when records
//! are refused and when they are accepted again, and tells every core; a core asks for a look when
//! it has taken a good part of what it was allowed, or met a full disk. In between the operator,
//! retention and other programs change things: so there is a look now and then in any case.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::directories::Directory;
use super::message::{Reply, Request};
use super::{METADATA_CORE, Shard, reserve};
use crate::base::time::Instant;
use crate::cluster::ClusterImage;
use crate::cluster::directories::{self, Taker};
use crate::log::Allowance;
use crate::model::DirectoryId;
use crate::notice;
use crate::rt::{self, file};

/// Between two looks that nobody asked for; and while records are refused.
const PERIOD: Duration = Duration::from_secs(10);
const SHORT_PERIOD: Duration = Duration::from_millis(500);
/// The least time between two looks that a core asks for.
const PAUSE: Duration = Duration::from_millis(20);
/// How long nobody must have met a full disk before more is tried; and how long when nothing became
/// free meanwhile (who knows what is used up).
const FULL_REST: Duration = Duration::from_secs(2);
const FULL_REST_MAX: Duration = Duration::from_secs(60);
/// What counts as having become free.
const FREED_MIN: u64 = 1 << 20;
const FLOOR_MAX: u64 = 1 << 30;

/// Bytes that must stay free. `setting` is `ringmain.disk.free.min.bytes`.
pub(super) fn floor(setting: i64, total: u64) -> u64 {
    u64::try_from(setting).unwrap_or((total / 20).min(FLOOR_MAX))
}

/// What is known of the file system; lives on the metadata core.
#[derive(Debug, Default)]
pub(super) struct Space {
    is_short: bool,
    /// The last time that somebody found no room at all, and what was free then.
    full: Option<(Instant, u64)>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    BelowFloor,
    Full,
    Enough,
}

impl Space {
    fn judge(&mut self, free: u64, floor: u64, met_full: bool, now: Instant) -> Option<Turn> {
        if met_full {
            self.full = Some((now, free));
        }
        if !self.is_short {
            self.is_short = met_full || free < floor;
            let turn = if met_full { Turn::Full } else { Turn::BelowFloor };
            return self.is_short.then_some(turn);
        }
        if let Some((at, free_then)) = self.full {
            let freed = free >= free_then.saturating_add(FREED_MIN);
            let rest = if freed { FULL_REST } else { FULL_REST_MAX };
            if now.since(at) < rest {
                return None;
            }
        }
        // A little more than the floor, or it would begin and end with every batch.
        if free < floor.saturating_add(floor / 8) {
            return None;
        }
        *self = Space::default();
        Some(Turn::Enough)
    }
}

/// What a core keeps for it, of each directory.
#[derive(Default)]
pub(super) struct SpaceWatch {
    space: RefCell<Space>,
    /// The file system could not be asked, and the operator knows.
    is_blind: Cell<bool>,
    /// What the other cores were told last.
    told: Cell<Option<Allowance>>,
}

impl Shard {
    /// Keeps this core's knowledge of a directory's room up to date, for as long as the core lives.
    pub(super) async fn watch_space(self: Rc<Self>, directory: Rc<Directory>) {
        let room = &directory.room;
        if self.core() != METADATA_CORE {
            loop {
                let met_full = room.worth_a_look().await;
                let look = Request::Look { directory: directory.place, met_full };
                let looked = self.call(METADATA_CORE, look).await;
                let Some(Reply::Looked(allowance)) = looked else { return };
                room.learn(allowance);
                rt::sleep(PAUSE).await;
            }
        }
        loop {
            let is_short = directory.space.space.borrow().is_short;
            let period = if is_short { SHORT_PERIOD } else { PERIOD };
            let asked = rt::timeout(period, room.worth_a_look()).await;
            if directory.is_lost() {
                return;
            }
            let allowance = self.look_for_space(&directory, asked.unwrap_or(false)).await;
            if asked.is_none() && !allowance.is_short {
                self.hold_room_back(&directory).await;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// The same for the directory of this place, if there is one.
    pub(super) async fn look_at(&self, place: usize, met_full: bool) -> Allowance {
        match self.directories().get(place) {
            Some(directory) => self.look_for_space(directory, met_full).await,
            None => Allowance::UNBOUNDED,
        }
    }

    /// Asks the file system; on the metadata core. Tells all cores when the state changed.
    pub async fn look_for_space(&self, directory: &Directory, met_full: bool) -> Allowance {
        assert_eq!(self.core(), METADATA_CORE);
        let (dir, watch) = (directory.path.display(), &directory.space);
        let (free, total) = match file::disk_space(&directory.path).await {
            Ok(seen) => seen,
            Err(error) => {
                if !watch.is_blind.replace(true) {
                    notice!("{dir}: nobody knows how much room is left: {error}");
                }
                directory.suspected.raise();
                return Allowance::UNBOUNDED;
            }
        };
        watch.is_blind.set(false);
        let floor = floor(self.config().disk_free_min_bytes, total);
        let turn = watch.space.borrow_mut().judge(free, floor, met_full, rt::now());
        let is_short = watch.space.borrow().is_short;
        let allowance =
            Allowance { is_short, bytes: free.saturating_sub(floor) / self.cores() as u64 };
        directory.room.learn(allowance);
        let left = size(free);
        match turn {
            Some(Turn::BelowFloor) => notice!(
                "{dir}: {left} are free and {} must stay so (ringmain.disk.free.min.bytes): \
                 records are refused until there is more room, reads and deletions go on",
                size(floor),
            ),
            Some(Turn::Full) => notice!(
                "{dir}: no room is left ({left} free): records are refused until there is \
                 more, reads and deletions go on",
            ),
            Some(Turn::Enough) => {
                notice!("{dir}: {left} are free: records are accepted");
            }
            None => {}
        }
        if turn.is_some() {
            // From now on there is another period.
            directory.room.ask_for_a_look();
        }
        if is_news(watch.told.get(), allowance) {
            watch.told.set(Some(allowance));
            let others = (0..self.cores()).filter(|&core| core != self.core());
            let allow = || Request::Allow { directory: directory.place, allowance };
            let told: Vec<_> = others.map(|core| self.call(core, allow())).collect();
            for told in told {
                told.await;
            }
        }
        allowance
    }

    /// What new partitions can choose from.
    pub async fn takers(&self, image: &ClusterImage) -> Vec<Taker> {
        let online = self.online();
        let ids: Vec<DirectoryId> = online.iter().map(|directory| directory.id).collect();
        let counts = directories::count(image, self.node(), &ids);
        if let ([id], [partitions]) = (&ids[..], &counts[..]) {
            return vec![Taker { id: *id, free_bytes: 0, partitions: *partitions }];
        }
        let mut takers = Vec::with_capacity(online.len());
        for (directory, partitions) in online.iter().zip(counts) {
            let free_bytes = match file::disk_space(&directory.path).await {
                Ok((free, _)) => free,
                Err(_) => {
                    directory.suspected.raise();
                    continue;
                }
            };
            takers.push(Taker { id: directory.id, free_bytes, partitions });
        }
        takers
    }

    /// Takes room for bad times; on the metadata core, while there is some.
    pub async fn hold_room_back(&self, directory: &Directory) {
        match reserve::refill(&directory.own_dir()).await {
            Err(error) if file::is_full(&error) => directory.room.was_full(),
            Err(error) => {
                notice!("{}: no room is held back: {error}", directory.own_dir().display());
            }
            Ok(()) => {}
        }
    }

    /// The metadata core has looked.
    pub(super) fn learn_space(&self, place: usize, allowance: Allowance) {
        if let Some(directory) = self.directories().get(place) {
            directory.room.learn(allowance);
        }
    }

    /// The metadata log found no room.
    pub(super) fn met_full_disk(&self) {
        let directories = self.directories();
        let keeper = directories.iter().find(|directory| directory.keeps_metadata);
        keeper.iter().for_each(|directory| directory.room.was_full());
    }

    pub(super) fn refusals(&self) -> u64 {
        self.directories().iter().map(|directory| directory.room.refusals()).sum()
    }
}

fn size(bytes: u64) -> String {
    if bytes < 10 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// Whether the other cores must be told: the state changed, or what they may take is far from what
/// they believe.
fn is_news(told: Option<Allowance>, now: Allowance) -> bool {
    told.is_none_or(|told| {
        let (less, more) = (told.bytes / 4 * 3, told.bytes.saturating_mul(2));
        told.is_short != now.is_short || !(less..=more).contains(&now.bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_floor_is_a_part_of_the_disk_unless_it_is_set() {
        assert_eq!(floor(-1, 10 * GIB), GIB / 2);
        assert_eq!(floor(-1, 1000 * GIB), GIB);
        assert_eq!((floor(0, GIB), floor(7, GIB)), (0, 7));
    }

    #[test]
    fn the_state_changes_once_each_way() {
        let mut space = Space::default();
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let mut judge = |ms, free, met_full| space.judge(free, GIB, met_full, at(ms));
        assert_eq!(judge(0, GIB, false), None);
        assert_eq!(judge(1, GIB - 1, false), Some(Turn::BelowFloor));
        assert_eq!(judge(2, GIB - 2, false), None);
        assert_eq!(judge(3, GIB + GIB / 8 - 1, false), None, "not with every few bytes");
        assert_eq!(judge(4, GIB + GIB / 8, false), Some(Turn::Enough));
        assert_eq!(judge(5, GIB * 2, true), Some(Turn::Full), "whatever the system counts");
        assert_eq!(judge(4000, GIB * 2, true), None);
        assert_eq!(judge(5999, GIB * 3, false), None, "not at once");
        assert_eq!(judge(6000, GIB * 2, false), None, "nothing became free");
        assert_eq!(judge(6001, GIB * 3, false), Some(Turn::Enough));
        assert_eq!(judge(9001, GIB * 3, true), Some(Turn::Full));
        assert_eq!(judge(69_001, GIB * 3, false), Some(Turn::Enough), "it is tried again");
    }
}
