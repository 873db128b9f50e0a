//! One consumer: one fetch under way at each leading node, in a fetch session (KIP-227), over and over,
//! as Kafka's own client does it. At the tail it tells how long each record took to arrive.

mod fetched;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use ringmain::wire::{Writer, frame};

use crate::clock;
use crate::driver::Nanos;
use crate::lean::link::Link;
use crate::lean::settings::ConsumerSettings;
use crate::tally::{Tally, Way, Window};

use fetched::Taker;

const CLIENT_ID: &str = "ringmain-bench";
/// From this version on there are sessions.
const SESSIONS: i16 = 7;
const PAUSE: Nanos = 10_000_000;

pub struct Common {
    pub settings: ConsumerSettings,
    pub version: i16,
    pub window: Arc<Window>,
}

/// What a consumer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads what comes; records are timed.
    Tail,
    /// Reads from the beginning up to where the backlog ended, again and again.
    CatchUp,
    /// Reads from the beginning, and goes on at the tail; records that were due while it was
    /// measured are timed.
    Drain,
}

impl Role {
    pub fn way(self) -> Way {
        match self {
            Role::CatchUp => Way::CaughtUp,
            Role::Tail | Role::Drain => Way::Consumed,
        }
    }
}

/// A partition that is read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub topic: Rc<str>,
    pub partition: i32,
    pub offset: i64,
    /// Where a catch-up began, and where it begins again.
    pub first: i64,
    pub end: i64,
    /// The broker's, as it last told.
    high_watermark: i64,
    /// The session does not know of this offset yet.
    changed: bool,
}

impl Reading {
    pub fn new(topic: Rc<str>, partition: i32, offset: i64, end: i64) -> Reading {
        Reading { topic, partition, offset, first: offset, end, high_watermark: 0, changed: true }
    }
}

/// A connection to one leading node.
pub struct Lane {
    link: Link,
    /// By topic and partition: the order of requests.
    readings: BTreeMap<(Rc<str>, i32), Reading>,
    session_id: i32,
    session_epoch: i32,
    /// When the fetch under way was asked for, and whether there was something to be had.
    asked: Option<(Nanos, bool)>,
    correlation_id: i32,
    not_before: Nanos,
}

pub struct Consumer {
    common: Rc<Common>,
    role: Role,
    lanes: Vec<Lane>,
    pub wake: Nanos,
    /// Decompressed records are put here.
    scratch: Vec<u8>,
}

impl Consumer {
    pub fn new(common: Rc<Common>, role: Role, lanes: Vec<Lane>) -> Consumer {
        Consumer { common, role, lanes, wake: 0, scratch: Vec::new() }
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Takes a partition in, and reads it from now on.
    pub fn assign(&mut self, lane: usize, reading: Reading) {
        let lane = &mut self.lanes[lane];
        lane.readings.insert((reading.topic.clone(), reading.partition), reading);
        lane.forget_session();
        self.wake = 0;
    }

    pub fn revoke(&mut self, topic: &Rc<str>, partition: i32) {
        for lane in &mut self.lanes {
            if lane.readings.remove(&(topic.clone(), partition)).is_some() {
                lane.forget_session();
            }
        }
    }

    /// What is read, and how far.
    pub fn positions(&self) -> impl Iterator<Item = &Reading> {
        self.lanes.iter().flat_map(|lane| lane.readings.values())
    }

    pub fn pump(&mut self, now: Nanos) -> io::Result<()> {
        self.wake = Nanos::MAX;
        for at in 0..self.lanes.len() {
            self.ask(at, now)?;
        }
        Ok(())
    }

    fn ask(&mut self, at: usize, now: Nanos) -> io::Result<()> {
        let Consumer { common, lanes, wake, .. } = self;
        let lane = &mut lanes[at];
        if lane.asked.is_some() || lane.readings.is_empty() {
            return Ok(());
        }
        if now < lane.not_before {
            *wake = (*wake).min(lane.not_before);
            return Ok(());
        }
        let (settings, version) = (&common.settings, common.version);
        let sessions = version >= SESSIONS;
        let in_session = sessions && lane.session_id != 0;
        let mut topics: Vec<FetchTopic<'_>> = Vec::new();
        let mut there = false;
        for ((topic, _), reading) in &lane.readings {
            there |= reading.offset < reading.high_watermark;
            if in_session && !reading.changed {
                continue;
            }
            let partition = FetchPartition {
                partition: reading.partition,
                fetch_offset: reading.offset,
                partition_max_bytes: settings.partition_bytes_max,
                ..FetchPartition::default()
            };
            match topics.last_mut() {
                Some(last) if last.topic == &**topic => last.partitions.push(partition),
                _ => topics.push(FetchTopic {
                    topic,
                    partitions: vec![partition],
                    ..FetchTopic::default()
                }),
            }
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: settings.wait_ms_max,
            min_bytes: settings.fetch_bytes_min,
            max_bytes: settings.fetch_bytes_max,
            isolation_level: settings.isolation_level,
            session_id: lane.session_id,
            session_epoch: if sessions { lane.session_epoch } else { -1 },
            topics,
            ..FetchRequest::default()
        };
        let correlation_id = lane.link.next_correlation_id();
        let out = lane.link.outbox();
        let client = Some(CLIENT_ID);
        frame::write_request::<Fetch>(
            &mut Writer::new(out),
            version,
            correlation_id,
            client,
            &request,
        );
        lane.correlation_id = correlation_id;
        lane.asked = Some((now, there));
        lane.readings.values_mut().for_each(|reading| reading.changed = false);
        lane.link.flush()
    }

    /// Something has come, or there is room again.
    pub fn go_on(&mut self, at: usize, tally: &mut Tally) -> io::Result<()> {
        let Consumer { common, role, lanes, scratch, .. } = self;
        let Lane { link, readings, session_id, session_epoch, asked, correlation_id, not_before } =
            &mut lanes[at];
        let window = &common.window;
        link.receive(|answer| {
            let now = clock::now();
            let Some((asked_at, there)) = asked.take() else {
                return Err(io::Error::other("an answer too many"));
            };
            let mut session = (*session_id, *session_epoch);
            let mut taker = Taker { common, role: *role, now, scratch, tally };
            let counted = taker.take(answer, *correlation_id, readings, &mut session)?;
            (*session_id, *session_epoch) = session;
            if counted.failed {
                *not_before = now + PAUSE;
            }
            if there && counted.count.records > 0 && window.holds(asked_at) {
                tally.fetch.saturating_record(now - asked_at);
            }
            tally.count(window, role.way(), now, counted.count);
            let total = match role {
                Role::CatchUp => &window.caught_up,
                Role::Tail | Role::Drain => &window.received,
            };
            total.fetch_add(counted.count.records, Ordering::Relaxed);
            Ok(())
        })?;
        lanes[at].link.flush()?;
        self.ask(at, clock::now())
    }
}

impl Lane {
    pub fn new(link: Link) -> Lane {
        Lane {
            link,
            readings: BTreeMap::new(),
            session_id: 0,
            session_epoch: 0,
            asked: None,
            correlation_id: 0,
            not_before: 0,
        }
    }

    /// The next fetch names every partition and begins another session.
    fn forget_session(&mut self) {
        (self.session_id, self.session_epoch) = (0, 0);
    }
}
