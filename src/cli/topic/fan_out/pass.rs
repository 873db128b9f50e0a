//! A fan-out at work. A pass opens a transactor, which ends what the pass before it, or another run,
//! left open; reads on where the progress stands; and commits records and progress together until
//! it is done.

use std::time::Duration;

use super::begin::{Begun, begin};
use super::job::{Job, Stop};
use super::load::{Load, Shipment};
use super::progress::Note;
use super::report::Report;
use crate::base::planted;
use crate::base::time::Instant;
use crate::cli::interrupt::Interrupt;
use crate::cli::race::{First, race};
use crate::client::consumer::{Consumer, ConsumerOptions, Event, Fetched, Start};
use crate::client::{Isolation, Topic, Transactor};
use crate::rt;

/// A transaction is open for one write round trip or some; a run that is killed holds up readers
/// for no longer.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long records wait for company.
const LINGER: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(100);
/// How often is looked whether the source has got more partitions.
const SOURCE_LOOK: Duration = Duration::from_secs(30);
/// Without progress for so long, people are told why that may be.
const STUCK: Duration = Duration::from_secs(10);

/// What a pass has in its hands.
struct Hands {
    transactor: Transactor,
    target: Topic,
    note: Note,
    load: Load,
    /// When the first record of the load came.
    since: Option<Instant>,
}

impl Job {
    pub(super) async fn pass(&mut self, interrupt: &Interrupt) -> Result<(), Stop> {
        let opened = match race(interrupt.wait(), self.open()).await {
            First::Left(()) => return Err(Stop::Interrupted),
            First::Right(opened) => opened?,
        };
        let (source, begun, mut hands) = opened;
        if self.report.is_none() {
            self.ends = begun.ends.clone();
            let total = begun.starts.iter().map(|(index, from)| self.ends[index] - from);
            let total = (!self.follow).then(|| total.sum::<i64>() as u64);
            self.report = Some(Report::new(total, self.quiet));
        }
        if self.follow {
            // Also what the source has got since the last pass.
            for (&partition, &end) in &begun.ends {
                self.ends.insert(partition, end);
            }
        }
        let count = source.partitions.len();
        self.moved_to(&begun.starts, 0, 0);
        let wanted = begun.starts.iter().filter(|(index, _)| self.ends.contains_key(index));
        let starts: Vec<Start> = wanted
            .map(|(&partition, &offset)| {
                let end = (!self.follow).then(|| self.ends[&partition]);
                Start { partition, offset, end }
            })
            .collect();
        let isolation = Isolation::ReadCommitted;
        let options = ConsumerOptions { isolation, ..Default::default() };
        let consumer = Consumer::new(self.cluster.clone(), &self.source, source, &starts, options);
        let (mut looked, mut stuck) = (rt::now(), rt::now());
        loop {
            let next = race(interrupt.wait(), consumer.next());
            match rt::timeout(LOOK, next).await {
                Some(First::Left(())) => return Err(Stop::Interrupted),
                Some(First::Right(event)) => {
                    stuck = rt::now();
                    match event? {
                        Event::Records(fetched) => {
                            self.take(&mut hands, &fetched, interrupt).await?;
                        }
                        Event::Skipped { partition, from, to } => self.note(&format!(
                            "{}-{partition}: records {from} to {} were removed before they were \
                             drained",
                            self.source,
                            to - 1
                        )),
                        Event::Trouble(error) => self.note(&format!("{error}; trying again")),
                        Event::End => {
                            self.ship(&mut hands, interrupt).await?;
                            return Ok(());
                        }
                    }
                }
                None if !self.follow && rt::now().since(stuck) > STUCK => {
                    stuck = rt::now();
                    self.note(&format!(
                        "waiting for records of {} that no transaction has committed yet \
                         (`ringmain txn find-hanging --topic {}` finds those that nobody will end)",
                        self.source, self.source
                    ));
                }
                None => {}
            }
            let now = rt::now();
            if hands.since.is_some_and(|since| now.since(since) >= LINGER) {
                self.ship(&mut hands, interrupt).await?;
            }
            if self.follow && now.since(looked) >= SOURCE_LOOK {
                looked = now;
                if self.cluster.topic(&self.source, false).await?.partitions.len() != count {
                    self.ship(&mut hands, interrupt).await?;
                    return Err(Stop::Grown);
                }
            }
            self.show();
        }
    }

    /// What a pass needs, as the cluster is now.
    async fn open(&self) -> Result<(Topic, Begun, Hands), Stop> {
        let cluster = &self.cluster;
        let mut transactor =
            Transactor::open(cluster.clone(), &self.name, TRANSACTION_TIMEOUT).await?;
        let source = cluster.retry(async || cluster.topic(&self.source, false).await).await?;
        let target = cluster.retry(async || cluster.topic(&self.target, false).await).await?;
        let begun = begin(self, &mut transactor, &source, &target).await?;
        let note = begun.note.clone();
        let load = Load::new(note.partitions, self.batch_bytes, rt::now().as_nanos());
        Ok((source, begun, Hands { transactor, target, note, load, since: None }))
    }

    /// Places the records of an answer; a load that is full goes at once.
    async fn take(
        &mut self,
        hands: &mut Hands,
        fetched: &Fetched,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        let (bytes_max, records_max) = self.pace.share();
        for batch in fetched.batches() {
            let batch = batch?;
            for record in batch.records() {
                hands.load.add(&record?, batch.codec());
                hands.since.get_or_insert_with(rt::now);
                if hands.load.bytes() >= bytes_max || hands.load.records() >= records_max {
                    self.ship(hands, interrupt).await?;
                }
            }
        }
        hands.load.reached(fetched.partition, fetched.next());
        hands.since.get_or_insert_with(rt::now);
        if self.follow {
            let end = self.ends.entry(fetched.partition).or_default();
            *end = fetched.high_watermark.max(*end);
        }
        Ok(())
    }

    /// Commits what was gathered, when it is time to.
    async fn ship(&mut self, hands: &mut Hands, interrupt: &Interrupt) -> Result<(), Stop> {
        hands.since = None;
        if hands.load.is_empty() {
            return Ok(());
        }
        loop {
            let wait = self.pace.wait(rt::now());
            if wait.is_zero() {
                break;
            }
            if let First::Left(()) = race(interrupt.wait(), rt::sleep(wait.min(LOOK))).await {
                return Err(Stop::Interrupted);
            }
            self.show();
        }
        let began = rt::now();
        let Shipment { batches, progress, records, bytes } = hands.load.take();
        let transactor = &mut hands.transactor;
        transactor.write(&self.target, &hands.target, batches).await?;
        let offsets = self.offsets(&progress, &hands.note);
        if planted::is("fan-out-commits-apart") {
            transactor.commit().await?;
            rt::sleep(Duration::from_millis(150)).await;
        }
        transactor.commit_offsets(&self.name, &offsets).await?;
        transactor.commit().await?;
        self.pace.sent(began, bytes, records);
        self.moved = true;
        self.moved_to(&progress, records, bytes);
        self.show();
        Ok(())
    }
}
