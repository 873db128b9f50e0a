//! What producers know of their transactions, and whether what is read fits that.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::AddAssign;
use std::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The commit was acknowledged.
    Committed,
    /// No commit was ever asked for, or it was refused.
    Aborted,
    /// It was asked for, and the answer did not come.
    Unknown,
}

/// A transaction: its values by partition.
#[derive(Clone, Debug)]
pub struct Known {
    pub scene: &'static str,
    pub end: End,
    pub values: BTreeMap<i32, Vec<u64>>,
}

#[derive(Default)]
pub struct Ledger {
    known: Mutex<Vec<Known>>,
    /// What was allowed and must not have been.
    refusals: Mutex<Vec<String>>,
}

impl Ledger {
    /// A new transaction, aborted until more is said; its number.
    pub fn begin(&self, scene: &'static str) -> usize {
        let mut known = self.known.lock().expect("the ledger");
        known.push(Known { scene, end: End::Aborted, values: BTreeMap::new() });
        known.len() - 1
    }

    /// Values that nobody else has, about to be written.
    pub fn values(&self, number: usize, partition: i32, count: u64) -> Vec<u64> {
        let mut known = self.known.lock().expect("the ledger");
        let own = known[number].values.entry(partition).or_default();
        let first = (number as u64) << 16 | (partition as u64) << 8 | own.len() as u64;
        own.extend(first..first + count);
        (first..first + count).collect()
    }

    pub fn tell(&self, number: usize, end: End) {
        self.known.lock().expect("the ledger")[number].end = end;
    }

    /// Something succeeded that must be refused.
    pub fn must_not(&self, what: String) {
        self.refusals.lock().expect("the ledger").push(what);
    }

    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().expect("the ledger").clone()
    }

    /// `logs`: what is committed in each partition, when nothing is open any more.
    pub fn judge(&self, logs: &[Vec<(i64, u64)>]) -> Vec<String> {
        let known = self.known.lock().expect("the ledger");
        let mut times: HashMap<(i32, u64), u32> = HashMap::new();
        let mut order: BTreeMap<(i32, usize), u64> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (partition, log) in (0..).zip(logs) {
            for &(offset, value) in log {
                *times.entry((partition, value)).or_default() += 1;
                let number = (value >> 16) as usize;
                let is_sent = known.get(number).is_some_and(|known| {
                    known.values.get(&partition).is_some_and(|values| values.contains(&value))
                });
                if !is_sent {
                    wrong.push(format!("nobody sent {value} at {partition}@{offset}"));
                }
                let before = order.insert((partition, number), value);
                if before.is_some_and(|before| before > value) {
                    wrong.push(format!("{value} at {partition}@{offset} follows {before:?}"));
                }
            }
        }
        for (number, Known { scene, end, values }) in known.iter().enumerate() {
            let places = values.iter();
            let all = places.flat_map(|(&partition, v)| v.iter().map(move |&v| (partition, v)));
            let found: Vec<u32> =
                all.map(|place| times.get(&place).copied().unwrap_or(0)).collect();
            let whole = found.iter().all(|&times| times == 1);
            let nothing = found.iter().all(|&times| times == 0);
            let fits = match end {
                End::Committed => whole,
                End::Aborted => nothing,
                End::Unknown => whole || nothing,
            };
            if !fits {
                wrong.push(format!("transaction {number} ({scene}), {end:?}: seen {found:?}"));
            }
        }
        wrong
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for Known { scene, end, .. } in self.known.lock().expect("the ledger").iter() {
            *counts.0.entry((scene, *end)).or_default() += 1;
        }
        counts
    }
}

/// How often each scene ended in each way.
#[derive(Default)]
pub struct Counts(BTreeMap<(&'static str, End), u32>);

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ((scene, end), count) in &self.0 {
            write!(f, "{separator}{count} {scene} {}", format!("{end:?}").to_lowercase())?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One transaction with a value in each of two partitions.
    fn check(end: End, logs: [&[(i64, u64)]; 2], expect: usize) {
        let ledger = Ledger::default();
        let number = ledger.begin("test");
        for partition in 0..2 {
            ledger.values(number, partition, 1);
        }
        ledger.tell(number, end);
        let wrong = ledger.judge(&logs.map(<[_]>::to_vec));
        assert_eq!(wrong.len(), expect, "{end:?} {logs:?}: {wrong:?}");
    }

    #[test]
    fn transactions_are_all_or_nothing() {
        let (one, other): (&[_], &[_]) = (&[(0, 0)], &[(3, 256)]);
        let none: &[(i64, u64)] = &[];
        check(End::Committed, [one, other], 0);
        check(End::Committed, [one, none], 1);
        check(End::Committed, [none, none], 1);
        check(End::Aborted, [none, none], 0);
        check(End::Aborted, [one, none], 1);
        check(End::Aborted, [one, other], 1);
        check(End::Unknown, [none, none], 0);
        check(End::Unknown, [one, other], 0);
        check(End::Unknown, [none, other], 1);
        // Twice, and what nobody sent.
        check(End::Committed, [&[(0, 0), (1, 0)], other], 1);
        check(End::Committed, [&[(0, 0), (1, 77 << 16)], other], 1);
    }

    #[test]
    fn values_of_a_transaction_stay_in_order() {
        let ledger = Ledger::default();
        let number = ledger.begin("test");
        ledger.values(number, 0, 2);
        ledger.tell(number, End::Committed);
        assert_eq!(ledger.judge(&[vec![(0, 0), (1, 1)]]).len(), 0);
        assert_eq!(ledger.judge(&[vec![(0, 1), (1, 0)]]).len(), 1);
    }
}
