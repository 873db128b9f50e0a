//! A fan-out at work. A pass opens a transactor, which ends what the pass before it, or another run,
//! left open; reads on where the progress stands; and commits records and progress together until
//! it is done. Whatever fails ends the pass, and the next one finds out what was committed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::begin::{Begun, begin};
use super::load::{Load, Shipment};
use super::pace::Pace;
use super::progress::{self, Note};
use super::report::Report;
use crate::base::planted;
use crate::base::time::Instant;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::race::{First, race};
use crate::client::consumer::{Consumer, ConsumerOptions, Event, Fetched, Start};
use crate::client::{Backoff, Cluster, Error, Isolation, OffsetToCommit, Topic, Transactor};
use crate::model::{ErrorCode, Offset};
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

pub struct Job {
    pub cluster: Rc<Cluster>,
    pub source: String,
    pub target: String,
    /// Of the group that keeps the progress, and of the transactions.
    pub name: String,
    pub group: Option<String>,
    follow: bool,
    pace: Pace,
    batch_bytes: usize,
    quiet: bool,
    /// Where it ends, as found at the start; with `follow` the ends as last heard.
    ends: BTreeMap<i32, Offset>,
    /// Up to where it is committed.
    places: BTreeMap<i32, Offset>,
    report: Option<Report>,
    /// Something was committed since the last failure.
    moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Interrupted,
}

/// Why a pass ends before its time.
#[derive(Debug)]
pub enum Stop {
    Trouble(Error),
    Told(Failure),
    Interrupted,
    /// The source has got more partitions.
    Grown,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Trouble(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Told(failure)
    }
}

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
    #[expect(clippy::too_many_arguments, reason = "one caller, and each is a flag of its own")]
    pub fn new(
        cluster: Rc<Cluster>,
        source: &str,
        target: &str,
        group: Option<&str>,
        follow: bool,
        pace: Pace,
        batch_bytes: usize,
        quiet: bool,
    ) -> Job {
        Job {
            cluster,
            source: source.to_owned(),
            target: target.to_owned(),
            name: progress::name(source, target),
            group: group.map(str::to_owned),
            follow,
            pace,
            batch_bytes,
            quiet,
            ends: BTreeMap::new(),
            places: BTreeMap::new(),
            report: None,
            moved: false,
        }
    }

    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Passes, one after the other, until one comes to its end.
    pub async fn run(&mut self, interrupt: &Interrupt) -> Result<Outcome, Failure> {
        let patience = self.cluster.options().retry_for;
        let mut backoff = Backoff::new(self.cluster.options());
        let mut trouble_since: Option<Instant> = None;
        loop {
            let began = rt::now();
            let error = match self.pass(interrupt).await {
                Ok(()) => return Ok(Outcome::Done),
                Err(Stop::Interrupted) => return Ok(Outcome::Interrupted),
                Err(Stop::Told(failure)) => return Err(failure),
                Err(Stop::Grown) => continue,
                Err(Stop::Trouble(error)) => error,
            };
            if std::mem::take(&mut self.moved) {
                trouble_since = None;
                backoff.reset();
            }
            let since = *trouble_since.get_or_insert(began);
            if !may_pass(&error) || rt::now().since(since) > patience {
                return Err(super::explain(error, &self.target));
            }
            let text = format!("{error}; going on from what is committed");
            self.note(&text);
            if let First::Left(()) = race(interrupt.wait(), backoff.pause()).await {
                return Ok(Outcome::Interrupted);
            }
        }
    }

    async fn pass(&mut self, interrupt: &Interrupt) -> Result<(), Stop> {
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

    /// So far is committed now. A pass may find more committed than the one before had heard of.
    fn moved_to(&mut self, progress: &BTreeMap<i32, Offset>, records: u64, bytes: u64) {
        let mut passed = 0;
        for (&partition, &offset) in progress {
            let before = self.places.insert(partition, offset).unwrap_or(offset);
            passed += u64::try_from(offset - before).unwrap_or(0);
        }
        if let Some(report) = &mut self.report {
            report.shipped(records, bytes, passed);
        }
    }

    /// Progress as it is committed.
    pub fn offsets(&self, places: &BTreeMap<i32, Offset>, note: &Note) -> Vec<OffsetToCommit> {
        let note = note.to_string();
        let one = |(&partition, &offset): (&i32, &Offset)| OffsetToCommit {
            topic: self.source.clone(),
            partition,
            offset,
            note: note.clone(),
        };
        places.iter().map(one).collect()
    }

    fn show(&mut self) {
        if let Some(report) = &mut self.report {
            report.show(&self.places, &self.ends);
        }
    }

    /// Says something above the line that shows how far it is.
    pub fn note(&self, text: &str) {
        match &self.report {
            Some(report) => report.note(text),
            None => eprintln!("ringmain: {text}"),
        }
    }
}

/// Whether another pass may get further. Since that begins at what is committed, it may also where a
/// producer could not go on.
fn may_pass(error: &Error) -> bool {
    let again = |code: ErrorCode| {
        matches!(
            code,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING
                | ErrorCode::INVALID_TXN_STATE
                | ErrorCode::TRANSACTION_ABORTABLE
                | ErrorCode::TRANSACTION_COORDINATOR_FENCED
        )
    };
    error.is_retriable() || error.code().is_some_and(again)
}
