//! Which transactional batches and markers may go (Kafka: CleanedTransactionMetadata). Pure; fed
//! with every batch in the order of offsets.
//!
//! Batches of an aborted transaction go at once. A marker is *spent* when no batch of its
//! transaction was left to be seen: then it may go, after a delay of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::index::txn::Aborted;
use crate::log::marker;
use crate::model::Offset;
use crate::wire::batch::Batch;

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Abort,
    Commit,
    /// Its record was removed by an earlier cleaning.
    Empty,
    /// Nothing about transactions.
    Other,
}

impl Control {
    pub(super) fn of(batch: &Batch<'_>) -> Control {
        if batch.header.record_count() == 0 {
            return Control::Empty;
        }
        match marker::read(batch.bytes, 0) {
            Some(marker) if marker.commit => Control::Commit,
            Some(_) => Control::Abort,
            None => Control::Other,
        }
    }
}

#[derive(Default)]
pub(super) struct Transactions {
    /// Aborted ones that begin further on, by first offset and producer.
    ahead: BTreeMap<(Offset, i64), Aborted>,
    /// Aborted ones that have begun, by producer, and whether a batch of theirs was seen.
    aborted: BTreeMap<i64, (Aborted, bool)>,
    /// Producers of which a batch was seen that a marker will commit.
    committed: BTreeSet<i64>,
}

impl Transactions {
    /// Adds aborted transactions; one that is known already is the same.
    pub(super) fn learn(&mut self, aborted: &[Aborted]) {
        let entry = |one: &Aborted| ((one.first_offset, one.producer_id), *one);
        self.ahead.extend(aborted.iter().map(entry));
    }

    /// A data batch was seen: true when its transaction is aborted.
    pub(super) fn on_data(&mut self, producer_id: i64, last_offset: Offset) -> bool {
        self.begin_up_to(last_offset);
        match self.aborted.get_mut(&producer_id) {
            Some((_, seen)) => {
                *seen = true;
                true
            }
            None => {
                self.committed.insert(producer_id);
                false
            }
        }
    }

    /// A control batch was seen: whether it is spent, and the aborted transaction which it ends and
    /// of which batches are left.
    pub(super) fn on_control(
        &mut self,
        control: Control,
        producer_id: i64,
        last_offset: Offset,
    ) -> (bool, Option<Aborted>) {
        self.begin_up_to(last_offset);
        match control {
            Control::Abort => match self.aborted.remove(&producer_id) {
                Some((aborted, true)) => (false, Some(aborted)),
                _ => (true, None),
            },
            Control::Commit => (!self.committed.remove(&producer_id), None),
            Control::Empty => (true, None),
            Control::Other => (false, None),
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(first) = self.ahead.first_entry()
            && first.key().0 <= offset
        {
            let aborted = first.remove();
            self.aborted.entry(aborted.producer_id).or_insert((aborted, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(producer_id: i64, first_offset: Offset, last_offset: Offset) -> Aborted {
        Aborted { producer_id, first_offset, last_offset, last_stable_offset: last_offset }
    }

    /// A batch: producer, last offset; and what must come of it.
    enum Step {
        Data(i64, Offset, bool),
        Control(Control, i64, Offset, bool, bool),
    }

    #[test]
    fn aborted_batches_go_and_markers_wait_for_them() {
        use Control::{Abort, Commit, Empty, Other};
        use Step::{Control as C, Data as D};
        let check = |name: &str, known: &[Aborted], steps: &[Step]| {
            let mut transactions = Transactions::default();
            transactions.learn(known);
            for (number, step) in steps.iter().enumerate() {
                match *step {
                    D(producer, offset, goes) => {
                        // Learnt again with every segment that it touches.
                        transactions.learn(known.get(..usize::from(number == 0)).unwrap_or(&[]));
                        let found = transactions.on_data(producer, offset);
                        assert_eq!(found, goes, "{name}: {number}");
                    }
                    C(control, producer, offset, spent, indexed) => {
                        let found = transactions.on_control(control, producer, offset);
                        assert_eq!((found.0, found.1.is_some()), (spent, indexed), "{name}");
                    }
                }
            }
        };
        check("committed", &[], &[D(1, 4, false), C(Commit, 1, 5, false, false)]);
        check("committed, nothing left", &[], &[C(Commit, 1, 5, true, false)]);
        check("aborted", &[aborted(1, 3, 5)], &[D(1, 4, true), C(Abort, 1, 5, false, true)]);
        check("aborted, nothing left", &[aborted(1, 3, 5)], &[C(Abort, 1, 5, true, false)]);
        check("aborted, not in the index", &[], &[C(Abort, 1, 5, true, false)]);
        check(
            "one after another",
            &[aborted(1, 3, 5), aborted(1, 8, 9)],
            &[
                D(1, 4, true),
                C(Abort, 1, 5, false, true),
                D(1, 6, false),
                C(Commit, 1, 7, false, false),
                D(1, 8, true),
                C(Abort, 1, 9, false, true),
            ],
        );
        check(
            "beside each other",
            &[aborted(2, 4, 8)],
            &[
                D(1, 3, false),
                D(2, 4, true),
                D(1, 5, false),
                C(Commit, 1, 6, false, false),
                C(Abort, 2, 8, false, true),
            ],
        );
        check("already empty", &[], &[C(Empty, 1, 5, true, false)]);
        check("no marker", &[], &[C(Other, -1, 5, false, false)]);
    }
}
