//! What happens to a broker while clients are at work, and the worlds in which it does.

use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Delay, DiskOp, Fault, FaultRule, Sim, SimOptions, TaskOrder};

use crate::broker::Broker;
use crate::seeds::talk;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    Nothing,
    /// Stops in order and starts again.
    Restart,
    Crash(CrashKind),
    /// A write or sync fails, of a log or of the metadata; a crash follows.
    DiskError,
    /// No room is left for a while.
    DiskFull,
    /// Any of these.
    Any,
}

/// A world drawn from a seed: slow or quick disks, nets that reset or leave connections half open,
/// tasks in any order or first come first served.
pub fn options(random: &mut Prng) -> SimOptions {
    let mut options = SimOptions { talk: talk(), ..Default::default() };
    if random.chance(1, 2) {
        options.task_order = TaskOrder::Fifo;
    }
    if random.chance(1, 3) {
        options.idle_polls_ppm = 50_000;
    }
    options.disk.write = Delay::between_us(10, 20 << random.below(10));
    options.disk.sync = Delay::between_us(10, 50 << random.below(10));
    options.net.delay = Delay::between_us(5, 20 << random.below(10));
    if random.chance(1, 3) {
        options.net.reset_ppm = 2_000;
    }
    if random.chance(1, 3) {
        options.net.half_open_percent = 50;
    }
    options
}

/// Returns when the broker is on its way up again; tells of each crash as it happens. One may
/// follow another closely: what survived the first by chance must survive the second too.
pub async fn befall(
    sim: &Sim,
    broker: &Broker,
    mishap: Mishap,
    random: &mut Prng,
    tell: impl Fn(CrashKind),
) {
    loop {
        let now = match mishap {
            Mishap::Any => match random.below(8) {
                0 => Mishap::Restart,
                1 | 2 => Mishap::Crash(CrashKind::ProcessKill),
                3 => Mishap::DiskError,
                4 => Mishap::DiskFull,
                _ => Mishap::Crash(CrashKind::PowerLoss),
            },
            told => told,
        };
        let crash = |kind| {
            sim.crash(broker.host, kind);
            tell(kind);
        };
        match now {
            Mishap::Nothing | Mishap::Any => return,
            Mishap::Restart => {
                let stopped = rt::timeout(Duration::from_secs(300), broker.stop(sim)).await;
                assert!(stopped.is_some(), "it does not stop");
            }
            Mishap::Crash(kind) => crash(kind),
            Mishap::DiskError => {
                let disk = sim.disk(broker.host);
                let op = if random.chance(1, 2) { DiskOp::Write } else { DiskOp::Sync };
                let path = if random.chance(1, 8) { "journal" } else { ".log" };
                disk.inject(FaultRule::new(op, Fault::Eio).on(path).after(random.below(20)));
                rt::sleep(Duration::from_micros(random.below(300_000))).await;
                let gentle = random.chance(1, 2);
                crash(if gentle { CrashKind::ProcessKill } else { CrashKind::PowerLoss });
                disk.clear_faults();
            }
            Mishap::DiskFull => {
                let disk = sim.disk(broker.host);
                disk.set_capacity(disk.used() + random.below(200_000));
                rt::sleep(Duration::from_micros(random.below(2_000_000))).await;
                disk.set_capacity(1 << 40);
                broker.supervise(sim).await;
                return;
            }
        }
        rt::sleep(Duration::from_micros(random.below(50_000))).await;
        broker.start(sim);
        if random.chance(1, 2) {
            return;
        }
        let soon = 1 << random.below(18);
        rt::sleep(Duration::from_micros(random.below(soon))).await;
    }
}
