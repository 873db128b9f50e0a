//! Loads for coordinators: members that only show that they are alive, a crowd that joins at once,
//! and offsets committed as fast as they are answered.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use ringmain::model::ErrorCode;
use ringmain::wire::consumer_protocol::{Assignment, Subscription};
use ringmain::wire::messages::heartbeat::{Heartbeat, HeartbeatRequest, HeartbeatResponse};
use ringmain::wire::messages::join_group::{JoinGroup, JoinGroupRequest, JoinGroupRequestProtocol};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use ringmain::wire::messages::sync_group::{
    SyncGroup, SyncGroupRequest, SyncGroupRequestAssignment,
};
use ringmain::wire::versioned::Versioned;
use ringmain::wire::{Api, Message, Reader, Writer, frame};

use crate::lean::links::{Links, closed, ready};
use crate::lean::rpc;
use crate::yardstick::gauge::{Gauge, GaugeArguments};
use crate::yardstick::pin;

/// Before a member has to have an id to join (KIP-394): one request less to begin with.
const JOIN: i16 = 3;
const SYNC: i16 = 2;
const HEARTBEAT: i16 = 3;
const COMMIT: i16 = 7;
const SESSION_MS: i32 = 60_000;
const FRAME_MAX: usize = 64 << 20;
/// Threads that prepare a crowd.
const PREPARERS: usize = 32;

#[derive(Args)]
pub struct Heartbeats {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Groups, each of one member with a connection of its own
    #[arg(long, default_value_t = 10_000)]
    groups: usize,
    /// Seconds between two heartbeats of a member
    #[arg(long, default_value_t = 3.0)]
    every: f64,
    #[command(flatten)]
    gauge: GaugeArguments,
}

#[derive(Args)]
pub struct Joins {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Members of the one group
    #[arg(long, default_value_t = 1000)]
    members: usize,
    /// Name of the group
    #[arg(long, default_value = "joins")]
    group: String,
    /// The CPU of this client
    #[arg(long, value_name = "CPU")]
    cpu: Option<usize>,
    /// Reports one line of JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Commits {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// A topic that exists
    #[arg(long, default_value = "load")]
    topic: String,
    /// Groups, each with a connection of its own
    #[arg(long, default_value_t = 16)]
    groups: usize,
    /// Requests of a group that may be unanswered
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    #[command(flatten)]
    gauge: GaugeArguments,
}

fn request<A: Api>(version: i16, request: &A::Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    frame::write_request::<A>(&mut writer, version, 1, Some("measure"), request);
    bytes
}

fn subscription() -> Vec<u8> {
    let mut bytes = Vec::new();
    Subscription { topics: vec!["load"], ..Default::default() }.encode(0, &mut bytes);
    bytes
}

fn assignment() -> Vec<u8> {
    let mut bytes = Vec::new();
    Assignment::default().encode(0, &mut bytes);
    bytes
}

fn join<'a>(group: &'a str, member_id: &'a str, metadata: &'a [u8]) -> JoinGroupRequest<'a> {
    JoinGroupRequest {
        group_id: group,
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: SESSION_MS,
        member_id,
        protocol_type: "consumer",
        protocols: vec![JoinGroupRequestProtocol { name: "range", metadata }],
        ..Default::default()
    }
}

/// A member's connection, and its heartbeat.
type Ready = (TcpStream, Vec<u8>);

/// The only member of its group, ready to show that it is alive.
fn alone(to: &str, group: &str) -> io::Result<Ready> {
    let metadata = subscription();
    let mut broker = rpc::Broker::connect(to)?;
    let (member, generation) = loop {
        let (code, member, generation) =
            broker.call::<JoinGroup, _>(JOIN, &join(group, "", &metadata), |answer| {
                (answer.error_code, answer.member_id.to_owned(), answer.generation_id)
            })?;
        // The first ones come before the coordinator does.
        match code {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::NOT_COORDINATOR => {
                thread::sleep(Duration::from_millis(50));
            }
            code => {
                rpc::check("JoinGroup", code)?;
                break (member, generation);
            }
        }
    };
    let assignment = assignment();
    let part = SyncGroupRequestAssignment { member_id: &member, assignment: &assignment };
    let sync = SyncGroupRequest {
        group_id: group,
        generation_id: generation,
        member_id: &member,
        assignments: vec![part],
        ..Default::default()
    };
    let code = broker.call::<SyncGroup, _>(SYNC, &sync, |answer| answer.error_code)?;
    rpc::check("SyncGroup", code)?;
    let beat = HeartbeatRequest {
        group_id: group,
        generation_id: generation,
        member_id: &member,
        ..Default::default()
    };
    Ok((broker.into_stream(), request::<Heartbeat>(HEARTBEAT, &beat)))
}

