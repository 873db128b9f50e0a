//! The broker under test as a process: started on a directory of its own, watched, killed, started
//! again on the same directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for a start or a stop in order.
const PATIENCE: Duration = Duration::from_secs(60);
/// Below the range from which connections take their ports, so that nothing takes ours while a
/// killed broker is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Ports set aside for each broker: one a lane.
const PORTS_EACH: u16 = 8;

/// A directory that goes with its test, unless the test failed.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let name = format!("faults-{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what the test left: {}", self.0.display());
        } else if let Some(place) = left() {
            let name = self.0.file_name().expect("a name");
            fs::rename(&self.0, place.join(name)).expect("the directory is left");
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Where tests leave their data directories when somebody wants to see them (scripts/dump-left).
pub fn left() -> Option<PathBuf> {
    std::env::var_os("RINGMAIN_LEAVE").map(PathBuf::from)
}

/// How a broker is started, as often as wanted, always on the same directory and port.
#[derive(Clone, Debug)]
pub struct Setup {
    scratch: Arc<Scratch>,
    data: PathBuf,
    more_data: Option<PathBuf>,
    port: u16,
    cores: usize,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    planted: Option<String>,
}

impl Setup {
    pub fn new(name: &str) -> Setup {
        let scratch = Arc::new(Scratch::new(name));
        Setup {
            data: scratch.path().join("data"),
            more_data: None,
            scratch,
            port: free_ports(),
            cores: 2,
            flags: Vec::new(),
            environment: Vec::new(),
            planted: None,
        }
    }

    pub fn cores(mut self, cores: usize) -> Setup {
        self.cores = cores;
        self
    }

    pub fn lanes(self, lanes: usize) -> Setup {
        self.flag("--lanes", &lanes.to_string())
    }

    pub fn set(self, key: &str, value: &str) -> Setup {
        self.flag("--set", &format!("{key}={value}"))
    }

    /// With a second data directory beside the first.
    pub fn and_data(mut self) -> Setup {
        self.more_data = Some(self.scratch.path().join("more"));
        self
    }

    /// The data directories, by the names that the broker has for them.
    pub fn homes(&self) -> Vec<String> {
        let all = [Some(&self.data), self.more_data.as_ref()].into_iter().flatten();
        all.map(|dir| dir.to_str().expect("text").to_owned()).collect()
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, name: &str, value: &str) -> Setup {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// A bug that the broker shall have; it must be built with the feature `planted-bugs`.
    #[cfg(feature = "planted-bugs")]
    pub fn planted(mut self, bugs: &str) -> Setup {
        self.planted = Some(bugs.to_owned());
        self
    }

    pub fn on_other_ports(&self) -> Setup {
        Setup { port: free_ports(), ..self.clone() }
    }

    pub fn on_other_directory(&self, name: &str) -> Setup {
        let scratch = Arc::new(Scratch::new(name));
        Setup { data: scratch.path().join("data"), scratch, ..self.clone() }
    }

    /// On a directory that somebody else looks after.
    pub fn on_data(self, data: &Path) -> Setup {
        Setup { data: data.to_owned(), ..self }
    }

    /// A place for what else the test keeps.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The first lane, whether anybody listens there or not.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Starts the broker and waits until it serves.
    pub fn start(&self) -> Broker {
        match self.try_start() {
            Ok(broker) => broker,
            Err(reason) => panic!("the broker did not start: {reason}"),
        }
    }

    pub fn try_start(&self) -> Result<Broker, String> {
        self.spawn().until_ready()
    }

    /// Starts it on whatever ports are free: other test runs on the machine look for some, too.
    pub fn try_start_anywhere(&self) -> Result<Broker, String> {
        let mut result = self.on_other_ports().try_start();
        for _ in 0..5 {
            if !result.as_ref().is_err_and(|reason| reason.contains("in use by another process")) {
                break;
            }
            result = self.on_other_ports().try_start();
        }
        result
    }

    /// Starts it and kills it at some moment, ready or not.
    pub fn start_and_kill_after(&self, pause: Duration) {
        let starting = self.spawn();
        thread::sleep(pause);
        starting.broker.kill();
    }

    fn spawn(&self) -> Starting {
        let cpus = core_affinity::get_core_ids().unwrap_or_default();
        assert!(cpus.len() >= self.cores, "this test needs {} CPUs", self.cores);
        let cpus: Vec<String> = cpus[..self.cores].iter().map(|cpu| cpu.id.to_string()).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
        command.arg("serve");
        for home in self.homes() {
            command.args(["--data", &home]);
        }
        command.args(["--listen", &self.address().to_string(), "--cores", &cpus.join(",")]);
        command.args(&self.flags);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match &self.planted {
            Some(bugs) => command.env("RINGMAIN_PLANTED", bugs),
            None => command.env_remove("RINGMAIN_PLANTED"),
        };
        let began = Instant::now();
        let mut child = command.spawn().expect("the broker's binary runs");
        let (said, hears) = mpsc::channel();
        let stdout = lines_of(child.stdout.take(), move |line| drop(said.send(line.to_owned())));
        let notices = Arc::new(Mutex::new(Vec::new()));
        let kept = notices.clone();
        let stderr = lines_of(child.stderr.take(), move |line| {
            kept.lock().expect("notices").push(line.to_owned());
        });
        let readers = vec![stdout, stderr];
        let broker = Broker {
            child,
            cores: Vec::new(),
            notices,
            readers,
            ready_after: Duration::ZERO,
            _scratch: self.scratch.clone(),
        };
        Starting { broker, began, hears, cores: self.cores }
    }
}

/// A broker that has not said yet that it serves.
struct Starting {
    broker: Broker,
    began: Instant,
    hears: mpsc::Receiver<String>,
    cores: usize,
}

impl Starting {
    fn until_ready(self) -> Result<Broker, String> {
        let Starting { mut broker, began, hears, cores } = self;
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let line = match hears.recv_timeout(left) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // It ends; the last that it says may still be on its way.
                    broker.end();
                    return Err(broker.notices().join("\n"));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(format!("not ready in time\n{}", broker.notices().join("\n")));
                }
            };
            broker.cores.extend(Core::read(&line));
            if line.starts_with("try:") {
                break;
            }
        }
        broker.ready_after = began.elapsed();
        assert_eq!(broker.cores.len(), cores);
        Ok(broker)
    }
}

