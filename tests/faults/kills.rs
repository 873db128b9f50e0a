//! kill -9 under load, over and over on one directory: what was acknowledged stays, what was read
//! stays, nothing is there twice, no offset is given twice, every producer's order is kept.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;

use crate::broker::{Broker, Setup, left};
use crate::checker::{Anomaly, Logs, check};
use crate::client::Client;
use crate::history::Recorder;
use crate::load::{Consumer, Idempotent, Load, Mover, Plain};
use crate::topics::{Sequence, Topic, batch};

/// Kills that one generation of topics goes through; then it is judged a last time and deleted.
const GENERATION: u64 = 10;

/// What a run of kills came to.
pub struct Outcome {
    pub cycles: u64,
    pub acknowledged: usize,
    pub ready_after: Vec<Duration>,
    pub anomalies: Vec<Anomaly>,
}

/// Kills and restarts the broker `cycles` times, or until something is wrong.
pub fn run(setup: &Setup, cycles: u64, seed: u64) -> Outcome {
    let mut trial = Trial {
        setup,
        dice: Prng::new(seed),
        outcome: Outcome {
            cycles: 0,
            acknowledged: 0,
            ready_after: Vec::new(),
            anomalies: Vec::new(),
        },
    };
    if let Some(mib) = crate::number("RINGMAIN_KILLS_LOG_MIB") {
        trial.fill(mib);
    }
    let mut generation = 0;
    while trial.outcome.cycles < cycles && trial.outcome.anomalies.is_empty() {
        let kills = GENERATION.min(cycles - trial.outcome.cycles);
        trial.generation(generation, kills);
        generation += 1;
    }
    trial.outcome
}

struct Trial<'a> {
    setup: &'a Setup,
    dice: Prng,
    outcome: Outcome,
}

impl Trial<'_> {
    fn generation(&mut self, number: u64, kills: u64) {
        let recorder = Recorder::new();
        let mut broker = self.start();
        let topics = create(&broker, number);
        let load = self.load(&topics, &recorder);
        for _ in 0..kills {
            let pause = 20 + self.dice.below(230);
            thread::sleep(Duration::from_millis(pause));
            broker.assert_sound();
            broker.kill();
            self.outcome.cycles += 1;
            if self.dice.chance(1, 6) {
                let pause = self.dice.below(80);
                self.setup.start_and_kill_after(Duration::from_millis(pause));
            }
            // Either nobody is there when it comes back, and it is judged before it is used, or
            // everybody is.
            if self.dice.chance(1, 2) {
                let held = load.hold();
                broker = self.start();
                self.judge(&broker, &topics, &recorder);
                drop(held);
            } else {
                broker = self.start();
            }
            if !self.outcome.anomalies.is_empty() {
                break;
            }
        }
        load.stop();
        if self.outcome.anomalies.is_empty() {
            self.judge(&broker, &topics, &recorder);
        }
        self.outcome.acknowledged += recorder.history().acknowledged();
        if self.outcome.anomalies.is_empty() {
            let mut client = Client::connect(broker.address()).expect("a connection");
            if left().is_none() {
                topics.iter().for_each(|topic| topic.delete(&mut client));
            }
            broker.stop();
        }
    }

    /// Gives the directory so much that lies there while the kills go on.
    fn fill(&mut self, mib: u64) {
        const BATCH_MIB: usize = 4;
        let broker = self.start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let large = [("max.message.bytes", "8388608"), ("segment.bytes", "268435456")];
        let topic = Topic::create(&mut client, "ballast", 8, &large);
        for number in 0..mib / BATCH_MIB as u64 {
            let partition = (number % topic.partitions.len() as u64) as i32;
            let bytes = batch(Sequence::NONE, &[number], BATCH_MIB << 20);
            let (error, _) = topic.produce(&mut client, partition, &bytes).expect("an answer");
            assert_eq!(error, ErrorCode::NONE);
        }
        broker.kill();
    }

    fn start(&mut self) -> Broker {
        let broker = self.setup.start();
        self.outcome.ready_after.push(broker.ready_after);
        broker
    }

    fn load(&mut self, topics: &[Topic], recorder: &Recorder) -> Load {
        let mut load = Load::new(recorder.clone());
        let seed = self.dice.next_u64();
        for topic in topics {
            for partition in 0..topic.partitions.len() as i32 {
                load.add(topic, partition, seed, Idempotent::default());
                load.add(
                    topic,
                    partition,
                    seed,
                    Plain { acks: if partition == 0 { -1 } else { 1 } },
                );
                load.add(topic, partition, seed, Consumer::default());
                if let homes @ [_, _, ..] = &self.setup.homes()[..] {
                    load.add(topic, partition, seed, Mover::between(homes));
                }
            }
        }
        load
    }

    /// Reads every log and looks for what is wrong with it. Nobody may write meanwhile.
    fn judge(&mut self, broker: &Broker, topics: &[Topic], recorder: &Recorder) {
        let history = recorder.history();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let mut logs = Logs::new();
        for topic in topics {
            for partition in 0..topic.partitions.len() as i32 {
                let log = topic.read_all(&mut client, partition).expect("the whole log");
                logs.insert((topic.name.clone(), partition), log);
            }
        }
        let anomalies = check(&history, &logs);
        if !anomalies.is_empty() {
            let path = self.setup.data().with_file_name("history.edn");
            fs::write(&path, history.edn()).expect("the history can be kept");
            eprintln!("after {} kills; the history is {}", self.outcome.cycles, path.display());
        }
        self.outcome.anomalies.extend(anomalies);
    }
}

fn create(broker: &Broker, generation: u64) -> Vec<Topic> {
    let mut client = Client::connect(broker.address()).expect("a connection");
    let levels = ["synced", "written"].into_iter();
    let topics = levels.map(|level| {
        let name = format!("{level}-{generation}");
        // Small segments: kills shall meet rolls, too.
        let configs = [("ringmain.durability", level), ("segment.bytes", "1048576")];
        Topic::create(&mut client, &name, 2, &configs)
    });
    topics.collect()
}

impl Outcome {
    pub fn report(&self) {
        let mut ready = self.ready_after.clone();
        ready.sort_unstable();
        let at = |share: usize| ready[(ready.len() - 1) * share / 100].as_millis();
        println!(
            "{} kills, {} records acknowledged, \
             ready after {} ms (median), {} ms (p99), {} ms (max)",
            self.cycles,
            self.acknowledged,
            at(50),
            at(99),
            at(100)
        );
        for anomaly in self.anomalies.iter().take(20) {
            println!("{anomaly:?}");
        }
        if self.anomalies.len() > 20 {
            println!("... {} anomalies together", self.anomalies.len());
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_broker_is_killed() {
    let cycles = crate::number("RINGMAIN_KILLS").unwrap_or(50);
    let began = Instant::now();
    let outcome = run(&Setup::new("kills"), cycles, crate::seed());
    outcome.report();
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    assert!(outcome.anomalies.is_empty());
    assert!(outcome.acknowledged as u64 > cycles * 20, "too little happened to prove anything");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_broker_is_killed_while_partitions_move() {
    let cycles = crate::number("RINGMAIN_KILLS").unwrap_or(20);
    let setup = Setup::new("moves").and_data();
    let outcome = run(&setup, cycles, crate::seed());
    outcome.report();
    assert!(outcome.anomalies.is_empty());
    assert!(outcome.acknowledged as u64 > cycles * 10, "too little happened to prove anything");
}
