//! The power fails: the broker writes to a device whose every write and flush is recorded, and is
//! started again on what that device would have held had it lost its power at some moment, be it
//! that some of the writes since its last flush are missing or torn. `scripts/power` runs these
//! tests; they need root, /dev/fuse, loop devices and qemu-storage-daemon.

mod again;
mod broken;
mod clocks;
mod deeds;
mod full;
mod judge;
mod lost;
#[cfg(feature = "planted-bugs")]
mod planted;
mod reads;
mod slow;
mod split;
mod steady;
mod tape;
mod tools;
mod transfers;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;

use self::again::Watch;
use self::deeds::{Diary, Doer};
pub use self::judge::TRIMMED;
use self::judge::{KEYED, READERS, Seen, WRITTEN};
use self::tape::{Recording, Tape};
use self::tools::{FileSystem, Mounted, Ram, copy_sparse, text};
use self::transfers::{Mover, Transfers};
use crate::broker::{Broker, Setup, left};
use crate::client::Client;
use crate::history::{Event, Recorder};
use crate::load::{Consumer, Idempotent, Load, Plain};
use crate::topics::Topic;

const DEVICE_MIB: u64 = 512;
const RAM_MIB: u64 = 6 << 10;
/// A broker writes a checkpoint when it is 20 s old.
const LULL: Duration = Duration::from_secs(17);
/// Longest list of what is wrong at one moment.
const TOLD_MAX: usize = 8;

/// What is recorded once.
#[derive(Clone, Copy, Debug)]
struct Plan {
    kind: FileSystem,
    seed: u64,
    /// Kills, each followed by a restart and by somebody who reads everything.
    kills: u32,
    /// Stopped in order once, and started again.
    stops: bool,
    load: Duration,
    /// In between nothing happens for a while, until the broker writes its checkpoint.
    lull: bool,
    /// How many moments are tried.
    points: u64,
    /// The moments lie just behind those at which everything had been read after a restart.
    after_reads: bool,
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    points: u64,
    entries: u64,
    acknowledged: usize,
    /// Files of deleted segments that were written again.
    again: u64,
    /// Transactions.
    committed: usize,
    wrong: Vec<String>,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.points += other.points;
        self.entries += other.entries;
        self.acknowledged += other.acknowledged;
        self.again += other.again;
        self.committed += other.committed;
        self.wrong.extend(other.wrong);
    }
}

/// A topic to make: name, partitions, settings.
type Wanted<'a> = (&'a str, i32, &'a [(&'a str, &'a str)]);

struct Trial {
    setup: Setup,
    dice: Prng,
    recorder: Recorder,
    diary: Diary,
    transfers: Transfers,
    topics: Vec<Topic>,
    /// What the transactions are about; made with the others.
    paired: Option<Topic>,
    loads: u32,
    readers: u32,
}

/// Who works at the moment.
struct Work {
    load: Load,
    doers: Vec<Doer>,
    movers: Vec<Mover>,
}

impl Work {
    fn stop(self) {
        self.load.stop();
        self.doers.into_iter().for_each(Doer::stop);
        self.movers.into_iter().for_each(Mover::stop);
    }
}

impl Trial {
    /// The topics that everything else is about.
    fn make(&mut self, broker: &Broker) {
        let mut client = Client::connect(broker.address()).expect("a connection");
        // Small segments: the power shall fail while they are rolled, too.
        let small = ("segment.bytes", "1048576");
        let at = |level| ("ringmain.durability", level);
        let plans: [Wanted<'_>; 4] = [
            ("synced", 2, &[small, at("synced")]),
            (WRITTEN, 2, &[small, at("written")]),
            (
                TRIMMED,
                1,
                &[
                    small,
                    at("synced"),
                    ("file.delete.delay.ms", "200"),
                    ("ringmain.segment.recycle", "2"),
                ],
            ),
            (
                KEYED,
                1,
                &[
                    small,
                    at("synced"),
                    ("cleanup.policy", "compact"),
                    ("min.cleanable.dirty.ratio", "0.01"),
                    ("file.delete.delay.ms", "200"),
                ],
            ),
        ];
        for (name, partitions, configs) in plans {
            let topic = self.diary.make(&mut client, name, partitions, configs);
            self.topics.push(topic.expect("a topic"));
        }
        self.paired = Some(Transfers::make(&mut client));
    }

