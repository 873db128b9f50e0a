//! Processes that send, poll, and do both in transactions, through whatever happens to the broker, and record each
//! operation as Jepsen's clients do.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;

use super::member::Member;
use super::operation::{Function, Kind, Record, Recorder, Step, Value};
use crate::client::Client;
use crate::coordinator::{GROUP, committed, find};
use crate::topics::{Sequence, Topic, batch};
use crate::transactions::reading;
use crate::transactions::session::{Level, Session, Told, Trouble};

/// Between attempts to reach a broker that is away.
const PAUSE: Duration = Duration::from_millis(5);
/// A process whose operation ended nobody knows how is followed by another one, so many numbers on.
const STRIDE: u32 = 100;
/// Records of one partition that one poll hands out.
const POLLED_MAX: usize = 20;
const WAIT_MS: i32 = 5;
/// Attempts to hear how a commit ended.
const ATTEMPTS: u32 = 300;
const TIMEOUT_MS: i32 = 2_000;

pub struct Process {
    pub number: u32,
    pub bootstrap: SocketAddr,
    pub topic: Topic,
    pub recorder: Recorder,
    pub dice: Prng,
    pub stopped: Arc<AtomicBool>,
    /// What nobody has sent yet.
    pub next_value: Arc<AtomicU64>,
}

pub type Role = fn(&mut Process);

type Positions = BTreeMap<i32, i64>;

