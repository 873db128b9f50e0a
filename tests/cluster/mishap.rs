//! What happens to a broker while clients are at work, and the worlds in which it does.

use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Delay, Sim, SimOptions, TaskOrder};

use crate::broker::Broker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    Nothing,
    /// Stops in order and starts again.
    Restart,
    Crash(CrashKind),
    /// Any of these.
    Any,
}

/// A world drawn from a seed: slow or quick disks, nets that reset or leave connections half open,
/// tasks in any order or first come first served.
pub fn options(random: &mut Prng) -> SimOptions {
    let mut options = SimOptions::default();
    if random.chance(1, 2) {
        options.task_order = TaskOrder::Fifo;
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
        let kind = match mishap {
            Mishap::Nothing => return,
            Mishap::Restart => None,
            Mishap::Crash(kind) => Some(kind),
            Mishap::Any => match random.below(4) {
                0 => None,
                1 => Some(CrashKind::ProcessKill),
                _ => Some(CrashKind::PowerLoss),
            },
        };
        match kind {
            None => {
                let stopped = rt::timeout(Duration::from_secs(300), broker.stop(sim)).await;
                assert!(stopped.is_some(), "it does not stop");
            }
            Some(kind) => {
                sim.crash(broker.host, kind);
                tell(kind);
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