    fn work(&mut self, broker: &Broker) -> Work {
        self.loads += 1;
        let mut load = Load::numbered_from(self.loads * 100, self.recorder.clone());
        let seed = self.dice.next_u64();
        for topic in self.topics.iter().filter(|topic| topic.name != KEYED) {
            for partition in 0..topic.partitions.len() as i32 {
                load.add(topic, partition, seed, Idempotent::default());
                load.add(topic, partition, seed, Plain { acks: -1 });
                if topic.name != TRIMMED {
                    load.add(topic, partition, seed, Consumer::default());
                }
            }
        }
        let (address, diary) = (broker.address(), &self.diary);
        let topic = |name| self.topics.iter().find(|topic| topic.name == name).expect("a topic");
        let names = ["made-a", "made-b", "made-c"][self.loads as usize % 3];
        let doers = vec![
            deeds::topics(address, diary.clone(), names),
            deeds::trims(address, diary.clone(), topic(TRIMMED).clone()),
            deeds::puts(address, diary.clone(), topic(KEYED).clone(), self.loads.into()),
        ];
        let paired = self.paired.as_ref().expect("a topic");
        let movers = self.transfers.start(address, paired, seed);
        Work { load, doers, movers }
    }

    /// Somebody reads everything, and that must stay. Yields the count of the device's log then.
    fn read(&mut self, broker: &Broker) -> u64 {
        let mut client = Client::connect(broker.address()).expect("a connection");
        for topic in self.topics.iter().filter(|topic| ["synced", WRITTEN].contains(&&*topic.name))
        {
            for partition in 0..topic.partitions.len() as i32 {
                let records = topic.read_all(&mut client, partition).expect("the whole log");
                let key = (topic.name.clone(), partition);
                self.recorder.record(READERS + self.readers, Event::Polled { key, records });
                self.readers += 1;
            }
        }
        self.recorder.count()
    }

    /// Everything that happens to the device; the moments after each reading, too, and how many files
    /// were written again.
    fn perform(&mut self, plan: &Plan) -> (Vec<u64>, u64) {
        let mut reads = Vec::new();
        let mut broker = self.setup.start();
        self.make(&broker);
        let watch = Watch::start(self.setup.data().join(format!("{TRIMMED}-0")));
        let mut work = self.work(&broker);
        thread::sleep(plan.load);
        if plan.lull {
            // It ends with the broker's checkpoint under way, and load again.
            work.stop();
            thread::sleep(LULL);
            work = self.work(&broker);
            thread::sleep(2 * plan.load);
        }
        if plan.stops {
            work.stop();
            broker.stop();
            broker = self.setup.start();
            work = self.work(&broker);
            thread::sleep(plan.load);
        }
        for _ in 0..plan.kills {
            broker.assert_sound();
            broker.kill();
            let held = work.load.hold();
            broker = self.setup.start();
            reads.push(self.read(&broker));
            drop(held);
            thread::sleep(plan.load.mul_f64(0.5 + self.dice.below(100) as f64 / 100.0));
        }
        broker.assert_sound();
        broker.kill();
        // Nobody waits for answers any more.
        work.stop();
        (reads, watch.stop())
    }
}

