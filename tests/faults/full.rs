//! A file system that fills up: a small one of its own, in a file. Needs root and the tools for it;
//! elsewhere it says that it was skipped.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;

use crate::broker::{Broker, Scratch, Setup};
use crate::client::Client;
use crate::topics::{self, LATEST, Sequence, Topic};

const DISK_BYTES: u64 = 192 << 20;
const FLOOR: u64 = 24 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// Of one record.
const VALUE_BYTES: usize = 500_000;

/// A mounted file system that goes with its test.
struct SmallDisk {
    mounted: PathBuf,
    _scratch: Scratch,
}

impl SmallDisk {
    /// `None` where this user may not make one.
    fn new(name: &str) -> Option<SmallDisk> {
        let scratch = Scratch::new(name);
        let image = scratch.path().join("image");
        let mounted = scratch.path().join("disk");
        fs::create_dir(&mounted).expect("a scratch directory");
        fs::File::create(&image).expect("a file").set_len(DISK_BYTES).expect("a sparse file");
        let image = image.to_str().expect("a name");
        let made = runs("mkfs.ext4", &["-q", "-F", "-m", "0", image])
            && runs("mount", &["-o", "loop", image, mounted.to_str().expect("a name")]);
        if !made {
            println!("SKIPPED: no file system can be made and mounted here");
            return None;
        }
        Some(SmallDisk { mounted, _scratch: scratch })
    }

    fn free(&self) -> u64 {
        let seen = rustix::fs::statvfs(&self.mounted).expect("a mounted file system");
        seen.f_bavail * seen.f_frsize
    }

    /// Takes everything for somebody else.
    fn take_all(&self) -> PathBuf {
        let path = self.mounted.join("ballast");
        let file = fs::File::create(&path).expect("a file");
        let (mut at, mut step) = (0, 64 << 20);
        while step >= 4096 {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, flags, at, step) {
                Ok(()) => at += step,
                Err(_) => step /= 2,
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        runs("umount", &["-l", self.mounted.to_str().expect("a name")]);
    }
}

fn runs(tool: &str, args: &[&str]) -> bool {
    let run = Command::new(tool).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

fn setup(disk: &SmallDisk) -> Setup {
    Setup::new("full")
        .lanes(1)
        .on_data(&disk.mounted.join("data"))
        .set("ringmain.disk.free.min.bytes", &FLOOR.to_string())
        .set("log.segment.delete.delay.ms", "0")
}

/// A broker on the small disk, and somebody who speaks to it.
struct Trial {
    broker: Broker,
    client: Client,
}

impl Trial {
    fn start(setup: &Setup) -> Trial {
        let broker = setup.start();
        let client = Client::connect(broker.address()).expect("it listens");
        Trial { broker, client }
    }

    fn create(&mut self, name: &str) -> Topic {
        Topic::create(&mut self.client, name, 1, &[])
    }

    fn write(&mut self, topic: &Topic) -> ErrorCode {
        let batch = topics::batch(Sequence::NONE, &[7], VALUE_BYTES);
        topic.produce(&mut self.client, 0, &batch).expect("an answer").0
    }

    fn end(&mut self, topic: &Topic) -> i64 {
        topic.offset_at(&mut self.client, 0, LATEST).expect("an answer")
    }

    /// Writes until the broker says that it refuses; how many records were taken. (A core that has
    /// taken its part refuses, too, until somebody has looked.)
    fn fill(&mut self, topic: &Topic) -> i64 {
        let (mut taken, began) = (0, Instant::now());
        while self.notices_about("records are refused") == 0 {
            assert!(began.elapsed() < PATIENCE, "{taken} records, and the disk has no end");
            match self.write(topic) {
                ErrorCode::NONE => taken += 1,
                ErrorCode::KAFKA_STORAGE_ERROR => thread::sleep(Duration::from_millis(5)),
                other => panic!("after {taken} records: {other:?}"),
            }
        }
        // The last one may have been on its way.
        self.end(topic)
    }

    /// Tries until a write ends so.
    fn write_until(&mut self, topic: &Topic, wanted: ErrorCode) {
        let began = Instant::now();
        while self.write(topic) != wanted {
            assert!(began.elapsed() < PATIENCE, "no {wanted:?}: {:?}", self.broker.notices());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn notices_about(&self, text: &str) -> usize {
        self.broker.notices().iter().filter(|line| line.contains(text)).count()
    }
}

#[test]
fn a_disk_that_fills_up_is_never_full_and_deleting_makes_room() {
    let Some(disk) = SmallDisk::new("small-disk") else { return };
    let mut trial = Trial::start(&setup(&disk));
    let ballast = trial.create("ballast");
    for _ in 0..60 {
        assert_eq!(trial.write(&ballast), ErrorCode::NONE);
    }
    let topic = trial.create("orders");
    let taken = trial.fill(&topic);
    assert!(taken > 20, "{taken} records");
    let left = disk.free();
    println!("{taken} records were taken, {} KiB are left", left >> 10);
    // At most the last reservations and what was under way lie below the floor.
    assert!(left > FLOOR * 3 / 4, "{left} bytes are left");
    assert!(left < FLOOR * 5 / 4, "{left} bytes are left unused");
    for _ in 0..50 {
        assert_eq!(trial.write(&topic), ErrorCode::KAFKA_STORAGE_ERROR);
    }
    let read = topic.read_all(&mut trial.client, 0).expect("reads go on");
    assert_eq!(read.len() as i64, taken);
    assert_eq!(trial.notices_about("records are refused"), 1, "{:?}", trial.broker.notices());
    ballast.delete(&mut trial.client);
    trial.write_until(&topic, ErrorCode::NONE);
    assert_eq!(trial.notices_about("records are accepted"), 1, "{:?}", trial.broker.notices());
    assert_eq!(trial.end(&topic), taken + 1);
    trial.broker.stop();
}

#[test]
fn a_disk_that_others_filled_lets_topics_be_deleted() {
    let Some(disk) = SmallDisk::new("filled-disk") else { return };
    let setup = setup(&disk);
    let mut trial = Trial::start(&setup);
    let names: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    let topics: Vec<Topic> = names.iter().map(|name| trial.create(name)).collect();
    assert_eq!(trial.write(&topics[0]), ErrorCode::NONE);
    let ballast = disk.take_all();
    trial.write_until(&topics[0], ErrorCode::KAFKA_STORAGE_ERROR);
    for topic in &topics[1..] {
        topic.delete(&mut trial.client);
    }
    let stored = trial.end(&topics[0]);
    // It starts on a full disk, too.
    trial.broker.kill();
    let mut trial = Trial::start(&setup);
    let topic = Topic::describe(&mut trial.client, "t0");
    assert_eq!(trial.end(&topic), stored);
    assert_eq!(trial.write(&topic), ErrorCode::KAFKA_STORAGE_ERROR);
    fs::remove_file(ballast).expect("somebody tidies up");
    trial.write_until(&topic, ErrorCode::NONE);
    trial.broker.stop();
}
