//! Judges a history by what a log must be, as Jepsen's Kafka workload does. Pure.
//!
//! A log gives every offset to one value and every value to one offset, for good. So what was
//! acknowledged is read back at its offset; what was read once is read again; nothing is there
//! twice, nothing that was refused and nothing that nobody sent; every producer's values lie in
//! the order in which they were sent; a consumer sees every offset once, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::history::{Event, History, Key};

/// The whole log of each partition, as it is read at the end.
pub type Logs = BTreeMap<Key, Vec<(i64, u64)>>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// Acknowledged, and not in the log.
    LostWrite { key: Key, offset: i64, value: u64 },
    /// A consumer saw it, and it is not in the log.
    TakenBack { key: Key, offset: i64, value: u64 },
    /// Two values were seen at one offset.
    InconsistentOffset { key: Key, offset: i64, values: (u64, u64) },
    /// One value was seen at two offsets.
    Duplicate { key: Key, value: u64, offsets: (i64, i64) },
    /// In the log although it was refused.
    AbortedRead { key: Key, offset: i64, value: u64 },
    /// In the log although nobody sent it there.
    Phantom { key: Key, offset: i64, value: u64 },
    /// A consumer was handed an offset that does not lie behind the one before.
    NonmonotonicPoll { key: Key, process: u32, offsets: (i64, i64) },
    /// A consumer was not handed the offset behind the one before.
    PollSkip { key: Key, process: u32, offsets: (i64, i64) },
    /// A producer's values lie in another order than it sent them.
    NonmonotonicSend { key: Key, process: u32, values: (u64, u64) },
    /// The log itself is read out of order or with gaps.
    Broken { key: Key, offsets: (i64, i64) },
    /// An answer that must not come.
    Wrong { key: Key, process: u32, what: String },
}

/// Everything that is wrong. `logs` must have been read after the history ended.
pub fn check(history: &History, logs: &Logs) -> Vec<Anomaly> {
    let mut steps: BTreeMap<&Key, Vec<(u32, &Event)>> = BTreeMap::new();
    for key in logs.keys() {
        steps.insert(key, Vec::new());
    }
    for entry in &history.0 {
        steps.entry(entry.event.key()).or_default().push((entry.process, &entry.event));
    }
    let mut anomalies = BTreeSet::new();
    for (key, events) in steps {
        let log = logs.get(key).map_or(&[][..], Vec::as_slice);
        let mut judge = Judge::new(key);
        judge.read_log(log);
        for (process, event) in events {
            judge.hear(process, event);
        }
        judge.conclude(log);
        anomalies.append(&mut judge.anomalies);
    }
    anomalies.into_iter().collect()
}

/// Judges one partition.
struct Judge<'a> {
    key: &'a Key,
    anomalies: BTreeSet<Anomaly>,
    /// What was seen at each offset, by anybody, and where each value was seen.
    by_offset: HashMap<i64, u64>,
    by_value: HashMap<u64, i64>,
    /// Where each value lies in the log.
    places: HashMap<u64, i64>,
    sent: HashSet<u64>,
    refused: HashSet<u64>,
    /// The order in which each producer first sent its values.
    orders: BTreeMap<u32, Vec<u64>>,
    /// The offset that each consumer was handed last.
    positions: BTreeMap<u32, i64>,
}

