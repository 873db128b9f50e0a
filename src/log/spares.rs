//! Files of deleted segments that wait to be written again: into blocks that were written before, a sync
//! commits no metadata.
//!
//! **Why old bytes are never taken for new.** A spare serves only the log that it comes from, and only
//! while that is open: where a log is opened, no spare is left of the time before. What a spare holds
//! was cut exactly behind its last batch when its segment was finished, and synced; so every offset in
//! it lies below the end of that segment, and that is durable: it was deleted only after the file of a
//! later segment was there, whose name says which offset comes next at least. The segment that a spare
//! becomes begins at or behind that offset, whatever was cut from the log's end meanwhile, and a batch
//! below a segment's first offset never continues it. By offsets alone two partitions could not be told
//! from each other.
//!
//! **Why readers see no new bytes.** A file is taken only when nobody holds its segment or a descriptor of
//! it for reading. Pages of it that still lie in sockets are the page cache's: direct writes put the
//! page cache aside and never write into it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::delete::remove_later;
use crate::base::planted;
use crate::rt;

/// A file that no segment has any more, under the name with which it waited for its removal.
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) len: u64,
}

/// Those of one log, oldest first.
pub(super) struct Spares {
    pool: Rc<Pool>,
    files: RefCell<VecDeque<Spare>>,
    /// Most of them; none when the log has ended.
    most: Cell<usize>,
    /// How many became a segment's again.
    taken: Cell<u64>,
}

/// All that one core holds below one data directory.
pub(super) struct Pool {
    bytes: Cell<u64>,
    most: u64,
    logs: RefCell<Vec<Weak<Spares>>>,
}

impl Pool {
    pub(super) fn new(most: u64) -> Pool {
        Pool { bytes: Cell::new(0), most, logs: RefCell::default() }
    }

    /// Gives up files until the rest is no more than `most` bytes.
    pub(super) fn shrink(&self, most: u64) {
        let mut gone = Vec::new();
        self.logs.borrow_mut().retain(|spares| {
            let Some(spares) = spares.upgrade() else { return false };
            while self.bytes.get() > most
                && let Some(spare) = spares.take_own()
            {
                gone.push(spare.path);
            }
            true
        });
        remove(gone);
    }
}

impl Spares {
    pub(super) fn new(pool: &Rc<Pool>, most: usize) -> Rc<Spares> {
        let (pool, files) = (pool.clone(), RefCell::default());
        let spares = Rc::new(Spares { pool, files, most: Cell::new(most), taken: Cell::new(0) });
        spares.pool.logs.borrow_mut().push(Rc::downgrade(&spares));
        spares
    }

    /// How many more there may be.
    pub(super) fn wanted(&self) -> usize {
        self.most.get().saturating_sub(self.files.borrow().len())
    }

    /// False when there is no place for it.
    pub(super) fn keep(&self, spare: Spare) -> bool {
        let bytes = self.pool.bytes.get() + spare.len;
        let fits = self.wanted() > 0 && bytes <= self.pool.most;
        if fits {
            self.pool.bytes.set(bytes);
            self.files.borrow_mut().push_back(spare);
        }
        fits
    }

    pub(super) fn take(&self) -> Option<Spare> {
        let taken = if planted::is("take-the-spares-of-others") {
            let all = self.pool.logs.borrow();
            all.iter().filter_map(Weak::upgrade).find_map(|any| any.take_own())
        } else {
            self.take_own()
        };
        self.taken.set(self.taken.get() + u64::from(taken.is_some()));
        taken
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// From now on so many, and none that is there beyond.
    pub(super) fn limit(&self, most: usize) {
        self.most.set(most);
        let mut gone = Vec::new();
        while self.files.borrow().len() > most {
            gone.extend(self.take_own().map(|spare| spare.path));
        }
        remove(gone);
    }

    /// The log has ended; yields what is left.
    pub(super) fn end(&self) -> Vec<PathBuf> {
        self.most.set(0);
        std::iter::from_fn(|| self.take_own()).map(|spare| spare.path).collect()
    }

    fn take_own(&self) -> Option<Spare> {
        let spare = self.files.borrow_mut().pop_front()?;
        self.pool.bytes.set(self.pool.bytes.get() - spare.len);
        Some(spare)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.end();
    }
}

fn remove(paths: Vec<PathBuf>) {
    if !paths.is_empty() {
        rt::spawn_background(remove_later(paths, Duration::ZERO)).detach();
    }
}
