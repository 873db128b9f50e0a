//! The disk is full: producers are told so and try again, reads and deletions go on, and when there
//! is room again everything goes on by itself.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::kind;
use super::steady::{Steady, comes};
use super::tools::{Mounted, Ram};
use crate::broker::Setup;
use crate::checker::{Logs, check};
use crate::client::Client;
use crate::history::{Event, Recorder};
use crate::topics::{Sequence, Topic, batch};

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: u64 = 320;
/// Times on one device.
const EACH: u64 = 10;

/// Takes all room but so many bytes.
fn take_room(at: &std::path::Path, leave: u64) -> File {
    let found = statvfs(at).expect("a file system");
    let free = found.f_bavail * found.f_frsize;
    let name = at.join("room");
    let file = File::create(&name).expect("a file");
    std::fs::remove_file(&name).expect("its name");
    let mut len = free.saturating_sub(leave);
    // What the file system needs for itself it does not tell.
    while len > 0 && fallocate(&file, FallocateFlags::empty(), 0, len).is_err() {
        len -= len.min(64 << 10);
    }
    file
}

/// Whether the broker refuses another producer's batch, in the way that means: try again.
fn refused(topic: &Topic, number: u64, recorder: &Recorder) -> bool {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let values = [number << 32 | NEXT.fetch_add(1, Ordering::Relaxed)];
    let key = (topic.name.clone(), 0);
    let event = Event::Sent { key: key.clone(), values: values.to_vec() };
    recorder.record(number as u32, event);
    let mut client = Client::connect(topic.partitions[0].address).expect("a connection");
    let patience = Some(Duration::from_secs(1));
    client.stream().set_read_timeout(patience).expect("a timeout");
    let bytes = batch(Sequence::NONE, &values, 10_000);
    match topic.produce(&mut client, 0, &bytes) {
        Ok((ErrorCode::KAFKA_STORAGE_ERROR, _)) => {
            recorder.record(number as u32, Event::Refused { key, values: values.to_vec() });
            true
        }
        Ok((ErrorCode::NONE, offset)) => {
            let values = values.to_vec();
            recorder.record(number as u32, Event::Acknowledged { key, offset, values });
            false
        }
        Ok((other, _)) => panic!("{other}"),
        // It waits, as the others do.
        Err(_) => false,
    }
}

#[test]
#[ignore = "needs root and loop devices: scripts/power"]
fn a_full_disk_is_waited_for() {
    let times = crate::number("RINGMAIN_POWER_FULL").unwrap_or(3);
    let (mut dice, began) = (Prng::new(crate::seed()), Instant::now());
    let (mut done, mut refusals) = (0, 0usize);
    while done < times {
        let setup = Setup::new("full");
        let ram = Ram::mount(&setup.scratch().join("ram"), 2 * MIB);
        let image = ram.path().join("image");
        kind(done / EACH).format(&image, MIB);
        let disk = Mounted::new(&image, kind(done / EACH), &ram.path().join("disk")).expect("it");
        let setup = setup.on_data(&disk.path().join("data"));
        let recorder = Recorder::new();
        let mut broker = setup.start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let small = [("segment.bytes", "1048576")];
        let names = ["one", "two"];
        let topics = names.map(|name| Topic::create(&mut client, name, 1, &small));
        for turn in 0..EACH.min(times - done) {
            let gone = Topic::create(&mut client, &format!("gone-{turn}"), 1, &small);
            let number = turn as u32 * 2 + 1;
            let ballast = 4000 + dice.below(16_000) as usize;
            let steady = [0, 1].map(|at| {
                let number = number + at as u32;
                Steady::start(&topics[at], number, ballast, &recorder)
            });
            let all = |is: &dyn Fn(&Steady) -> bool| steady.iter().all(is);
            assert!(comes(PATIENCE, || all(&|it| it.acknowledged() > 3)), "it begins");
            let room = take_room(disk.path(), dice.below(300_000));
            // Who came first waits; who comes now is refused.
            for (topic, other) in topics.iter().zip([0, 1]) {
                let number = u64::from(10_000 + number + other);
                let is_refused = || refused(topic, number, &recorder);
                assert!(comes(PATIENCE, is_refused), "it is refused: {:#?}", broker.notices());
            }
            // Reads and deletions go on.
            let read = topics[0].read_all(&mut client, 0).expect("the log");
            assert!(!read.is_empty());
            gone.delete(&mut client);
            assert!(Topic::find(&mut client, &gone.name).expect("metadata").is_none());
            if dice.chance(1, 3) {
                broker.assert_sound();
                broker.kill();
                broker = setup.start();
                client = Client::connect(broker.address()).expect("a connection");
            }
            let before = steady.each_ref().map(Steady::acknowledged);
            drop(room);
            let goes_on = || (0..2).all(|at| steady[at].acknowledged() > before[at] + 10);
            let began = Instant::now();
            assert!(comes(PATIENCE, goes_on), "it goes on: {:#?}", broker.notices());
            println!("full {}: goes on after {:.1} s", done, began.elapsed().as_secs_f64());
            for it in &steady {
                let refused = it.refused();
                refusals += refused.len();
                // NOT_LEADER: a log for which there was no room to be opened after a kill.
                let retriable = [
                    ErrorCode::KAFKA_STORAGE_ERROR,
                    ErrorCode::NOT_LEADER_OR_FOLLOWER,
                    ErrorCode::REQUEST_TIMED_OUT,
                ];
                let other = refused.iter().find(|error| !retriable.contains(error));
                assert_eq!(other, None);
            }
            steady.into_iter().for_each(Steady::stop);
            let mut logs = Logs::new();
            for topic in &topics {
                let log = topic.read_all(&mut client, 0).expect("the log");
                logs.insert((topic.name.clone(), 0), log);
            }
            assert_eq!(check(&recorder.history(), &logs), []);
            broker.assert_sound();
            done += 1;
        }
        broker.stop();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("disk full: {done} times, {refusals} batches refused, in {seconds:.1} s");
}
