//! One pinned thread of the client: its producers, consumers, members and connections behind one
//! epoll, and the schedule.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock;
use crate::driver::Nanos;
use crate::lean::consumer::Consumer;
use crate::lean::links::Links;
use crate::lean::member::Member;
use crate::lean::producer::Producer;
use crate::lean::storm::Storm;
use crate::tally::{Tally, Window};

const LANE_BITS: usize = 12;
const KIND_BITS: usize = 2;

/// Whose connection it is, as the epoll names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Producer,
    Consumer,
    Member,
    Storm,
}

/// The name of a connection: of a producer or consumer its lane, of the others 0.
pub fn key(kind: Kind, index: usize, lane: usize) -> usize {
    ((index << LANE_BITS) | lane) << KIND_BITS | kind as usize
}

pub struct Worker {
    pub links: Links,
    pub producers: Vec<Producer>,
    pub consumers: Vec<Consumer>,
    /// With the consumer that it belongs to.
    pub members: Vec<(usize, Member)>,
    pub storm: Option<Storm>,
    pub window: Arc<Window>,
}

impl Worker {
    /// Until the window's `stop`.
    pub fn run(mut self) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut busy = self.producers.len();
        let mut told = false;
        let mut keys = Vec::new();
        while !self.window.stop.load(Ordering::Relaxed) {
            let now = clock::now();
            let mut wake = self.pump(now, &mut tally)?;
            if now >= self.window.end() {
                busy -= self
                    .producers
                    .iter_mut()
                    .filter_map(|one| one.finishes(now).then_some(()))
                    .count();
                if busy == 0 && !told {
                    told = true;
                    self.window.finished.fetch_add(1, Ordering::Relaxed);
                }
                wake = wake.max(now + 100_000);
            }
            keys.clear();
            keys.extend(self.links.wait_for(wake.saturating_sub(clock::now()))?);
            for &key in &keys {
                self.go_on(key, &mut tally)?;
            }
        }
        let now = clock::now();
        self.producers.iter_mut().for_each(|producer| producer.give_up(now, &mut tally));
        Ok(tally)
    }

    /// Does what is due, and says when something is again.
    fn pump(&mut self, now: Nanos, tally: &mut Tally) -> io::Result<Nanos> {
        let mut wake = Nanos::MAX;
        for producer in &mut self.producers {
            if producer.wake <= now {
                producer.pump(now, tally)?;
            }
            wake = wake.min(producer.wake);
        }
        for (at, member) in &mut self.members {
            if member.wake <= now {
                member.pump(now, &self.consumers[*at])?;
            }
            wake = wake.min(member.wake);
        }
        for consumer in &mut self.consumers {
            if consumer.wake <= now {
                consumer.pump(now)?;
            }
            wake = wake.min(consumer.wake);
        }
        if let Some(storm) = &mut self.storm {
            storm.pump(now, &self.links, |number| key(Kind::Storm, number, 0), tally)?;
            wake = wake.min(storm.wake);
        }
        Ok(wake)
    }

    fn go_on(&mut self, key: usize, tally: &mut Tally) -> io::Result<()> {
        let lane = (key >> KIND_BITS) & ((1 << LANE_BITS) - 1);
        let index = key >> (LANE_BITS + KIND_BITS);
        match key & ((1 << KIND_BITS) - 1) {
            0 => self.producers[index].go_on(lane, tally),
            1 => self.consumers[index].go_on(lane, tally),
            2 => {
                let (at, member) = &mut self.members[index];
                member.go_on(&mut self.consumers[*at], tally)
            }
            _ => {
                if let Some(storm) = &mut self.storm {
                    storm.go_on(index, tally);
                }
                Ok(())
            }
        }
    }
}