/// The moments at which the power fails, in order.
fn moments(plan: &Plan, tape: &Tape, reads: &[u64], dice: &mut Prng) -> Vec<u64> {
    let mut moments: Vec<u64> = (0..plan.points)
        .map(|index| match plan.after_reads {
            true => (reads[index as usize % reads.len()] + dice.below(12)).min(tape.len()),
            false => 1 + dice.below(tape.len()),
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// Records once, and lets the power fail at many moments of it.
fn run(setup: &Setup, plan: Plan) -> Outcome {
    let ram = Ram::mount(&setup.scratch().join("ram"), RAM_MIB);
    let recording = Recording::start(ram.path(), plan.kind, DEVICE_MIB);
    let (of_events, of_deeds) = (recording.counter(), recording.counter());
    let of_transfers = recording.counter();
    let mut trial = Trial {
        setup: setup.clone().on_data(&recording.path().join("data")),
        dice: Prng::new(plan.seed),
        recorder: Recorder::counting(move || of_events.now()),
        diary: Diary::new(move || of_deeds.now()),
        transfers: Transfers::new(move || of_transfers.now()),
        topics: Vec::new(),
        paired: None,
        loads: 0,
        readers: 0,
    };
    let (reads, again) = trial.perform(&plan);
    let seen = Seen {
        history: trial.recorder.history(),
        deeds: trial.diary.deeds(),
        transfers: trial.transfers.clone(),
    };
    let mut tape = recording.finish();
    let mut outcome = Outcome {
        entries: tape.len(),
        acknowledged: seen.history.acknowledged(),
        again,
        committed: trial.transfers.count_committed(),
        ..Outcome::default()
    };
    for (index, count) in moments(&plan, &tape, &reads, &mut trial.dice).into_iter().enumerate() {
        let tears = index % 2 == 1;
        let losses = || tears.then(|| Prng::new(plan.seed ^ count));
        let image = tape.rebuild(count, losses());
        outcome.points += 1;
        let mut wrong = look(setup, &tape, &seen, count, &image);
        if !wrong.is_empty() {
            let kept = setup.scratch().join(format!("crashed-{count}"));
            wrong.truncate(TOLD_MAX);
            // The broker has been at work on it: make it again.
            copy_sparse(&tape.rebuild(count, losses()), &kept);
            let history = setup.scratch().join("history.edn");
            fs::write(&history, seen.history.edn()).expect("the history can be kept");
            let which = if tears { "with losses" } else { "with every write" };
            let head = format!("power lost after {count} of {} entries, {which}:", tape.len());
            outcome.wrong.push(format!("{head}\n  {}", wrong.join("\n  ")));
            break;
        }
    }
    outcome
}

/// Starts the broker on a device after the power failed, and looks at what it serves.
fn look(setup: &Setup, tape: &Tape, seen: &Seen, count: u64, image: &Path) -> Vec<String> {
    let mounted = match Mounted::new(image, tape.kind, &setup.scratch().join("ram/after")) {
        Ok(mounted) => mounted,
        Err(error) => return vec![format!("the file system does not mount: {error}")],
    };
    let setup = setup.clone().on_data(&mounted.path().join("data"));
    let mut broker = match setup.try_start_anywhere() {
        Ok(broker) => broker,
        Err(reason) => return vec![format!("the broker does not start: {reason}")],
    };
    let mut client = Client::connect(broker.address()).expect("a connection");
    let address = broker.address();
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let mut wrong = seen.judge(count, &mut client);
        wrong.extend(seen.transfers.judge(count, address));
        wrong
    }));
    let mut wrong = judged.unwrap_or_else(|_| vec!["it could not be read".to_owned()]);
    broker.assert_sound();
    if !wrong.is_empty() {
        wrong.extend(broker.notices());
    }
    match left() {
        Some(place) if wrong.is_empty() => {
            broker.stop();
            let name = format!("power-{}-{count}", tape.kind.name());
            tools::run("cp", &["-r", text(&setup.data()), text(&place.join(name))]);
        }
        _ => broker.kill(),
    }
    wrong
}

fn report(name: &str, outcome: &Outcome, began: Instant) {
    println!(
        "{name}: {} moments of {} recorded requests, {} records acknowledged and {} transactions, {} \
         files written again, in {:.1} s",
        outcome.points,
        outcome.entries,
        outcome.acknowledged,
        outcome.committed,
        outcome.again,
        began.elapsed().as_secs_f64()
    );
    outcome.wrong.iter().for_each(|wrong| println!("{wrong}"));
}

/// Records again and again until there were so many moments.
fn run_all(setup: &Setup, points: u64, each: u64, plan: impl Fn(u64) -> Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let mut round = 0;
    while outcome.points < points && outcome.wrong.is_empty() {
        let plan = plan(round);
        let plan = Plan { points: each.min(points - outcome.points), ..plan };
        outcome.add(run(setup, plan));
        println!("{} of {points} moments", outcome.points);
        round += 1;
    }
    outcome
}

fn kind(round: u64) -> FileSystem {
    if round.is_multiple_of(2) { FileSystem::Ext4 } else { FileSystem::Xfs }
}

fn setup(name: &str) -> Setup {
    // The cleaner shall find something to do in seconds.
    Setup::new(name)
        .set("log.cleaner.backoff.ms", "100")
        .set("transaction.state.log.num.partitions", "2")
}
