//! One producer: takes records off its schedule into batches, and sends them as Kafka's own client
//! does: a batch leaves when it is full or has lingered, a request carries one batch of each partition
//! that waits for the node, so many requests may be in flight. What cannot leave waits, and stays due
//! when it was.

mod batch;
mod request;
mod transaction;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use ringmain::base::planted;
use ringmain::base::prng::Prng;
use ringmain::client::partition_of_key;
use ringmain::model::ErrorCode;
use ringmain::wire::Message;
use ringmain::wire::messages::produce::{Produce, ProduceResponse};
use ringmain::wire::{Reader, frame};

use crate::clock;
use crate::driver::Nanos;
use crate::lean::link::Link;
use crate::lean::rpc;
use crate::lean::settings::ProducerSettings;
use crate::lean::template::{Author, Template, key_text};
use crate::schedule::Schedule;
use crate::tally::{Count, Tally, Way, Window};
use crate::workload::KeyDistributor;

pub use batch::Batch;
use batch::Part;
use request::Request;
pub use transaction::Transaction;

/// Records taken off the schedule and not sent; the rest stays on it, still due when it was.
const PENDING_MAX: usize = 1 << 20;
/// Different keys (as many as OpenMessaging Benchmark has).
const KEYS: u32 = 10_000;
const TRIES: u8 = 50;
const RETRY_PAUSE: Nanos = 2_000_000;
/// Looks at the clock at least this often.
const PATIENCE: Nanos = 50_000_000;

/// What stays the same for all producers of a thread.
pub struct Common {
    pub settings: ProducerSettings,
    pub template: Template,
    pub version: i16,
    pub keys: KeyDistributor,
    pub window: std::sync::Arc<Window>,
}

/// A connection to one leading node.
struct Lane {
    link: Link,
    /// Partitions with a batch that may leave.
    ready: VecDeque<u32>,
    in_flight: VecDeque<Request>,
}

pub struct Producer {
    common: Rc<Common>,
    topic: String,
    schedule: Option<Schedule>,
    /// Of the schedule.
    next: u64,
    lanes: Vec<Lane>,
    parts: Vec<Part>,
    /// Where records without a key go until their batch leaves.
    sticky: usize,
    /// Partitions whose open batch lingers, the oldest first, and when it was opened.
    lingering: VecDeque<(Nanos, u32)>,
    pending: usize,
    random: Prng,
    keyed: u32,
    author: Author,
    transaction: Option<Transaction>,
    /// Sends nothing before this.
    paused_until: Nanos,
    pub wake: Nanos,
    finished: bool,
    /// Reused.
    spare: Vec<Batch>,
    scratch: Vec<u8>,
}

/// What a producer is made of.
pub struct Seat {
    pub number: usize,
    pub topic: String,
    pub schedule: Option<Schedule>,
    /// For each leading node a connection.
    pub links: Vec<Link>,
    /// For each partition its connection's place.
    pub lanes: Vec<usize>,
    pub author: Author,
    pub transaction: Option<Transaction>,
}

