//! A real Kafka, by way of `scripts/kafka`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::broker::{Setup, free_ports};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Segments are to be small enough that they roll, and cleaning and aborts are to come soon.
const SETTINGS: [&str; 3] = [
    "log.segment.bytes=1048576",
    "log.cleaner.backoff.ms=300",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
];

/// Runs `scripts/kafka` with these arguments; what it printed, and whether it went well.
pub fn script(args: &[&str]) -> Output {
    let mut command = Command::new(format!("{ROOT}/scripts/kafka"));
    command.args(args).stdin(Stdio::null());
    command.output().expect("scripts/kafka runs")
}

fn run(args: &[&str]) {
    let Output { status, stdout, stderr } = script(args);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "scripts/kafka {args:?}: {status}\n{stdout}\n{stderr}");
}

/// A node in a directory, its data in `data` there; stopped when dropped.
pub struct Kafka {
    dir: PathBuf,
    port: u16,
    running: bool,
    /// Beside those of all.
    settings: Vec<String>,
}

impl Kafka {
    /// On an empty directory, or on one that it knows.
    pub fn start(dir: &Path) -> Kafka {
        Kafka::new(dir, &[]).begin()
    }

    /// On the data that Ringmain closed in this directory.
    pub fn adopt(dir: &Path) -> Kafka {
        let kafka = Kafka::new(dir, &[]);
        kafka.run("adopt");
        kafka.begin()
    }

    /// The same with the data directories of a broker of ours.
    pub fn start_on(setup: &Setup) -> Kafka {
        Kafka::on(setup).begin()
    }

    pub fn adopt_all(setup: &Setup) -> Kafka {
        let kafka = Kafka::on(setup);
        kafka.run("adopt");
        kafka.begin()
    }

    fn on(setup: &Setup) -> Kafka {
        let dirs = format!("log.dirs={}", setup.homes().join(","));
        Kafka::new(setup.scratch(), &[dirs])
    }

    fn new(dir: &Path, settings: &[String]) -> Kafka {
        let (dir, settings) = (dir.to_owned(), settings.to_vec());
        Kafka { dir, port: free_ports(), running: false, settings }
    }

    fn begin(mut self) -> Kafka {
        self.run("start");
        self.running = true;
        self
    }

    fn run(&self, verb: &str) {
        let dir = self.dir.to_string_lossy();
        let port = self.port.to_string();
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        run(&[&[verb, &dir, &port][..], &SETTINGS, &settings].concat());
    }

    pub fn stop(mut self) {
        self.running = false;
        run(&["stop", &self.dir.to_string_lossy()]);
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.running = false;
        let pid = std::fs::read_to_string(self.dir.join("pid")).expect("the script wrote it");
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().expect("kill runs");
        assert!(killed.success());
        // Its port and its lock are free when it has gone.
        while Path::new(&format!("/proc/{}", pid.trim())).exists() {
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Lines of its log that tell of damage, or of something that it threw away. That sequences
    /// with gaps are refused is as it should be, and that it looks for its own controller, too.
    pub fn complaints(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default();
        let words = ["ERROR", "orrupt", "Found invalid", "runcating", "Exception", "stray"];
        let ordinary = [
            "OutOfOrderSequenceException",
            "Error processing append operation",
            "NotControllerException",
            // It takes up partitions again when its own start took long: then it loads anew.
            "Stopped loading",
            // Of its killed predecessor, until that one's session ends.
            "DuplicateBrokerRegistrationException",
            "[ControllerApis",
            "\tat ",
        ];
        let says = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
        let is_complaint = |line: &&str| says(line, &words) && !says(line, &ordinary);
        log.lines().filter(is_complaint).map(str::to_owned).collect()
    }

    /// Writes transactions, and one that times out because its producer is killed within it.
    pub fn write_transactions(&self, topic: &str) {
        let bootstrap = format!("bootstrap.servers={}", self.address());
        let tool = "org.apache.kafka.tools.ProducerPerformance";
        let common = ["tool", tool, "--topic", topic, "--record-size", "100"];
        let committed = ["--num-records", "3000", "--throughput", "3000"];
        let often = ["--transactional-id", "often", "--transaction-duration-ms", "100"];
        let props = ["--producer-props", &bootstrap];
        run(&[&common[..], &committed, &often, &props].concat());
        let slow = ["--num-records", "100000", "--throughput", "200"];
        let never = ["--transactional-id", "never", "--transaction-duration-ms", "100000"];
        let props = ["--producer-props", &bootstrap, "transaction.timeout.ms=4000"];
        let mut child = Command::new(format!("{ROOT}/scripts/kafka"))
            .args([&common[..], &slow, &never, &props].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/kafka runs");
        thread::sleep(Duration::from_secs(6));
        child.kill().expect("a child can be killed");
        child.wait().expect("it ends");
        // Until its markers are written.
        thread::sleep(Duration::from_secs(7));
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.running {
            script(&["stop", &self.dir.to_string_lossy()]);
        }
    }
}
