//! Reading as a member of a group: what it is given it prints, what it has printed it commits, and
//! when the group shares anew it begins again with what it is given then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::Duration;

use super::readers::{Otherwise, Readers};
use super::{AssignorName, Consume, Printer, existing, print};
use crate::cli::failure::Failure;
use crate::cli::group::sharing;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::race::{First, race};
use crate::client::consumer::{ConsumerOptions, Event};
use crate::client::member::{Assignor, Member, MemberOptions, News, Place, Seat};
use crate::client::{Cluster, Error};
use crate::model::{ErrorCode, Offset};
use crate::rt;

/// What was printed is committed so often.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the group waits for a member that has records to print when it shares anew.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the leader looks whether topics have got more partitions.
const TOPICS_LOOK: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// Why reading ended.
enum Ended {
    /// As many records as were wanted, or everything there was.
    Done,
    Interrupted,
    /// The group shares anew.
    Anew,
    /// The group has given this member up.
    Lost(Error),
}

struct Reading {
    cluster: Rc<Cluster>,
    member: Member,
    options: ConsumerOptions,
    otherwise: Otherwise,
    quiet: bool,
    printer: Printer,
    output: Output,
    progress: Progress,
    /// What is its own: up to where each partition is printed, and up to where that is committed.
    positions: BTreeMap<Place, Offset>,
    committed: BTreeMap<Place, Offset>,
}

pub async fn consume(
    cluster: Rc<Cluster>,
    args: Consume,
    null: Vec<u8>,
    output: Output,
    interrupt: Interrupt,
) -> Result<(), Failure> {
    for name in &args.topic {
        existing(&cluster, name).await?;
    }
    let member = Member::new(
        cluster.clone(),
        MemberOptions {
            group: args.group.clone().expect("that is why this was called"),
            topics: args.topic.clone(),
            assignors: match args.assignor {
                // As Java's consumers have it.
                AssignorName::Range => vec![Assignor::Range, Assignor::CooperativeSticky],
                AssignorName::CooperativeSticky => vec![Assignor::CooperativeSticky],
            },
            instance: args.instance.clone(),
            session_timeout: Duration::from_secs(args.session_timeout.into()),
            rebalance_timeout: REBALANCE_TIMEOUT,
        },
    );
    let to_terminal = io::stdout().is_terminal();
    let mut reading = Reading {
        cluster,
        member,
        options: ConsumerOptions {
            isolation: args.isolation.isolation(),
            sessions: !args.no_fetch_sessions,
            ..Default::default()
        },
        otherwise: Otherwise { place: args.place(), to_the_end: args.exit_at_end },
        quiet: args.quiet,
        printer: Printer::new(&args, "", null),
        output,
        progress: Progress::new("read", args.count, !args.quiet && !to_terminal),
        positions: BTreeMap::new(),
        committed: BTreeMap::new(),
    };
    let ended = reading.take_part(&interrupt).await;
    reading.progress.clear();
    // What was read before a failure was read.
    let flushed = reading.output.flush().await;
    let left = reading.member.leave().await;
    if !args.quiet && !to_terminal && matches!(ended, Ok(()) | Err(Failure::Interrupted)) {
        eprintln!("{}", reading.progress.summary());
    }
    if let (Err(error), false) = (left, args.quiet) {
        eprintln!("ringmain: {error}; the group will miss this member in a while");
    }
    ended.and(flushed)
}

impl Reading {
    async fn take_part(&mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        loop {
            if !self.member.keeps() {
                self.positions.clear();
                self.committed.clear();
            }
            let owned: BTreeSet<Place> = self.positions.keys().cloned().collect();
            let seat = match race(interrupt.wait(), self.member.join(&owned)).await {
                First::Left(()) => return Err(Failure::Interrupted),
                First::Right(seat) => seat.map_err(|error| self.explain(error))?,
            };
            let gives_up = owned.iter().any(|place| !seat.places.contains(place));
            let mut readers = self.adopt(&seat).await?;
            self.tell(&seat).await;
            if gives_up && self.member.keeps() {
                // Only when it has rejoined without them may others have them (KIP-429).
                continue;
            }
            let ended = self.read(&seat, &mut readers, interrupt).await;
            // Nothing is read any more that could not be committed.
            drop(readers);
            match ended? {
                Ended::Anew => self.commit().await?,
                Ended::Done => return self.commit().await,
                Ended::Interrupted => {
                    self.commit().await?;
                    return Err(Failure::Interrupted);
                }
                Ended::Lost(error) => {
                    self.positions.clear();
                    self.committed.clear();
                    self.note(&format!("{error}; joining anew, some records may be read again"));
                }
            }
        }
    }

    /// Takes over what it was given: where the group is with it, or where reading begins otherwise.
    async fn adopt(&mut self, seat: &Seat) -> Result<Readers, Failure> {
        self.positions.retain(|place, _| seat.places.contains(place));
        self.committed.retain(|place, _| seat.places.contains(place));
        if seat.places.iter().any(|place| !self.positions.contains_key(place)) {
            let found = self.member.committed().await?;
            for place in &seat.places {
                if let (Some(found), false) = (found.get(place), self.positions.contains_key(place))
                {
                    self.positions.insert(place.clone(), found.offset);
                    self.committed.insert(place.clone(), found.offset);
                }
            }
        }
        let (cluster, options) = (&self.cluster, &self.options);
        Readers::open(cluster, &seat.places, &mut self.positions, self.otherwise, options).await
    }