pub fn heartbeats(arguments: &Heartbeats) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    let count = arguments.groups;
    rpc::coordinated(&arguments.to, "g0")?;
    let prepare = |first: usize| -> io::Result<Vec<(usize, Ready)>> {
        let own = (first..count).step_by(PREPARERS);
        own.map(|number| Ok((number, alone(&arguments.to, &format!("g{number}"))?))).collect()
    };
    let prepare = &prepare;
    let members = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..PREPARERS).map(|first| scope.spawn(move || prepare(first))).collect();
        let parts = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        parts.collect::<io::Result<Vec<_>>>()
    })?
    .concat_by_number();
    eprintln!("{count} groups of one member");
    let mut links = Links::new()?;
    for (key, (stream, _)) in members.iter().enumerate() {
        stream.set_nonblocking(true)?;
        links.add(stream, key)?;
    }
    let sent: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let began = Instant::now();
    let interval = Duration::from_secs_f64(arguments.every / count as f64);
    let mut gauge = Gauge::new(&arguments.gauge);
    let over = AtomicU64::new(0);
    let (times, members, over_for_sender) = (&sent, &members, &over);
    thread::scope(|scope| {
        // Evenly, whatever the broker does: nobody waits for anybody.
        let sender = scope.spawn(move || -> io::Result<()> {
            for number in 0.. {
                let due = began + interval.mul_f64(number as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if over_for_sender.load(Ordering::Relaxed) > 0 {
                    break;
                }
                let key = number % count;
                let nanos = began.elapsed().as_nanos() as u64;
                times[key].store(nanos, Ordering::Relaxed);
                let (stream, beat) = &members[key];
                let mut stream = stream;
                stream.write_all(beat)?;
            }
            Ok(())
        });
        let mut listen = || -> io::Result<()> {
            let mut bytes = [0; 512];
            while !gauge.is_over(Instant::now())? {
                for key in links.wait()? {
                    let answers = answered(&members[key].0, &mut bytes)?;
                    if answers > 0 {
                        let at = Duration::from_nanos(sent[key].load(Ordering::Relaxed));
                        gauge.took(began.elapsed().saturating_sub(at));
                        gauge.count(answers, 0, 0);
                    }
                }
            }
            Ok(())
        };
        let result = listen();
        over.store(1, Ordering::Relaxed);
        sender.join().expect("no panic").and(result)
    })?;
    gauge.report("heartbeats")
}

/// Heartbeats answered on a connection; answers are small and come whole.
fn answered(mut stream: &TcpStream, bytes: &mut [u8]) -> io::Result<u64> {
    let mut answers = 0;
    while let Some(count) = ready(stream.read(bytes))? {
        if count == 0 {
            return Err(closed());
        }
        let mut rest = &bytes[..count];
        while let Some((prefix, behind)) = rest.split_first_chunk() {
            let len = frame::length(*prefix, FRAME_MAX).map_err(rpc::malformed)?;
            let answer = behind.get(..len).ok_or_else(|| io::Error::other("half an answer"))?;
            let mut reader = Reader::new(answer);
            frame::read_response_header::<Heartbeat>(&mut reader, HEARTBEAT)
                .map_err(rpc::malformed)?;
            let response =
                HeartbeatResponse::decode(&mut reader, HEARTBEAT).map_err(rpc::malformed)?;
            rpc::check("Heartbeat", response.error_code)?;
            answers += 1;
            rest = &behind[len..];
        }
    }
    Ok(answers)
}

