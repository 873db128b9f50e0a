//! The data directories as one core sees them. Which there are is settled at the start; that one of
//! them is lost, every core is told.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::space::SpaceWatch;
use crate::base::signal::Signal;
use crate::log::{self, Room};
use crate::model::DirectoryId;

/// A data directory as the host was given it.
#[derive(Clone, Debug)]
pub struct Given {
    pub path: PathBuf,
    /// The absolute path, by which administrators call it.
    pub name: String,
    /// Why it cannot be used, where that is known.
    pub fault: Option<String>,
}

impl Given {
    pub fn new(path: impl Into<PathBuf>) -> Given {
        let path: PathBuf = path.into();
        Given { name: path.to_string_lossy().into_owned(), path, fault: None }
    }
}

/// The same, when it was looked at.
#[derive(Clone, Debug)]
pub struct Known {
    pub given: Given,
    /// Nil where it could not be read.
    pub id: DirectoryId,
    pub keeps_metadata: bool,
}

/// Where our own files lie in a data directory.
pub fn own_dir(data: &Path) -> PathBuf {
    data.join(".ringmain")
}

/// One directory on one core.
pub struct Directory {
    /// Among those of the host.
    pub place: usize,
    pub path: PathBuf,
    pub name: String,
    pub id: DirectoryId,
    pub keeps_metadata: bool,
    pub(super) room: Rc<Room>,
    pub(super) space: SpaceWatch,
    is_lost: Cell<bool>,
    reason: RefCell<String>,
    /// Something in it could not be read or written: somebody should look.
    pub(super) suspected: Signal,
    /// A partition of this core is offline.
    outage: Rc<Signal>,
}

impl Directory {
    pub(super) fn new(
        place: usize,
        known: &Known,
        logs: &log::Budget,
        outage: &Rc<Signal>,
    ) -> Rc<Directory> {
        let Given { path, name, fault } = known.given.clone();
        Rc::new(Directory {
            place,
            room: logs.room(&path),
            path,
            name,
            id: known.id,
            keeps_metadata: known.keeps_metadata,
            space: SpaceWatch::default(),
            is_lost: Cell::new(fault.is_some()),
            reason: RefCell::new(fault.unwrap_or_default()),
            suspected: Signal::default(),
            outage: outage.clone(),
        })
    }

    pub fn own_dir(&self) -> PathBuf {
        own_dir(&self.path)
    }

    /// Nothing in it is served until the broker is started again.
    pub fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// Why it is lost; empty while it is not.
    pub fn reason(&self) -> String {
        self.reason.borrow().clone()
    }

    pub(super) fn lose(&self, reason: &str) {
        if !self.is_lost.replace(true) {
            reason.clone_into(&mut self.reason.borrow_mut());
        }
    }

    /// A partition of it serves nobody any more.
    pub(super) fn note_outage(&self) {
        self.outage.raise();
    }

    /// A partition of it met an error.
    pub fn suspect(&self, error: &log::Error) {
        if matches!(error.cause(), log::Cause::Io(..)) && !error.is_disk_full() {
            self.suspected.raise();
        }
    }
}
