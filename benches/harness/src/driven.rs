//! Runs a workload through a driver: the schedule here, the client library behind it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::client::{Client, Job, Readers, Running};
use crate::clock;
use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, From, Message, Nanos, NewTopic, Producer,
    ProducerSeat, Received, Result,
};
use crate::lean::template::{DUE_BYTES, due, key_text};
use crate::payload::Payloads;
use crate::schedule::Schedule;
use crate::tally::{Count, Tally, Way, Window};
use crate::times;
use crate::workload::{Durability, KeyDistributor, Workload};

const HEAD_START: Nanos = 50_000_000;
const KEYS: u32 = 10_000;
/// Messages in flight of one producer without a schedule.
const CLOSED_IN_FLIGHT: u64 = 10_000;
/// Longest sleep of a thread that waits for its next message.
const NAP: Nanos = 20_000_000;

pub struct Driven {
    name: String,
    driver: Box<dyn Driver>,
    workload: Workload,
    payloads: Arc<Payloads>,
    cpus: Vec<usize>,
    topics: Vec<NewTopic>,
    /// Kept while they are to deliver.
    consumers: Vec<Box<dyn Consumer>>,
    subscriptions: usize,
}

impl Driven {
    pub fn new(
        name: String,
        driver: Box<dyn Driver>,
        workload: Workload,
        payloads: Payloads,
        cpus: Vec<usize>,
    ) -> Driven {
        Driven {
            name,
            driver,
            workload,
            payloads: Arc::new(payloads),
            cpus,
            topics: Vec::new(),
            consumers: Vec::new(),
            subscriptions: 0,
        }
    }
}

/// Where the library's threads leave what they saw.
struct Sink {
    window: Arc<Window>,
    tally: Mutex<Tally>,
    way: Way,
    value_bytes: u64,
    in_flight: std::sync::atomic::AtomicU64,
}

impl Sink {
    fn with(&self, see: impl FnOnce(&mut Tally, &Window, Nanos)) {
        let now = clock::now();
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        see(&mut tally, &self.window, now);
    }
}

