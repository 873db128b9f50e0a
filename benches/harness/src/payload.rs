//! What the messages hold: the file that a workload names, or random bytes. The first bytes are
//! overwritten with the due time.

use std::path::Path;
use std::{fs, io};

use ringmain::base::prng::Prng;

use crate::workload::Workload;

/// Where the workload asks for randomised payloads without saying how many.
const POOL_DEFAULT: usize = 1;
const SEED: u64 = 0x7269_6e67_6d61_696e;

/// A pool of payloads of one size.
#[derive(Clone, Debug)]
pub struct Payloads {
    pool: Vec<Vec<u8>>,
}

impl Payloads {
    /// Of a workload that was read from `file`; the second part is a warning.
    pub fn of(workload: &Workload, file: Option<&Path>) -> io::Result<(Payloads, Option<String>)> {
        let size = workload.message_size;
        if workload.use_randomized_payloads {
            let pool = workload.randomized_payload_pool_size.max(POOL_DEFAULT);
            return Ok((Payloads::random(size, workload.random_bytes_ratio, pool), None));
        }
        let Some(name) = &workload.payload_file else {
            return Ok((Payloads::random(size, 1.0, POOL_DEFAULT), None));
        };
        let beside = file.and_then(Path::parent).map(|dir| dir.join(name));
        let above = file.and_then(Path::parent).and_then(Path::parent).map(|dir| dir.join(name));
        let places = [Some(Path::new(name).to_owned()), beside, above];
        let Some(found) = places.into_iter().flatten().find(|path| path.is_file()) else {
            let warning = format!("{name} is not there: random bytes were sent instead");
            return Ok((Payloads::random(size, 1.0, POOL_DEFAULT), Some(warning)));
        };
        let bytes = fs::read(&found)?;
        if bytes.len() != size {
            let said =
                format!("{} holds {} bytes, messageSize is {size}", found.display(), bytes.len());
            return Err(io::Error::other(said));
        }
        Ok((Payloads { pool: vec![bytes] }, None))
    }

    /// Random bytes up to `ratio` of each payload, then one byte that repeats.
    pub fn random(size: usize, ratio: f64, pool: usize) -> Payloads {
        let mut random = Prng::new(SEED);
        let mut payload = || {
            let noise = (size as f64 * ratio) as usize;
            (0..size).map(|at| if at < noise { random.below(256) as u8 } else { b'r' }).collect()
        };
        Payloads { pool: (0..pool.max(1)).map(|_| payload()).collect() }
    }

    pub fn size(&self) -> usize {
        self.pool[0].len()
    }

    pub fn get(&self, number: usize) -> &[u8] {
        &self.pool[number % self.pool.len()]
    }
}
