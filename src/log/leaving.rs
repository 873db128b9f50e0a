//! Files that are out of the log and wait: for `file.delete.delay.ms` they are there for readers, then they
//! are removed, or kept to be written again.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::delete::remove_later;
use super::segment::Segment;
use super::spares::{Spare, Spares};
use super::{Log, names};
use crate::base::planted;
use crate::rt;

pub(super) struct Leaving {
    paths: Vec<PathBuf>,
    /// Log files that might be written again, with the segments whose readers may have them.
    fit: Vec<(Rc<Segment>, PathBuf)>,
    spares: Rc<Spares>,
    segment_bytes: u64,
}

impl Leaving {
    pub(super) fn new(log: &Log) -> Leaving {
        let segment_bytes = log.settings().segment_bytes;
        Leaving { paths: Vec::new(), fit: Vec::new(), spares: log.spares.clone(), segment_bytes }
    }

    /// One of the segment's files, by its present name.
    pub(super) fn add(&mut self, segment: &Rc<Segment>, suffix: &str, path: PathBuf) {
        // A short one would soon be at its end, and a finished one holds nothing behind its batches.
        let lengths = self.segment_bytes / 2..=self.segment_bytes;
        let is_fit = suffix == names::LOG
            && segment.finished.get()
            && lengths.contains(&segment.len.get())
            && self.fit.len() < self.spares.wanted();
        if is_fit {
            self.fit.push((segment.clone(), path));
        } else {
            self.paths.push(path);
        }
    }

    pub(super) async fn leave(mut self, delay: Duration) {
        rt::sleep(delay).await;
        for (segment, path) in self.fit {
            let spare = Spare { path: path.clone(), len: segment.len.get() };
            let is_free = segment.is_left_alone() || planted::is("recycle-what-is-read");
            if !(is_free && self.spares.keep(spare)) {
                self.paths.push(path);
            }
        }
        remove_later(self.paths, Duration::ZERO).await;
    }
}
