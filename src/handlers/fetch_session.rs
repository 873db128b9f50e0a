//! Fetch sessions (KIP-227): what a client asked for before, so that it need not say it again, and
//! what it was last told, so that it need not hear it again.
//!
//! A session lives on the core that made it. Its id carries the core's number, so two cores never
//! give out the same one; a client that comes back on another core of its lane starts a new one.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::hash::FastMap;
use crate::base::time::Instant;
use crate::config::limits::PARTITIONS_PER_FETCH_SESSION_MAX;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};

/// A session younger than this is not pushed out by a new one
/// (Kafka: min.incremental.fetch.session.eviction.ms).
const EVICTION_AFTER: std::time::Duration = std::time::Duration::from_secs(120);

/// One partition as the client asks for it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// NIL when asked by a name that is not known.
    pub topic: TopicId,
    /// Empty when asked by an id that is not known.
    pub name: Rc<str>,
    pub partition: PartitionId,
    pub leader_epoch: i32,
    pub offset: i64,
    pub last_fetched_epoch: i32,
    pub bytes_max: i32,
}

/// Identity within a session: by name before version 13, by id from then on.
pub type Key = (TopicId, Rc<str>, PartitionId);

impl Wanted {
    pub fn key(&self) -> Key {
        (self.topic, self.name.clone(), self.partition)
    }
}

/// What a client was last told about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTold {
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub error: ErrorCode,
}

impl LastTold {
    const NOTHING: LastTold =
        LastTold { high_watermark: -1, log_start_offset: -1, error: ErrorCode::NONE };
}

struct Session {
    epoch: i32,
    by_id: bool,
    used: Instant,
    /// By turns, in the order of service; a partition that gave records gets a new one.
    turns: BTreeMap<u64, Wanted>,
    next_turn: u64,
    known: FastMap<Key, Known>,
}

struct Known {
    turn: u64,
    told: LastTold,
}

impl Session {
    fn new(by_id: bool, now: Instant) -> Session {
        let (turns, known) = (BTreeMap::new(), FastMap::default());
        Session { epoch: 1, by_id, used: now, turns, next_turn: 0, known }
    }

    fn in_order(&self) -> Vec<Wanted> {
        self.turns.values().cloned().collect()
    }

    /// Takes in a partition, or what is new about it: the last word counts.
    fn want(&mut self, wanted: Wanted) {
        let turn = self.next_turn;
        let new = || Known { turn, told: LastTold::NOTHING };
        let turn = self.known.entry(wanted.key()).or_insert_with(new).turn;
        self.turns.insert(turn, wanted);
        self.next_turn += u64::from(turn == self.next_turn);
    }

    fn forget(&mut self, key: &Key) {
        if let Some(known) = self.known.remove(key) {
            self.turns.remove(&known.turn);
        }
    }
}

pub struct FetchSessions {
    core: usize,
    slots: usize,
    counter: u32,
    sessions: FastMap<i32, Session>,
}

/// The first epoch of a session's requests, and the one of requests without a session.
pub const INITIAL_EPOCH: i32 = 0;
pub const FINAL_EPOCH: i32 = -1;

/// How a request is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything asked for, no session.
    Full,
    /// Everything asked for, and the start of this session.
    Opening(i32),
    /// Only what is new in this session.
    Incremental(i32),
}

impl FetchSessions {
    pub fn new(core: usize, slots: usize) -> FetchSessions {
        FetchSessions { core, slots, counter: 0, sessions: FastMap::default() }
    }

