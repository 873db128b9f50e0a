//! A real broker with an empty data directory of its own, on ports that are free.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::command::{Ended, Running, ringmain, run, run_with, signal, wait};

/// An empty directory that goes with this.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the target directory");
        Dir(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // What stays behind lies under target/.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Broker {
    child: Option<Child>,
    pub bootstrap: String,
    pub data: Dir,
}

impl Broker {
    /// One core: what is tested here does not depend on more.
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    pub fn start_with(more: &[&str]) -> Broker {
        let data = Dir::new();
        let (child, bootstrap) = serve(data.path(), "127.0.0.1:0", more);
        Broker { child: Some(child), bootstrap, data }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, how: Signal) {
        let mut child = self.child.take().expect("it runs");
        signal(&child, how);
        let status = wait(&mut child, "serve");
        assert!(status.success() || how == Signal::KILL, "{status}");
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    pub fn start_again_with(&mut self, more: &[&str]) {
        let (child, bootstrap) = serve(self.data.path(), &self.bootstrap, more);
        assert_eq!(bootstrap, self.bootstrap);
        self.child = Some(child);
    }

    /// Runs a command against this broker.
    pub fn run(&self, args: &[&str]) -> Ended {
        run(&self.named(args))
    }

    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Ended {
        run_with(&self.named(args), input)
    }

    pub fn begin(&self, args: &[&str]) -> Running {
        Running::start(&self.named(args), None)
    }

    pub fn begin_planted(&self, args: &[&str], bugs: &str) -> Running {
        Running::start_planted(&self.named(args), None, bugs)
    }

    fn named<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--bootstrap", &self.bootstrap]].concat()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Yields when it is ready, with its address.
fn serve(data: &str, listen: &str, more: &[&str]) -> (Child, String) {
    let cpu = any_cpu();
    let args = ["serve", "--data", data, "--listen", listen, "--cores", &cpu];
    let args = [&args, more].concat();
    let mut child =
        ringmain(&args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let bootstrap = loop {
        let Some(line) = lines.next() else {
            panic!("the broker does not start: {:?}", child.wait());
        };
        let line = line.expect("text");
        let words = line.split_once("--bootstrap ").map(|(_, behind)| behind.split(' '));
        if let Some(address) = words.and_then(|mut words| words.next()) {
            break address.to_owned();
        }
    };
    // It may go on talking.
    thread::spawn(move || lines.for_each(drop));
    (child, bootstrap)
}

/// A processor that this process may use.
fn any_cpu() -> String {
    let cores = core_affinity::get_core_ids().expect("processors");
    cores.last().expect("a processor").id.to_string()
}
