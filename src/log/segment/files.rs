//! The descriptors of a segment: one for writing with O_DIRECT, one buffered for readers, both
//! opened when first needed; and the room that is reserved ahead of the writes.

use std::io;
use std::rc::Rc;

use super::Segment;
use crate::base::planted;
use crate::log::error::{At, Error};
use crate::log::room::Room;
use crate::log::settings::Growth;
use crate::log::spares::Spare;
use crate::log::tail::{sector_ceil, sector_floor};
use crate::rt::file::{self, Watch};
use crate::rt::{self, File, OpenOptions};

/// The first step of preallocation, and the largest; each is four times the one before.
const STEP_MIN: u64 = 64 << 10;
const STEP_MAX: u64 = 64 << 20;

impl Segment {
    /// The descriptor for writes, if the file is open.
    pub(in crate::log) fn writer(&self) -> Option<File> {
        self.writing.borrow().clone()
    }

    /// True when writes up to `end` may be given to the device.
    pub(in crate::log) fn is_ready(&self, end: u64) -> bool {
        self.writing.borrow().is_some() && end <= self.allocated.get()
    }

    /// Creates or opens the log file and reserves room up to `end`. An error that says the disk
    /// is full leaves everything as it was.
    pub(in crate::log) async fn make_ready(
        self: &Rc<Self>,
        end: u64,
        growth: Growth,
        room: &Rc<Room>,
    ) -> Result<(), Error> {
        while !self.is_ready(end) {
            if !self.preparing.get() {
                self.prepare(end, growth, room);
            }
            self.prepared.wait().await;
            if let Some(error) = self.preparation_error.borrow().clone() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reserves the next step in the background once half of the last one is used.
    pub(in crate::log) fn prepare_ahead(self: &Rc<Self>, growth: Growth, room: &Rc<Room>) {
        let left = self.allocated.get().saturating_sub(self.len.get());
        let full = self.allocated.get() >= sector_ceil(growth.most);
        let may = !self.preparing.get() && self.preparation_error.borrow().is_none();
        if left < self.allocation_step.get() / 2 && !full && may {
            self.prepare(self.allocated.get() + 1, growth, room);
        }
    }

    /// Starts a task of its own, so that nobody who waits can leave it half done.
    pub(in crate::log) fn prepare(self: &Rc<Self>, end: u64, growth: Growth, room: &Rc<Room>) {
        self.preparing.set(true);
        let (segment, room) = (self.clone(), room.clone());
        rt::spawn(async move {
            let mut result = segment.open_for_writing().await;
            if result.is_ok() {
                result = segment.allocate(end, growth, &room).await;
            }
            segment.preparing.set(false);
            *segment.preparation_error.borrow_mut() = result.err();
            segment.prepared.raise();
        })
        .detach();
    }

    /// Waits until no task reserves room, which would undo a cut.
    pub(super) async fn preparation_ended(&self) {
        while self.preparing.get() {
            self.prepared.wait().await;
        }
    }

    pub(super) async fn open_for_writing(&self) -> Result<(), Error> {
        // An attempt ahead of need may have failed: only a lack of room is ever tried again.
        let failed = self.preparation_error.borrow().clone();
        if let Some(error) = failed.filter(|error| !error.is_disk_full()) {
            return Err(error);
        }
        if self.writing.borrow().is_some() {
            return Ok(());
        }
        let path = self.log_path();
        let mut is_reused = false;
        if let Some(spare) = self.spare.take() {
            match file::rename(&spare.path, &path).await {
                Ok(()) => is_reused = true,
                // Somebody else may have made room: then it is a new file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.reuse(spare);
                    return Err(error).at(&path);
                }
            }
        }
        let options = OpenOptions {
            read: true,
            write: true,
            create: true,
            direct: true,
            ..OpenOptions::default()
        };
        let opened = File::open(&path, options).await.at(&path)?;
        let len = opened.len().await.at(&path)?;
        let is_new = len == 0 || is_reused;
        if is_new && !planted::is("leave-new-files-without-an-entry") {
            file::sync_dir(&self.dir).await.at(&self.dir)?;
        }
        if is_reused {
            opened.forget(0, len).await;
            self.allocation_step.set(STEP_MIN);
        }
        self.allocated.set(sector_floor(len));
        *self.writing.borrow_mut() = Some(opened);
        Ok(())
    }

    /// One step further (or, of a new file, all the way), at least to `end`, and not past what the
    /// segment may grow to unless `end` does.
    async fn allocate(&self, end: u64, growth: Growth, room: &Room) -> Result<(), Error> {
        let from = self.allocated.get();
        if end <= from {
            return Ok(());
        }
        let step = match growth.at_once && from == 0 {
            true => sector_ceil(growth.most),
            false => (self.allocation_step.get() * 4)
                .min(sector_floor(room.step_max()))
                .clamp(STEP_MIN, STEP_MAX),
        };
        let to = (from + step).min(sector_ceil(growth.most)).max(sector_ceil(end));
        let Some(writer) = self.writer().filter(|_| to > from) else { return Ok(()) };
        match self.reserve(&writer, from, to).await {
            // That there is no room for what may come is no reason to refuse what is there.
            Err(error) if error.is_disk_full() && sector_ceil(end) < to => {
                self.allocation_step.set(0);
                self.reserve(&writer, from, sector_ceil(end)).await
            }
            reserved => {
                self.allocation_step.set(step);
                reserved
            }
        }?;
        room.took(self.allocated.get() - from);
        Ok(())
    }

    async fn reserve(&self, writer: &File, from: u64, to: u64) -> Result<(), Error> {
        if to <= from {
            return Ok(());
        }
        let path = self.log_path();
        let reserved = writer.allocate(from, to - from).await.at(&path);
        match &reserved {
            // What there was is taken all the same, and missing elsewhere.
            Err(error) if error.is_disk_full() => {
                writer.truncate(from.max(self.written.get())).await.at(&path)?;
            }
            Err(_) => {}
            Ok(()) => self.allocated.set(to),
        }
        reserved
    }

    pub(in crate::log) fn close_writer(&self) {
        self.writing.borrow_mut().take();
        self.allocated.set(0);
    }

    /// The descriptor for readers.
    pub(in crate::log) async fn reader(&self) -> Result<File, Error> {
        if let Some(open) = &*self.reading.borrow() {
            return Ok(open.clone());
        }
        let path = self.log_path();
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        let opened = File::open(&path, options).await.at(&path)?;
        {
            let mut lent = self.lent.borrow_mut();
            lent.retain(Watch::is_held);
            lent.push(opened.watch());
        }
        Ok(self.reading.borrow_mut().get_or_insert(opened).clone())
    }

    /// Its file will be this one, with all that is in it.
    pub(in crate::log) fn reuse(&self, spare: Spare) {
        *self.spare.borrow_mut() = Some(spare);
    }

    /// True when nobody reads from its file, nor ever will: the log has it no more, and the caller is
    /// the last who knows it.
    pub(in crate::log) fn is_left_alone(self: &Rc<Self>) -> bool {
        self.cool_down();
        self.close_writer();
        Rc::strong_count(self) == 1 && !self.lent.borrow().iter().any(Watch::is_held)
    }

    /// Lets descriptors go; readers that hold one keep it.
    pub(in crate::log) fn cool_down(&self) {
        if self.is_pinned.get() {
            return;
        }
        self.reading.borrow_mut().take();
        if self.finished.get() {
            self.writing.borrow_mut().take();
            let mut indexes = self.indexes.borrow_mut();
            indexes.offset.unload();
            indexes.time.unload();
        }
    }
}
