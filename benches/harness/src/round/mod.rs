//! One broker does one workload once: it is brought up, loaded, measured, killed, brought up again, and
//! put away.

mod answers;
mod backlog;
mod measure;
mod told;

use std::time::Duration;

use crate::broker::{self, Broker, Place};
use crate::clock;
use crate::contestant::{Contestant, KafkaClient, Work};
use crate::cpus::restrict;
use crate::driver::{Nanos, NewTopic, Result};
use crate::result::Round;
use crate::tally::Tally;
use crate::workload::Workload;

/// How long a broker may take to be ready, where its file does not say.
const READY_SECONDS: f64 = 120.0;
/// Until a backlog is there, or drained.
const BACKLOG_SECONDS: f64 = 3600.0;
const PAUSE: Duration = Duration::from_millis(20);

/// How rounds are run.
#[derive(Clone, Debug)]
pub struct Terms {
    pub place: Place,
    pub client_cpus: Vec<usize>,
    pub client: KafkaClient,
    /// Kill and restart the broker at the end.
    pub kill: bool,
    /// Wins over the workload's.
    pub rate: Option<f64>,
    pub backlog_gb: Option<f64>,
    pub seconds: Option<f64>,
    pub warm_up: Option<f64>,
}

/// Of a round that could be run.
pub struct Done {
    pub round: Round,
    /// For the interval log and the sum over rounds.
    pub tally: Tally,
    pub begin: Nanos,
    pub slot_seconds: f64,
    pub client: String,
    pub version: Option<String>,
    pub command: Vec<String>,
    pub others_cpus: f64,
}

/// A round, or why the work cannot be done.
pub enum Outcome {
    Done(Box<Done>),
    Cannot(String),
}

pub fn run(contestant: &Contestant, work: &Work, number: u32, terms: &Terms) -> Result<Outcome> {
    if let Some(why) = contestant.lacks_durability(&work.workload) {
        return Ok(Outcome::Cannot(why));
    }
    // Whatever a client library starts stays with the client.
    restrict(&terms.client_cpus)?;
    let mut launched = match &contestant.file.launch {
        Some(launch) => {
            let durability = work.workload.durability;
            Some(Broker::start(launch, &Place { durability, ..terms.place.clone() })?)
        }
        None => None,
    };
    let outcome = loaded(contestant, work, number, terms, &mut launched);
    let stopped = launched.as_mut().map_or(Ok(()), Broker::stop);
    if contestant.file.launch.is_some() {
        broker::remove(&terms.place.dir)?;
        rustix::fs::sync();
    }
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

fn loaded(
    contestant: &Contestant,
    work: &Work,
    number: u32,
    terms: &Terms,
    launched: &mut Option<Broker>,
) -> Result<Outcome> {
    let port = launched.as_ref().map(|broker| broker.port);
    let mut warnings = Vec::new();
    let open = || contestant.client(work, port, terms.client, &terms.client_cpus);
    let mut ready_topic = NewTopic { name: String::new(), partitions: 1 };
    let mut start_up = None;
    if let Some(broker) = launched.as_ref() {
        let durability = work.workload.durability;
        let ready = wait_ready(contestant, broker, || {
            let (mut client, _) = open()?;
            // Another one with each try: the last one may be there.
            ready_topic.name = format!("ready-{}", clock::now());
            client.create_topics(std::slice::from_ref(&ready_topic), durability)?;
            client.first_record(&ready_topic)
        })?;
        start_up = Some(clock::seconds(broker.spawned, ready));
    }
    let (mut client, warning) = open()?;
    warnings.extend(warning);
    if let Some(why) = client.cannot() {
        return Ok(Outcome::Cannot(why));
    }
    let workload = &work.workload;
    client.create_topics(&topics(workload), workload.durability)?;
    let mut backlog = 0;
    if workload.consumer_backlog_size_gb > 0.0 {
        let gb = terms.backlog_gb.unwrap_or(workload.consumer_backlog_size_gb);
        backlog = backlog::write(client.as_mut(), workload, gb)?;
        if workload.cold {
            let data = launched.as_ref().map(Broker::data);
            match data {
                Some(data) => backlog::evict_all(&data)?,
                None => warnings.push("the backlog was not dropped from the page cache: the broker was not started by the harness".into()),
            }
        }
    }
    let measured =
        measure::measure(contestant, client.as_mut(), workload, terms, launched, backlog)?;
    let mut ready_after_kill = None;
    if let Some(broker) = launched.as_mut().filter(|_| terms.kill) {
        let running = measured.job_again(client.as_mut())?;
        std::thread::sleep(Duration::from_millis(500));
        broker.kill()?;
        broker.spawn()?;
        let ready = wait_ready(contestant, broker, || open()?.0.first_record(&ready_topic))?;
        ready_after_kill = Some(clock::seconds(broker.spawned, ready));
        // Whatever it says: its broker was killed.
        drop(running.stop());
    }
    let name = client.name();
    let version = client.version();
    let command = launched.as_ref().map(|broker| broker.command.clone()).unwrap_or_default();
    let others_cpus = measured.seen.others_cpus;
    let (begin, slot_seconds) = (measured.begin, measured.slot_seconds);
    let (mut round, tally) = measured.round(number, workload, terms, start_up, ready_after_kill);
    round.warnings.splice(0..0, warnings);
    Ok(Outcome::Done(Box::new(Done {
        round,
        tally,
        begin,
        slot_seconds,
        client: name,
        version,
        command,
        others_cpus,
    })))
}

fn topics(workload: &Workload) -> Vec<NewTopic> {
    // Never the same twice: a broker that runs already keeps them.
    let run = clock::now() / 1_000_000;
    let topic = |number| NewTopic {
        name: format!("bench-{run}-{number}"),
        partitions: workload.partitions_per_topic,
    };
    (0..workload.topics).map(topic).collect()
}

/// Tries until it works; yields when it did.
fn wait_ready(
    contestant: &Contestant,
    broker: &Broker,
    mut first: impl FnMut() -> Result<()>,
) -> Result<Nanos> {
    let launch = contestant.file.launch.as_ref();
    let seconds = launch.and_then(|launch| launch.ready_seconds).unwrap_or(READY_SECONDS);
    let give_up = clock::now() + clock::nanos(seconds);
    loop {
        let Err(error) = first() else { return Ok(clock::now()) };
        broker.check()?;
        if clock::now() > give_up {
            return Err(format!("not ready after {seconds} s: {error}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
