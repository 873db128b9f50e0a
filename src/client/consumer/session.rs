//! What a broker remembers of this client's fetches (KIP-227), as the client sees it. Pure.

use std::collections::BTreeMap;

use crate::model::Offset;

/// The epoch that asks for a new session, and the one that asks for none.
const INITIAL: i32 = 0;
const NONE: i32 = -1;

/// What a fetch says of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub offset: Offset,
    pub leader_epoch: i32,
}

/// What goes into the next request.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    pub session_id: i32,
    pub epoch: i32,
    pub changed: Vec<(i32, Place)>,
    pub forgotten: Vec<i32>,
}

#[derive(Debug)]
pub struct Session {
    enabled: bool,
    id: i32,
    epoch: i32,
    known: BTreeMap<i32, Place>,
}

impl Session {
    pub fn new(enabled: bool) -> Session {
        Session { enabled, id: 0, epoch: INITIAL, known: BTreeMap::new() }
    }

    /// Plans a request for exactly these partitions.
    pub fn plan(&mut self, wanted: &BTreeMap<i32, Place>) -> Plan {
        if !self.enabled || self.epoch == INITIAL {
            let epoch = if self.enabled { INITIAL } else { NONE };
            self.known.clone_from(wanted);
            let changed = wanted.iter().map(|(&index, &place)| (index, place)).collect();
            return Plan { session_id: 0, epoch, changed, forgotten: Vec::new() };
        }
        let is_news = |(index, place): &(&i32, &Place)| self.known.get(index) != Some(place);
        let changed = wanted.iter().filter(is_news).map(|(&index, &place)| (index, place));
        let gone = self.known.keys().filter(|index| !wanted.contains_key(index));
        let plan = Plan {
            session_id: self.id,
            epoch: self.epoch,
            changed: changed.collect(),
            forgotten: gone.copied().collect(),
        };
        self.known.clone_from(wanted);
        plan
    }

    /// The broker answered without an error; 0 means that it keeps no session.
    pub fn answered(&mut self, session_id: i32) {
        if !self.enabled || session_id == 0 {
            return self.reset();
        }
        self.id = session_id;
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }

    /// The broker forgot the session, or nobody knows what it remembers.
    pub fn reset(&mut self) {
        *self = Session::new(self.enabled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(places: &[(i32, Offset)]) -> BTreeMap<i32, Place> {
        places.iter().map(|&(index, offset)| (index, Place { offset, leader_epoch: 0 })).collect()
    }

    #[test]
    fn only_news_are_sent() {
        let mut session = Session::new(true);
        let check = |session: &mut Session, places: &[(i32, Offset)], expect| {
            let plan = session.plan(&wanted(places));
            let changed: Vec<_> = plan.changed.iter().map(|(index, _)| *index).collect();
            assert_eq!((plan.session_id, plan.epoch, changed, plan.forgotten), expect);
        };
        check(&mut session, &[(0, 0), (1, 0)], (0, 0, vec![0, 1], vec![]));
        session.answered(77);
        check(&mut session, &[(0, 5), (1, 0)], (77, 1, vec![0], vec![]));
        session.answered(77);
        check(&mut session, &[(1, 0)], (77, 2, vec![], vec![0]));
        session.answered(77);
        check(&mut session, &[(0, 5), (1, 0)], (77, 3, vec![0], vec![]));
        session.reset();
        check(&mut session, &[(1, 0)], (0, 0, vec![1], vec![]));
        session.answered(0);
        check(&mut session, &[(1, 0)], (0, 0, vec![1], vec![]));
        let mut without = Session::new(false);
        check(&mut without, &[(1, 0)], (0, -1, vec![1], vec![]));
        without.answered(0);
        check(&mut without, &[(1, 0)], (0, -1, vec![1], vec![]));
    }
}
