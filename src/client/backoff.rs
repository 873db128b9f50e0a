//! Pauses between attempts: each twice as long as the one before, with jitter, up to a bound.

use std::time::Duration;

use crate::base::prng::Prng;
use crate::client::Options;
use crate::rt;

#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    min: Duration,
    max: Duration,
    random: Prng,
}

impl Backoff {
    pub fn new(options: &Options) -> Backoff {
        let (min, max) = (options.retry_pause_min, options.retry_pause_max);
        Backoff { next: min, min, max, random: Prng::new(rt::now().as_nanos()) }
    }

    /// Sleeps between 80 and 120 percent of the present pause.
    pub async fn pause(&mut self) {
        let percent = 80 + self.random.below(41) as u32;
        let pause = self.next * percent / 100;
        self.next = (self.next * 2).min(self.max);
        rt::sleep(pause).await;
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}
