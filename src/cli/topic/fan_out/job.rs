//! A fan-out: passes, one after the other, until one comes to its end. Whatever fails ends a pass, and the
//! next one finds out what was committed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::pace::Pace;
use super::progress::{self, Note};
use super::report::Report;
use crate::base::time::Instant;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::race::{First, race};
use crate::client::{Backoff, Cluster, Error, OffsetToCommit};
use crate::model::{ErrorCode, Offset};
use crate::rt;

pub struct Job {
    pub cluster: Rc<Cluster>,
    pub source: String,
    pub target: String,
    /// Of the group that keeps the progress, and of the transactions.
    pub name: String,
    pub group: Option<String>,
    pub(super) follow: bool,
    pub(super) pace: Pace,
    pub(super) batch_bytes: usize,
    pub(super) quiet: bool,
    /// Where it ends, as found at the start; with `follow` the ends as last heard.
    pub(super) ends: BTreeMap<i32, Offset>,
    /// Up to where it is committed.
    pub(super) places: BTreeMap<i32, Offset>,
    pub(super) report: Option<Report>,
    /// Something was committed since the last failure.
    pub(super) moved: bool,
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

    /// So far is committed now. A pass may find more committed than the one before had heard of.
    pub(super) fn moved_to(&mut self, progress: &BTreeMap<i32, Offset>, records: u64, bytes: u64) {
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

    pub(super) fn show(&mut self) {
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
