//! Deals the work out to the threads of the lean client.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use ringmain::wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeat;
use ringmain::wire::messages::end_txn::EndTxn;
use ringmain::wire::messages::fetch::Fetch;
use ringmain::wire::messages::list_offsets::{EARLIEST, LATEST};
use ringmain::wire::messages::offset_commit::OffsetCommit;
use ringmain::wire::messages::offset_fetch::OffsetFetch;
use ringmain::wire::messages::produce::Produce;

use super::seats::{ConsumerPlan, MemberPlan, ProducerPlan, StormPlan, Thread};
use crate::client::{Client, Job, Readers, Running};
use crate::driver::{NewTopic, Result};
use crate::lean::cluster::{Cluster, CoordinatorOf, Topic};
use crate::lean::consumer::Role;
use crate::lean::member::{COMMIT_VERSION, FETCH_VERSION, HEARTBEAT_VERSION};
use crate::lean::settings::{ConsumerSettings, ProducerSettings};
use crate::payload::Payloads;
use crate::properties::Properties;
use crate::tally::Window;
use crate::workload::{Durability, Workload};

/// Records are due this long after everything is connected.
const HEAD_START: u64 = 50_000_000;

pub struct Lean {
    pub bootstrap: String,
    pub workload: Workload,
    pub payloads: Payloads,
    pub producer: ProducerSettings,
    pub consumer: ConsumerSettings,
    /// Of topics, for each durability that the broker offers.
    pub configs: BTreeMap<Option<Durability>, Properties>,
    pub replication: i16,
    pub cpus: Vec<usize>,
    pub topics: Vec<Topic>,
}

impl Client for Lean {
    fn name(&self) -> String {
        "lean".into()
    }

    fn version(&mut self) -> Option<String> {
        None
    }

    fn cannot(&self) -> Option<String> {
        None
    }

    fn create_topics(&mut self, topics: &[NewTopic], durability: Option<Durability>) -> Result<()> {
        let mut cluster = Cluster::connect(&self.bootstrap)?;
        let none = Properties::default();
        let configs: Vec<_> = self.configs.get(&durability).unwrap_or(&none).iter().collect();
        cluster.create_topics(topics, self.replication, &configs)?;
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        self.topics = cluster.topics(&names)?;
        // Some brokers tell of a leader before it serves.
        for topic in &self.topics {
            cluster.offsets(topic, LATEST)?;
        }
        Ok(())
    }

    fn first_record(&mut self, topic: &NewTopic) -> Result<()> {
        let mut cluster = Cluster::connect(&self.bootstrap)?;
        Ok(cluster.produce_one(&topic.name)?)
    }

    fn start(&mut self, job: &Job, window: &Arc<Window>) -> Result<Running> {
        let mut cluster = Cluster::connect(&self.bootstrap)?;
        let names: Vec<String> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        self.topics = cluster.topics(&names)?;
        let mut threads: Vec<Thread> =
            self.cpus.iter().map(|&cpu| Thread { cpu, ..Thread::default() }).collect();
        if let Some(rate) = job.rate {
            self.deal_producers(rate, &mut cluster, &mut threads)?;
        }
        self.deal_consumers(job, &mut cluster, &mut threads)?;
        if job.connections_per_second > 0.0 {
            let storm = StormPlan { to: self.bootstrap.clone(), rate: job.connections_per_second };
            threads[0].storm = Some(storm);
        }
        self.launch(cluster, threads, window)
    }
}

impl Lean {
    fn deal_producers(
        &self,
        rate: f64,
        cluster: &mut Cluster,
        threads: &mut [Thread],
    ) -> io::Result<()> {
        let of = self.workload.producers() as usize;
        let settings = &self.producer;
        let mut number = 0;
        for topic in &self.topics {
            for _ in 0..self.workload.producers_per_topic {
                let transactional_id =
                    settings.transactional_id.as_ref().map(|id| format!("{id}-{number}"));
                let mut author = (-1, -1);
                let mut coordinator = None;
                if settings.idempotent {
                    let timeout = settings.transaction_timeout_ms;
                    author = cluster.producer_id(transactional_id.as_deref(), timeout)?;
                }
                if let Some(id) = transactional_id {
                    let address = cluster.coordinator(&id, CoordinatorOf::Transaction)?;
                    coordinator = Some((id, address));
                }
                let (addresses, lanes) = lanes(cluster, topic, |_| true)?;
                let plan = ProducerPlan {
                    number,
                    of,
                    rate,
                    topic: topic.name.clone(),
                    addresses,
                    lanes: lanes.into_values().collect(),
                    author,
                    coordinator,
                };
                threads[number % self.cpus.len()].producers.push(plan);
                number += 1;
            }
        }
        Ok(())
    }