    /// Applies a request to its session and yields what is to be read, in order.
    pub fn begin(
        &mut self,
        id: i32,
        epoch: i32,
        by_id: bool,
        wanted: Vec<Wanted>,
        forgotten: &[Key],
        now: Instant,
    ) -> Result<(Mode, Vec<Wanted>), ErrorCode> {
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            if id != 0 {
                self.sessions.remove(&id);
            }
            let is_bounded = (1..=PARTITIONS_PER_FETCH_SESSION_MAX).contains(&wanted.len());
            if epoch == FINAL_EPOCH || !is_bounded {
                return Ok((Mode::Full, wanted));
            }
            let Some(id) = self.make_room(now) else { return Ok((Mode::Full, wanted)) };
            let mut session = Session::new(by_id, now);
            wanted.into_iter().for_each(|wanted| session.want(wanted));
            let order = session.in_order();
            self.sessions.insert(id, session);
            return Ok((Mode::Opening(id), order));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.used = now;
        wanted.into_iter().for_each(|wanted| session.want(wanted));
        forgotten.iter().for_each(|key| session.forget(key));
        if session.known.len() > PARTITIONS_PER_FETCH_SESSION_MAX {
            // The client comes back with everything, and is served without a session.
            self.sessions.remove(&id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        if session.known.is_empty() {
            // Nothing is left to be remembered; the client learns that it has no session.
            self.sessions.remove(&id);
            return Ok((Mode::Full, Vec::new()));
        }
        Ok((Mode::Incremental(id), session.in_order()))
    }

    /// A free id, after pushing out the session that was unused the longest if need be.
    fn make_room(&mut self, now: Instant) -> Option<i32> {
        if self.slots == 0 {
            return None;
        }
        if self.sessions.len() >= self.slots {
            let (&oldest, session) = self.sessions.iter().min_by_key(|(_, s)| s.used)?;
            if now.since(session.used) < EVICTION_AFTER {
                return None;
            }
            self.sessions.remove(&oldest);
        }
        loop {
            self.counter = self.counter.wrapping_add(1) & 0x1f_ffff;
            let id = (self.core as i32) << 21 | self.counter as i32;
            if id != 0 && !self.sessions.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// Whether a partition is worth mentioning; remembers that it was, when it was.
    pub fn is_news(&mut self, id: i32, key: &Key, told: LastTold, has_records: bool) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return true };
        let Some(known) = session.known.get_mut(key) else { return true };
        let news = has_records || told.error != ErrorCode::NONE || known.told != told;
        known.told = told;
        if has_records && let Some(served) = session.turns.remove(&known.turn) {
            known.turn = session.next_turn;
            session.turns.insert(session.next_turn, served);
            session.next_turn += 1;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, partition: i32, offset: i64) -> Wanted {
        Wanted {
            topic: TopicId::NIL,
            name: name.into(),
            partition: PartitionId(partition),
            leader_epoch: -1,
            offset,
            last_fetched_epoch: -1,
            bytes_max: 1 << 20,
        }
    }

    fn told(high_watermark: i64) -> LastTold {
        LastTold { high_watermark, log_start_offset: 0, error: ErrorCode::NONE }
    }

    #[test]
    fn a_session_remembers_forgets_and_rotates() {
        let mut sessions = FetchSessions::new(3, 10);
        let now = Instant::default();
        let ask = vec![wanted("a", 0, 0), wanted("a", 1, 0)];
        let (mode, order) = sessions.begin(0, 0, false, ask, &[], now).expect("a new session");
        let Mode::Opening(id) = mode else { panic!("{mode:?}") };
        assert_eq!(order.len(), 2);
        assert!(sessions.is_news(id, &order[0].key(), told(5), true));
        assert!(sessions.is_news(id, &order[1].key(), told(5), false));

        let more = vec![wanted("a", 0, 5)];
        let (mode, order) = sessions.begin(id, 1, false, more, &[], now).expect("the next");
        assert_eq!(mode, Mode::Incremental(id));
        assert_eq!(order[0].partition.0, 1, "the served partition moved to the end");
        assert_eq!(order[1].offset, 5);
        assert!(!sessions.is_news(id, &order[0].key(), told(5), false));
        assert!(sessions.is_news(id, &order[0].key(), told(6), false));

        let gone = [order[1].key()];
        let (_, order) = sessions.begin(id, 2, false, vec![], &gone, now).expect("forgets");
        assert_eq!(order.len(), 1);
        let gone = [order[0].key()];
        let (mode, order) = sessions.begin(id, 3, false, vec![], &gone, now).expect("forgets all");
        assert_eq!((mode, order.len()), (Mode::Full, 0));
        let next = sessions.begin(id, 4, false, vec![], &[], now).map(|(mode, _)| mode);
        assert_eq!(next, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }

    #[test]
    fn of_a_partition_that_is_asked_for_twice_the_last_word_counts() {
        let mut sessions = FetchSessions::new(0, 10);
        let now = Instant::default();
        let ask = vec![wanted("a", 0, 5), wanted("a", 1, 0), wanted("a", 0, 7)];
        let (mode, order) = sessions.begin(0, 0, false, ask, &[], now).expect("a new session");
        let Mode::Opening(id) = mode else { panic!("{mode:?}") };
        assert_eq!(order.iter().map(|w| w.offset).collect::<Vec<_>>(), [7, 0]);
        let more = vec![wanted("a", 1, 3), wanted("a", 1, 4)];
        let (_, order) = sessions.begin(id, 1, false, more, &[], now).expect("the next");
        assert_eq!(order.iter().map(|w| w.offset).collect::<Vec<_>>(), [7, 4]);
    }

    #[test]
    fn wrong_ids_and_epochs_are_refused() {
        let mut sessions = FetchSessions::new(0, 10);
        let now = Instant::default();
        let begin = |s: &mut FetchSessions, id, epoch, by_id| {
            s.begin(id, epoch, by_id, vec![wanted("a", 0, 0)], &[], now).map(|(mode, _)| mode)
        };
        assert_eq!(begin(&mut sessions, 9, 1, false), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        let Ok(Mode::Opening(id)) = begin(&mut sessions, 0, 0, false) else { panic!() };
        assert_eq!(begin(&mut sessions, id, 7, false), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        assert_eq!(begin(&mut sessions, id, 1, true), Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
        assert_eq!(begin(&mut sessions, id, FINAL_EPOCH, false), Ok(Mode::Full));
        assert_eq!(begin(&mut sessions, id, 1, false), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }

    #[test]
    fn a_full_cache_gives_no_session_until_one_is_old() {
        let mut sessions = FetchSessions::new(0, 1);
        let ask = || vec![wanted("a", 0, 0)];
        let start = Instant::default();
        assert!(matches!(
            sessions.begin(0, 0, false, ask(), &[], start),
            Ok((Mode::Opening(_), _))
        ));
        assert!(matches!(sessions.begin(0, 0, false, ask(), &[], start), Ok((Mode::Full, _))));
        let later = start + EVICTION_AFTER;
        assert!(matches!(
            sessions.begin(0, 0, false, ask(), &[], later),
            Ok((Mode::Opening(_), _))
        ));
    }
}
