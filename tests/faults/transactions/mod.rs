//! Transactions while their coordinator is killed, their ends are lost or come late, and producers
//! wake up that others have replaced: what was committed is whole, nothing else is ever shown, and nobody
//! who reads waits for longer than a transaction may take. `scripts/kill-loop transactions` runs many.

mod follower;
mod hanging;
mod known;
#[cfg(feature = "planted-bugs")]
mod planted;
pub mod reading;
mod scenes;
pub mod session;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;

use self::follower::Follower;
use self::known::Ledger;
use self::scenes::Actor;
use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::Topic;

/// What a transaction may take, and how often it is looked at.
const TIMEOUT_MS: i32 = 600;
const LOOK_MS: u64 = 100;
/// What a loaded machine may take beyond that before the last stable offset counts as stuck.
const SLACK: Duration = Duration::from_secs(5);
const PARTITIONS: i32 = 3;
const ACTORS: u64 = 4;
/// Rounds that one topic goes through.
const GENERATION: u64 = 10;

pub fn setup(name: &str) -> Setup {
    let look = LOOK_MS.to_string();
    Setup::new(name)
        .set("transaction.state.log.num.partitions", "3")
        .set("offsets.topic.num.partitions", "2")
        .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", &look)
}

struct Outcome {
    rounds: u64,
    kills: u64,
    told: String,
    /// The longest that readers had to wait for what was left open.
    stuck: Duration,
    wrong: Vec<String>,
}

/// Each round: some actors, perhaps a kill, and a judgement.
fn run(setup: &Setup, rounds: u64, seed: u64) -> Outcome {
    let mut dice = Prng::new(seed);
    let mut outcome = Outcome {
        rounds: 0,
        kills: 0,
        told: String::new(),
        stuck: Duration::ZERO,
        wrong: Vec::new(),
    };
    let mut broker = setup.start();
    let mut totals = known::Counts::default();
    while outcome.rounds < rounds && outcome.wrong.is_empty() {
        let mut client = Client::connect(broker.address()).expect("a connection");
        let name = format!("accounts-{}", outcome.rounds);
        let topic = Topic::create(&mut client, &name, PARTITIONS, &[("segment.bytes", "1048576")]);
        let ledger = Arc::new(Ledger::default());
        let followers: Vec<Follower> =
            (0..PARTITIONS).map(|partition| Follower::start(&topic, partition)).collect();
        for _ in 0..GENERATION.min(rounds - outcome.rounds) {
            outcome.rounds += 1;
            let actors = Actor::cast(&topic, &broker, &ledger, outcome.rounds, &mut dice);
            if dice.chance(2, 3) {
                thread::sleep(Duration::from_micros(dice.below(250_000)));
                broker.assert_sound();
                broker.kill();
                outcome.kills += 1;
                broker = setup.start();
            }
            for actor in actors {
                actor.join().expect("an actor does not panic");
            }
            let began = Instant::now();
            outcome.wrong = judge(&broker, &topic, &ledger, &followers);
            outcome.stuck = outcome.stuck.max(began.elapsed());
            if !outcome.wrong.is_empty() {
                break;
            }
        }
        totals += ledger.counts();
        followers.into_iter().for_each(Follower::stop);
        if outcome.wrong.is_empty() {
            topic.delete(&mut Client::connect(broker.address()).expect("a connection"));
        }
    }
    broker.assert_sound();
    outcome.told = totals.to_string();
    outcome
}

fn judge(broker: &Broker, topic: &Topic, ledger: &Ledger, followers: &[Follower]) -> Vec<String> {
    let mut client = Client::connect(broker.address()).expect("a connection");
    let patience = Duration::from_millis(TIMEOUT_MS as u64 + LOOK_MS) + SLACK;
    let mut logs = Vec::new();
    for partition in 0..PARTITIONS {
        match reading::settled(&mut client, topic, partition, patience) {
            Ok(log) => logs.push(log),
            Err(stuck) => return vec![stuck],
        }
    }
    let mut wrong = ledger.judge(&logs);
    wrong.extend(ledger.refusals());
    for (log, follower) in logs.iter().zip(followers) {
        wrong.extend(follower.judge(log));
    }
    wrong
}

impl Outcome {
    fn report(&self) {
        println!(
            "{} rounds, {} kills, {}; readers waited {:.1} s at most",
            self.rounds,
            self.kills,
            self.told,
            self.stuck.as_secs_f64()
        );
        self.wrong.iter().take(20).for_each(|wrong| println!("{wrong}"));
    }
}

#[test]
fn transactions_are_whole_whatever_becomes_of_their_coordinator() {
    let rounds = crate::number("RINGMAIN_TXN_ROUNDS").unwrap_or(20);
    let began = Instant::now();
    let outcome = run(&setup("transactions"), rounds, crate::seed());
    outcome.report();
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    assert!(outcome.wrong.is_empty());
    assert!(outcome.kills * 3 > rounds, "too little happened to prove anything");
}