/// What several threads made, in its order.
trait ByNumber<T> {
    fn concat_by_number(self) -> Vec<T>;
}

impl<T> ByNumber<T> for Vec<Vec<(usize, T)>> {
    fn concat_by_number(self) -> Vec<T> {
        let mut all: Vec<(usize, T)> = self.into_iter().flatten().collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, one)| one).collect()
    }
}

pub fn joins(arguments: &Joins) -> io::Result<()> {
    pin(arguments.cpu)?;
    // The coordinator is there, and all are connected, before the time is taken.
    rpc::coordinated(&arguments.to, &arguments.group)?;
    alone(&arguments.to, &format!("{}-before", arguments.group))?;
    let connect = |_| rpc::Broker::connect(&arguments.to);
    let brokers: Vec<rpc::Broker> =
        (0..arguments.members).map(connect).collect::<io::Result<_>>()?;
    let began = Instant::now();
    let members: Vec<(i32, Duration)> = thread::scope(|scope| {
        let join = |broker| scope.spawn(move || settle(broker, &arguments.group, began));
        let threads: Vec<_> = brokers.into_iter().map(join).collect();
        let ends = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        ends.collect::<io::Result<_>>()
    })?;
    let generation = members.iter().map(|member| member.0).max().unwrap_or(0);
    if members.iter().any(|member| member.0 != generation) {
        return Err(io::Error::other("members are in different generations"));
    }
    let seconds = members.iter().map(|member| member.1).max().unwrap_or_default().as_secs_f64();
    match arguments.json {
        true => {
            println!("{{\"what\":\"joins\",\"seconds\":{seconds:.3},\"generation\":{generation}}}")
        }
        false => println!(
            "joins: {} members in generation {generation} after {seconds:.2} s",
            arguments.members
        ),
    }
    Ok(())
}

/// Joins until the group has come to rest around it: its part is given, and two heartbeats find
/// nothing new. Yields its generation, and when it got its part.
fn settle(mut broker: rpc::Broker, group: &str, began: Instant) -> io::Result<(i32, Duration)> {
    let metadata = subscription();
    let assignment = assignment();
    let mut id = String::new();
    'anew: loop {
        let (code, member, generation, others) =
            broker.call::<JoinGroup, _>(JOIN, &join(group, &id, &metadata), |answer| {
                let members = answer.members.iter().map(|member| member.member_id.to_owned());
                let others: Vec<String> = members.collect();
                (answer.error_code, answer.member_id.to_owned(), answer.generation_id, others)
            })?;
        rpc::check("JoinGroup", code)?;
        id = member;
        let part = |member_id| SyncGroupRequestAssignment { member_id, assignment: &assignment };
        let sync = SyncGroupRequest {
            group_id: group,
            generation_id: generation,
            member_id: &id,
            assignments: others.iter().map(|other| part(other.as_str())).collect(),
            ..Default::default()
        };
        match broker.call::<SyncGroup, _>(SYNC, &sync, |answer| answer.error_code)? {
            ErrorCode::NONE => {}
            ErrorCode::REBALANCE_IN_PROGRESS => continue,
            code => rpc::check("SyncGroup", code)?,
        }
        let settled = began.elapsed();
        for _ in 0..2 {
            thread::sleep(Duration::from_millis(1000));
            let beat = HeartbeatRequest {
                group_id: group,
                generation_id: generation,
                member_id: &id,
                ..Default::default()
            };
            match broker.call::<Heartbeat, _>(HEARTBEAT, &beat, |answer| answer.error_code)? {
                ErrorCode::NONE => {}
                ErrorCode::REBALANCE_IN_PROGRESS => continue 'anew,
                code => rpc::check("Heartbeat", code)?,
            }
        }
        return Ok((generation, settled));
    }
}

struct Committer {
    stream: TcpStream,
    commit: Vec<u8>,
    in_flight: VecDeque<Instant>,
    inbox: Vec<u8>,
    filled: usize,
    sent: usize,
}

