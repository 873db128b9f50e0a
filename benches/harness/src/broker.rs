//! Brings one broker up and down: in a fresh directory, on its CPUs, on free ports.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::clock;
use crate::cpus::restrict;
use crate::driver::{Nanos, Result};
use crate::driver_file::Launch;
use crate::meter::process;
use crate::workload::Durability;

/// Ports in a row that a broker may use.
const PORTS: u16 = 8;
const STOP_PATIENCE: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// Where a broker may live.
#[derive(Clone, Debug)]
pub struct Place {
    pub dir: PathBuf,
    pub cpus: Vec<usize>,
    /// The project's directory.
    pub root: PathBuf,
    /// What the work asks for; the topics' is no business of the launch, but of some brokers it is their own.
    pub durability: Option<Durability>,
}

/// A broker that runs, and is stopped at the latest when this is dropped.
pub struct Broker {
    launch: Launch,
    place: Place,
    pub port: u16,
    pid: u32,
    child: Option<Child>,
    pub spawned: Nanos,
    pub command: Vec<String>,
}

impl Broker {
    /// Starts it in a directory that it finds empty.
    pub fn start(launch: &Launch, place: &Place) -> Result<Broker> {
        remove(&place.dir)?;
        fs::create_dir_all(&place.dir)?;
        let port = free_ports()?;
        let mut broker = Broker {
            launch: launch.clone(),
            place: place.clone(),
            port,
            pid: 0,
            child: None,
            spawned: 0,
            command: Vec::new(),
        };
        if !launch.prepare.is_empty() {
            broker.run(&launch.prepare)?;
        }
        broker.spawn()?;
        Ok(broker)
    }

    /// Starts it again where it was, after `kill` or `stop`.
    pub fn spawn(&mut self) -> Result<()> {
        let words = self.words(&self.launch.command);
        let mut command = self.command(&words)?;
        self.command = words;
        self.spawned = clock::now();
        if self.launch.prints_pid {
            let mut child = spawn_on(command.stdout(Stdio::piped()), &self.place.cpus)?;
            let mut text = String::new();
            // The broker itself may hold the pipe open: only the first line that is a number counts.
            if let Some(mut stdout) = child.stdout.take() {
                text = read_pid(&mut stdout)?;
            }
            self.pid = text.parse().map_err(|_| {
                format!("{} printed no pid: see {}", self.command[0], self.log().display())
            })?;
            if !child.wait()?.success() {
                return Err(
                    format!("{} failed: see {}", self.command[0], self.log().display()).into()
                );
            }
        } else {
            let child = spawn_on(&mut command, &self.place.cpus)?;
            self.pid = child.id();
            self.child = Some(child);
        }
        Ok(())
    }

    pub fn log(&self) -> PathBuf {
        self.place.dir.with_extension("log")
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        process::tree(self.pid)
    }

    pub fn data(&self) -> PathBuf {
        match &self.launch.data {
            Some(data) => self.place.dir.join(data),
            None => self.place.dir.clone(),
        }
    }

    /// An error once it has ended.
    pub fn check(&self) -> Result<()> {
        match process::is_alive(self.pid) {
            true => Ok(()),
            false => Err(format!("the broker has ended: see {}", self.log().display()).into()),
        }
    }

    /// kill -9 of all its processes; returns when they are gone.
    pub fn kill(&mut self) -> Result<()> {
        for pid in self.pids() {
            signal(pid, Signal::KILL);
        }
        self.wait()
    }

    pub fn stop(&mut self) -> Result<()> {
        if self.pid == 0 || !process::is_alive(self.pid) {
            return self.wait();
        }
        match self.launch.stop.is_empty() {
            true => signal(self.pid, Signal::TERM),
            false => self.run(&self.launch.stop.clone())?,
        }
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            for _ in 0..STOP_PATIENCE {
                if child.try_wait()?.is_some() {
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
            child.kill()?;
            child.wait()?;
            return Err("the broker did not stop and was killed".into());
        }
        for _ in 0..STOP_PATIENCE {
            if !process::is_alive(self.pid) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        signal(self.pid, Signal::KILL);
        Err("the broker did not stop and was killed".into())
    }

    fn words(&self, words: &[String]) -> Vec<String> {
        let cpus: Vec<String> = self.place.cpus.iter().map(usize::to_string).collect();
        let root = &self.place.root;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let put = |word: &String| {
            let mut word = word
                .replace("{dir}", &self.place.dir.to_string_lossy())
                .replace("{root}", &root.to_string_lossy())
                .replace("{target}", &target.to_string_lossy())
                .replace("{cpus}", &cpus.join(","))
                .replace("{durability}", self.place.durability.map_or("default", Durability::name))
                .replace("{port}", &self.port.to_string());
            for more in 1..PORTS {
                let name = format!("{{port{more}}}");
                word = word.replace(&name, &(self.port + more).to_string());
            }
            word
        };
        words.iter().map(put).collect()
    }

    fn command(&self, words: &[String]) -> Result<Command> {
        let (program, arguments) = words.split_first().ok_or("an empty command")?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.place.root).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        for (name, value) in &self.launch.environment {
            command.env(name, self.words(std::slice::from_ref(value)).concat());
        }
        Ok(command)
    }

    /// A command that ends.
    fn run(&self, words: &[String]) -> Result<()> {
        let words = self.words(words);
        let status = self.command(&words)?.status()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} failed: see {}", words[0], self.log().display()).into()),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.stop();
    }
}

/// Removes a directory and what was written beside it.
pub fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The output of a command, its first line that is not empty.
pub fn first_line(words: &[String], root: &Path) -> Option<String> {
    let words: Vec<String> = words.iter().map(|word| placed(word, root)).collect();
    let (program, arguments) = words.split_first()?;
    let done = Command::new(program).args(arguments).current_dir(root).output().ok()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// What does not depend on the round.
fn placed(word: &str, root: &Path) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    word.replace("{root}", &root.to_string_lossy()).replace("{target}", &target.to_string_lossy())
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // It may be gone by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Children inherit the CPUs of the thread that starts them.
fn spawn_on(command: &mut Command, cpus: &[usize]) -> io::Result<Child> {
    thread::scope(|scope| {
        let starter = scope.spawn(|| {
            restrict(cpus)?;
            command.spawn()
        });
        starter.join().map_err(|_| io::Error::other("the starter panicked"))?
    })
}

/// The first line that is a number.
fn read_pid(from: &mut impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (String::new(), [0]);
    while from.read(&mut byte)? == 1 {
        match byte[0] {
            b'\n' if line.trim().parse::<u32>().is_ok() => break,
            b'\n' => line.clear(),
            other => line.push(char::from(other)),
        }
    }
    Ok(line.trim().to_owned())
}

/// The first of some free ports in a row.
fn free_ports() -> io::Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < u16::MAX - PORTS && (first..first + PORTS).all(free) {
            return Ok(first);
        }
    }
    Err(io::Error::other("no free ports in a row"))
}