    fn deal_consumers(
        &self,
        job: &Job,
        cluster: &mut Cluster,
        threads: &mut [Thread],
    ) -> io::Result<()> {
        let workload = &self.workload;
        // They begin on the other end of the threads than the producers do.
        let mut number = threads.len() / 2;
        for topic in &self.topics {
            let mut kinds: Vec<(Role, u32, u32)> = Vec::new();
            match job.readers {
                None => {}
                Some(readers) => {
                    let role = if readers == Readers::Tail { Role::Tail } else { Role::Drain };
                    kinds.push((
                        role,
                        workload.subscriptions_per_topic,
                        workload.consumer_per_subscription,
                    ));
                }
            }
            kinds.push((Role::CatchUp, job.catch_up, 1));
            for (role, subscriptions, consumers) in kinds {
                if subscriptions == 0 || consumers == 0 {
                    continue;
                }
                let latest = cluster.offsets(topic, LATEST)?;
                let first = match role {
                    Role::Tail => latest.clone(),
                    Role::Drain | Role::CatchUp => cluster.offsets(topic, EARLIEST)?,
                };
                for subscription in 0..subscriptions {
                    for index in 0..consumers {
                        let member = self.consumer.member && role != Role::CatchUp;
                        let mine = |part: usize| member || part as u32 % consumers == index;
                        let (addresses, lanes) = lanes(cluster, topic, mine)?;
                        let readings = lanes
                            .into_iter()
                            .map(|(part, lane)| (part as i32, lane, first[part], latest[part]));
                        let readings = readings.collect();
                        let group = format!("{}-{subscription}", topic.name);
                        let member = match member {
                            false => None,
                            true => Some(MemberPlan {
                                address: cluster.coordinator(&group, CoordinatorOf::Group)?,
                                group,
                                topic: (topic.id, topic.name.clone()),
                            }),
                        };
                        let topic = topic.name.clone();
                        let plan = ConsumerPlan { topic, role, addresses, readings, member };
                        let at = number % threads.len();
                        threads[at].consumers.push(plan);
                        number += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn launch(
        &self,
        cluster: Cluster,
        threads: Vec<Thread>,
        window: &Arc<Window>,
    ) -> Result<Running> {
        let transactions = self.producer.transactional_id.is_some();
        let modern = transactions && cluster.transaction_version >= 2;
        let produce_version = cluster.version::<Produce>(if modern { 12 } else { 11 })?;
        let fetch_version = cluster.version::<Fetch>(12)?;
        let end_version = match transactions {
            true => cluster.version::<EndTxn>(if modern { 5 } else { 4 })?,
            false => 0,
        };
        if threads.iter().flat_map(|thread| &thread.consumers).any(|plan| plan.member.is_some()) {
            cluster.version::<ConsumerGroupHeartbeat>(HEARTBEAT_VERSION)?;
            cluster.version::<OffsetCommit>(COMMIT_VERSION)?;
            cluster.version::<OffsetFetch>(FETCH_VERSION)?;
        }
        let common = Arc::new(super::seats::Common {
            producer: self.producer.clone(),
            consumer: self.consumer.clone(),
            payloads: self.payloads.clone(),
            keys: self.workload.key_distributor,
            transaction_ms: self.workload.transaction_milliseconds,
            produce_version,
            fetch_version,
            end_version,
        });
        let counting = threads.len() as u64;
        let mut running =
            Running { window: window.clone(), threads: Vec::new(), counting, start: 0 };
        let (tell_ready, ready) = mpsc::channel();
        let mut starts = Vec::new();
        for (number, plan) in threads.into_iter().enumerate() {
            let (start, started) = mpsc::channel();
            starts.push(start);
            let (common, window, tell_ready) = (common.clone(), window.clone(), tell_ready.clone());
            let body = move || plan.work(&common, &window, tell_ready, &started);
            let thread = thread::Builder::new().name(format!("client-{number}"));
            running.threads.push(thread.spawn(body)?);
        }
        drop(tell_ready);
        // A thread that fails says nothing, and the channel ends.
        if ready.iter().take(starts.len()).count() < starts.len() {
            // The others wait to be told when to begin, and learn that they will not be.
            drop(starts);
            running.stop()?;
            return Err("a thread of the client ended too early".into());
        }
        running.start = crate::clock::now() + HEAD_START;
        for start in starts {
            // One that has failed meanwhile says so by its end.
            let _ = start.send(running.start);
        }
        Ok(running)
    }
}

/// The leading nodes of some partitions, and of each partition its place among them.
fn lanes(
    cluster: &Cluster,
    topic: &Topic,
    mine: impl Fn(usize) -> bool,
) -> io::Result<(Vec<String>, BTreeMap<usize, usize>)> {
    let parts: Vec<usize> = (0..topic.leaders.len()).filter(|&part| mine(part)).collect();
    let nodes: BTreeSet<i32> = parts.iter().map(|&part| topic.leaders[part]).collect();
    let addresses = nodes.iter().map(|&node| cluster.address(node).map(str::to_owned));
    let addresses = addresses.collect::<io::Result<_>>()?;
    let place = |part: usize| {
        let leader = topic.leaders[part];
        (part, nodes.iter().position(|&node| node == leader).unwrap_or(0))
    };
    Ok((addresses, parts.into_iter().map(place).collect()))
}
