//! Records on their way to one partition.

use std::collections::VecDeque;

use crate::driver::Nanos;

/// The records of one batch: when each was due, and its key where there are any.
#[derive(Debug, Default)]
pub struct Batch {
    pub partition: u32,
    pub dues: Vec<Nanos>,
    pub keys: Vec<u32>,
    /// Given when it is sent for the first time.
    pub sequence: Option<i32>,
    pub tries: u8,
    pub wire_bytes: u32,
}

impl Batch {
    pub fn clear(&mut self) {
        self.dues.clear();
        self.keys.clear();
        self.sequence = None;
        self.tries = 0;
    }
}

/// What waits for one partition.
#[derive(Debug)]
pub struct Part {
    pub lane: usize,
    pub open: Batch,
    /// Full, the oldest first; those to be sent again stand ahead.
    pub full: VecDeque<Batch>,
    pub next_sequence: i32,
    /// It stands among those that may send.
    announced: bool,
    /// The open batch may leave as it is.
    pub lingered: bool,
}

impl Part {
    pub fn new(lane: usize) -> Part {
        Part {
            lane,
            open: Batch::default(),
            full: VecDeque::new(),
            next_sequence: 0,
            announced: false,
            lingered: false,
        }
    }

    pub fn announce(&mut self, at: usize, ready: &mut VecDeque<u32>) {
        if !self.announced {
            self.announced = true;
            ready.push_back(at as u32);
        }
    }

    /// The next batch to be sent; `fresh` serves for the open one's place.
    pub fn next(&mut self, fresh: impl FnOnce() -> Batch) -> Option<Batch> {
        self.announced = false;
        if let Some(batch) = self.full.pop_front() {
            return Some(batch);
        }
        if self.open.dues.is_empty() || !std::mem::take(&mut self.lingered) {
            return None;
        }
        Some(std::mem::replace(&mut self.open, fresh()))
    }

    /// Whether the next batch was sent before.
    pub fn is_again(&self) -> bool {
        self.full.front().is_some_and(|batch| batch.sequence.is_some())
    }

    pub fn has_more(&self) -> bool {
        !self.full.is_empty() || (self.lingered && !self.open.dues.is_empty())
    }

    /// Takes a refused batch back, in its place by sequence.
    pub fn resend(&mut self, batch: Batch) {
        let earlier = |other: &Batch| match (other.sequence, batch.sequence) {
            (Some(other), Some(own)) => other < own,
            (other, _) => other.is_some(),
        };
        let place = self.full.iter().take_while(|other| earlier(other)).count();
        self.full.insert(place, batch);
    }

    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.full.iter().chain([&self.open])
    }
}
