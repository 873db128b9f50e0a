//! One stream of seeded choices. Scheduler, network and each disk have their own, so that a new
//! draw in one does not shift the others.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use super::options::Delay;
use crate::base::prng::Prng;

pub(super) struct Dice(RefCell<Prng>);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Dice {
        let mut prng = Prng::new(seed ^ stream.wrapping_mul(0xa076_1d64_78bd_642f));
        prng.next_u64();
        Dice(RefCell::new(prng))
    }

    /// A number below `bound`, which must not be 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.0.borrow_mut().below(bound)
    }

    pub(super) fn index(&self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub(super) fn between(&self, range: Range<u64>) -> u64 {
        if range.start >= range.end {
            return range.start;
        }
        range.start + self.below(range.end - range.start)
    }

    pub(super) fn coin(&self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn percent(&self, percent: u32) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// Draws nothing when the chance is 0.
    pub(super) fn ppm(&self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    pub(super) fn delay(&self, delay: &Delay) -> Duration {
        let nanos = |duration: Duration| duration.as_nanos() as u64;
        let usual = self.between(nanos(delay.min)..nanos(delay.max) + 1);
        let spike = if self.ppm(delay.spike_ppm) { nanos(delay.spike) } else { 0 };
        Duration::from_nanos(usual + spike)
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill(bytes);
    }
}
