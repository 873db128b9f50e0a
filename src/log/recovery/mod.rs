//! Opening a log that exists: what was known of it at the last checkpoint, what its directory
//! holds, and what both say about where it ends.
//!
//! A clean close needs no scan. After a crash the bytes behind the checkpoint are scanned, and the
//! log is cut at the first batch that does not continue it; whatever was acknowledged at its level
//! lies before that. A bad batch below the checkpoint, or in a segment that was finished, is
//! corruption: it is reported and nothing is cut. What is kept is synced before it is served
//! (KAFKA-10101). Without a checkpoint, as in a directory that Kafka wrote, everything is scanned.

mod inventory;
mod replay;
mod start;
mod swap;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::budget::Budget;
use super::checkpoint::Entry;
use super::clean::Cleaning;
use super::epochs::Epochs;
use super::error::{At, Error};
use super::flush::Pipeline;
use super::producers::Producers;
use super::reshape::Reshaping;
use super::segment::Segment;
use super::settings::LogSettings;
use super::spares::Spares;
use super::tail::{Tail, sector_floor};
use super::{Log, names, partition_metadata};
use crate::base::buf::{ALIGN, Buf};
use crate::base::signal::Broadcast;
use crate::model::{Offset, TopicId};
use crate::rt::{self, File, OpenOptions, file};

/// What opening a log took, and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes of batches whose checksums were computed.
    pub scanned_bytes: u64,
    /// Where the log was cut, what was wrong there, and the bytes cut off (without zeros that were
    /// only reserved room).
    pub cut: Option<(PathBuf, u64, &'static str)>,
    /// Segments whose indexes were built again.
    pub rebuilt_indexes: usize,
    /// Segments removed because they lay behind the cut.
    pub dropped_segments: usize,
}

/// What recovery hands to a new [`Log`].
pub(super) struct State {
    pub(super) topic_id: TopicId,
    /// Offsets of the snapshots that are there.
    pub(super) snapshots: Vec<Offset>,
    pub(super) segments: Vec<Rc<Segment>>,
    pub(super) producers: Producers,
    pub(super) epochs: Epochs,
    pub(super) epochs_kept: bool,
    pub(super) log_start_offset: Offset,
    pub(super) high_watermark: Offset,
    pub(super) recovered: Recovered,
    /// The checkpoint's entry, where it holds as it is.
    pub(super) clean: Option<Entry>,
    pub(super) cleaning: Cleaning,
}

impl Log {
    /// Makes the directory of a new partition and opens its empty log.
    pub async fn create(
        dir: &Path,
        topic: TopicId,
        settings: LogSettings,
        budget: &Rc<Budget>,
    ) -> Result<Rc<Log>, Error> {
        file::create_dir_all(dir).await.at(dir)?;
        let metadata = dir.join(names::PARTITION_METADATA);
        let text = partition_metadata::encode(topic);
        file::write_whole(&metadata, text.as_bytes()).await.at(&metadata)?;
        if let Some(parent) = dir.parent() {
            file::sync_dir(parent).await.at(parent)?;
        }
        let dir: Rc<Path> = dir.into();
        let active = Rc::new(Segment::begin(&dir, 0, 0, rt::unix_ms()));
        let state = State {
            topic_id: topic,
            snapshots: Vec::new(),
            segments: vec![active],
            producers: Producers::default(),
            epochs: Epochs::default(),
            epochs_kept: true,
            log_start_offset: 0,
            high_watermark: 0,
            recovered: Recovered::default(),
            clean: None,
            cleaning: Cleaning::new(None),
        };
        Log::assemble(dir, settings, budget, state).await
    }