impl<'a> Judge<'a> {
    fn new(key: &'a Key) -> Judge<'a> {
        Judge {
            key,
            anomalies: BTreeSet::new(),
            by_offset: HashMap::new(),
            by_value: HashMap::new(),
            places: HashMap::new(),
            sent: HashSet::new(),
            refused: HashSet::new(),
            orders: BTreeMap::new(),
            positions: BTreeMap::new(),
        }
    }

    fn read_log(&mut self, log: &[(i64, u64)]) {
        for pair in log.windows(2) {
            let offsets = (pair[0].0, pair[1].0);
            if offsets.1 != offsets.0 + 1 {
                self.anomalies.insert(Anomaly::Broken { key: self.key.clone(), offsets });
            }
        }
        for &(offset, value) in log {
            self.see(offset, value);
            self.places.insert(value, offset);
        }
    }

    /// Somebody saw this value at this offset.
    fn see(&mut self, offset: i64, value: u64) {
        let key = self.key;
        let other = *self.by_offset.entry(offset).or_insert(value);
        if other != value {
            let values = (other.min(value), other.max(value));
            self.anomalies.insert(Anomaly::InconsistentOffset { key: key.clone(), offset, values });
        }
        let other = *self.by_value.entry(value).or_insert(offset);
        if other != offset {
            let offsets = (other.min(offset), other.max(offset));
            self.anomalies.insert(Anomaly::Duplicate { key: key.clone(), value, offsets });
        }
    }

    fn hear(&mut self, process: u32, event: &Event) {
        let key = self.key;
        match event {
            Event::Sent { values, .. } => {
                let order = self.orders.entry(process).or_default();
                for &value in values {
                    if self.sent.insert(value) {
                        order.push(value);
                    }
                }
            }
            Event::Acknowledged { offset, values, .. } => {
                for (offset, &value) in (*offset..).zip(values) {
                    self.see(offset, value);
                    if self.places.get(&value) != Some(&offset) {
                        let key = key.clone();
                        self.anomalies.insert(Anomaly::LostWrite { key, offset, value });
                    }
                }
            }
            Event::Refused { values, .. } => self.refused.extend(values),
            Event::Polled { records, .. } => {
                for &(offset, value) in records {
                    self.poll(process, offset, value);
                }
            }
            Event::Moved { offset, .. } => {
                self.positions.insert(process, offset - 1);
            }
            Event::Wrong { what, .. } => {
                let (key, what) = (key.clone(), what.clone());
                self.anomalies.insert(Anomaly::Wrong { key, process, what });
            }
        }
    }

    fn poll(&mut self, process: u32, offset: i64, value: u64) {
        let before = self.positions.insert(process, offset);
        if let Some(before) = before
            && offset != before + 1
        {
            let (key, offsets) = (self.key.clone(), (before, offset));
            self.anomalies.insert(if offset <= before {
                Anomaly::NonmonotonicPoll { key, process, offsets }
            } else {
                Anomaly::PollSkip { key, process, offsets }
            });
        }
        self.see(offset, value);
        if self.places.get(&value) != Some(&offset) {
            self.anomalies.insert(Anomaly::TakenBack { key: self.key.clone(), offset, value });
        }
    }

    fn conclude(&mut self, log: &[(i64, u64)]) {
        for &(offset, value) in log {
            let key = self.key.clone();
            if self.refused.contains(&value) {
                self.anomalies.insert(Anomaly::AbortedRead { key, offset, value });
            } else if !self.sent.contains(&value) {
                self.anomalies.insert(Anomaly::Phantom { key, offset, value });
            }
        }
        for (&process, order) in &self.orders {
            let placed = order.iter().filter_map(|&value| Some((*self.places.get(&value)?, value)));
            let placed: Vec<(i64, u64)> = placed.collect();
            for pair in placed.windows(2) {
                if pair[1].0 < pair[0].0 {
                    let (key, values) = (self.key.clone(), (pair[0].1, pair[1].1));
                    self.anomalies.insert(Anomaly::NonmonotonicSend { key, process, values });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Entry;

    fn key() -> Key {
        ("t".to_owned(), 0)
    }

    fn sent(values: &[u64]) -> Event {
        Event::Sent { key: key(), values: values.to_vec() }
    }

    fn acknowledged(offset: i64, values: &[u64]) -> Event {
        Event::Acknowledged { key: key(), offset, values: values.to_vec() }
    }

    fn polled(records: &[(i64, u64)]) -> Event {
        Event::Polled { key: key(), records: records.to_vec() }
    }

    /// One producer and one consumer against one log.
    fn judge(events: &[Event], log: &[(i64, u64)], expect: &[Anomaly]) {
        let entry = |event: &Event| Entry {
            process: 1,
            at: std::time::Duration::ZERO,
            count: 0,
            event: event.clone(),
        };
        let history = History(events.iter().map(entry).collect());
        let logs = Logs::from([(key(), log.to_vec())]);
        assert_eq!(check(&history, &logs), expect, "{events:?} {log:?}");
    }

    #[test]
    fn a_sound_history_is_sound() {
        let log = [(0, 10), (1, 11), (2, 12), (3, 13)];
        let events = [
            sent(&[10, 11]),
            acknowledged(0, &[10, 11]),
            polled(&[(0, 10)]),
            // Sent again, acknowledged only then.
            sent(&[12]),
            sent(&[12]),
            sent(&[13]),
            acknowledged(2, &[12]),
            polled(&[(1, 11), (2, 12)]),
            // Never acknowledged and not there.
            sent(&[14]),
            // Refused and not there.
            sent(&[15]),
            Event::Refused { key: key(), values: vec![15] },
        ];
        judge(&events, &log, &[]);
        judge(&[], &[], &[]);
        // The log's beginning may be gone.
        judge(&[sent(&[1, 2])], &[(7, 1), (8, 2)], &[]);
    }

    #[test]
    fn what_was_acknowledged_must_be_there() {
        let lost = |offset, value| Anomaly::LostWrite { key: key(), offset, value };
        judge(&[sent(&[1]), acknowledged(0, &[1])], &[], &[lost(0, 1)]);
        let events = [sent(&[1, 2]), acknowledged(0, &[1, 2])];
        judge(&events, &[(0, 1)], &[lost(1, 2)]);
    }

    #[test]
    fn an_offset_belongs_to_one_value() {
        let key = key();
        let events = [sent(&[1]), acknowledged(0, &[1]), sent(&[2])];
        let expect = [
            Anomaly::LostWrite { key: key.clone(), offset: 0, value: 1 },
            Anomaly::InconsistentOffset { key: key.clone(), offset: 0, values: (1, 2) },
        ];
        judge(&events, &[(0, 2)], &expect);
        let events = [sent(&[1, 2]), polled(&[(0, 1)])];
        let expect = [
            Anomaly::TakenBack { key: key.clone(), offset: 0, value: 1 },
            Anomaly::InconsistentOffset { key, offset: 0, values: (1, 2) },
        ];
        judge(&events, &[(0, 2)], &expect);
    }

    #[test]
    fn a_value_is_there_once() {
        let duplicate = Anomaly::Duplicate { key: key(), value: 1, offsets: (0, 1) };
        judge(&[sent(&[1]), sent(&[1])], &[(0, 1), (1, 1)], &[duplicate]);
        // Acknowledged elsewhere than it lies.
        let expect = [
            Anomaly::LostWrite { key: key(), offset: 5, value: 1 },
            Anomaly::Duplicate { key: key(), value: 1, offsets: (0, 5) },
        ];
        judge(&[sent(&[1]), acknowledged(5, &[1])], &[(0, 1)], &expect);
    }

    #[test]
    fn what_was_read_is_read_again() {
        let taken = Anomaly::TakenBack { key: key(), offset: 1, value: 2 };
        judge(&[sent(&[1, 2]), polled(&[(0, 1), (1, 2)])], &[(0, 1)], &[taken]);
    }

    #[test]
    fn consumers_are_handed_every_offset_once_in_order() {
        let log = [(0, 1), (1, 2), (2, 3)];
        let all = sent(&[1, 2, 3]);
        let again = Anomaly::NonmonotonicPoll { key: key(), process: 1, offsets: (1, 1) };
        judge(&[all.clone(), polled(&[(0, 1), (1, 2)]), polled(&[(1, 2)])], &log, &[again]);
        let skip = Anomaly::PollSkip { key: key(), process: 1, offsets: (0, 2) };
        judge(&[all.clone(), polled(&[(0, 1)]), polled(&[(2, 3)])], &log, &[skip]);
        let back = Event::Moved { key: key(), offset: 0 };
        judge(&[all, polled(&[(0, 1), (1, 2)]), back, polled(&[(0, 1)])], &log, &[]);
    }

    #[test]
    fn a_producers_order_is_kept() {
        let values = (2, 3);
        let turned = Anomaly::NonmonotonicSend { key: key(), process: 1, values };
        judge(&[sent(&[1]), sent(&[2]), sent(&[3])], &[(0, 1), (1, 3), (2, 2)], &[turned]);
    }

    #[test]
    fn what_does_not_belong_there_is_found() {
        let phantom = Anomaly::Phantom { key: key(), offset: 0, value: 9 };
        judge(&[], &[(0, 9)], &[phantom]);
        let aborted = Anomaly::AbortedRead { key: key(), offset: 0, value: 9 };
        let events = [sent(&[9]), Event::Refused { key: key(), values: vec![9] }];
        judge(&events, &[(0, 9)], &[aborted]);
        let broken = Anomaly::Broken { key: key(), offsets: (0, 2) };
        judge(&[sent(&[1, 2])], &[(0, 1), (2, 2)], &[broken]);
        let what = "OUT_OF_ORDER_SEQUENCE_NUMBER".to_owned();
        let event = Event::Wrong { key: key(), what: what.clone() };
        judge(&[event], &[], &[Anomaly::Wrong { key: key(), process: 1, what }]);
    }
}
