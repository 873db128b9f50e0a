//! Operations of Jepsen's Kafka workload (jepsen.tests.kafka), and a history of them as it reads one: each has an
//! invocation and a completion, a process has one at a time, and one whose operation ended as `:info` is
//! never heard of again.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A partition; the workload knows them by number.
pub type Key = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Invoke,
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    Send,
    Poll,
    Txn,
    Assign,
    Subscribe,
}

/// Offset and value.
pub type Record = (i64, u64);

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The offset is known once it was acknowledged.
    Send { key: Key, value: u64, offset: Option<i64> },
    /// Nothing before it was answered.
    Poll(BTreeMap<Key, Vec<Record>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Steps(Vec<Step>),
    Keys(Vec<Key>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub time: Duration,
    pub process: u32,
    pub kind: Kind,
    pub function: Function,
    pub value: Value,
    /// Of an assignment: it begins with the first record of each.
    pub from_the_beginning: bool,
}

impl Operation {
    pub fn steps(&self) -> &[Step] {
        match &self.value {
            Value::Steps(steps) => steps,
            Value::Keys(_) => &[],
        }
    }

    pub fn sends(&self) -> impl Iterator<Item = (Key, u64, Option<i64>)> {
        self.steps().iter().filter_map(|step| match step {
            Step::Send { key, value, offset } => Some((*key, *value, *offset)),
            Step::Poll(_) => None,
        })
    }

    /// What it was handed, in order.
    pub fn polled(&self) -> impl Iterator<Item = (Key, &[Record])> {
        self.steps().iter().flat_map(|step| match step {
            Step::Poll(records) => {
                records.iter().map(|(&key, of)| (key, of.as_slice())).collect::<Vec<_>>()
            }
            Step::Send { .. } => Vec::new(),
        })
    }
}

/// Written by many threads.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    operations: Arc<Mutex<Vec<Operation>>>,
}

impl Recorder {
    pub fn new() -> Recorder {
        Recorder { began: Instant::now(), operations: Arc::default() }
    }

    pub fn record(&self, process: u32, kind: Kind, function: Function, value: Value) {
        self.push(process, kind, function, value, false);
    }

    pub fn push(&self, process: u32, kind: Kind, function: Function, value: Value, first: bool) {
        let mut operations = self.operations.lock().expect("the history");
        let time = self.began.elapsed();
        let from_the_beginning = first;
        let operation = Operation { time, process, kind, function, value, from_the_beginning };
        operations.push(operation);
    }

    /// Everything until now.
    pub fn history(&self) -> Vec<Operation> {
        self.operations.lock().expect("the history").clone()
    }
}

/// One operation a line.
pub fn edn(history: &[Operation]) -> String {
    let mut out = String::new();
    for (index, operation) in history.iter().enumerate() {
        writeln!(out, "{{:index {index}, {operation}}}").expect("a string takes everything");
    }
    out
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        };
        let function = match self.function {
            Function::Send => "send",
            Function::Poll => "poll",
            Function::Txn => "txn",
            Function::Assign => "assign",
            Function::Subscribe => "subscribe",
        };
        let (time, process) = (self.time.as_nanos(), self.process);
        write!(f, ":time {time}, :process {process}, :type :{kind}, :f :{function}, :value [")?;
        match &self.value {
            Value::Keys(keys) => spaced(f, keys, |f, key| write!(f, "{key}"))?,
            Value::Steps(steps) => {
                spaced(f, steps, |f, step| step_text(f, step, self.kind == Kind::Invoke))?;
            }
        }
        f.write_str("]")?;
        if self.from_the_beginning {
            f.write_str(", :seek-to-beginning? true")?;
        }
        Ok(())
    }
}

fn step_text(f: &mut Formatter<'_>, step: &Step, is_asked: bool) -> fmt::Result {
    match step {
        Step::Send { key, value, .. } if is_asked => write!(f, "[:send {key} {value}]"),
        Step::Send { key, value, offset: None } => write!(f, "[:send {key} [nil {value}]]"),
        Step::Send { key, value, offset: Some(offset) } => {
            write!(f, "[:send {key} [{offset} {value}]]")
        }
        Step::Poll(_) if is_asked => f.write_str("[:poll]"),
        Step::Poll(records) => {
            f.write_str("[:poll {")?;
            spaced(f, records, |f, (key, of)| {
                write!(f, "{key} [")?;
                spaced(f, of, |f, (offset, value)| write!(f, "[{offset} {value}]"))?;
                f.write_str("]")
            })?;
            f.write_str("}]")
        }
    }
}

fn spaced<T>(
    f: &mut Formatter<'_>,
    all: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in all.into_iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        each(f, one)?;
    }
    Ok(())
}

#[test]
fn operations_are_written_as_jepsen_reads_them() {
    let recorder = Recorder::new();
    let send = |offset| Step::Send { key: 1, value: 7, offset };
    let poll = |records| Step::Poll(BTreeMap::from_iter(records));
    let steps = |steps: &[Step]| Value::Steps(steps.to_vec());
    recorder.push(3, Kind::Invoke, Function::Assign, Value::Keys(vec![0, 1]), true);
    recorder.record(3, Kind::Invoke, Function::Txn, steps(&[poll(vec![]), send(None)]));
    let told = poll(vec![(0, vec![(4, 2), (6, 3)]), (1, vec![(0, 9)])]);
    recorder.record(3, Kind::Ok, Function::Txn, steps(&[told, send(Some(5))]));
    recorder.record(4, Kind::Info, Function::Send, steps(&[send(None)]));
    recorder.record(5, Kind::Fail, Function::Subscribe, Value::Keys(vec![2]));
    let edn = edn(&recorder.history());
    let lines = edn.lines().map(|line| line.split_once(":process ").expect("a process").1);
    assert_eq!(
        Vec::from_iter(lines),
        [
            "3, :type :invoke, :f :assign, :value [0 1], :seek-to-beginning? true}",
            "3, :type :invoke, :f :txn, :value [[:poll] [:send 1 7]]}",
            "3, :type :ok, :f :txn, :value [[:poll {0 [[4 2] [6 3]] 1 [[0 9]]}] [:send 1 [5 7]]]}",
            "4, :type :info, :f :send, :value [[:send 1 [nil 7]]]}",
            "5, :type :fail, :f :subscribe, :value [2]}",
        ]
    );
    assert!(edn.starts_with("{:index 0, :time "));
}