    /// Opens the log of a partition, and makes it first where there is none. A directory that a
    /// crash left without its `partition.metadata` holds no records yet.
    pub async fn open_or_create(
        dir: &Path,
        topic: TopicId,
        settings: LogSettings,
        budget: &Rc<Budget>,
        known: Option<&Entry>,
    ) -> Result<Rc<Log>, Error> {
        let metadata = dir.join(names::PARTITION_METADATA);
        if !file::exists(&metadata).await.at(&metadata)? {
            return Log::create(dir, topic, settings, budget).await;
        }
        let log = Log::open(dir, settings, budget, known).await?;
        if log.topic_id == topic {
            Ok(log)
        } else {
            let what = format!("it is of topic id {}, not {topic}", log.topic_id);
            Err(Error::corrupt(&metadata, 0, what))
        }
    }

    /// Opens the log of a directory that exists. `known` is what the last checkpoint says of it;
    /// an entry of another topic id (the topic was deleted and made again) is ignored.
    pub async fn open(
        dir: &Path,
        settings: LogSettings,
        budget: &Rc<Budget>,
        known: Option<&Entry>,
    ) -> Result<Rc<Log>, Error> {
        let dir: Rc<Path> = dir.into();
        let state = start::recover(&dir, &settings, known).await?;
        Log::assemble(dir, settings, budget, state).await
    }

    async fn assemble(
        dir: Rc<Path>,
        settings: LogSettings,
        budget: &Rc<Budget>,
        state: State,
    ) -> Result<Rc<Log>, Error> {
        let active = state.segments.last().expect("recovery leaves an active segment").clone();
        let (len, end) = (active.len.get(), active.end_offset.get());
        let partial = read_partial(&active).await?;
        active.address.set(0);
        let room = budget.room(dir.parent().unwrap_or(&dir));
        let spares = Spares::new(room.spares(), settings.segments_recycled_max);
        let log = Rc::new(Log {
            dir,
            topic_id: state.topic_id,
            snapshots: RefCell::new(state.snapshots),
            budget: budget.clone(),
            room,
            spares,
            settings: Cell::new(settings),
            tail: Tail::new(budget, len, &partial, end),
            segments: RefCell::new(state.segments),
            closing: RefCell::new(VecDeque::new()),
            producers: RefCell::new(state.producers),
            verifications: RefCell::default(),
            epochs: RefCell::new(state.epochs),
            epochs_kept: Cell::new(state.epochs_kept),
            log_start_offset: Cell::new(state.log_start_offset),
            end_offset: Cell::new(end),
            written_offset: Cell::new(end),
            synced_offset: Cell::new(end),
            high_watermark: Cell::new(state.high_watermark.min(end)),
            pipeline: RefCell::new(Pipeline::new(len)),
            stepped: Broadcast::default(),
            finishing: Rc::default(),
            finished: Rc::default(),
            disk_full: RefCell::default(),
            starved: Rc::default(),
            failure: Rc::default(),
            jitter_ms: Cell::new(0),
            reshaping: Reshaping::default(),
            cleaning: state.cleaning,
            recovered: state.recovered,
            kept: RefCell::new(Entry::default()),
        });
        // Markers that were read again are decided, as far as the watermark had come before.
        log.producers.borrow_mut().on_high_watermark(log.high_watermark.get());
        log.draw_jitter();
        match state.clean {
            Some(entry) => log.set_kept(entry),
            None => {
                let moment = log.moment();
                log.keep(&moment).await?;
                log.set_kept(log.entry(&moment, false));
            }
        }
        Ok(log)
    }

    /// What opening this log took.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }
}

/// The bytes of the last sector, which the next write has to repeat.
async fn read_partial(active: &Segment) -> Result<Vec<u8>, Error> {
    let len = active.len.get();
    let from = sector_floor(len);
    if from == len {
        return Ok(Vec::new());
    }
    let path = active.log_path();
    let options = OpenOptions { read: true, direct: true, ..OpenOptions::default() };
    let file = File::open(&path, options).await.at(&path)?;
    let (result, buf) = file.read_at(Buf::with_capacity(ALIGN), from, ALIGN).await;
    result.map_err(|error| Error::io(&path, Some(from), &error))?;
    match buf.get(..(len - from) as usize) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(Error::corrupt(&path, from, "the file is shorter than the log")),
    }
}
