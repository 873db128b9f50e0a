//! Several topics read at once: a consumer each, and whatever any of them brings.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::existing;
use super::places::{Place as Where, Wanted};
use crate::cli::failure::Failure;
use crate::client::consumer::{Consumer, ConsumerOptions, Event, Start};
use crate::client::member::Place;
use crate::client::{Cluster, Result};
use crate::model::Offset;

#[derive(Default)]
pub struct Readers {
    readers: Vec<Reader>,
    /// Whose turn it is to be asked first.
    turn: usize,
}

struct Reader {
    topic: String,
    consumer: Consumer,
    is_done: bool,
}

/// Where partitions begin that nothing says more of.
#[derive(Clone, Copy)]
pub struct Otherwise {
    pub place: Where,
    pub to_the_end: bool,
}

impl Readers {
    /// Reads the places that `positions` knows from there on, and the others from where `otherwise`
    /// says; these are added to `positions`.
    pub async fn open(
        cluster: &Rc<Cluster>,
        places: &BTreeSet<Place>,
        positions: &mut BTreeMap<Place, Offset>,
        otherwise: Otherwise,
        options: &ConsumerOptions,
    ) -> std::result::Result<Readers, Failure> {
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, index) in places {
            by_topic.entry(topic).or_default().push(*index);
        }
        let mut readers = Vec::new();
        for (name, indexes) in by_topic {
            let topic = existing(cluster, name).await?;
            let is_known = |index: &i32| positions.contains_key(&(name.to_owned(), *index));
            let (known, new): (Vec<i32>, Vec<i32>) = indexes.iter().copied().partition(is_known);
            let mut starts: Vec<Start> = Vec::new();
            let wanted = |partitions, place| {
                let (isolation, to_the_end) = (options.isolation, otherwise.to_the_end);
                Wanted { topic: name, partitions, place, to_the_end, isolation }
            };
            if !new.is_empty() {
                starts.extend(wanted(&new, otherwise.place).starts(cluster, &topic).await?);
            }
            if otherwise.to_the_end && !known.is_empty() {
                starts.extend(wanted(&known, Where::Latest).starts(cluster, &topic).await?);
            }
            if !otherwise.to_the_end {
                let start = |&partition: &i32| Start { partition, offset: 0, end: None };
                starts.extend(known.iter().map(start));
            }
            for start in &mut starts {
                let place = (name.to_owned(), start.partition);
                start.offset = *positions.entry(place).or_insert(start.offset);
            }
            let options = options.clone();
            let consumer = Consumer::new(cluster.clone(), name, topic, &starts, options);
            readers.push(Reader { topic: name.to_owned(), consumer, is_done: false });
        }
        Ok(Readers { readers, turn: 0 })
    }

    /// The next event of any topic; `None` when all are read to their ends. Waits for ever where
    /// there is nothing to read.
    pub async fn next(&mut self) -> Result<Option<(String, Event)>> {
        if self.readers.is_empty() {
            return pending().await;
        }
        loop {
            let (place, event) = {
                let count = self.readers.len();
                let order = (0..count).map(|place| (place + self.turn) % count);
                type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Event>> + 'a>>;
                let mut waiting: Vec<(usize, Waiting<'_>)> = order
                    .filter(|&place| !self.readers[place].is_done)
                    .map(|place| {
                        let next: Waiting<'_> = Box::pin(self.readers[place].consumer.next());
                        (place, next)
                    })
                    .collect();
                if waiting.is_empty() {
                    return Ok(None);
                }
                poll_fn(|cx| {
                    for (place, next) in &mut waiting {
                        if let Poll::Ready(event) = next.as_mut().poll(cx) {
                            return Poll::Ready((*place, event));
                        }
                    }
                    Poll::Pending
                })
                .await
            };
            self.turn = place + 1;
            match event? {
                Event::End => self.readers[place].is_done = true,
                event => return Ok(Some((self.readers[place].topic.clone(), event))),
            }
        }
    }
}
