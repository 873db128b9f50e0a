//! The batches of a log file, one after the other, each whole in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::leftover::{Found, look};
use crate::base::buf::ALIGN;
use crate::config::limits::BATCH_BYTES_MAX;
use crate::log::names;
use crate::model::Offset;
use crate::wire::batch::{Batch, BatchError, HEADER_SIZE};

/// What lies at a position.
pub(super) enum Item<'a> {
    Batch {
        position: u64,
        batch: Batch<'a>,
    },
    /// Only zeros up to the end of the file: room that was reserved.
    Zeros {
        position: u64,
        bytes: u64,
    },
    /// Batches of the segment whose file this was before, up to the end of the file.
    LeftBehind {
        position: u64,
        bytes: u64,
    },
    Bad {
        position: u64,
        what: BatchError,
    },
}

pub(super) struct Walk {
    file: File,
    /// The offset in the file's name.
    base: Offset,
    len: u64,
    position: u64,
    bytes: Vec<u8>,
    ended: bool,
}

impl Walk {
    pub(super) fn open(path: &Path) -> io::Result<Walk> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let base = names::parse(&name).base_offset().unwrap_or(0);
        Ok(Walk { file, base, len, position: 0, bytes: Vec::new(), ended: false })
    }

    /// Ends at the end of the file, or after the first item that is no batch. The checksum is left
    /// to the caller, who may go on behind a batch whose checksum is wrong.
    pub(super) fn next(&mut self) -> io::Result<Option<Item<'_>>> {
        if self.ended || self.position == self.len {
            return Ok(None);
        }
        let position = self.position;
        let left = self.len - position;
        self.bytes.clear();
        self.read(left.min(HEADER_SIZE as u64))?;
        let size = match Batch::first(&self.bytes) {
            _ if self.bytes.iter().all(|&byte| byte == 0) => return self.zeros(),
            Ok(batch) => batch.header.size(),
            Err(BatchError::Incomplete) => {
                let header = crate::wire::batch::BatchHeader::peek(&self.bytes);
                header.map_or(0, |header| header.size())
            }
            Err(what) => return self.bad(what),
        };
        if size == 0 || size as u64 > left || size > BATCH_BYTES_MAX {
            return self.bad(BatchError::Incomplete);
        }
        self.read((size - self.bytes.len()) as u64)?;
        let is_older = |batch: Batch<'_>| batch.header.base_offset() < self.base;
        if Batch::first(&self.bytes).is_ok_and(is_older) && self.behind()? == Found::Older {
            return self.left_behind();
        }
        self.position += size as u64;
        match Batch::first(&self.bytes) {
            Ok(batch) => Ok(Some(Item::Batch { position, batch })),
            Err(what) => {
                self.ended = true;
                Ok(Some(Item::Bad { position, what }))
            }
        }
    }

    fn read(&mut self, count: u64) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.resize(start + count as usize, 0);
        self.file.read_exact(&mut self.bytes[start..])
    }

    fn behind(&self) -> io::Result<Found> {
        look(&self.file, self.position, self.len, self.base)
    }

    fn left_behind(&mut self) -> io::Result<Option<Item<'_>>> {
        self.ended = true;
        let (position, bytes) = (self.position, self.len - self.position);
        Ok(Some(Item::LeftBehind { position, bytes }))
    }

    fn bad(&mut self, what: BatchError) -> io::Result<Option<Item<'_>>> {
        self.ended = true;
        if self.behind()? == Found::Older {
            return self.left_behind();
        }
        Ok(Some(Item::Bad { position: self.position, what }))
    }

    fn zeros(&mut self) -> io::Result<Option<Item<'_>>> {
        self.ended = true;
        let position = self.position;
        let mut left = self.len - position - self.bytes.len() as u64;
        while left > 0 {
            self.bytes.clear();
            let count = left.min(1 << 20);
            self.read(count)?;
            if let Some(zeros) = self.bytes.iter().position(|&byte| byte != 0) {
                // So a log writes its last sector, whatever lies behind it.
                let end = self.len - left + zeros as u64;
                let is_padded = end >= position.next_multiple_of(ALIGN as u64);
                if is_padded && self.behind()? != Found::Own {
                    return self.left_behind();
                }
                return self.bad(BatchError::Length);
            }
            left -= count;
        }
        Ok(Some(Item::Zeros { position, bytes: self.len - position }))
    }
}
