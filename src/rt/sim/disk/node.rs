//! A file on the disk: what programs see of it, what is on stable media, and what lies between.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::extents::{BLOCK, Extents};
use super::image::{Image, SECTOR};
use super::outage::Outage;
use crate::rt::sim::dice::Dice;

pub(super) struct FileNode {
    pub(super) id: u64,
    state: RefCell<State>,
    /// Directory entries and open descriptors: without any, its space is free again.
    pub(super) links: Cell<u32>,
    pub(super) handles: Cell<u32>,
}

#[derive(Default)]
struct State {
    live: Image,
    stable: Image,
    /// In the order in which they were made.
    unsynced: Vec<Change>,
    extents: Extents,
}

/// A change that a power cut may undo.
struct Change {
    sequence: u64,
    /// Made past the page cache.
    direct: bool,
    kind: Kind,
}

enum Kind {
    /// Whole sectors from this position on, and the length that the file has at least afterwards.
    Write {
        pos: u64,
        sectors: Vec<u8>,
        len: u64,
    },
    Length(u64),
}

impl Kind {
    /// Makes the change to an image, keeping of a write the sectors that `keep` says, and of the
    /// length what `keep_len` says.
    fn apply(&self, image: &mut Image, mut keep: impl FnMut() -> bool, keep_len: bool) {
        match self {
            Kind::Write { pos, sectors, len } => {
                for (index, sector) in sectors.chunks(SECTOR).enumerate() {
                    if keep() {
                        image.put(pos + (index * SECTOR) as u64, sector);
                    }
                }
                if keep_len {
                    image.grow(*len);
                }
            }
            Kind::Length(len) if keep_len => image.set_len(*len),
            Kind::Length(_) => {}
        }
    }
}

impl FileNode {
    pub(super) fn new(id: u64) -> Rc<FileNode> {
        let state = RefCell::default();
        Rc::new(FileNode { id, state, links: Cell::new(0), handles: Cell::new(0) })
    }

    pub(super) fn len(&self) -> u64 {
        self.state.borrow().live.len()
    }

    /// Fills `out` from `pos` on; returns how many bytes there were before the end.
    pub(super) fn read(&self, pos: u64, out: &mut [u8]) -> usize {
        let state = self.state.borrow();
        let count = state.live.len().saturating_sub(pos).min(out.len() as u64) as usize;
        state.live.copy_to(pos, &mut out[..count]);
        count
    }

    /// Bytes of new space that a write or an allocation needs.
    pub(super) fn missing(&self, pos: u64, len: u64) -> u64 {
        self.state.borrow().extents.missing(pos, len) * BLOCK
    }

    /// Gives a range space; returns how many bytes that took.
    pub(super) fn take_space(&self, pos: u64, len: u64) -> u64 {
        self.state.borrow_mut().extents.take(pos, len) * BLOCK
    }

    pub(super) fn space(&self) -> u64 {
        self.state.borrow().extents.count() * BLOCK
    }

    pub(super) fn is_gone(&self) -> bool {
        self.links.get() == 0 && self.handles.get() == 0
    }

    /// Programs see the bytes at once; a power cut may undo each sector of them until a sync.
    pub(super) fn write(&self, sequence: u64, direct: bool, pos: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state.borrow_mut();
        let end = pos + bytes.len() as u64;
        let first = pos - pos % SECTOR as u64;
        let mut sectors = vec![0; (end.next_multiple_of(SECTOR as u64) - first) as usize];
        state.live.put(pos, bytes);
        state.live.grow(end);
        state.live.copy_to(first, &mut sectors);
        let kind = Kind::Write { pos: first, sectors, len: end };
        state.unsynced.push(Change { sequence, direct, kind });
    }

    /// Cuts or extends; returns the bytes of space freed.
    pub(super) fn set_len(&self, sequence: u64, len: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        state.live.set_len(len);
        state.unsynced.push(Change { sequence, direct: true, kind: Kind::Length(len) });
        state.extents.cut(len) * BLOCK
    }

    /// Makes every change before `until` durable.
    pub(super) fn settle(&self, until: u64) {
        let state = &mut *self.state.borrow_mut();
        for change in state.unsynced.extract_if(.., |change| change.sequence < until) {
            change.kind.apply(&mut state.stable, || true, true);
        }
    }

    /// A failed sync: what was dirty in the page cache is called clean from now on, and some of it
    /// is on the media. With `direct` that holds for direct writes too: the device forgot them.
    pub(super) fn forsake(&self, until: u64, direct: bool, dice: &Dice) {
        let state = &mut *self.state.borrow_mut();
        let forsaken = |change: &mut Change| change.sequence < until && (direct || !change.direct);
        for change in state.unsynced.extract_if(.., forsaken) {
            change.kind.apply(&mut state.stable, || dice.coin(), dice.coin());
        }
    }

    /// Leaves what is on stable media, and of the rest what the outage lets through.
    pub(super) fn lose_power(&self, outage: &Outage, dice: &Dice, garbage_ppm: u32) {
        let state = &mut *self.state.borrow_mut();
        let metadata = outage.prefix(state.unsynced.iter().map(|change| change.sequence), dice);
        for mut change in state.unsynced.drain(..) {
            let sequence = change.sequence;
            if let Kind::Write { sectors, .. } = &mut change.kind {
                let garbled = sectors.chunks_mut(SECTOR).filter(|_| dice.ppm(garbage_ppm));
                garbled.for_each(|sector| dice.fill(sector));
            }
            let keep = || outage.keeps_sector(sequence, dice);
            change.kind.apply(&mut state.stable, keep, sequence < metadata);
        }
        state.stable.trim();
        state.live = state.stable.clone();
        state.extents.cut(state.live.len());
        self.handles.set(0);
        self.links.set(0);
    }

    /// Bit rot: flips a stored bit, whatever was synced.
    pub(super) fn flip(&self, pos: u64, bit: u8) {
        let state = &mut *self.state.borrow_mut();
        state.live.flip(pos, bit);
        state.stable.flip(pos, bit);
    }

    /// Changes that a power cut may still undo.
    pub(super) fn unsynced(&self) -> usize {
        self.state.borrow().unsynced.len()
    }
}