impl Producer {
    pub fn new(common: Rc<Common>, seat: Seat) -> Producer {
        let lane = |link| Lane { link, ready: VecDeque::new(), in_flight: VecDeque::new() };
        let partitions = seat.lanes.len();
        Producer {
            common,
            topic: seat.topic,
            schedule: seat.schedule,
            next: 0,
            lanes: seat.links.into_iter().map(lane).collect(),
            parts: seat.lanes.into_iter().map(Part::new).collect(),
            // Producers begin in different places.
            sticky: seat.number % partitions,
            lingering: VecDeque::new(),
            pending: 0,
            random: Prng::new(seat.number as u64 + 1),
            keyed: seat.number as u32,
            author: seat.author,
            transaction: seat.transaction,
            paused_until: 0,
            wake: 0,
            finished: false,
            spare: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes what is due, sends what may leave, and says when to be asked again.
    pub fn pump(&mut self, now: Nanos, tally: &mut Tally) -> io::Result<()> {
        let end = self.common.window.end();
        if now >= self.paused_until {
            match self.schedule {
                Some(schedule) => self.take_due(schedule, now.min(end.saturating_sub(1))),
                None if now < end => self.fill(now),
                None => {}
            }
        }
        self.end_lingering(now);
        self.step_transaction(now)?;
        if now >= self.paused_until {
            for lane in 0..self.lanes.len() {
                self.send(lane, now, tally)?;
            }
        }
        self.wake = self.next_wake(now);
        Ok(())
    }

    fn next_wake(&self, now: Nanos) -> Nanos {
        if now < self.paused_until {
            return self.paused_until;
        }
        let mut wake = now + PATIENCE;
        let linger = self.common.settings.linger;
        if let Some(&(opened, _)) = self.lingering.front() {
            wake = wake.min(opened + linger);
        }
        if let Some(schedule) = self.schedule
            && self.pending < PENDING_MAX
        {
            let most = self.common.template.records_max();
            let records = match self.common.keys {
                // Nothing happens before the batch is full or has lingered.
                KeyDistributor::NoKey if linger > 0 => {
                    let open = self.parts[self.sticky].open.dues.len();
                    wake = wake.min(schedule.due(self.next) + linger);
                    (most - open.min(most - 1) - 1) as u64
                }
                _ => 0,
            };
            let due = schedule.due(self.next + records);
            if due < self.common.window.end() {
                wake = wake.min(due);
            }
        }
        if let Some(transaction) = &self.transaction {
            wake = wake.min(transaction.wake(now));
        }
        wake
    }

    /// Takes the records that were due up to `now`.
    fn take_due(&mut self, schedule: Schedule, now: Nanos) {
        while self.pending < PENDING_MAX {
            let due = schedule.due(self.next);
            if due > now {
                break;
            }
            self.next += 1;
            self.put(due);
        }
    }

    /// Without a schedule: as much as may be in flight, due now.
    fn fill(&mut self, now: Nanos) {
        let batches = self.lanes.len() * self.common.settings.in_flight_max;
        let most = self.common.template.records_max();
        let waiting = self.lanes.iter().map(|lane| lane.in_flight.len()).sum::<usize>();
        let wanted = batches.saturating_sub(waiting) * most;
        while self.pending < wanted {
            self.put(now);
        }
    }

    fn put(&mut self, due: Nanos) {
        let (at, key) = match self.common.keys {
            KeyDistributor::NoKey => (self.sticky, 0),
            keys => {
                self.keyed = match keys {
                    KeyDistributor::RandomNano => self.random.below(u64::from(KEYS)) as u32,
                    _ => (self.keyed + 1) % KEYS,
                };
                (partition_of_key(&key_text(self.keyed), self.parts.len()), self.keyed)
            }
        };
        let part = &mut self.parts[at];
        if part.open.dues.is_empty() {
            self.lingering.push_back((due, at as u32));
        }
        part.open.dues.push(due);
        if self.common.keys != KeyDistributor::NoKey {
            part.open.keys.push(key);
        }
        self.pending += 1;
        if part.open.dues.len() >= self.common.template.records_max() {
            self.close(at);
        }
    }

    /// The open batch may leave, and takes no more.
    fn close(&mut self, at: usize) {
        let next = self.spare.pop().unwrap_or_default();
        let part = &mut self.parts[at];
        let mut batch = std::mem::replace(&mut part.open, next);
        part.lingered = false;
        batch.partition = at as u32;
        part.full.push_back(batch);
        part.announce(at, &mut self.lanes[part.lane].ready);
        if at == self.sticky {
            self.sticky = (at + 1) % self.parts.len();
        }
    }

    /// Batches that have lingered may leave as they are.
    fn end_lingering(&mut self, now: Nanos) {
        let linger = self.common.settings.linger;
        while let Some(&(opened, at)) = self.lingering.front() {
            let part = &mut self.parts[at as usize];
            // It has left already, full, or another was opened since.
            let gone = part.open.dues.first() != Some(&opened);
            if !gone {
                if opened + linger > now {
                    break;
                }
                part.announce(at as usize, &mut self.lanes[part.lane].ready);
                part.lingered = true;
            }
            self.lingering.pop_front();
        }
    }

    /// Answers have come, or there is room again. The connection behind the lanes is the
    /// coordinator's.
    pub fn go_on(&mut self, lane: usize, tally: &mut Tally) -> io::Result<()> {
        if lane == self.lanes.len() {
            self.hear_coordinator(tally)?;
            return self.pump(clock::now(), tally);
        }
        let Producer { lanes, parts, spare, common, pending, transaction, paused_until, .. } = self;
        let Lane { link, in_flight, ready } = &mut lanes[lane];
        let window = &common.window;
        link.receive(|answer| {
            let now = clock::now();
            let request =
                in_flight.pop_front().ok_or_else(|| io::Error::other("an answer too many"))?;
            let mut reader = Reader::new(answer);
            let correlation_id =
                frame::read_response_header::<Produce>(&mut reader, common.version)
                    .map_err(rpc::malformed)?;
            if correlation_id != request.correlation_id {
                return Err(io::Error::other("answers are out of order"));
            }
            let response =
                ProduceResponse::decode(&mut reader, common.version).map_err(rpc::malformed)?;
            let codes = response.responses.iter().flat_map(|topic| &topic.partition_responses);
            let code_of = |partition: u32| {
                let mut codes = codes.clone();
                codes
                    .find(|code| code.index == partition as i32)
                    .map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |code| code.error_code)
            };
            let mut counted = Count { requests: 1, ..Count::default() };
            for mut batch in request.batches {
                let code = code_of(batch.partition);
                let records = batch.dues.len() as u64;
                let part = &mut parts[batch.partition as usize];
                if code == ErrorCode::NONE || code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
                    counted.records += records;
                    counted.bytes += records * common.template.value_bytes() as u64;
                    counted.wire_bytes += u64::from(batch.wire_bytes);
                    // The bug that this harness exists to avoid: what waited for its turn at the
                    // client would not be seen.
                    if planted::is("actual-send-time") {
                        batch.dues.fill(request.sent);
                    }
                    tally.acknowledged(window, batch.dues.iter().copied(), now);
                } else if is_passing(code) && batch.tries < TRIES {
                    batch.tries += 1;
                    *pending += batch.dues.len();
                    *paused_until = now + RETRY_PAUSE;
                    let at = batch.partition as usize;
                    part.resend(batch);
                    part.announce(at, ready);
                    continue;
                } else {
                    tally.failed(records, format!("Produce: {code}"));
                }
                if let Some(transaction) = transaction {
                    transaction.answered();
                }
                batch.clear();
                spare.push(batch);
            }
            tally.count(window, Way::Produced, now, counted);
            let done = counted.records;
            window.acknowledged.fetch_add(done, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })?;
        self.lanes[lane].link.flush()?;
        self.pump(clock::now(), tally)
    }

    /// True once, when the window is over and nothing is due or in flight any more.
    pub fn finishes(&mut self, now: Nanos) -> bool {
        if self.finished || now < self.common.window.end() || self.is_busy() {
            return false;
        }
        self.finished = true;
        true
    }

    fn is_busy(&self) -> bool {
        self.pending > 0
            || self.lanes.iter().any(|lane| !lane.in_flight.is_empty())
            || self.unsent() > 0
            || self.transaction.as_ref().is_some_and(Transaction::is_open)
    }

    /// Records on the schedule that were never taken.
    fn unsent(&self) -> u64 {
        let end = self.common.window.end();
        self.schedule.map_or(0, |schedule| schedule.before(end).saturating_sub(self.next))
    }

    /// Nobody waits any longer: charges what is unanswered for as long as it has been due.
    pub fn give_up(&mut self, now: Nanos, tally: &mut Tally) {
        let window = self.common.window.clone();
        let in_flight = self.lanes.iter().flat_map(|lane| &lane.in_flight);
        let in_flight = in_flight.flat_map(|request| &request.batches);
        let waiting = self.parts.iter().flat_map(Part::batches);
        let mut unanswered = 0;
        for batch in in_flight.chain(waiting) {
            unanswered += batch.dues.iter().filter(|&&due| window.holds(due)).count() as u64;
            tally.acknowledged(&window, batch.dues.iter().copied(), now);
        }
        if let Some(schedule) = self.schedule {
            let first = schedule.before(window.begin()).max(self.next);
            let count = schedule.before(window.end()).saturating_sub(first);
            if count > 0 {
                let (first, last) = (schedule.due(first), schedule.due(first + count - 1));
                crate::times::charge(&mut tally.produce, first, last, count, now);
                unanswered += count;
            }
        }
        tally.unsent += unanswered;
    }
}

/// Whether trying again may help.
fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::CONCURRENT_TRANSACTIONS
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    )
}
