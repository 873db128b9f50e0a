//! What a broker looks at in a produced batch.

use std::hint::black_box;
use std::time::Instant;

use ringmain::wire::batch::{self, Batch};
use ringmain::wire::record;

use super::{Done, Hash};
use crate::lean::template::{Author, Template};
use crate::payload::Payloads;

const RECORDS: usize = 64;

/// A batch of so many records of 1 KiB, always the same.
pub fn sample(records: usize) -> Vec<u8> {
    let payloads = Payloads::random(1024, 1.0, 1);
    let template = Template::new(&payloads, false, 1 << 20, Default::default());
    let dues = vec![1_700_000_000_000_000_000; records];
    let mut bytes = Vec::new();
    template.write(&dues, &[], Author::NOBODY, -1, &mut bytes);
    bytes
}

pub fn validate(count: u64) -> Done {
    let bytes = sample(RECORDS);
    let mut hash = Hash::default();
    let began = Instant::now();
    for _ in 0..count {
        let header = batch::validate(black_box(&bytes)).expect("a valid batch");
        let whole = Batch::first(&bytes).expect("a whole batch");
        let seen = record::walk(header, whole.payload()).expect("records in order");
        hash.number(u64::from(header.crc()));
        hash.number(seen.max_timestamp as u64);
    }
    Done { took: began.elapsed(), hash: hash.finish() }
}
