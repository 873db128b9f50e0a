//! What clients saw, in the order in which they saw it: the input of the [`checker`]
//! (`crate::checker`), and a file that Jepsen's Kafka workload can judge.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A topic and a partition of it.
pub type Key = (String, i32);

/// One client's step. Values are unique within a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// About to be sent, for the first time or again; unless more is said, it may have happened.
    Sent { key: Key, values: Vec<u64> },
    /// Acknowledged, the first value at this offset.
    Acknowledged { key: Key, offset: i64, values: Vec<u64> },
    /// Refused: it must not be there.
    Refused { key: Key, values: Vec<u64> },
    /// Read, in the order in which it was handed out.
    Polled { key: Key, records: Vec<(i64, u64)> },
    /// The consumer begins again somewhere else.
    Moved { key: Key, offset: i64 },
    /// An answer that must not come, whatever crashes.
    Wrong { key: Key, what: String },
}

impl Event {
    pub fn key(&self) -> &Key {
        match self {
            Event::Sent { key, .. }
            | Event::Acknowledged { key, .. }
            | Event::Refused { key, .. }
            | Event::Polled { key, .. }
            | Event::Moved { key, .. }
            | Event::Wrong { key, .. } => key,
        }
    }
}

/// An event with who saw it and when.
#[derive(Clone, Debug)]
pub struct Entry {
    pub process: u32,
    pub at: Duration,
    /// What the recorder's counter said when this was seen.
    pub count: u64,
    pub event: Event,
}

/// Written by many threads.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
    counter: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Recorder {
    pub fn new() -> Recorder {
        Recorder::counting(|| 0)
    }

    /// Notes with every event what `counter` says after it.
    pub fn counting(counter: impl Fn() -> u64 + Send + Sync + 'static) -> Recorder {
        Recorder { began: Instant::now(), entries: Arc::default(), counter: Arc::new(counter) }
    }

    pub fn count(&self) -> u64 {
        (self.counter)()
    }

    pub fn record(&self, process: u32, event: Event) {
        let count = self.count();
        let mut entries = self.entries.lock().expect("entries");
        entries.push(Entry { process, at: self.began.elapsed(), count, event });
    }

    /// Everything until now.
    pub fn history(&self) -> History {
        History(self.entries.lock().expect("entries").clone())
    }
}

#[derive(Clone, Debug, Default)]
pub struct History(pub Vec<Entry>);

impl History {
    pub fn acknowledged(&self) -> usize {
        let events = self.0.iter().map(|entry| &entry.event);
        events
            .map(|event| match event {
                Event::Acknowledged { values, .. } => values.len(),
                _ => 0,
            })
            .sum()
    }

    /// As operations of Jepsen's Kafka workload, one a line.
    pub fn edn(&self) -> String {
        let mut out = String::new();
        for (index, entry) in self.0.iter().enumerate() {
            writeln!(out, "{}", Operation { index, entry }).expect("a string takes everything");
        }
        out
    }
}

struct Operation<'a> {
    index: usize,
    entry: &'a Entry,
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { process, at, event, .. } = self.entry;
        let (kind, function) = match event {
            Event::Sent { .. } => ("invoke", "send"),
            Event::Acknowledged { .. } => ("ok", "send"),
            Event::Refused { .. } => ("fail", "send"),
            Event::Polled { .. } => ("ok", "poll"),
            Event::Moved { .. } => ("ok", "assign"),
            Event::Wrong { .. } => ("info", "send"),
        };
        let (index, time) = (self.index, at.as_nanos());
        write!(f, "{{:index {index}, :time {time}, :process {process}, ")?;
        write!(f, ":type :{kind}, :f :{function}, :value [")?;
        match event {
            Event::Sent { key, values } | Event::Refused { key, values } => {
                for value in values {
                    write!(f, "[:send \"{}-{}\" {value}]", key.0, key.1)?;
                }
            }
            Event::Acknowledged { key, offset, values } => {
                for (offset, value) in (*offset..).zip(values) {
                    write!(f, "[:send \"{}-{}\" [{offset} {value}]]", key.0, key.1)?;
                }
            }
            Event::Polled { key, records } => {
                write!(f, "[:poll {{\"{}-{}\" [", key.0, key.1)?;
                for (offset, value) in records {
                    write!(f, "[{offset} {value}]")?;
                }
                write!(f, "]}}]")?;
            }
            Event::Moved { key, .. } => write!(f, "\"{}-{}\"", key.0, key.1)?,
            Event::Wrong { key, what } => write!(f, "\"{}-{}\" {what:?}", key.0, key.1)?,
        }
        write!(f, "]}}")
    }
}

#[test]
fn operations_are_written_as_jepsen_reads_them() {
    let recorder = Recorder::new();
    let key = ("a".to_owned(), 0);
    recorder.record(3, Event::Sent { key: key.clone(), values: vec![7, 8] });
    recorder.record(3, Event::Acknowledged { key: key.clone(), offset: 5, values: vec![7, 8] });
    recorder.record(4, Event::Polled { key, records: vec![(5, 7)] });
    let edn = recorder.history().edn();
    let lines: Vec<&str> =
        edn.lines().map(|line| line.split_once(":process ").expect("a process").1).collect();
    assert_eq!(
        lines,
        [
            r#"3, :type :invoke, :f :send, :value [[:send "a-0" 7][:send "a-0" 8]]}"#,
            r#"3, :type :ok, :f :send, :value [[:send "a-0" [5 7]][:send "a-0" [6 8]]]}"#,
            r#"4, :type :ok, :f :poll, :value [[:poll {"a-0" [[5 7]]}]]}"#,
        ]
    );
}