impl Process {
    pub fn start(mut self, role: Role) -> JoinHandle<()> {
        thread::spawn(move || {
            while !self.stopped.load(Ordering::Relaxed) {
                role(&mut self);
                thread::sleep(PAUSE);
            }
        })
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn record(&self, kind: Kind, function: Function, steps: &[Step]) {
        self.recorder.record(self.number, kind, function, Value::Steps(steps.to_vec()));
    }

    /// Nobody knows how it ended.
    fn unknown(&mut self, function: Function, steps: &[Step]) {
        self.record(Kind::Info, function, steps);
        self.number += STRIDE;
    }

    fn breathe(&mut self) {
        thread::sleep(Duration::from_micros(self.dice.below(6_000)));
    }

    fn partitions(&self) -> i32 {
        self.topic.partitions.len() as i32
    }

    fn sends(&mut self) -> Vec<Step> {
        let key = self.dice.below(self.partitions() as u64) as u32;
        let count = 1 + self.dice.below(3);
        let first = self.next_value.fetch_add(count, Ordering::Relaxed);
        (first..first + count).map(|value| Step::Send { key, value, offset: None }).collect()
    }

    fn assign(&self, function: Function, keys: &[i32], first: bool) {
        let keys = || Value::Keys(keys.iter().map(|&key| key as u32).collect());
        self.recorder.push(self.number, Kind::Invoke, function, keys(), first);
        self.recorder.push(self.number, Kind::Ok, function, keys(), first);
    }

    /// Reads on from each position, and moves them.
    fn poll(&self, client: &mut Client, positions: &mut Positions) -> io::Result<Step> {
        let mut found: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
        let mut next = positions.clone();
        for (&partition, position) in &mut next {
            let shown = reading::fetch(client, &self.topic, partition, *position, WAIT_MS)?;
            let shown = shown.map_err(|code| io::Error::other(code.to_string()))?;
            *position = shown.next_offset;
            let mut records = shown.records;
            if records.len() > POLLED_MAX {
                records.truncate(POLLED_MAX);
                *position = records[POLLED_MAX - 1].0 + 1;
            }
            if !records.is_empty() {
                found.insert(partition as u32, records);
            }
        }
        *positions = next;
        Ok(Step::Poll(found))
    }

    /// Produces without anything that would make a second attempt harmless, and so makes none.
    pub fn sender(&mut self) {
        let Ok(mut client) = Client::connect(self.bootstrap) else { return };
        while !self.is_stopped() {
            let mut steps = self.sends();
            self.record(Kind::Invoke, Function::Send, &steps);
            let values: Vec<u64> = steps.iter().filter_map(value_of).collect();
            let Step::Send { key, .. } = steps[0] else { unreachable!("sends only") };
            let bytes = batch(Sequence::NONE, &values, 0);
            match self.topic.produce(&mut client, key as i32, &bytes) {
                Ok((ErrorCode::NONE, base)) => {
                    place(&mut steps, base);
                    self.record(Kind::Ok, Function::Send, &steps);
                }
                // It may have been written all the same.
                Ok((ErrorCode::REQUEST_TIMED_OUT | ErrorCode::KAFKA_STORAGE_ERROR, _)) | Err(_) => {
                    return self.unknown(Function::Send, &steps);
                }
                Ok(_) => self.record(Kind::Fail, Function::Send, &steps),
            }
            self.breathe();
        }
    }

    /// Reads all partitions, from the beginning now and then.
    pub fn reader(&mut self) {
        let keys: Vec<i32> = (0..self.partitions()).collect();
        let mut positions: Positions = keys.iter().map(|&key| (key, 0)).collect();
        self.assign(Function::Assign, &keys, true);
        let mut client = None;
        while !self.is_stopped() && !self.dice.chance(1, 1_500) {
            if client.is_none() {
                client = Client::connect(self.bootstrap).ok();
            }
            let Some(connected) = &mut client else {
                thread::sleep(PAUSE);
                continue;
            };
            let asked = [Step::Poll(BTreeMap::new())];
            self.record(Kind::Invoke, Function::Poll, &asked);
            match self.poll(connected, &mut positions) {
                Ok(step) => self.record(Kind::Ok, Function::Poll, &[step]),
                Err(_) => {
                    self.record(Kind::Fail, Function::Poll, &asked);
                    client = None;
                }
            }
            self.breathe();
        }
    }

    /// A member of a group: it goes on where the group is, and commits what it was handed.
    pub fn subscriber(&mut self) {
        let group = "subscribers";
        let joined = Member::join(self.bootstrap, group, self.partitions());
        let Ok(mut member) = joined else { return };
        let mut positions = Positions::new();
        if !member.own.is_empty() {
            let own = member.own.clone();
            let found = committed(&mut member.coordinator, group, &self.topic.name, &own);
            let Ok(found) = found else { return };
            positions = found.into_iter().map(|(key, offset)| (key, offset.max(0))).collect();
        }
        self.assign(Function::Subscribe, &member.own, false);
        let Ok(mut client) = Client::connect(self.bootstrap) else { return };
        // Now and then it leaves without a word.
        while !self.is_stopped() && !self.dice.chance(1, 400) {
            let asked = [Step::Poll(BTreeMap::new())];
            self.record(Kind::Invoke, Function::Poll, &asked);
            let Ok(step) = self.poll(&mut client, &mut positions) else {
                return self.record(Kind::Fail, Function::Poll, &asked);
            };
            let offsets: Vec<(i32, i64)> = positions.iter().map(|(&k, &o)| (k, o)).collect();
            let kept = match offsets.is_empty() {
                true => Ok(()),
                false => member.commit(&self.topic.name, &offsets),
            };
            // It was handed out, whether that could be committed or not.
            self.record(Kind::Ok, Function::Poll, &[step]);
            if kept.and_then(|()| member.heartbeat()).is_err() {
                return;
            }
            self.breathe();
        }
    }

    pub fn transactor_of_old(&mut self) {
        self.transactor(Level::Old);
    }

    pub fn transactor_of_new(&mut self) {
        self.transactor(Level::New);
    }

    /// Polls and sends in transactions, with its offsets in them.
    fn transactor(&mut self, level: Level) {
        let name = format!("transactor-{}", self.number % STRIDE);
        let mut session = Session::new(self.bootstrap, &name, level, TIMEOUT_MS);
        if session.begin().is_err() {
            return;
        }
        let keys: Vec<i32> = (0..self.partitions()).collect();
        let found = find(self.bootstrap, GROUP, &name)
            .and_then(|mut client| committed(&mut client, &name, &self.topic.name, &keys));
        let Ok(found) = found else { return };
        let mut positions: Positions =
            keys.iter().map(|key| (*key, found.get(key).map_or(0, |&at| at.max(0)))).collect();
        self.assign(Function::Assign, &keys, false);
        let Ok(mut client) = Client::connect(self.bootstrap) else { return };
        while !self.is_stopped() {
            let before = positions.clone();
            let mut steps = Vec::new();
            for _ in 0..1 + self.dice.below(3) {
                if self.dice.chance(1, 3) {
                    steps.push(Step::Poll(BTreeMap::new()));
                } else {
                    steps.append(&mut self.sends());
                }
            }
            self.record(Kind::Invoke, Function::Txn, &steps);
            let done = self.perform(&mut session, &mut client, &mut steps, &mut positions);
            if done.is_err() {
                // No commit was asked for, and the next beginning aborts it.
                return self.record(Kind::Fail, Function::Txn, &steps);
            }
            if self.dice.chance(1, 4) {
                self.record(Kind::Fail, Function::Txn, &steps);
                if session.end(false).is_err() {
                    return;
                }
                positions = before;
                continue;
            }
            match commit(&mut session) {
                Ok(()) => self.record(Kind::Ok, Function::Txn, &steps),
                Err(Trouble::Said(_)) => return self.record(Kind::Fail, Function::Txn, &steps),
                Err(Trouble::Connection) => return self.unknown(Function::Txn, &steps),
            }
            self.breathe();
        }
    }

    fn perform(
        &mut self,
        session: &mut Session,
        client: &mut Client,
        steps: &mut [Step],
        positions: &mut Positions,
    ) -> Told<()> {
        let keys = steps.iter().filter_map(|step| match step {
            Step::Send { key, .. } => Some(*key as i32),
            Step::Poll(_) => None,
        });
        let mut keys: Vec<i32> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            session.add(&self.topic.name, &keys)?;
        }
        let mut polls = false;
        for step in steps {
            match step {
                Step::Send { key, value, offset } => {
                    *offset = Some(session.write(&self.topic, *key as i32, &[*value])?);
                }
                Step::Poll(_) => {
                    *step = self.poll(client, positions)?;
                    polls = true;
                }
            }
        }
        if polls {
            let name = session.id.clone();
            session.commit_offsets(&name, &self.topic.name, positions)?;
        }
        Ok(())
    }
}

/// Asks until the answer comes. What it says to a second asking of a first one that was lost may be about
/// something else.
fn commit(session: &mut Session) -> Told<()> {
    for attempt in 0..ATTEMPTS {
        match session.end(true) {
            Err(Trouble::Connection) => {
                session.hang_up();
                thread::sleep(PAUSE);
            }
            Err(Trouble::Said(_)) if attempt > 0 => return Err(Trouble::Connection),
            told => return told,
        }
    }
    Err(Trouble::Connection)
}

fn value_of(step: &Step) -> Option<u64> {
    match step {
        Step::Send { value, .. } => Some(*value),
        Step::Poll(_) => None,
    }
}

/// Offsets in a row from `base` on.
fn place(steps: &mut [Step], base: i64) {
    for (at, step) in (base..).zip(steps) {
        if let Step::Send { offset, .. } = step {
            *offset = Some(at);
        }
    }
}
