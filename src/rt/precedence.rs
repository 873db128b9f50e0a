//! A core's thread goes before the kernel's workers that serve it. Where both run on one processor the scheduler would
//! give each of them its slice of some milliseconds before the core gets to see that a write is done; so
//! the core asks for short slices, which let it in as soon as it has something to do (Linux 6.12), and for more weight
//! where it may. What the thread starts, those workers among it, is scheduled as usual.
#![expect(unsafe_code, reason = "system calls that no crate knows; each block states its proof")]

use std::io;

/// Of the thread that asks: the shortest slice there is, in ns.
const SLICE_NS: u64 = 100_000;
/// Ten times the weight of other threads; needs CAP_SYS_NICE or RLIMIT_NICE.
const NICE: i32 = -10;

/// For the calling thread.
pub(super) fn take() -> io::Result<()> {
    // SAFETY: only numbers are passed; this thread's own.
    let inherited = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    match set(NICE) {
        // Who is nice already, or may not be less so, has short slices all the same.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => set(inherited),
        other => other,
    }
}

fn set(nice: i32) -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `attributes`, whose size it is told, and keeps no pointer; 0 is
    // this thread.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
