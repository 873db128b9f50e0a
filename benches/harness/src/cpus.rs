//! Which CPUs a thread, and whatever it starts, may use.

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Of the calling thread; no CPUs are all that it has.
pub fn restrict(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if cpu >= CpuSet::MAX_CPU {
            return Err(io::Error::other(format!("CPU {cpu} is more than a host has")));
        }
        set.set(cpu);
    }
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("CPUs {cpus:?} cannot be used here: {error}")))
}
