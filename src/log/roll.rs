//! Ending the active segment and beginning the next. The roll itself is a matter of memory; the
//! files follow: the new one is created by its first flush (or a moment before), the old one is
//! finished in the background after its last write.

use std::rc::Rc;

use super::error::{At, Error};
use super::flush::DISK_FULL_PAUSE;
use super::header::Header;
use super::segment::{Ending, Segment};
use super::{Log, names, producers};
use crate::base::prng::Prng;
use crate::rt::{self, file};

impl Log {
    /// Rolls when the batch that comes next does not belong into the active segment.
    pub(super) fn roll_for(&self, header: &Header, now_ms: i64) {
        let settings = self.settings.get();
        let bytes = header.len as u64;
        let jitter_ms = self.jitter_ms.get();
        if self.active().must_roll(&settings, header, bytes, now_ms, jitter_ms) {
            self.roll(now_ms);
        }
    }

    /// Ends the active segment, unless it is empty.
    pub fn roll(&self, now_ms: i64) {
        let old = self.active();
        if old.is_empty() || self.failure().is_some() {
            return;
        }
        let address = self.tail.begin_file();
        let base_offset = self.end_offset.get();
        let new = Rc::new(Segment::begin(&self.dir, base_offset, address, now_ms));
        if let Some(spare) = self.spares.take() {
            new.reuse(spare);
        }
        // Files come in order: a crash must not leave a later one as the log's first.
        if old.has_file() {
            new.prepare(1, self.settings.get().growth(), &self.room);
        }
        let snapshot = producers::encode(&self.producers.borrow());
        old.awaits_end.set(true);
        self.closing.borrow_mut().push_back((old, snapshot));
        self.segments.borrow_mut().push(new);
        self.draw_jitter();
        self.finish_written();
    }

    /// Takes the active segment's part of the jitter, so that segments which began together do not
    /// all end together.
    pub(super) fn draw_jitter(&self) {
        let most = self.settings.get().segment_jitter_ms;
        let jitter_ms = if most > 0 {
            let seed = rt::now().as_nanos() ^ self.dir.as_os_str().len() as u64;
            Prng::new(seed).below(most as u64) as i64
        } else {
            0
        };
        self.jitter_ms.set(jitter_ms);
    }

    /// Starts finishing the closing segments whose last byte is on the device.
    pub(super) fn finish_written(&self) {
        loop {
            let ready = self.closing.borrow().front().is_some_and(|(old, _)| old.is_written());
            if !ready {
                return;
            }
            let (old, snapshot) = self.closing.borrow_mut().pop_front().expect("just seen");
            let (dir, failure) = (self.dir.clone(), self.failure.clone());
            let (finishing, finished) = (self.finishing.clone(), self.finished.clone());
            let (starved, room) = (self.starved.clone(), self.room.clone());
            finishing.set(finishing.get() + 1);
            rt::spawn_background(async move {
                loop {
                    old.is_ending.set(true);
                    let ended = finish(&dir, &old, &snapshot).await;
                    old.is_ending.set(false);
                    old.is_starved.set(ended.as_ref().is_err_and(Error::is_disk_full));
                    old.awaits_end.set(ended.is_err());
                    finished.raise();
                    let Err(error) = ended else { break };
                    if !error.is_disk_full() {
                        failure.borrow_mut().get_or_insert(error);
                    }
                    // A log that is offline (it may be about to be deleted) waits for nothing.
                    if failure.borrow().is_some() {
                        break;
                    }
                    room.was_full();
                    starved.set(starved.get() + 1);
                    rt::sleep(DISK_FULL_PAUSE).await;
                    starved.set(starved.get() - 1);
                }
                finishing.set(finishing.get() - 1);
                finished.raise();
            })
            .detach();
        }
    }
}

/// The snapshot belongs to the offset where the next segment begins. It comes last: recovery
/// takes it for the sign that all else is durable.
async fn finish(dir: &Rc<std::path::Path>, old: &Segment, snapshot: &[u8]) -> Result<(), Error> {
    match old.ending.get() {
        Ending::Whole => old.finish().await?,
        Ending::Snapshot => {}
        Ending::Nothing => return Ok(()),
    }
    let path = names::file(dir, old.end_offset.get(), names::SNAPSHOT);
    file::write_whole(&path, snapshot).await.at(&path)?;
    old.cool_down();
    Ok(())
}
