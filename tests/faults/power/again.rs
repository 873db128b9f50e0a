//! Counts, from outside, the files of deleted segments that are written again: a file is there under
//! another segment's name than before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

const PAUSE: Duration = Duration::from_millis(10);

pub struct Watch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

/// Numbers of files are given again, but not at the same moment.
type File = (u64, Option<SystemTime>);

impl Watch {
    /// Looks at a partition's directory until it is told to stop.
    pub fn start(dir: PathBuf) -> Watch {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = stopped.clone();
        let thread = thread::spawn(move || {
            let (mut names, mut count) = (BTreeMap::new(), 0);
            while !told.load(Ordering::Relaxed) {
                count += look(&dir, &mut names);
                thread::sleep(PAUSE);
            }
            count
        });
        Watch { stopped, thread }
    }

    pub fn stop(self) -> u64 {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("looking does not panic")
    }
}

/// How many have become another segment's.
fn look(dir: &Path, names: &mut BTreeMap<File, String>) -> u64 {
    let mut count = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(metadata) = entry.metadata() else { continue };
        if name.ends_with(".log") {
            let file = (metadata.ino(), metadata.created().ok());
            let before = names.insert(file, name.clone());
            count += u64::from(before.is_some_and(|before| before != name));
        }
    }
    count
}

#[test]
fn a_file_that_gets_another_segments_name_counts_and_nothing_else() {
    let scratch = crate::broker::Scratch::new("again");
    let path = |name: &str| scratch.path().join(name);
    let mut names = BTreeMap::new();
    fs::write(path("00.log"), b"one").expect("a file");
    fs::write(path("01.log"), b"two").expect("a file");
    assert_eq!(look(scratch.path(), &mut names), 0);
    fs::rename(path("00.log"), path("00.log.deleted")).expect("another name");
    assert_eq!(look(scratch.path(), &mut names), 0, "it waits");
    fs::rename(path("00.log.deleted"), path("02.log")).expect("another name");
    assert_eq!(look(scratch.path(), &mut names), 1);
    assert_eq!(look(scratch.path(), &mut names), 0, "once");
    thread::sleep(Duration::from_millis(20));
    fs::remove_file(path("02.log")).expect("it is there");
    fs::write(path("03.log"), b"new").expect("a file");
    assert_eq!(look(scratch.path(), &mut names), 0, "a new file, whatever its number");
}
