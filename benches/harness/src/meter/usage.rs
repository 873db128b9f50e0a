//! What processes and their threads used of the CPUs, from /proc. The kernel's own workers for
//! io_uring are threads of their process and count with it, also when they have ended.

use std::collections::BTreeMap;
use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};

/// The unit of /proc/PID/stat (USER_HZ, part of the kernel's interface).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of one thread since its start.
#[derive(Clone, Copy, Default)]
struct Thread {
    ran: f64,
    /// Runnable, but somebody else had the CPU.
    waited: f64,
}

/// What a process used up to now.
pub struct Usage {
    total: f64,
    threads: BTreeMap<u32, (String, Thread)>,
}

/// What it used between two looks.
#[derive(Clone, Default)]
pub struct Used {
    pub seconds: f64,
    pub waited: f64,
    /// By the name of the thread, the busiest first.
    pub threads: Vec<(String, f64)>,
}

impl Usage {
    pub fn of(pid: u32) -> io::Result<Usage> {
        let mut usage = Usage { total: 0.0, threads: BTreeMap::new() };
        usage.add(pid)?;
        Ok(usage)
    }

    /// Of several together; one that has ended meanwhile is left out.
    pub fn of_all(pids: &[u32]) -> Usage {
        let mut usage = Usage { total: 0.0, threads: BTreeMap::new() };
        for &pid in pids {
            // Nothing is added before the process is known to be there.
            let _ = usage.add(pid);
        }
        usage
    }

    fn add(&mut self, pid: u32) -> io::Result<()> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything.
        let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
        let field = |at: usize| -> f64 {
            numbers.split_whitespace().nth(at).and_then(|text| text.parse().ok()).unwrap_or(0.0)
        };
        self.total += (field(11) + field(12)) / TICKS_PER_SECOND;
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            // A thread may end while we look.
            let (Some(id), Ok(name), Ok(schedule)) = (
                id,
                fs::read_to_string(path.join("comm")),
                fs::read_to_string(path.join("schedstat")),
            ) else {
                continue;
            };
            let nanos: Vec<f64> =
                schedule.split_whitespace().filter_map(|text| text.parse().ok()).collect();
            if let [ran, waited, ..] = nanos[..] {
                let thread = Thread { ran: ran / 1e9, waited: waited / 1e9 };
                self.threads.insert(id, (name.trim().to_owned(), thread));
            }
        }
        Ok(())
    }

    pub fn since(&self, before: &Usage) -> Used {
        let mut by_name: BTreeMap<&str, f64> = BTreeMap::new();
        let mut waited = 0.0;
        for (id, (name, now)) in &self.threads {
            let then = before.threads.get(id).map(|(_, thread)| *thread).unwrap_or_default();
            // Workers are numbered by their process; their time is told together.
            let name = if name.starts_with("iou-") { "kernel workers" } else { name };
            *by_name.entry(name).or_default() += now.ran - then.ran;
            waited += now.waited - then.waited;
        }
        let mut threads: Vec<_> =
            by_name.into_iter().map(|(name, seconds)| (name.to_owned(), seconds)).collect();
        threads.sort_by(|a, b| b.1.total_cmp(&a.1));
        let alive: f64 = threads.iter().map(|(_, seconds)| seconds).sum();
        // The total counts in hundredths, but also threads that have ended.
        Used { seconds: alive.max(self.total - before.total), waited, threads }
    }
}

/// CPU seconds of this process.
pub fn own() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