/// Ports that nobody uses now, differing from those of every other test of this process.
pub fn free_ports() -> u16 {
    static TURN: AtomicU16 = AtomicU16::new(0);
    let places = (PORTS.end - PORTS.start) / PORTS_EACH;
    // Processes of one test run follow each other closely: begin far apart.
    let start = (std::process::id() as u16).wrapping_mul(37);
    for _ in 0..places {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let base = PORTS.start + start.wrapping_add(turn) % places * PORTS_EACH;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (base..base + PORTS_EACH).all(free) {
            return base;
        }
    }
    panic!("no free ports from {} to {}", PORTS.start, PORTS.end);
}

fn lines_of(
    pipe: Option<impl Read + Send + 'static>,
    mut each: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<()> {
    let pipe = pipe.expect("a piped output");
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            each(&line);
        }
    })
}

/// One core, as the broker announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    pub lane: usize,
    pub broker: i32,
    pub address: SocketAddr,
}

impl Core {
    /// `  core 1 (cpu 1): lane 1, broker 1001, 127.0.0.1:9093`
    fn read(line: &str) -> Option<Core> {
        let rest = line.trim_start().strip_prefix("core ")?.split_once("lane ")?.1;
        let mut parts = rest.split(", ");
        Some(Core {
            lane: parts.next()?.parse().ok()?,
            broker: parts.next()?.strip_prefix("broker ")?.parse().ok()?,
            address: parts.next()?.parse().ok()?,
        })
    }
}

/// What one core counted: `core 0: 12 requests, 3 partitions direct and 4 forwarded, ...`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub requests: u64,
    pub direct: u64,
    pub forwarded: u64,
}

impl Counted {
    fn read(line: &str) -> Option<(usize, Counted)> {
        let rest = line.split_once("core ")?.1;
        let (core, rest) = rest.split_once(": ")?;
        let (requests, rest) = rest.split_once(" requests, ")?;
        let (direct, rest) = rest.split_once(" partitions direct and ")?;
        let forwarded = rest.split_once(" forwarded")?.0;
        let counted = Counted {
            requests: requests.parse().ok()?,
            direct: direct.parse().ok()?,
            forwarded: forwarded.parse().ok()?,
        };
        Some((core.parse().ok()?, counted))
    }
}

/// A running broker. Dropped, it is killed.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    /// By number.
    pub cores: Vec<Core>,
    notices: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    /// From the start of the process until it served.
    pub ready_after: Duration,
    _scratch: Arc<Scratch>,
}

impl Broker {
    pub fn address(&self) -> SocketAddr {
        self.cores[0].address
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Everything the broker wrote to its standard error.
    pub fn notices(&self) -> Vec<String> {
        self.notices.lock().expect("notices").clone()
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.end();
    }

    /// Asks it to stop, and waits for that.
    pub fn stop(mut self) {
        self.assert_sound();
        kill_process(self.pid(), Signal::TERM).expect("a child can be told to stop");
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not stop: {:?}", self.notices());
            thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{status}: {:?}", self.notices());
    }

    /// Still running, and without a panic of any thread.
    pub fn assert_sound(&mut self) {
        let notices = self.notices();
        assert!(self.child.try_wait().expect("a child").is_none(), "it ended: {notices:#?}");
        let panicked = notices.iter().any(|line| line.contains("panicked"));
        assert!(!panicked, "{notices:#?}");
    }

    /// Resident memory.
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Addresses in use.
    pub fn virtual_kib(&self) -> u64 {
        self.status_kib("VmSize:")
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the broker runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// What each core has counted until now.
    pub fn counted(&self) -> Vec<Counted> {
        let before = self.notices().len();
        kill_process(self.pid(), Signal::USR1).expect("a child can be asked");
        let began = Instant::now();
        loop {
            let notices = self.notices();
            let found: BTreeMap<usize, Counted> =
                notices[before..].iter().filter_map(|line| Counted::read(line)).collect();
            if found.len() == self.cores.len() {
                return found.into_values().collect();
            }
            assert!(began.elapsed() < PATIENCE, "no report: {notices:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&mut self) {
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.end();
        if thread::panicking() {
            for line in self.notices() {
                eprintln!("broker: {line}");
            }
        }
    }
}

#[test]
fn what_the_broker_prints_is_understood() {
    let core = Core::read("  core 1 (cpu 3): lane 1, broker 1001, 127.0.0.1:9093").expect("a core");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9093));
    assert_eq!(core, Core { lane: 1, broker: 1001, address });
    assert_eq!(Core::read("ringmain 0.1.0: data in /x"), None);
    let line = "12:00 core 0: 7 requests, 3 partitions direct and 4 forwarded, 9 ring operations";
    let counted = Counted { requests: 7, direct: 3, forwarded: 4 };
    assert_eq!(Counted::read(line), Some((0, counted)));
}
