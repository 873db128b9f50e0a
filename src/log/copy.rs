//! A copy of a log's files in another directory, made while the log goes on (Kafka: the future
//! replica). Round by round it takes what segments have got since: the bytes that are on the device,
//! and of a finished segment its indexes and snapshot. When the log is closed, a last round makes it a
//! copy of every file that counts, durably; opened with the entry of that close, it is the same log.
//!
//! A segment that was deleted or replaced meanwhile is known by its identity, and what was taken of it
//! is thrown away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{At, Error};
use super::names::{self, Name};
use super::room::Room;
use super::segment::Segment;
use super::{Log, partition_metadata};
use crate::base::buf::Buf;
use crate::base::planted;
use crate::model::{Offset, TopicId};
use crate::rt::{self, File, OpenOptions, file};

/// Bytes of one read and write.
const PIECE: u64 = 1 << 20;
/// Files that go along with a finished segment. Its snapshot is that of where it begins.
const BESIDE: [&str; 4] =
    [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX, names::SNAPSHOT];

pub struct Copy {
    dir: PathBuf,
    room: Rc<Room>,
    parts: BTreeMap<Offset, Part>,
    end_offset: Offset,
}

/// What was taken of one segment.
struct Part {
    segment: Rc<Segment>,
    bytes: u64,
    /// Its other files, too.
    is_whole: bool,
}

