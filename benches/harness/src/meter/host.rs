//! The host: what it is, and how busy each of its CPUs was.

use std::fs;
use std::path::Path;

use crate::result::Host;

const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that each CPU was busy since it was started, whoever used it.
#[derive(Clone, Debug, Default)]
pub struct Cores(Vec<f64>);

impl Cores {
    pub fn now() -> Cores {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let core = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix("cpu")?;
            if !rest.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            let ticks: Vec<f64> =
                rest.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
            // user nice system idle iowait irq softirq steal; what another guest took is not busy.
            let busy = [0, 1, 2, 5, 6].iter().filter_map(|&at| ticks.get(at)).sum::<f64>();
            Some(busy / TICKS_PER_SECOND)
        };
        Cores(stat.lines().filter_map(core).collect())
    }

    /// The part of the time that each CPU was busy since then.
    pub fn since(&self, before: &Cores, seconds: f64) -> Vec<f64> {
        let pairs = self.0.iter().zip(&before.0);
        pairs.map(|(now, then)| ((now - then) / seconds).clamp(0.0, 1.0)).collect()
    }
}

/// Facts; `dir` is where the brokers' data lies.
pub fn facts(dir: &Path) -> Host {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once([':', '='])?.1.trim().trim_matches('"').to_owned())
    };
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = value(&meminfo, "MemTotal").unwrap_or_default();
    let memory: u64 =
        memory.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Host {
        cpu: value(&cpuinfo, "model name").unwrap_or_else(|| "unknown".into()),
        cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        memory_bytes: memory << 10,
        kernel: kernel.trim().to_owned(),
        system: value(&release, "PRETTY_NAME").unwrap_or_else(|| "unknown".into()),
        disk: disk(dir),
        ..Host::default()
    }
}

/// File system, device and mount options of the longest mount point above `dir`.
fn disk(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let above = |line: &&str| {
        let point = line.split_whitespace().nth(1);
        point.is_some_and(|point| dir.starts_with(point))
    };
    let longest = mounts
        .lines()
        .filter(above)
        .max_by_key(|line| line.split_whitespace().nth(1).map_or(0, str::len));
    let words: Vec<&str> = longest.unwrap_or("").split_whitespace().collect();
    match words[..] {
        [device, _, kind, options, ..] => format!("{kind} on {device} ({options})"),
        _ => "unknown".into(),
    }
}
