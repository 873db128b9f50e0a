//! What this host's memory and checksums do by themselves: the floor under every broker.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::result::Ceiling;

const COLD_BYTES: usize = 256 << 20;
const SLICE: Duration = Duration::from_millis(50);
const TRIES: usize = 5;

/// On the calling thread, which should be pinned.
pub fn measure() -> Vec<Ceiling> {
    let mut found = Vec::new();
    for kib in [1, 64, 1024] {
        let bytes = vec![0x5a_u8; kib << 10];
        let seconds = best(|| {
            black_box(crc32c::crc32c(black_box(&bytes)));
        });
        found.push(told(format!("CRC-32C of {kib} KiB, in the cache"), bytes.len(), seconds));
    }
    for kib in [64, 1024] {
        let from = vec![0x5a_u8; kib << 10];
        let mut to = vec![0_u8; kib << 10];
        let seconds = best(|| {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
        });
        found.push(told(format!("copy of {kib} KiB, in the cache"), from.len(), seconds));
    }
    let from = vec![0x5a_u8; COLD_BYTES];
    let mut to = vec![1_u8; COLD_BYTES];
    let seconds = best(|| {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    });
    found.push(told("copy of 256 MiB, out of the cache".into(), COLD_BYTES, seconds));
    found
}

fn told(what: String, bytes: usize, seconds: f64) -> Ceiling {
    let gb = bytes as f64 / 1e9;
    Ceiling {
        what,
        value: gb / seconds,
        unit: "GB/s".into(),
        cpu_seconds_per_gb: Some(seconds / gb),
        detail: String::new(),
    }
}

/// Seconds of one call at best.
fn best(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..TRIES {
        let (began, mut calls) = (Instant::now(), 0);
        while calls == 0 || began.elapsed() < SLICE {
            work();
            calls += 1;
        }
        best = best.min(began.elapsed().as_secs_f64() / f64::from(calls));
    }
    best
}