impl Copy {
    /// Makes the directory.
    pub async fn begin(dir: &Path, topic: TopicId, room: Rc<Room>) -> Result<Copy, Error> {
        file::create_dir_all(dir).await.at(dir)?;
        let metadata = dir.join(names::PARTITION_METADATA);
        let text = partition_metadata::encode(topic);
        file::write_whole(&metadata, text.as_bytes()).await.at(&metadata)?;
        if let Some(parent) = dir.parent() {
            file::sync_dir(parent).await.at(parent)?;
        }
        Ok(Copy { dir: dir.to_owned(), room, parts: BTreeMap::new(), end_offset: 0 })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything below was taken.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    pub fn bytes(&self) -> u64 {
        self.parts.values().map(|part| part.bytes).sum()
    }

    fn path(&self, base: Offset, suffix: &str) -> PathBuf {
        names::file(&self.dir, base, suffix)
    }

    /// Throws away what is of no segment among these.
    async fn keep_only(&mut self, segments: &[Rc<Segment>]) -> Result<(), Error> {
        let is_there = |part: &Part| segments.iter().any(|it| Rc::ptr_eq(it, &part.segment));
        let gone: Vec<Offset> =
            self.parts.iter().filter(|(_, part)| !is_there(part)).map(|(&base, _)| base).collect();
        for base in gone {
            self.parts.remove(&base);
            for suffix in names::SEGMENT_SUFFIXES {
                let path = self.path(base, suffix);
                if file::exists(&path).await.at(&path)? {
                    file::remove_file(&path).await.at(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Takes what the device has of a segment and the copy does not, as long as `goes_on` says so of the
    /// next piece; yields the bytes.
    async fn follow(
        &mut self,
        segment: &Rc<Segment>,
        goes_on: &impl AsyncFn(u64) -> bool,
    ) -> Result<u64, Error> {
        let base = segment.base_offset;
        let part = Part { segment: segment.clone(), bytes: 0, is_whole: false };
        let from = self.parts.entry(base).or_insert(part).bytes;
        let to = segment.written.get();
        if from >= to {
            return Ok(0);
        }
        let source = segment.reader().await?;
        let path = self.path(base, names::LOG);
        let options = OpenOptions { write: true, create: true, ..OpenOptions::default() };
        let target = File::open(&path, options).await.at(&path)?;
        let mut at = from;
        while at < to {
            let len = PIECE.min(to - at);
            if !goes_on(len).await {
                break;
            }
            let (read, buf) =
                source.read_at(Buf::with_capacity(PIECE as usize), at, len as usize).await;
            read.map_err(|error| Error::io(&segment.log_path(), Some(at), &error))?;
            if buf.len() as u64 != len {
                let what = "the file is shorter than the log";
                return Err(Error::corrupt(&segment.log_path(), at, what));
            }
            if self.room.is_short() {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                return Err(Error::io(&path, Some(at), &full));
            }
            target.write_bytes_at(buf, at).await.at(&path)?;
            self.room.took(len);
            at += len;
            rt::yield_now().await;
        }
        target.sync_data().await.at(&path)?;
        target.forget(from, at - from).await;
        if !segment.is_warm.get() && segment.finished.get() {
            segment.cool_down();
        }
        self.parts.get_mut(&base).expect("just entered").bytes = at;
        Ok(at - from)
    }
}

impl Log {
    /// Takes what was written since the last round; yields the bytes. `goes_on` is asked before each piece,
    /// with its bytes, and may take its time.
    pub async fn copy_round(
        &self,
        copy: &mut Copy,
        goes_on: impl AsyncFn(u64) -> bool,
    ) -> Result<u64, Error> {
        let segments = self.segments.borrow().clone();
        let written = self.written_offset.get();
        copy.keep_only(&segments).await?;
        let mut taken = 0;
        for segment in &segments {
            if !goes_on(0).await {
                return Ok(taken);
            }
            // What was deleted or replaced meanwhile needs no copy.
            let is_there = || self.consists_of(std::slice::from_ref(segment));
            let goes_on = async |bytes| is_there() && goes_on(bytes).await && is_there();
            let is_finished = segment.finished.get();
            let followed = self.copy_segment(copy, segment, is_finished, &goes_on).await;
            match followed {
                Ok(bytes) => taken += bytes,
                // It was deleted or replaced while it was read.
                Err(_) if !is_there() => {}
                Err(error) => return Err(error),
            }
            copy.end_offset = segment.end_offset.get().min(written);
        }
        Ok(taken)
    }

    async fn copy_segment(
        &self,
        copy: &mut Copy,
        segment: &Rc<Segment>,
        is_finished: bool,
        goes_on: &impl AsyncFn(u64) -> bool,
    ) -> Result<u64, Error> {
        let bytes = copy.follow(segment, goes_on).await?;
        let part = &copy.parts[&segment.base_offset];
        if !is_finished || part.is_whole || part.bytes < segment.len.get() {
            return Ok(bytes);
        }
        for suffix in BESIDE {
            let from = segment.path(suffix);
            if file::exists(&from).await.at(&from)? {
                copy_file(&from, &copy.path(segment.base_offset, suffix)).await?;
            }
        }
        // Names may have been another segment's by then.
        let is_same = self.consists_of(std::slice::from_ref(segment));
        copy.parts.get_mut(&segment.base_offset).expect("followed").is_whole = is_same;
        Ok(bytes)
    }

    /// Makes the copy complete and durable, of a log that is closed.
    pub async fn copy_rest(&self, copy: &mut Copy) -> Result<(), Error> {
        // Whoever deletes has either ended, or changes these files no more.
        let _turn = self.reshape().await;
        let segments = self.segments.borrow().clone();
        copy.keep_only(&segments).await?;
        if !planted::is("move-without-the-last-records") {
            for segment in &segments {
                copy.follow(segment, &async |_| true).await?;
            }
        }
        let there = file::list_dir(&copy.dir).await.at(&copy.dir)?;
        let len_there = |name: &str| there.iter().find(|it| it.name == name).map(|it| it.len);
        let mut counts = Vec::new();
        for entry in file::list_dir(&self.dir).await.at(&self.dir)? {
            let (from, to) = (self.dir.join(&entry.name), copy.dir.join(&entry.name));
            let is_current = match names::parse(&entry.name) {
                Name::Log(base) => {
                    let bytes = copy.parts.get(&base).map_or(0, |part| part.bytes);
                    let is_whole =
                        bytes == entry.len || planted::is("move-without-the-last-records");
                    if !is_whole {
                        let what = "the log is closed, and its file longer than it";
                        return Err(Error::corrupt(&from, bytes, what));
                    }
                    entry.len > 0
                }
                Name::OffsetIndex(base) | Name::TimeIndex(base) | Name::TxnIndex(base) => {
                    copy.parts.get(&base).is_some_and(|part| part.is_whole)
                }
                Name::Snapshot(_) => len_there(&entry.name) == Some(entry.len),
                Name::Epochs | Name::PartitionMetadata => false,
                _ => continue,
            };
            if !is_current {
                copy_file(&from, &to).await?;
            }
            counts.push(entry.name);
        }
        for entry in there.iter().filter(|entry| !counts.contains(&entry.name)) {
            let path = copy.dir.join(&entry.name);
            file::remove_file(&path).await.at(&path)?;
        }
        copy.end_offset = self.end_offset.get();
        file::sync_dir(&copy.dir).await.at(&copy.dir)
    }
}

/// Of a small file, durably.
async fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = file::read_whole(from).await.at(from)?;
    let options = OpenOptions { write: true, create: true, truncate: true, ..Default::default() };
    let target = File::open(to, options).await.at(to)?;
    if !bytes.is_empty() {
        target.write_bytes_at(Buf::copy_of(&bytes), 0).await.at(to)?;
    }
    target.sync_data().await.at(to)
}
