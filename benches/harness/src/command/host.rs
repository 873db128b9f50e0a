//! `ringmain-bench host`: the limits of this host, and how far a broker is from them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Args;
use serde_json::Value;

use crate::broker::{self, Broker, Place};
use crate::command::options::{Cpus, cpus};
use crate::contestant::Contestant;
use crate::driver::Result;
use crate::memory;
use crate::meter::host;
use crate::result::Ceiling;
use crate::yardstick::device::{self, Device, State, Way};
use crate::yardstick::pin;

#[derive(Args, Clone, Debug)]
pub struct HostArguments {
    /// A driver file of a Kafka-compatible broker, to be held against the limits
    #[arg(long, value_name = "FILE")]
    pub broker: Option<PathBuf>,
    /// Takes some GB for a while; it decides which disk is measured
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub dir: PathBuf,
    /// Of whatever serves
    #[arg(long, default_value = "0", value_parser = cpus)]
    pub broker_cpus: Cpus,
    #[arg(long, default_value = "1", value_parser = cpus)]
    pub client_cpus: Cpus,
    /// Seconds of each figure
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Writes the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

const RANGE: &str = "256m";

/// A yardstick that serves, ended with this.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with us in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(arguments: &HostArguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.dir)?;
    let facts = host::facts(&arguments.dir);
    println!(
        "{} x {}, {} GiB, Linux {}",
        facts.cpus,
        facts.cpu,
        facts.memory_bytes >> 30,
        facts.kernel
    );
    println!("{}\n", facts.disk);
    let found = measure(arguments, |ceiling| println!("{}", line(ceiling)))?;
    if let Some(path) = &arguments.out {
        std::fs::write(path, serde_json::to_vec_pretty(&found)?)?;
    }
    Ok(())
}

pub fn line(ceiling: &Ceiling) -> String {
    let cost = ceiling.cpu_seconds_per_gb.map(|cost| format!("{cost:.3} CPU s/GB"));
    format!(
        "{:<58} {:>10.1} {:<10} {:<18} {}",
        ceiling.what,
        ceiling.value,
        ceiling.unit,
        cost.unwrap_or_default(),
        ceiling.detail
    )
}

/// All figures, each told as it is found.
pub fn measure(arguments: &HostArguments, mut tell: impl FnMut(&Ceiling)) -> Result<Vec<Ceiling>> {
    let mut found = Vec::new();
    let mut put = |ceiling: Ceiling| {
        tell(&ceiling);
        found.push(ceiling);
    };
    let yard = Yard { arguments };
    std::thread::scope(|scope| {
        let cpu = arguments.broker_cpus.0.first().copied();
        let memory = scope.spawn(move || pin(cpu).map(|()| memory::measure()));
        memory.join().map_err(|_| "a measurement panicked")?.map_err(crate::driver::Error::from)
    })?
    .into_iter()
    .for_each(&mut put);
    for ceiling in yard.device()? {
        put(ceiling);
    }
    let mut limits = Vec::new();
    for (what, until) in [
        ("receive", "receive"),
        ("receive, checksum", "checksum"),
        ("receive, checksum, copy", "copy"),
        ("receive, checksum, copy, direct write", "write"),
    ] {
        let ceiling = yard.receive(&format!("{what}: 64 KiB requests"), until)?;
        limits.push((until, ceiling.value));
        put(ceiling);
    }
    for connections in ["1", "8", "64"] {
        put(yard.echo(connections)?);
    }
    let what = "send of memory over loopback, 256 KiB";
    let send = yard.stream(what, "send", &["--range", RANGE], &[])?;
    limits.push(("send", send.value));
    put(send);
    let file = arguments.dir.join("host.data");
    std::fs::write(&file, vec![0x5a_u8; 256 << 20])?;
    let path = file.to_string_lossy().into_owned();
    let what = "splice of the page cache, 256 KiB";
    let splice = yard.stream(what, "splice", &["--file", &path], &[])?;
    limits.push(("splice", splice.value));
    put(splice);
    rustix::fs::sync();
    let cold = ["--file", &path, "--evict", "--once"];
    put(yard.stream("splice of a cold file, 256 KiB", "splice", &cold, &["--once"])?);
    std::fs::remove_file(&file)?;
    if let Some(path) = &arguments.broker {
        let limit =
            |name: &str| limits.iter().find(|(known, _)| *known == name).map(|limit| limit.1);
        for (mut ceiling, against) in yard.broker(path)? {
            if let Some(limit) = limit(against) {
                let percent = 100.0 * ceiling.value / limit;
                ceiling.detail = format!("{percent:.0} % of '{against}' above");
            }
            put(ceiling);
        }
    }
    Ok(found)
}

