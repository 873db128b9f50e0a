//! A process and all that descend from it: which they are, what they hold and what they wrote.

use std::collections::BTreeMap;
use std::fs;

const PAGE_BYTES: u64 = 4096;

/// The process and its descendants, those that are alive.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Behind the name in parentheses: state, parent.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if let Some(parent) = rest.split_whitespace().nth(1).and_then(|text| text.parse().ok()) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(children.get(&parent).into_iter().flatten());
        at += 1;
    }
    found
}

pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

pub fn resident_bytes(pids: &[u32]) -> u64 {
    let pages = |pid: &u32| -> Option<u64> {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split_whitespace().nth(1)?.parse().ok()
    };
    pids.iter().filter_map(pages).sum::<u64>() * PAGE_BYTES
}

/// Bytes that went to and came from devices. What lies dirty in the page cache counts as written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Io {
    pub written: u64,
    pub read: u64,
}

pub fn io(pids: &[u32]) -> Io {
    let mut io = Io::default();
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        for line in text.lines() {
            let number =
                |name: &str| -> Option<u64> { line.strip_prefix(name)?.trim().parse().ok() };
            io.written += number("write_bytes:").unwrap_or(0);
            io.read += number("read_bytes:").unwrap_or(0);
        }
    }
    io
}
