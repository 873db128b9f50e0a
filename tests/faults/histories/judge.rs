//! Judges a history of operations as Jepsen's Kafka workload does, and by what it leaves to cycles: that a transaction
//! is seen whole or not at all. Pure. The history ends with somebody who reads everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::operation::{Function, Key, Kind, Operation};

/// What is wrong, by Jepsen's names. Operations are told of by their index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// Acknowledged, nobody was handed it, and others behind it were handed out.
    LostWrite {
        key: Key,
        value: u64,
    },
    /// Acknowledged, and nobody was handed it, although all was read to the end.
    Unseen {
        key: Key,
        value: u64,
    },
    /// One value at two offsets.
    Duplicate {
        key: Key,
        value: u64,
        offsets: (i64, i64),
    },
    /// Two values at one offset.
    InconsistentOffsets {
        key: Key,
        offset: i64,
        values: (u64, u64),
    },
    /// Of an operation that failed (G1a).
    AbortedRead {
        key: Key,
        value: u64,
    },
    /// A transaction was handed what it sent itself.
    PrecommittedRead {
        index: usize,
        value: u64,
    },
    /// Nobody sent it there.
    Phantom {
        key: Key,
        value: u64,
    },
    /// What a process was handed before lies behind what it is handed now.
    NonmonotonicPoll {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    PollSkip {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    /// The same within one operation.
    IntNonmonotonicPoll {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    IntPollSkip {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    /// A process's values lie in another order than it sent them.
    NonmonotonicSend {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    IntNonmonotonicSend {
        key: Key,
        index: usize,
        offsets: (i64, i64),
    },
    /// Some of what it sent was seen, and some not.
    Torn {
        index: usize,
        seen: usize,
        sent: usize,
    },
    /// Transactions that were handed what others of them sent, in a circle (G1c).
    Circle {
        indices: Vec<usize>,
    },
}

/// Everything that is wrong.
pub fn judge(history: &[Operation]) -> Vec<Anomaly> {
    let mut judge = Judge::default();
    for (index, operation) in history.iter().enumerate() {
        judge.hear_sends(index, operation);
    }
    for (index, operation) in history.iter().enumerate() {
        judge.hear_polls(index, operation);
    }
    judge.order();
    judge.follow(history);
    judge.conclude(history);
    judge.circles(history);
    judge.anomalies.into_iter().collect()
}

/// Who sent a value, and what became of that.
#[derive(Clone, Copy)]
struct Writer {
    key: Key,
    /// Of the completion, where there is one.
    index: usize,
    kind: Kind,
}

#[derive(Default)]
struct Judge {
    anomalies: BTreeSet<Anomaly>,
    writers: HashMap<u64, Writer>,
    /// What was told of each offset, by sends and polls alike.
    told: BTreeMap<(Key, i64), u64>,
    places: HashMap<(Key, u64), i64>,
    /// Handed to somebody.
    polled: BTreeSet<(Key, u64)>,
    /// The offsets at which somebody was handed something, in order.
    versions: BTreeMap<Key, Vec<i64>>,
}

impl Judge {
    fn hear_sends(&mut self, index: usize, operation: &Operation) {
        // What was asked for and never answered may have happened.
        let kind = match operation.kind {
            Kind::Invoke => Kind::Info,
            kind => kind,
        };
        for (key, value, offset) in operation.sends() {
            self.writers.insert(value, Writer { key, index, kind });
            if let Some(offset) = offset {
                self.tell(key, offset, value);
            }
        }
    }

    fn hear_polls(&mut self, index: usize, operation: &Operation) {
        let own: BTreeSet<u64> = operation.sends().map(|(_, value, _)| value).collect();
        for (key, records) in operation.polled() {
            for &(offset, value) in records {
                self.tell(key, offset, value);
                self.polled.insert((key, value));
                self.versions.entry(key).or_default().push(offset);
                let writer = self.writers.get(&value).filter(|writer| writer.key == key);
                match writer {
                    None => self.anomalies.insert(Anomaly::Phantom { key, value }),
                    Some(writer) if writer.kind == Kind::Fail => {
                        self.anomalies.insert(Anomaly::AbortedRead { key, value })
                    }
                    Some(_) if own.contains(&value) => {
                        self.anomalies.insert(Anomaly::PrecommittedRead { index, value })
                    }
                    Some(_) => false,
                };
            }
        }
    }

    fn tell(&mut self, key: Key, offset: i64, value: u64) {
        let other = *self.told.entry((key, offset)).or_insert(value);
        if other != value {
            let values = (other.min(value), other.max(value));
            self.anomalies.insert(Anomaly::InconsistentOffsets { key, offset, values });
        }
        let other = *self.places.entry((key, value)).or_insert(offset);
        if other != offset {
            let offsets = (other.min(offset), other.max(offset));
            self.anomalies.insert(Anomaly::Duplicate { key, value, offsets });
        }
    }

    fn order(&mut self) {
        for offsets in self.versions.values_mut() {
            offsets.sort_unstable();
            offsets.dedup();
        }
    }

    /// Whether nothing that anybody was handed lies between two offsets.
    fn follows(&self, key: Key, before: i64, after: i64) -> bool {
        let versions = self.versions.get(&key).map_or(&[][..], Vec::as_slice);
        let first = versions.partition_point(|&offset| offset <= before);
        versions.get(first).is_none_or(|&next| next >= after)
    }

    /// What each process was handed and sent, in its order.
    fn follow(&mut self, history: &[Operation]) {
        let mut handed: HashMap<(u32, Key), i64> = HashMap::new();
        let mut sent: HashMap<(u32, Key), i64> = HashMap::new();
        for (index, operation) in history.iter().enumerate() {
            let process = operation.process;
            if matches!(operation.function, Function::Assign | Function::Subscribe) {
                handed.retain(|(of, _), _| *of != process);
                continue;
            }
            if operation.kind != Kind::Ok {
                continue;
            }
            let mut within: HashMap<Key, i64> = HashMap::new();
            for (key, records) in operation.polled() {
                for &(offset, _) in records {
                    let inner = within.insert(key, offset);
                    let outer = handed.insert((process, key), offset);
                    let Some(before) = inner.or(outer) else { continue };
                    let offsets = (before, offset);
                    let anomaly = match (offset > before, inner.is_some()) {
                        (false, true) => Anomaly::IntNonmonotonicPoll { key, index, offsets },
                        (false, false) => Anomaly::NonmonotonicPoll { key, index, offsets },
                        (true, _) if self.follows(key, before, offset) => continue,
                        (true, true) => Anomaly::IntPollSkip { key, index, offsets },
                        (true, false) => Anomaly::PollSkip { key, index, offsets },
                    };
                    self.anomalies.insert(anomaly);
                }
            }
            let mut within: HashMap<Key, i64> = HashMap::new();
            for (key, _, offset) in operation.sends() {
                let Some(offset) = offset else { continue };
                let inner = within.insert(key, offset);
                let outer = sent.insert((process, key), offset);
                let Some(before) = inner.or(outer).filter(|&before| before >= offset) else {
                    continue;
                };
                let offsets = (before, offset);
                self.anomalies.insert(match inner {
                    Some(_) => Anomaly::IntNonmonotonicSend { key, index, offsets },
                    None => Anomaly::NonmonotonicSend { key, index, offsets },
                });
            }
        }
    }

    fn conclude(&mut self, history: &[Operation]) {
        for (&value, writer) in &self.writers {
            let key = writer.key;
            if writer.kind != Kind::Ok || self.polled.contains(&(key, value)) {
                continue;
            }
            let highest = self.versions.get(&key).and_then(|offsets| offsets.last());
            let place = self.places.get(&(key, value));
            self.anomalies.insert(match (place, highest) {
                (Some(place), Some(highest)) if place <= highest => {
                    Anomaly::LostWrite { key, value }
                }
                _ => Anomaly::Unseen { key, value },
            });
        }
        for (index, operation) in history.iter().enumerate() {
            if operation.function != Function::Txn || operation.kind == Kind::Invoke {
                continue;
            }
            let sends: Vec<bool> = operation
                .sends()
                .map(|(key, value, _)| self.polled.contains(&(key, value)))
                .collect();
            let seen = sends.iter().filter(|&&seen| seen).count();
            if seen > 0 && seen < sends.len() {
                self.anomalies.insert(Anomaly::Torn { index, seen, sent: sends.len() });
            }
        }
    }

    /// From each transaction to those that were handed something of it.
    fn circles(&mut self, history: &[Operation]) {
        let mut readers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (index, operation) in history.iter().enumerate() {
            let sends = operation.sends().next().is_some();
            if operation.kind != Kind::Ok || operation.function != Function::Txn || !sends {
                continue;
            }
            for (_, records) in operation.polled() {
                for (_, value) in records {
                    let writer = self.writers.get(value).map(|writer| writer.index);
                    if let Some(writer) = writer.filter(|&writer| writer != index) {
                        readers.entry(writer).or_default().insert(index);
                    }
                }
            }
        }
        // Whoever nobody was handed anything of is in no circle, and so on.
        loop {
            let known: BTreeSet<usize> = readers.keys().copied().collect();
            let before = readers.len();
            for of in readers.values_mut() {
                of.retain(|reader| known.contains(reader));
            }
            readers.retain(|_, of| !of.is_empty());
            if readers.len() == before {
                break;
            }
        }
        let Some(&first) = readers.keys().next() else { return };
        let mut indices = vec![first];
        let mut here = first;
        loop {
            here = *readers[&here].first().expect("only such are left");
            if let Some(place) = indices.iter().position(|&index| index == here) {
                self.anomalies.insert(Anomaly::Circle { indices: indices.split_off(place) });
                return;
            }
            indices.push(here);
        }
    }
}