    async fn read(
        &mut self,
        seat: &Seat,
        readers: &mut Readers,
        interrupt: &Interrupt,
    ) -> Result<Ended, Failure> {
        if seat.places.is_empty() && self.otherwise.to_the_end {
            return self.end_without(interrupt).await;
        }
        let (mut committed, mut looked) = (rt::now(), rt::now());
        loop {
            let told = race(interrupt.wait(), self.member.news());
            let next = race(told, readers.next());
            let event = match rt::timeout(LOOK, next).await {
                None => None,
                Some(First::Left(First::Left(()))) => return Ok(Ended::Interrupted),
                Some(First::Left(First::Right(news))) => return self.heed(news),
                Some(First::Right(event)) => match event? {
                    None => return Ok(Ended::Done),
                    event => event,
                },
            };
            if let Some((topic, event)) = event
                && self.show(topic, event).await?
            {
                return Ok(Ended::Done);
            }
            self.progress.show(self.progress.records());
            if rt::now().since(committed) >= COMMIT_EVERY {
                committed = rt::now();
                self.commit().await?;
            }
            if seat.is_leader && rt::now().since(looked) >= TOPICS_LOOK {
                looked = rt::now();
                let now = self.member.partitions().await?;
                if now.iter().any(|(topic, count)| seat.shared.get(topic) != Some(count)) {
                    return Ok(Ended::Anew);
                }
            }
        }
    }

    /// Where members cooperate there may only be nothing until others have given something up.
    async fn end_without(&self, interrupt: &Interrupt) -> Result<Ended, Failure> {
        if !self.member.options().cooperates() {
            return Ok(Ended::Done);
        }
        let patience = self.member.options().session_timeout;
        let told = race(interrupt.wait(), self.member.news());
        match rt::timeout(patience, told).await {
            Some(First::Left(())) => Ok(Ended::Interrupted),
            Some(First::Right(news)) => self.heed(news),
            None => Ok(Ended::Done),
        }
    }

    fn heed(&self, news: News) -> Result<Ended, Failure> {
        match news {
            News::Sharing => Ok(Ended::Anew),
            News::Lost(error) => Ok(Ended::Lost(error)),
            News::Fenced(error) => Err(self.explain(error)),
        }
    }

    /// True when as many records are printed as were wanted.
    async fn show(&mut self, topic: String, event: Event) -> Result<bool, Failure> {
        match event {
            Event::Records(fetched) => {
                self.printer.topic.clone_from(&topic);
                let (printer, output) = (&mut self.printer, &mut self.output);
                let printed = print(&fetched, printer, output, &mut self.progress).await?;
                self.output.flush().await?;
                let is_full = printed.is_break();
                let next = if is_full { self.printer.next } else { fetched.next() };
                self.positions.insert((topic, fetched.partition), next);
                Ok(is_full)
            }
            Event::Skipped { partition, from, to } => {
                self.note(&format!(
                    "{topic}-{partition}: records {from} to {} were removed before they were read",
                    to - 1
                ));
                Ok(false)
            }
            Event::Trouble(error) => {
                self.note(&format!("{error}; trying again"));
                Ok(false)
            }
            Event::End => Ok(false),
        }
    }

    /// Commits what was printed since the last time. What the group says to that is told as news.
    async fn commit(&mut self) -> Result<(), Failure> {
        let is_new = |place: &Place, at: &Offset| self.committed.get(place) != Some(at);
        let new = self.positions.iter().filter(|(place, at)| is_new(place, at));
        let new: BTreeMap<Place, Offset> = new.map(|(place, at)| (place.clone(), *at)).collect();
        match self.member.commit(&new).await {
            Ok(()) => {
                self.committed.extend(new);
                Ok(())
            }
            Err(error) => match error.code() {
                Some(
                    ErrorCode::REBALANCE_IN_PROGRESS
                    | ErrorCode::ILLEGAL_GENERATION
                    | ErrorCode::UNKNOWN_MEMBER_ID,
                ) => {
                    self.note(&format!("{error}; some records may be read again"));
                    Ok(())
                }
                _ => Err(self.explain(error)),
            },
        }
    }

    /// Who has what.
    async fn tell(&self, seat: &Seat) {
        if self.quiet {
            return;
        }
        let options = self.member.options();
        let names: Vec<&str> = options.topics.iter().map(String::as_str).collect();
        let id = self.member.id();
        let told =
            sharing::lines(&self.cluster, &options.group, &names, &id, seat.generation).await;
        // Without the others' part its own is known all the same.
        let lines = told.unwrap_or_else(|_| {
            vec![format!("{}: this one reads {}", options.group, sharing::list(&seat.places))]
        });
        lines.iter().for_each(|line| self.note_plain(line));
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            self.progress.note(text);
        }
    }

    fn note_plain(&self, line: &str) {
        self.progress.say(line);
    }

    fn explain(&self, error: Error) -> Failure {
        let options = self.member.options();
        match error.code() {
            Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) => Failure::Told(format!(
                "{error}; its members share otherwise (`ringmain group describe {}`): try another \
                 --assignor, or another group",
                options.group
            )),
            Some(ErrorCode::FENCED_INSTANCE_ID) => Failure::Told(format!(
                "another member has come as --static {} and taken over",
                options.instance.as_deref().unwrap_or_default()
            )),
            Some(ErrorCode::INVALID_SESSION_TIMEOUT) => Failure::Told(format!(
                "{error}; the broker's group.min.session.timeout.ms and \
                 group.max.session.timeout.ms bound --session-timeout"
            )),
            _ => Failure::from(error),
        }
    }
}
