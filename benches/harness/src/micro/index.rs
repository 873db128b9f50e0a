//! Where in a segment an offset lies.

use std::hint::black_box;
use std::time::Instant;

use ringmain::base::prng::Prng;
use ringmain::log::index::offset::{Entry, position_for};

use super::{Done, Hash};

const ENTRIES: u32 = 100_000;

pub fn look_up(count: u64) -> Done {
    let entry = |number: u32| Entry { relative: number * 40, position: number * 4096 };
    let entries: Vec<Entry> = (1..=ENTRIES).map(entry).collect();
    let (mut random, mut hash) = (Prng::new(7), Hash::default());
    let began = Instant::now();
    for _ in 0..count {
        let relative = random.below(u64::from(ENTRIES) * 40) as u32;
        hash.number(u64::from(position_for(black_box(&entries), relative)));
    }
    Done { took: began.elapsed(), hash: hash.finish() }
}