pub fn commits(arguments: &Commits) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    rpc::coordinated(&arguments.to, "committer-0")?;
    let mut links = Links::new()?;
    let mut committers = Vec::new();
    for key in 0..arguments.groups {
        let group = format!("committer-{key}");
        let one = OffsetCommitRequestPartition {
            partition_index: 0,
            committed_offset: 1000,
            committed_metadata: Some(""),
            ..Default::default()
        };
        let name = arguments.topic.as_str();
        let topic = OffsetCommitRequestTopic { name, partitions: vec![one], ..Default::default() };
        let commit =
            OffsetCommitRequest { group_id: &group, topics: vec![topic], ..Default::default() };
        // Until the coordinator is there.
        let mut broker = rpc::Broker::connect(&arguments.to)?;
        loop {
            let code = broker.call::<OffsetCommit, _>(COMMIT, &commit, |answer| {
                answer.topics.first().map(|topic| topic.partitions[0].error_code)
            })?;
            match code {
                Some(ErrorCode::NONE) => break,
                Some(
                    ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                    | ErrorCode::NOT_COORDINATOR,
                ) => thread::sleep(Duration::from_millis(50)),
                code => {
                    rpc::check("OffsetCommit", code.unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR))?
                }
            }
        }
        let stream = broker.into_stream();
        stream.set_nonblocking(true)?;
        links.add(&stream, key)?;
        committers.push(Committer {
            stream,
            commit: request::<OffsetCommit>(COMMIT, &commit),
            in_flight: VecDeque::new(),
            inbox: vec![0; 64 << 10],
            filled: 0,
            sent: 0,
        });
    }
    let mut gauge = Gauge::new(&arguments.gauge);
    while !gauge.is_over(Instant::now())? {
        for key in links.wait()? {
            committers[key].go_on(arguments.in_flight, &mut gauge)?;
        }
    }
    gauge.report("commits")
}

impl Committer {
    fn go_on(&mut self, in_flight: usize, gauge: &mut Gauge) -> io::Result<()> {
        loop {
            let received = self.receive(gauge)?;
            if !self.send(in_flight)? && !received {
                return Ok(());
            }
        }
    }

    fn receive(&mut self, gauge: &mut Gauge) -> io::Result<bool> {
        let Some(count) = ready(self.stream.read(&mut self.inbox[self.filled..]))? else {
            return Ok(false);
        };
        if count == 0 {
            return Err(closed());
        }
        self.filled += count;
        let (mut at, now) = (0, Instant::now());
        while let Some(prefix) = self.inbox[at..self.filled].first_chunk() {
            let len = frame::length(*prefix, FRAME_MAX).map_err(rpc::malformed)?;
            let Some(answer) = self.inbox[..self.filled].get(at + 4..at + 4 + len) else { break };
            let mut reader = Reader::new(answer);
            frame::read_response_header::<OffsetCommit>(&mut reader, COMMIT)
                .map_err(rpc::malformed)?;
            let response =
                OffsetCommitResponse::decode(&mut reader, COMMIT).map_err(rpc::malformed)?;
            let mut parts = response.topics.iter().flat_map(|topic| &topic.partitions);
            at += 4 + len;
            let sent = self.in_flight.pop_front();
            match parts.next().map(|one| one.error_code) {
                // A coordinator that has just come may go once more.
                Some(
                    ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                ) => continue,
                code => rpc::check("OffsetCommit", code.unwrap_or(ErrorCode::NONE))?,
            }
            if let Some(sent) = sent {
                gauge.took(now - sent);
            }
            gauge.count(1, 0, 0);
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(true)
    }

    /// As many as the window allows, in one write where the kernel takes it.
    fn send(&mut self, in_flight: usize) -> io::Result<bool> {
        let window = in_flight.saturating_sub(self.in_flight.len());
        let whole = self.commit.len();
        if window == 0 {
            return Ok(false);
        }
        let bytes = self.commit.repeat(window);
        let Some(count) = ready((&self.stream).write(&bytes[self.sent..]))? else {
            return Ok(false);
        };
        let done = (self.sent + count) / whole;
        self.sent = (self.sent + count) % whole;
        self.in_flight.extend((0..done).map(|_| Instant::now()));
        Ok(count > 0)
    }
}