struct Yard<'a> {
    arguments: &'a HostArguments,
}

impl Yard<'_> {
    fn device(&self) -> Result<Vec<Ceiling>> {
        let arguments = self.arguments;
        let mut found = Vec::new();
        let runs = [
            (
                State::Extend,
                Way::Written,
                vec![4 << 10, 64 << 10, 256 << 10, 1 << 20],
                vec![1, 4, 16],
            ),
            (State::Recycled, Way::Dsync, vec![4 << 10, 64 << 10], vec![1, 8]),
            (State::Recycled, Way::Fdatasync, vec![4 << 10, 64 << 10], vec![1, 8]),
            (State::Append, Way::Fdatasync, vec![4 << 10, 64 << 10], vec![1, 8]),
        ];
        for (state, way, blocks, depths) in runs {
            let device = Device {
                dir: arguments.dir.clone(),
                size: 1 << 30,
                blocks,
                depths,
                states: vec![state],
                ways: vec![way],
                seconds: arguments.seconds.min(1.0),
                cpu: arguments.broker_cpus.0.first().copied(),
            };
            // On a thread of its own, which is pinned for it.
            let of_run = std::thread::scope(|scope| {
                let run = scope.spawn(|| {
                    let mut of_run = Vec::new();
                    device::measure(&device, |one| of_run.push(one)).map(|()| of_run)
                });
                run.join().map_err(|_| std::io::Error::other("a measurement panicked"))?
            })?;
            for one in of_run {
                let name = match one.way {
                    Way::Written => "direct write",
                    Way::Dsync => "direct write, each durable",
                    Way::Fdatasync => "direct writes, one fdatasync for all",
                };
                let state = match one.state {
                    State::Append => "appended",
                    State::Extend | State::KeepSize => "allocated",
                    State::Recycled => "written before",
                };
                found.push(Ceiling {
                    what: format!("{name}, {} KiB x {}, {state}", one.block >> 10, one.depth),
                    value: one.mb_per_second,
                    unit: "MB/s".into(),
                    cpu_seconds_per_gb: Some(one.cpu_seconds_per_gb),
                    detail: format!("p50 {} us, p99 {} us", one.p50_us, one.p99_us),
                });
            }
        }
        Ok(found)
    }

    fn receive(&self, what: &str, until: &str) -> Result<Ceiling> {
        let dir = self.arguments.dir.to_string_lossy().into_owned();
        let server = self.serve("ceiling", &["--dir", &dir, "--size", "4g", "--until", until])?;
        let load = ["--bare", "--in-flight", "64"];
        let pid = server.child.id();
        self.client(what, "produce", &server.address, pid, &load)
    }

    fn stream(&self, what: &str, name: &str, server: &[&str], drain: &[&str]) -> Result<Ceiling> {
        let server = self.serve(name, server)?;
        let pid = server.child.id();
        self.client(what, "drain", &server.address, pid, drain)
    }

    /// Small requests answered at once, one in flight on each connection.
    fn echo(&self, connections: &str) -> Result<Ceiling> {
        let dir = self.arguments.dir.to_string_lossy().into_owned();
        let more = ["--dir", &dir, "--size", "1m", "--until", "receive"];
        let server = self.serve("ceiling", &more)?;
        let load = [
            "--bare",
            "--record-bytes",
            "1",
            "--batch-bytes",
            "1",
            "--in-flight",
            "1",
            "--connections",
            connections,
        ];
        let found = self.asked("produce", &server.address, server.child.id(), &load)?;
        let rate = number(&found, "requests_per_s");
        Ok(Ceiling {
            what: format!("small requests answered, {connections} connections"),
            value: rate,
            unit: "requests/s".into(),
            cpu_seconds_per_gb: None,
            detail: format!("{:.1} us of CPU each", 1e6 * number(&found, "server_cpu") / rate),
        })
    }

    /// Produce, fetch of the tail and fetch of the page cache; each with the limit it is held against.
    fn broker(&self, path: &Path) -> Result<Vec<(Ceiling, &'static str)>> {
        let contestant = Contestant::read(path)?;
        let launch = contestant.file.launch.as_ref().ok_or("the broker's file has no launch")?;
        let arguments = self.arguments;
        let place = Place {
            dir: arguments.dir.canonicalize()?.join("host-broker"),
            cpus: arguments.broker_cpus.0.clone(),
            root: contestant.root(),
            durability: None,
        };
        let mut broker = Broker::start(launch, &place)?;
        let address = format!("127.0.0.1:{}", broker.port);
        let topic = ["topic", "--to", &address, "--topic", "load"];
        let mut tries = 1000;
        while !own().args(["yardstick"]).args(topic).stderr(Stdio::null()).status()?.success() {
            broker.check()?;
            tries -= 1;
            if tries == 0 {
                return Err("the broker made no topic".into());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let name = &contestant.file.name;
        let mut found = Vec::new();
        let mut one = |what: &str, client: &str, more: &[&str], against| -> Result<()> {
            let what = format!("{name}: {what}");
            let pid = broker.pids().first().copied().unwrap_or(0);
            found.push((self.client(&what, client, &address, pid, more)?, against));
            Ok(())
        };
        one("produce, 64 KiB batches", "produce", &["--in-flight", "64"], "write")?;
        one("fetch of the last 64 MiB", "fetch", &["--tail", "--range", "64m"], "send")?;
        let warm = ["--range", RANGE, "--in-flight", "4"];
        one("fetch of 256 MiB of files, 4 in flight", "fetch", &warm, "splice")?;
        broker.stop()?;
        broker::remove(&place.dir)?;
        Ok(found)
    }

    fn serve(&self, name: &str, more: &[&str]) -> Result<Server> {
        let cpu = self.arguments.broker_cpus.0.first().copied().unwrap_or(0).to_string();
        let mut command = own();
        command.args(["yardstick", name, "--listen", "127.0.0.1:0", "--cpu", &cpu]).args(more);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("a pipe of our own")?;
        let mut server = Server { child, address: String::new() };
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said)?;
        let address = said.trim().rsplit(' ').next().filter(|text| text.contains(':'));
        server.address =
            address.ok_or_else(|| format!("yardstick {name} did not begin"))?.to_owned();
        Ok(server)
    }

    fn client(&self, what: &str, name: &str, to: &str, pid: u32, more: &[&str]) -> Result<Ceiling> {
        let found = self.asked(name, to, pid, more)?;
        let limited = found.get("client_was_limit").and_then(Value::as_bool).unwrap_or(false);
        Ok(Ceiling {
            what: what.to_owned(),
            value: number(&found, "mb_per_s"),
            unit: "MB/s".into(),
            cpu_seconds_per_gb: Some(number(&found, "server_s_per_gb")),
            detail: if limited { "the client was the limit".into() } else { String::new() },
        })
    }

    fn asked(&self, name: &str, to: &str, pid: u32, more: &[&str]) -> Result<Value> {
        let cpu = self.arguments.client_cpus.0.first().copied().unwrap_or(0).to_string();
        let (pid, seconds) = (pid.to_string(), self.arguments.seconds.to_string());
        let mut command = own();
        command.args([
            "yardstick",
            name,
            "--to",
            to,
            "--json",
            "--server-pid",
            &pid,
            "--cpu",
            &cpu,
        ]);
        command.args(["--seconds", &seconds]).args(more);
        let done = command.stderr(Stdio::inherit()).output()?;
        if !done.status.success() {
            return Err(format!("yardstick {name} failed").into());
        }
        Ok(serde_json::from_slice(&done.stdout)?)
    }
}

fn number(found: &Value, key: &str) -> f64 {
    found.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn own() -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("ringmain-bench"));
    Command::new(program)
}
