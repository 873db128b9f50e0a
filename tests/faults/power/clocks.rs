//! The wall clock jumps two hours to and fro, for the broker alone (`clock.c`): nothing is deleted and
//! no producer forgotten before its time, and both would be due after one hour.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;

use super::tools::{run, text};
use crate::broker::Setup;
use crate::client::Client;
use crate::topics::{EARLIEST, Sequence, Topic, batch, new_producer_id, now_ms};

/// Between two jumps.
const HOLD: Duration = Duration::from_millis(1000);
const HOUR_MS: i64 = 3_600_000;

/// The broker's clock.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    fn new(scratch: &Path) -> Clock {
        let (file, library) = (scratch.join("offset"), scratch.join("clock.so"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/power/clock.c");
        run("cc", &["-O1", "-shared", "-fPIC", "-o", text(&library), source]);
        let clock = Clock { file, library };
        fs::write(&clock.file, [0; 8]).expect("a file");
        clock
    }

    /// In place: the broker has the file in its memory.
    fn set(&self, offset_s: i64) {
        let file = File::options().write(true).open(&self.file).expect("the file");
        file.write_all_at(&offset_s.to_ne_bytes(), 0).expect("eight bytes");
    }
}

#[test]
#[ignore = "takes its time: scripts/power"]
fn a_jumping_clock_deletes_and_forgets_nothing() {
    let jumps = crate::number("RINGMAIN_POWER_CLOCKS").unwrap_or(6);
    let mut dice = Prng::new(crate::seed());
    let setup = Setup::new("clocks");
    let clock = Clock::new(setup.scratch());
    let hour = HOUR_MS.to_string();
    let setup = setup
        .set("producer.id.expiration.ms", &hour)
        .set("producer.id.expiration.check.interval.ms", "1000")
        .set("log.retention.check.interval.ms", "1000")
        .env("LD_PRELOAD", text(&clock.library))
        .env("CLOCK_OFFSET", text(&clock.file));
    let began = Instant::now();
    let mut broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let ever = ("message.timestamp.after.max.ms", "9223372036854775807");
    let aging = [("retention.ms", hour.as_str()), ("segment.bytes", "1048576"), ever];
    let aging = Topic::create(&mut client, "aging", 1, &aging);
    let stamped = [("message.timestamp.type", "LogAppendTime"), ever];
    let stamped = Topic::create(&mut client, "stamped", 1, &stamped);
    let (error, producer_id, epoch) = new_producer_id(&mut client).expect("a producer");
    assert_eq!(error, ErrorCode::NONE);
    let (mut sequence, mut end, mut seen_jumped) = (0, 0, 0);
    for jump in 0..jumps {
        let hours = if dice.chance(3, 4) { 2 } else { -2 };
        clock.set(hours * HOUR_MS / 1000);
        thread::sleep(HOLD);
        // That the clock has jumped, the broker says itself.
        let bytes = batch(Sequence::NONE, &[jump], 0);
        let stamp = stamped.append_time(&mut client, &bytes).expect("an answer");
        let off_ms = stamp - now_ms() - hours * HOUR_MS;
        assert!(off_ms.abs() < 60_000, "the broker's clock is off by {off_ms} ms");
        seen_jumped += 1;
        // Large enough for a new segment now and then; sent again, it is the same.
        let base = Sequence { producer_id, epoch, base: sequence };
        let bytes = batch(base, &[jump], 200_000);
        for time in ["first", "again"] {
            let (error, offset) = aging.produce(&mut client, 0, &bytes).expect("an answer");
            assert_eq!((error, offset), (ErrorCode::NONE, end), "{time} after {jump} jumps");
            thread::sleep(Duration::from_millis(dice.below(100)));
        }
        (sequence, end) = (sequence + 1, end + 1);
        let start = aging.offset_at(&mut client, 0, EARLIEST).expect("an answer");
        assert_eq!(start, 0, "deleted after {jump} jumps");
    }
    let log = aging.read_all(&mut client, 0).expect("the log");
    let all: Vec<(i64, u64)> = (0..).zip(0..jumps).collect();
    assert_eq!(log, all);
    // The last batch is older than the broker's last look at its producers, or it is no proof.
    let bytes = batch(Sequence { producer_id, epoch, base: sequence - 1 }, &[jumps - 1], 200_000);
    clock.set(2 * HOUR_MS / 1000);
    thread::sleep(Duration::from_secs(22));
    let again = aging.produce(&mut client, 0, &bytes).expect("an answer");
    assert_eq!(again, (ErrorCode::NONE, end - 1), "the producer is forgotten");
    let start = aging.offset_at(&mut client, 0, EARLIEST).expect("an answer");
    assert_eq!(start, 0, "deleted");
    broker.assert_sound();
    broker.stop();
    println!("{seen_jumped} jumps in {:.1} s", began.elapsed().as_secs_f64());
}
