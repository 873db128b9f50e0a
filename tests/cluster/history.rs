//! What clients were told and what they read, and whether both can be true of one log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Who wrote a record, and its number among those of its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub writer: u32,
    pub number: u32,
}

/// What a client may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// acks=all with idempotence: never lost, never twice.
    Once,
    /// acks=1: survives the process, not the power; twice after a retry.
    Written,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

#[derive(Default)]
pub struct History(RefCell<State>);

#[derive(Default)]
struct State {
    promises: BTreeMap<u32, Promise>,
    sent: BTreeSet<Mark>,
    acknowledged: BTreeMap<Mark, Place>,
    /// What a consumer read, or a producer was told, of each place, since the last power cut for
    /// what a power cut may take.
    seen: BTreeMap<Place, Mark>,
    acknowledgements: usize,
    faults: Vec<String>,
}

impl History {
    pub fn writer(&self, writer: u32, promise: Promise) {
        self.0.borrow_mut().promises.insert(writer, promise);
    }

    pub fn sent(&self, mark: Mark) {
        self.0.borrow_mut().sent.insert(mark);
    }

    pub fn acknowledged(&self, mark: Mark, place: Place) {
        let state = &mut *self.0.borrow_mut();
        state.acknowledgements += 1;
        state.observe(&place, mark, "acknowledged");
        if let Some(before) = state.acknowledged.insert(mark, place.clone())
            && before != place
            && state.promises[&mark.writer] == Promise::Once
        {
            state.fault(format!("{mark:?} was acknowledged at {before:?} and {place:?}"));
        }
    }

    pub fn read(&self, place: Place, mark: Mark) {
        let state = &mut *self.0.borrow_mut();
        if !state.sent.contains(&mark) {
            state.fault(format!("{mark:?} at {place:?} was never sent"));
        }
        state.observe(&place, mark, "read");
    }

    /// What only the process's life protected may be gone now.
    pub fn power_cut(&self) {
        let state = &mut *self.0.borrow_mut();
        let State { promises, seen, acknowledged, .. } = state;
        let weak = |mark: &Mark| promises[&mark.writer] == Promise::Written;
        seen.retain(|_, mark| !weak(mark));
        acknowledged.retain(|mark, _| !weak(mark));
    }

    pub fn fault(&self, fault: String) {
        self.0.borrow_mut().fault(fault);
    }

    /// Judges the final content of one partition, given from its first offset to its last.
    pub fn judge(&self, content: &[(Place, Mark)]) {
        let mut next = None;
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, mark) in content {
            self.read(place.clone(), *mark);
            let state = &mut *self.0.borrow_mut();
            if next.is_some_and(|next| next != place.offset) {
                state.fault(format!("a hole before {place:?}"));
            }
            next = Some(place.offset + 1);
            if state.promises.get(&mark.writer) == Some(&Promise::Once) {
                let before = last.insert(mark.writer, mark.number);
                if before.map_or(mark.number != 0, |before| mark.number != before + 1) {
                    state.fault(format!("{mark:?} at {place:?} follows {before:?}"));
                }
            }
        }
    }

    /// After every partition was judged: panics when anything was wrong.
    pub fn conclude(&self, seed: u64, content: &BTreeMap<Place, Mark>) {
        let state = &mut *self.0.borrow_mut();
        let mut faults = Vec::new();
        for (mark, place) in &state.acknowledged {
            if content.get(place) != Some(mark) {
                let found = content.get(place);
                faults.push(format!("lost: {mark:?} at {place:?}, where {found:?} is"));
            }
        }
        for (place, mark) in &state.seen {
            if content.get(place) != Some(mark) {
                faults.push(format!("taken back: {mark:?} at {place:?}"));
            }
        }
        faults.iter().take(10).for_each(|fault| state.fault(fault.clone()));
        assert!(state.faults.is_empty(), "seed {seed}:\n{}", state.faults.join("\n"));
    }

    pub fn acknowledgements(&self) -> usize {
        self.0.borrow().acknowledgements
    }
}

impl State {
    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    fn observe(&mut self, place: &Place, mark: Mark, how: &str) {
        if let Some(before) = self.seen.insert(place.clone(), mark)
            && before != mark
        {
            self.fault(format!("{how} at {place:?}: {mark:?}, where {before:?} was before"));
        }
    }
}
