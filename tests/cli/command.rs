//! Runs the binary to its end, and never longer than a while.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Far more than any command takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// What was printed by a command that ended well.
    #[track_caller]
    pub fn printed(self) -> String {
        String::from_utf8(self.bytes()).expect("text")
    }

    #[track_caller]
    pub fn bytes(self) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The one line of a command that ended badly.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        let line = self.stderr.trim_end();
        line.strip_prefix("ringmain: ").expect("it says who speaks").to_owned()
    }
}

pub fn ringmain(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(args).env_remove("RINGMAIN_BOOTSTRAP");
    command
}

pub fn run(args: &[&str]) -> Ended {
    run_with(args, b"")
}

pub fn run_with(args: &[&str], input: &[u8]) -> Ended {
    Running::start(args, Some(input)).end()
}

/// A command under way.
pub struct Running {
    child: Child,
    what: String,
    stdin: Option<JoinHandle<()>>,
    stdout: Drain,
    stderr: Drain,
}

impl Running {
    /// Without input, standard input stays open and empty.
    pub fn start(args: &[&str], input: Option<&[u8]>) -> Running {
        Running::start_planted(args, input, "")
    }

    /// With these bugs, where they are built in.
    pub fn start_planted(args: &[&str], input: Option<&[u8]>, bugs: &str) -> Running {
        let mut command = ringmain(args);
        command.env("RINGMAIN_PLANTED", bugs);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let stdin = input.map(<[u8]>::to_vec).map(|input| {
            let mut pipe = child.stdin.take().expect("piped");
            // A command that ends early does not read everything.
            thread::spawn(move || drop(pipe.write_all(&input)))
        });
        let stdout = Drain::of(child.stdout.take().expect("piped"));
        let stderr = Drain::of(child.stderr.take().expect("piped"));
        Running { child, what: args.join(" "), stdin, stdout, stderr }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let pipe = self.child.stdin.as_mut().expect("open");
        pipe.write_all(bytes).and_then(|()| pipe.flush()).expect("a reader");
    }

    /// Waits until something was printed.
    pub fn speaks(&self) {
        let started = Instant::now();
        while self.stdout.bytes.lock().expect("a reader").is_empty() {
            assert!(started.elapsed() < PATIENCE, "`ringmain {}` prints nothing", self.what);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Ends it at once; yields what it had printed.
    pub fn kill(mut self) -> Ended {
        if self.is_running() {
            signal(&self.child, rustix::process::Signal::KILL);
        }
        drop(self.child.stdin.take());
        let status = wait(&mut self.child, &self.what);
        let stderr = String::from_utf8(self.stderr.end()).expect("text");
        Ended { code: status.code(), stdout: self.stdout.end(), stderr }
    }

    /// What it has printed by now.
    pub fn printed_so_far(&self) -> String {
        String::from_utf8_lossy(&self.stdout.bytes.lock().expect("a reader")).into_owned()
    }

    /// As Ctrl-C does; standard input stays open.
    pub fn interrupt(mut self) -> Ended {
        let stdin = self.child.stdin.take();
        signal(&self.child, rustix::process::Signal::INT);
        let ended = self.end();
        drop(stdin);
        ended
    }

    pub fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let status = wait(&mut self.child, &self.what);
        if let Some(stdin) = self.stdin {
            stdin.join().expect("a writer");
        }
        let stderr = String::from_utf8(self.stderr.end()).expect("text");
        Ended { code: status.code(), stdout: self.stdout.end(), stderr }
    }
}

/// Reads all that a pipe brings.
struct Drain {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Drain {
    fn of(mut pipe: impl Read + Send + 'static) -> Drain {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = bytes.clone();
        let thread = thread::spawn(move || {
            let mut some = [0; 64 << 10];
            while let count @ 1.. = pipe.read(&mut some).expect("a pipe") {
                kept.lock().expect("a reader").extend_from_slice(&some[..count]);
            }
        });
        Drain { bytes, thread }
    }

    fn end(self) -> Vec<u8> {
        self.thread.join().expect("a reader");
        std::mem::take(&mut self.bytes.lock().expect("a reader"))
    }
}

pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("a process of ours");
}

/// Waits for the end, and makes one when it does not come.
pub fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("a child");
            panic!("`ringmain {what}` does not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
}
