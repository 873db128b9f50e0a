//! What producers know of their transactions, against what readers saw.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The commit was acknowledged.
    Committed,
    /// No commit was ever asked for.
    Aborted,
    /// It was asked for, and the answer was lost or said no.
    Unknown,
}

#[derive(Debug)]
struct Known {
    outcome: Outcome,
    /// Where records of it were sent, and acknowledged if it was committed.
    partitions: Vec<i32>,
}

#[derive(Default)]
pub struct Outcomes {
    known: RefCell<Vec<Known>>,
    seen: RefCell<BTreeMap<i32, Vec<u32>>>,
    /// Shown to readers while transactions were under way: partition and number.
    shown: RefCell<BTreeSet<(i32, u32)>>,
}

impl Outcomes {
    /// A transaction that writes to these partitions begins; its number.
    pub fn begin(&self, partitions: Vec<i32>) -> u32 {
        let mut known = self.known.borrow_mut();
        known.push(Known { outcome: Outcome::Aborted, partitions });
        known.len() as u32 - 1
    }

    pub fn tell(&self, number: u32, outcome: Outcome) {
        self.known.borrow_mut()[number as usize].outcome = outcome;
    }

    pub fn seen(&self, partition: i32, numbers: Vec<u32>) {
        self.seen.borrow_mut().insert(partition, numbers);
    }

    pub fn shown(&self, partition: i32, numbers: Vec<u32>) {
        self.shown.borrow_mut().extend(numbers.into_iter().map(|number| (partition, number)));
    }

    pub fn conclude(&self, seed: u64) {
        let (known, seen) = (self.known.borrow(), self.seen.borrow());
        let mut committed = 0;
        for (number, Known { outcome, partitions }) in known.iter().enumerate() {
            let times = |partition: &i32| {
                let numbers = seen.get(partition).map_or(&[][..], Vec::as_slice);
                numbers.iter().filter(|&&seen| seen as usize == number).count()
            };
            let found: Vec<usize> = partitions.iter().map(times).collect();
            let all = found.iter().all(|&times| times == 1);
            let none = found.iter().all(|&times| times == 0);
            let told = format!("seed {seed}: transaction {number}, {outcome:?}: {found:?}");
            match outcome {
                Outcome::Committed => assert!(all, "{told}"),
                Outcome::Aborted => assert!(none, "{told}"),
                Outcome::Unknown => assert!(all || none, "{told}"),
            }
            committed += u32::from(*outcome == Outcome::Committed);
        }
        for (partition, number) in self.shown.borrow().iter() {
            let stayed = seen.get(partition).is_some_and(|numbers| numbers.contains(number));
            assert!(stayed, "seed {seed}: partition {partition} took {number} back");
        }
        assert!(committed > 0, "seed {seed}: nothing was committed");
    }
}
