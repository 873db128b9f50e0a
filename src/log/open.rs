//! Opening a log.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use super::budget::Budget;
use super::epochs::Epochs;
use super::error::{At, Error};
use super::flush::Pipeline;
use super::producers::Producers;
use super::segment::Segment;
use super::settings::LogSettings;
use super::tail::Tail;
use super::{Log, names, partition_metadata};
use crate::base::signal::Signal;
use crate::model::TopicId;
use crate::rt::{self, file};

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
        Ok(Rc::new(Log {
            dir,
            budget: budget.clone(),
            settings: Cell::new(settings),
            tail: Tail::new(budget, 0, &[], 0),
            segments: RefCell::new(vec![active]),
            closing: RefCell::new(VecDeque::new()),
            producers: RefCell::new(Producers::default()),
            epochs: RefCell::new(Epochs::default()),
            epochs_kept: Cell::new(false),
            log_start_offset: Cell::new(0),
            end_offset: Cell::new(0),
            written_offset: Cell::new(0),
            synced_offset: Cell::new(0),
            high_watermark: Cell::new(0),
            pipeline: RefCell::new(Pipeline::new(0)),
            stepped: Signal::default(),
            finishing: Rc::default(),
            finished: Rc::default(),
            disk_full: Cell::new(false),
            failure: Rc::default(),
            jitter_ms: Cell::new(0),
        }))
    }
}
