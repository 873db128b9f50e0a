//! One host's disk: a file system over sectors that a power cut keeps, drops or tears.
//!
//! * A write changes what programs see when it completes. Until a sync of its file that began
//!   afterwards has completed, a power cut treats each of its 512-byte sectors by itself.
//! * A file's length and its truncations survive in order up to some point, or wholly once synced.
//! * Creations, renames and removals in a directory survive in order up to some point, or wholly
//!   once that directory is synced. A synced file without a durable entry is gone.
//! * Operations under way complete in any order; memory being written is read at any moment
//!   between the start of the write and its end.
//! * A failed sync of buffered writes leaves them neither durable nor dirty: the next one succeeds
//!   and changes nothing, as on Linux.
//! * Killing a process undoes nothing that completed.

mod calls;
mod directory;
mod extents;
pub(super) mod fault;
pub(super) mod file;
mod image;
mod node;
mod outage;
mod path;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use self::directory::{Directory, Node};
use self::fault::{DiskOp, Fault, FaultRule};
use self::node::FileNode;
use self::outage::Outage;
use super::core::Core;
use super::dice::Dice;
use super::op::{Op, op};
use super::options::DiskOptions;

pub struct Disk {
    root: Rc<Directory>,
    dice: Dice,
    options: DiskOptions,
    capacity: Cell<u64>,
    used: Cell<u64>,
    /// The number of the next change, which is also that of the next file or directory.
    sequence: Cell<u64>,
    in_flight: RefCell<BTreeMap<u64, Effect>>,
    rules: RefCell<Vec<FaultRule>>,
}

/// What an operation does to the disk when it completes.
type Effect = Box<dyn FnOnce(&Disk, How)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Wholly,
    /// A crash came while it was under way: any part of it.
    Torn,
}

impl Disk {
    pub(super) fn new(dice: Dice, options: DiskOptions) -> Disk {
        Disk {
            root: Directory::new(0),
            dice,
            capacity: Cell::new(options.capacity),
            options,
            used: Cell::new(0),
            sequence: Cell::new(1),
            in_flight: RefCell::default(),
            rules: RefCell::default(),
        }
    }

    fn next(&self) -> u64 {
        self.sequence.replace(self.sequence.get() + 1)
    }

    /// Starts an operation; its effect happens when the delay has passed, whether or not anybody
    /// still waits for it.
    fn begin<T: 'static>(
        self: &Rc<Disk>,
        core: &Core,
        delay: Duration,
        effect: impl FnOnce(&Disk, How) -> T + 'static,
    ) -> Op<T> {
        let (completer, result) = op();
        if !core.is_alive() {
            return result;
        }
        let id = core.world().next_id();
        let effect: Effect = Box::new(move |disk, how| completer.complete(effect(disk, how)));
        self.in_flight.borrow_mut().insert(id, effect);
        let disk = self.clone();
        core.world().later(delay, move || {
            let effect = disk.in_flight.borrow_mut().remove(&id);
            if let Some(effect) = effect {
                effect(&disk, How::Wholly);
            }
        });
        result
    }

    /// What goes wrong with this operation, and how much longer it takes.
    fn fault(&self, op: DiskOp, path: &str) -> (Option<Fault>, Duration) {
        let mut found = None;
        for rule in self.rules.borrow_mut().iter_mut() {
            let hit = rule.hit(op, path);
            found = found.or(hit);
        }
        if let Some(Fault::Stall(time)) = found {
            return (None, time);
        }
        let ppm = match op {
            DiskOp::Read => self.options.read_error_ppm,
            DiskOp::Write => self.options.write_error_ppm,
            DiskOp::Sync => self.options.sync_error_ppm,
            _ => 0,
        };
        if found.is_none() && self.dice.ppm(ppm) {
            found = Some(Fault::Eio);
        }
        (found, Duration::ZERO)
    }

    /// Gives a range of a file space as far as there is any; returns the bytes that fit.
    fn claim(&self, file: &FileNode, pos: u64, len: u64) -> u64 {
        let free = self.capacity.get().saturating_sub(self.used.get());
        let mut fits = len;
        while file.missing(pos, fits) > free {
            let excess = file.missing(pos, fits) - free;
            fits = fits.saturating_sub(excess.max(1));
        }
        self.used.set(self.used.get() + file.take_space(pos, fits));
        fits
    }

    fn free(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// After a name or a descriptor of a file went away.
    fn release(&self, file: &FileNode) {
        if file.is_gone() {
            self.free(file.space());
        }
    }

    /// The end of a process: what it had under way happens wholly, partly or not at all.
    pub(super) fn interrupt(&self) {
        for (_, effect) in self.in_flight.take() {
            match self.dice.below(3) {
                0 => drop(effect),
                1 => effect(self, How::Wholly),
                _ => effect(self, How::Torn),
            }
        }
    }

    /// Undoes what a power cut may undo, by lot. Nothing is under way any more.
    pub(super) fn lose_power(&self) {
        let outage = Outage::draw(self.sequence.get(), &self.dice);
        let directories = self.directories();
        let mut cuts = BTreeMap::new();
        for (id, directory) in &directories {
            let cut = outage.prefix(directory.sequences().into_iter(), &self.dice);
            cuts.insert(*id, cut);
        }
        // A rename between directories that one of them keeps, the other must keep too.
        let mut agreed = false;
        while !agreed {
            agreed = true;
            for (id, directory) in &directories {
                for (sequence, other) in directory.twins() {
                    let kept = cuts[id] > sequence;
                    if let Some(cut) = cuts.get_mut(&other)
                        && kept
                        && *cut <= sequence
                    {
                        *cut = sequence + 1;
                        agreed = false;
                    }
                }
            }
        }
        for (id, directory) in &directories {
            directory.lose_power(cuts[id]);
        }
        self.used.set(0);
        let mut seen = BTreeSet::new();
        self.settle_files(&self.root, &outage, &mut seen);
    }

    fn settle_files(&self, directory: &Directory, outage: &Outage, seen: &mut BTreeSet<u64>) {
        for (_, node) in directory.entries() {
            match node {
                Node::Dir(inner) => self.settle_files(&inner, outage, seen),
                Node::File(file) => {
                    if seen.insert(file.id) {
                        file.lose_power(outage, &self.dice, self.options.garbage_ppm);
                        self.used.set(self.used.get() + file.space());
                    }
                    file.links.set(file.links.get() + 1);
                }
            }
        }
    }

    /// Every directory that exists or might exist after a power cut.
    fn directories(&self) -> BTreeMap<u64, Rc<Directory>> {
        let mut found = BTreeMap::from([(self.root.id, self.root.clone())]);
        let mut open = vec![self.root.clone()];
        while let Some(directory) = open.pop() {
            for node in directory.reachable() {
                if let Node::Dir(inner) = node
                    && found.insert(inner.id, inner.clone()).is_none()
                {
                    open.push(inner);
                }
            }
        }
        found
    }

    /// The end of the simulation.
    pub(super) fn halt(&self) {
        let effects = self.in_flight.take();
        drop(effects);
    }
}

fn error<T>(errno: Errno) -> io::Result<T> {
    Err(io::Error::from(errno))
}
