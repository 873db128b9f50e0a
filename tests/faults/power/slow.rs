//! A slow device under one partition: its producers wait, memory does not grow, and the neighbour on
//! a sound device hardly notices.

use std::thread;
use std::time::Duration;

use super::kind;
use super::split::Split;
use super::steady::Steady;
use crate::broker::Setup;
use crate::client::Client;

const MEMORY_MIB: u64 = 64;
/// Producers on the slow partition, and bytes of ballast in each of their two records.
const PRODUCERS: u32 = 16;
const BALLAST: usize = 100_000;

fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    let index = (waits.len() * 99 / 100).min(waits.len().saturating_sub(1));
    waits.get(index).copied().unwrap_or_default()
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn a_slow_disk_holds_up_its_own_partition_only() {
    let seconds = crate::number("RINGMAIN_POWER_SLOW").unwrap_or(5);
    let memory = (MEMORY_MIB << 20).to_string();
    let setup = Setup::new("slow")
        .set("ringmain.memory.per.core.bytes", &memory)
        .set("socket.request.max.bytes", "16777216");
    for (name, iops) in [("20 operations a second", 20), ("500 ms an operation", 2)] {
        let mut split = Split::new(&setup, kind(0), &[]);
        let mut broker = split.setup.start();
        let on_sound = Steady::start(&split.sound, 1000, 100, &split.recorder);
        let span = Duration::from_secs(seconds);
        thread::sleep(Duration::from_millis(500));
        on_sound.waits();
        thread::sleep(span);
        let (alone, resident) = (on_sound.waits(), broker.resident_kib());
        split.throttle(iops);
        let slow: Vec<Steady> = (0..PRODUCERS)
            .map(|number| Steady::start(&split.broken, number, BALLAST, &split.recorder))
            .collect();
        thread::sleep(Duration::from_secs(1));
        on_sound.waits();
        thread::sleep(span);
        let beside = on_sound.waits();
        let grown_kib = broker.resident_kib().saturating_sub(resident);
        let acknowledged: u64 = slow.iter().map(Steady::acknowledged).sum();
        let refused: usize = slow.iter().map(|it| it.refused().len()).sum();
        println!(
            "{name}: the neighbour's p99 {:.2} ms ({} batches) alone, {:.2} ms ({}) beside; \
             {acknowledged} slow batches of {} KiB acknowledged, {refused} refused; \
             {grown_kib} KiB more memory",
            p99(alone.clone()).as_secs_f64() * 1e3,
            alone.len(),
            p99(beside.clone()).as_secs_f64() * 1e3,
            beside.len(),
            2 * BALLAST / 1024,
        );
        assert!(grown_kib < 2 * MEMORY_MIB * 1024, "memory grows");
        assert_eq!(refused, 0, "slow is not broken");
        assert!(on_sound.refused().is_empty());
        assert!(acknowledged > 0, "nothing goes on");
        // Much more than the neighbour's share of the processor explains.
        let bound = p99(alone) * 4 + Duration::from_millis(20);
        assert!(p99(beside) < bound, "the neighbour is held up");
        broker.assert_sound();
        split.put(None);
        on_sound.stop();
        slow.into_iter().for_each(Steady::stop);
        let mut client = Client::connect(broker.address()).expect("a connection");
        assert_eq!(split.judge(&mut client), [""; 0]);
        broker.stop();
    }
}
