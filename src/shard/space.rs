//! How much room the data directory's file system has. The metadata core looks, says when records
//! are refused and when they are accepted again, and tells every core; a core asks for a look when
//! it has taken a good part of what it was allowed, or met a full disk. In between the operator,
//! retention and other programs change things: so there is a look now and then in any case.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::message::{Reply, Request};
use super::{METADATA_CORE, Shard, reserve};
use crate::base::time::Instant;
use crate::log::{Allowance, Room};
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
fn floor(setting: i64, total: u64) -> u64 {
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

/// What a shard keeps for it.
#[derive(Default)]
pub(super) struct SpaceWatch {
    space: RefCell<Space>,
    /// The file system could not be asked, and the operator knows.
    is_blind: Cell<bool>,
    /// What the other cores were told last.
    told: Cell<Option<Allowance>>,
}

impl Shard {
    fn room(&self) -> Rc<Room> {
        self.logs.room(self.data_dir())
    }

    /// Keeps this core's knowledge of the room up to date, for as long as the core lives.
    pub async fn watch_space(self: Rc<Self>) {
        let room = self.room();
        if self.core() != METADATA_CORE {
            loop {
                let met_full = room.worth_a_look().await;
                let looked = self.call(METADATA_CORE, Request::Look { met_full }).await;
                let Some(Reply::Looked(allowance)) = looked else { return };
                room.learn(allowance);
                rt::sleep(PAUSE).await;
            }
        }
        loop {
            let is_short = self.space.space.borrow().is_short;
            let period = if is_short { SHORT_PERIOD } else { PERIOD };
            let asked = rt::timeout(period, room.worth_a_look()).await;
            let allowance = self.look_for_space(asked.unwrap_or(false)).await;
            if asked.is_none() && !allowance.is_short {
                self.hold_room_back().await;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// Asks the file system; on the metadata core. Tells all cores when the state changed.
    pub async fn look_for_space(&self, met_full: bool) -> Allowance {
        assert_eq!(self.core(), METADATA_CORE);
        let dir = self.data_dir();
        let (free, total) = match file::disk_space(dir).await {
            Ok(seen) => seen,
            Err(error) => {
                if !self.space.is_blind.replace(true) {
                    notice!("{}: nobody knows how much room is left: {error}", dir.display());
                }
                return Allowance::UNBOUNDED;
            }
        };
        self.space.is_blind.set(false);
        let floor = floor(self.config().disk_free_min_bytes, total);
        let turn = self.space.space.borrow_mut().judge(free, floor, met_full, rt::now());
        let is_short = self.space.space.borrow().is_short;
        let allowance =
            Allowance { is_short, bytes: free.saturating_sub(floor) / self.cores() as u64 };
        self.room().learn(allowance);
        let left = size(free);
        match turn {
            Some(Turn::BelowFloor) => notice!(
                "{}: {left} are free and {} must stay so (ringmain.disk.free.min.bytes): \
                 records are refused until there is more room, reads and deletions go on",
                dir.display(),
                size(floor),
            ),
            Some(Turn::Full) => notice!(
                "{}: no room is left ({left} free): records are refused until there is \
                 more, reads and deletions go on",
                dir.display(),
            ),
            Some(Turn::Enough) => {
                notice!("{}: {left} are free: records are accepted", dir.display());
            }
            None => {}
        }
        if turn.is_some() {
            // From now on there is another period.
            self.room().ask_for_a_look();
        }
        if is_news(self.space.told.get(), allowance) {
            self.space.told.set(Some(allowance));
            let others = (0..self.cores()).filter(|&core| core != self.core());
            let told: Vec<_> =
                others.map(|core| self.call(core, Request::Allow(allowance))).collect();
            for told in told {
                told.await;
            }
        }
        allowance
    }

    /// Takes room for bad times; on the metadata core, while there is some.
    pub async fn hold_room_back(&self) {
        match reserve::refill(&self.own_dir()).await {
            Err(error) if file::is_full(&error) => self.met_full_disk(),
            Err(error) => {
                notice!("{}: no room is held back: {error}", self.own_dir().display());
            }
            Ok(()) => {}
        }
    }

    /// The metadata core has looked.
    pub(super) fn learn_space(&self, allowance: Allowance) {
        self.room().learn(allowance);
    }

    /// Something that is no log's found no room.
    pub(super) fn met_full_disk(&self) {
        self.room().was_full();
    }

    pub(super) fn refusals(&self) -> u64 {
        self.room().refusals()
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
