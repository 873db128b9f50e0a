//! What a thread of the lean client is told to do, and how it sits down to it: connects everything,
//! says that it is ready, and begins when it is told when.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use ringmain::model::TopicId;

use crate::clock;
use crate::driver::{Nanos, Result};
use crate::lean::consumer::{self, Consumer, Lane, Reading, Role};
use crate::lean::link::Link;
use crate::lean::links::Links;
use crate::lean::member::{Member, Places, Topics};
use crate::lean::producer::{self, Producer, Seat, Transaction};
use crate::lean::rpc;
use crate::lean::settings::{ConsumerSettings, ProducerSettings};
use crate::lean::storm::Storm;
use crate::lean::template::{Author, Template};
use crate::lean::worker::{Kind, Worker, key};
use crate::payload::Payloads;
use crate::schedule::Schedule;
use crate::tally::{Tally, Window};
use crate::workload::KeyDistributor;

const TRANSACTION_MS: f64 = 100.0;

#[derive(Default)]
pub struct Thread {
    pub cpu: usize,
    pub producers: Vec<ProducerPlan>,
    pub consumers: Vec<ConsumerPlan>,
    pub storm: Option<StormPlan>,
}

pub struct ProducerPlan {
    pub number: usize,
    pub of: usize,
    /// Of all together.
    pub rate: f64,
    pub topic: String,
    pub addresses: Vec<String>,
    /// Of each partition, its node's place among the addresses.
    pub lanes: Vec<usize>,
    /// Id and epoch.
    pub author: (i64, i16),
    /// Transactional id and the coordinator's address.
    pub coordinator: Option<(String, String)>,
}

pub struct ConsumerPlan {
    pub topic: String,
    pub role: Role,
    pub addresses: Vec<String>,
    /// Partition, its node's place, where to begin, and where its end is now.
    pub readings: Vec<(i32, usize, i64, i64)>,
    pub member: Option<MemberPlan>,
}

pub struct MemberPlan {
    pub group: String,
    pub address: String,
    pub topic: (TopicId, String),
}

pub struct StormPlan {
    pub to: String,
    pub rate: f64,
}

/// The same for all threads.
pub struct Common {
    pub producer: ProducerSettings,
    pub consumer: ConsumerSettings,
    pub payloads: Payloads,
    pub keys: KeyDistributor,
    pub transaction_ms: Option<f64>,
    pub produce_version: i16,
    pub fetch_version: i16,
    pub end_version: i16,
}

impl Thread {
    pub fn work(
        self,
        common: &Common,
        window: &Arc<Window>,
        ready: Sender<()>,
        started: &Receiver<Nanos>,
    ) -> Result<Tally> {
        crate::yardstick::pin(Some(self.cpu))?;
        exact_timers();
        let links = Links::new()?;
        let open = |kind, index, addresses: &[String]| -> Result<Vec<Link>> {
            let connect = |(lane, address): (usize, &String)| -> Result<Link> {
                Ok(Link::new(links.connect(address, key(kind, index, lane))?))
            };
            addresses.iter().enumerate().map(connect).collect()
        };
        let mut producing = Vec::new();
        for (index, plan) in self.producers.into_iter().enumerate() {
            let lanes = open(Kind::Producer, index, &plan.addresses)?;
            let coordinator: Option<TcpStream> = match &plan.coordinator {
                Some((_, address)) => {
                    Some(links.connect(address, key(Kind::Producer, index, lanes.len()))?)
                }
                None => None,
            };
            producing.push((plan, lanes, coordinator));
        }
        let reading = Rc::new(consumer::Common {
            settings: common.consumer.clone(),
            version: common.fetch_version,
            window: window.clone(),
        });
        let (mut consumers, mut members) = (Vec::new(), Vec::new());
        for (index, plan) in self.consumers.into_iter().enumerate() {
            let lanes = open(Kind::Consumer, index, &plan.addresses)?;
            let lanes = lanes.into_iter().map(Lane::new).collect();
            let mut consumer = Consumer::new(reading.clone(), plan.role, lanes);
            let topic: Rc<str> = plan.topic.as_str().into();
            let Some(member) = plan.member else {
                for (partition, lane, first, end) in plan.readings {
                    consumer.assign(lane, Reading::new(topic.clone(), partition, first, end));
                }
                consumers.push(consumer);
                continue;
            };
            let place = |&(partition, lane, first, _): &(i32, usize, i64, i64)| {
                ((topic.clone(), partition), (lane, first))
            };
            let places: Places = plan.readings.iter().map(place).collect();
            let by_id = BTreeMap::from([(member.topic.0, topic.clone())]);
            let topics = Topics { names: vec![member.topic.1], by_id };
            let stream = links.connect(&member.address, key(Kind::Member, members.len(), 0))?;
            let seat = Member::new(
                member.group,
                Link::new(stream),
                Rc::new(topics),
                Rc::new(places),
                common.consumer.commit_interval,
                window.clone(),
            );
            members.push((consumers.len(), seat));
            consumers.push(consumer);
        }
        // Whoever listens has gone only when the run has failed elsewhere.
        if ready.send(()).is_err() {
            return Ok(Tally::default());
        }
        // Of the channel's end the starter learns that a thread has failed.
        drop(ready);
        let Ok(start) = started.recv() else { return Ok(Tally::default()) };
        let storm = match self.storm {
            None => None,
            Some(plan) => {
                let schedule = Schedule::new(start, plan.rate, 0, 1).ok_or("no rate")?;
                Some(Storm::new(rpc::resolve(&plan.to)?, schedule, window.clone()))
            }
        };
        let shared = Rc::new(producer::Common {
            settings: common.producer.clone(),
            template: Template::new(
                &common.payloads,
                common.keys != KeyDistributor::NoKey,
                common.producer.batch_bytes,
                common.producer.codec,
            ),
            version: common.produce_version,
            keys: common.keys,
            window: window.clone(),
        });
        let producers = producing.into_iter().map(|(plan, links, coordinator)| {
            let transactional = plan.coordinator.is_some();
            let transaction = plan.coordinator.zip(coordinator).map(|((id, _), stream)| {
                let interval = common.transaction_ms.unwrap_or(TRANSACTION_MS) / 1000.0;
                let interval = clock::nanos(interval);
                Transaction::new(id, Link::new(stream), interval, common.end_version)
            });
            let seat = Seat {
                number: plan.number,
                topic: plan.topic,
                schedule: Schedule::new(start, plan.rate, plan.number, plan.of),
                links,
                lanes: plan.lanes,
                author: Author { id: plan.author.0, epoch: plan.author.1, transactional },
                transaction,
            };
            Producer::new(shared.clone(), seat)
        });
        let producers = producers.collect();
        clock::sleep_until(start);
        let worker = Worker { links, producers, consumers, members, storm, window: window.clone() };
        Ok(worker.run()?)
    }
}

/// The kernel may otherwise wake this thread 50 us late.
fn exact_timers() {
    let nanosecond = std::num::NonZeroU64::new(1);
    // Where it cannot be had, the client is late and says so.
    let _ = rustix::thread::set_current_timer_slack(nanosecond);
}