impl Acknowledged for Sink {
    fn acknowledged(&self, due: Nanos, outcome: Result<(), String>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.with(|tally, window, now| match outcome {
            Err(error) => tally.failed(1, error),
            Ok(()) => {
                let bytes = self.value_bytes;
                let count = Count { records: 1, bytes, ..Count::default() };
                tally.count(window, Way::Produced, now, count);
                tally.acknowledged(window, std::iter::once(due), now);
                window.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

impl Received for Sink {
    fn received(&self, payload: &[u8]) {
        self.with(|tally, window, now| {
            let count = Count { records: 1, bytes: payload.len() as u64, ..Count::default() };
            tally.count(window, self.way, now, count);
            match self.way {
                Way::CaughtUp => window.caught_up.fetch_add(1, Ordering::Relaxed),
                _ => window.received.fetch_add(1, Ordering::Relaxed),
            };
            if self.way == Way::Consumed
                && let Some(due) = due(payload)
            {
                tally.arrived(window, due, now);
            }
        });
    }
}

impl Client for Driven {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn version(&mut self) -> Option<String> {
        self.driver.version().ok()
    }

    fn cannot(&self) -> Option<String> {
        self.driver.cannot(&self.workload)
    }

    fn create_topics(&mut self, topics: &[NewTopic], durability: Option<Durability>) -> Result<()> {
        self.driver.create_topics(topics, durability)?;
        self.topics = topics.to_vec();
        Ok(())
    }

    fn first_record(&mut self, topic: &NewTopic) -> Result<()> {
        let sink = self.sink(&Arc::new(Window::new(1.0)), Way::Produced);
        let seat = ProducerSeat {
            number: usize::MAX,
            topic: topic.name.clone(),
            partitions: topic.partitions,
        };
        let mut producer = self.driver.producer(&seat, sink.clone())?;
        sink.in_flight.fetch_add(1, Ordering::Relaxed);
        let due = clock::now();
        let payload = due.to_be_bytes();
        producer.send(Message { key: None, payload: &payload, due })?;
        producer.flush()?;
        let tally = sink.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.first_error.clone().map_or(Ok(()), |error| Err(error.into()))
    }

    fn start(&mut self, job: &Job, window: &Arc<Window>) -> Result<Running> {
        if job.connections_per_second > 0.0 {
            return Err("connections are opened by the lean client only".into());
        }
        self.consumers.clear();
        let mut sinks = Vec::new();
        self.open_consumers(job, window, &mut sinks)?;
        let mut threads = Vec::new();
        let mut starts = Vec::new();
        if let Some(rate) = job.rate {
            let of = self.workload.producers() as usize;
            let count = self.cpus.len().min(of).max(1);
            let mut groups: Vec<Vec<Paced>> = (0..count).map(|_| Vec::new()).collect();
            let seats = self.topics.clone();
            let seats = seats
                .iter()
                .flat_map(|topic| (0..self.workload.producers_per_topic).map(move |_| topic));
            let seats: Vec<NewTopic> = seats.cloned().collect();
            let producing: Vec<Arc<Sink>> =
                (0..count).map(|_| self.sink(window, Way::Produced)).collect();
            for (number, topic) in seats.into_iter().enumerate() {
                let NewTopic { name, partitions } = topic;
                let seat = ProducerSeat { number, topic: name, partitions };
                let sink = &producing[number % count];
                let producer = self.driver.producer(&seat, sink.clone())?;
                groups[number % count].push(Paced { number, of, producer, next: 0 });
            }
            sinks.extend(producing.iter().cloned());
            for (number, (group, sink)) in groups.into_iter().zip(producing).enumerate() {
                let (tell, start) = mpsc::channel();
                starts.push(tell);
                let pacer = Pacer {
                    cpu: self.cpus[number],
                    rate,
                    group,
                    sink,
                    payloads: self.payloads.clone(),
                    keys: self.workload.key_distributor,
                };
                let thread = thread::Builder::new().name(format!("client-{number}"));
                threads.push(thread.spawn(move || pacer.run(&start))?);
            }
        }
        // What the library's threads saw is fetched when everything has stopped.
        let counting = threads.len() as u64;
        let (of_window, idle) = (window.clone(), Tally::default());
        threads.push(thread::Builder::new().name("gatherer".into()).spawn(move || {
            while !of_window.stop.load(Ordering::Relaxed) {
                clock::sleep_until(clock::now() + NAP);
            }
            let mut all = idle;
            for sink in sinks {
                let mut tally = sink.tally.lock().unwrap_or_else(PoisonError::into_inner);
                all.merge(std::mem::take(&mut *tally));
            }
            Ok(all)
        })?);
        let at = clock::now() + HEAD_START;
        for start in starts {
            // One that has failed meanwhile says so by its end.
            let _ = start.send(at);
        }
        Ok(Running { window: window.clone(), threads, counting, start: at })
    }
}

impl Driven {
    fn sink(&self, window: &Arc<Window>, way: Way) -> Arc<Sink> {
        Arc::new(Sink {
            window: window.clone(),
            tally: Mutex::default(),
            way,
            value_bytes: self.payloads.size() as u64,
            in_flight: Default::default(),
        })
    }

    fn open_consumers(
        &mut self,
        job: &Job,
        window: &Arc<Window>,
        sinks: &mut Vec<Arc<Sink>>,
    ) -> Result<()> {
        let workload = self.workload.clone();
        let mut kinds = Vec::new();
        if let Some(readers) = job.readers {
            let from = if readers == Readers::Tail { From::Tail } else { From::Beginning };
            let (count, of) =
                (workload.subscriptions_per_topic, workload.consumer_per_subscription);
            kinds.push((Way::Consumed, from, count, of));
        }
        kinds.push((Way::CaughtUp, From::Beginning, job.catch_up, 1));
        let mut number = 0;
        for topic in self.topics.clone() {
            for &(way, from, subscriptions, of) in &kinds {
                for _ in 0..subscriptions {
                    self.subscriptions += 1;
                    let subscription = format!("{}-{}", topic.name, self.subscriptions);
                    for index in 0..of {
                        let seat = ConsumerSeat {
                            number,
                            topic: topic.name.clone(),
                            partitions: topic.partitions,
                            subscription: subscription.clone(),
                            index,
                            of,
                            from,
                        };
                        let sink = self.sink(window, way);
                        self.consumers.push(self.driver.consumer(&seat, sink.clone())?);
                        sinks.push(sink);
                        number += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

struct Paced {
    number: usize,
    of: usize,
    producer: Box<dyn Producer>,
    next: u64,
}

/// The schedule of the producers of one thread.
struct Pacer {
    cpu: usize,
    rate: f64,
    group: Vec<Paced>,
    sink: Arc<Sink>,
    payloads: Arc<Payloads>,
    keys: KeyDistributor,
}

impl Pacer {
    fn run(mut self, start: &mpsc::Receiver<Nanos>) -> Result<Tally> {
        crate::yardstick::pin(Some(self.cpu))?;
        let Ok(start) = start.recv() else { return Ok(Tally::default()) };
        let window = self.sink.window.clone();
        let schedules: Vec<Option<Schedule>> = self
            .group
            .iter()
            .map(|one| Schedule::new(start, self.rate, one.number, one.of))
            .collect();
        let mut payload = vec![0; self.payloads.size()];
        let mut late = times::histogram::<u64>();
        let mut sent = 0u64;
        while !window.stop.load(Ordering::Relaxed) {
            let now = clock::now();
            let end = window.end();
            // Whose turn it is: the earliest due.
            let due_of = |(at, one): (usize, &Paced)| {
                (schedules[at].map_or(now, |schedule| schedule.due(one.next)), at)
            };
            let Some((due, at)) = self.group.iter().enumerate().map(due_of).min() else { break };
            if due >= end {
                break;
            }
            let closed = schedules[at].is_none();
            let in_flight = self.sink.in_flight.load(Ordering::Relaxed);
            let full = closed && in_flight >= CLOSED_IN_FLIGHT * self.group.len() as u64;
            if due > now || full {
                self.group.iter_mut().for_each(|one| one.producer.idle());
                let until = if full { now + 100_000 } else { due.min(now + NAP) };
                clock::sleep_until(until);
                continue;
            }
            let one = &mut self.group[at];
            payload.copy_from_slice(self.payloads.get(sent as usize));
            if payload.len() >= DUE_BYTES {
                payload[..DUE_BYTES].copy_from_slice(&due.to_be_bytes());
            }
            let key = match self.keys {
                KeyDistributor::NoKey => None,
                // A step that shares no factor with the count visits them all.
                KeyDistributor::RandomNano => {
                    Some(key_text((sent as u32).wrapping_mul(7919) % KEYS))
                }
                KeyDistributor::KeyRoundRobin => Some(key_text(sent as u32 % KEYS)),
            };
            one.next += 1;
            sent += 1;
            self.sink.in_flight.fetch_add(1, Ordering::Relaxed);
            one.producer.send(Message {
                key: key.as_ref().map(|key| &key[..]),
                payload: &payload,
                due,
            })?;
            if window.holds(due) && in_flight == 0 {
                late.saturating_record(clock::now() - due);
            }
        }
        for one in &mut self.group {
            one.producer.flush()?;
        }
        window.finished.fetch_add(1, Ordering::Relaxed);
        while !window.stop.load(Ordering::Relaxed) {
            clock::sleep_until(clock::now() + NAP);
        }
        let unsent = self.charge(&schedules, &window);
        Ok(Tally { late, unsent, ..Tally::default() })
    }

    /// What was due and never sent is charged for as long as it has waited.
    fn charge(&self, schedules: &[Option<Schedule>], window: &Window) -> u64 {
        let mut unsent = 0;
        for (one, schedule) in self.group.iter().zip(schedules) {
            let Some(schedule) = schedule else { continue };
            let first = schedule.before(window.begin()).max(one.next);
            let count = schedule.before(window.end()).saturating_sub(first);
            if count > 0 {
                let (from, to) = (schedule.due(first), schedule.due(first + count - 1));
                self.sink.with(|tally, _, now| {
                    times::charge(&mut tally.produce, from, to, count, now);
                });
                unsent += count;
            }
        }
        unsent
    }
}
