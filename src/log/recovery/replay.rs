//! Entering scanned batches into everything that an append would have entered them into.

use std::path::Path;

use super::Recovered;
use crate::base::planted;
use crate::log::append::Said;
use crate::log::epochs::Epochs;
use crate::log::error::Error;
use crate::log::header::Header;
use crate::log::names;
use crate::log::producers::{Ended, Producers};
use crate::log::scan::{Scan, Scanned};
use crate::log::segment::Segment;
use crate::model::{LeaderEpoch, Offset};

pub(super) struct Replay {
    /// Bytes between two entries of the offset index.
    pub(super) interval: u64,
    pub(super) producers: Producers,
    /// The producers know everything below.
    pub(super) producers_from: Offset,
    pub(super) epochs: Epochs,
    /// The epochs know everything below.
    pub(super) epochs_from: Offset,
    pub(super) recovered: Recovered,
}

/// Where a scan ended, and what was wrong there if it was not simply the end.
pub(super) struct End {
    pub(super) position: u64,
    pub(super) file_len: u64,
    pub(super) why: Option<&'static str>,
}

impl Replay {
    /// Scans a segment from `position` on, where `offset` is next.
    pub(super) async fn segment(
        &mut self,
        segment: &Segment,
        position: u64,
        offset: Offset,
    ) -> Result<End, Error> {
        let mut scan =
            Scan::open(&segment.log_path(), segment.base_offset, position, offset).await?;
        let why = loop {
            if planted::is("forget-the-tail") {
                break Some("a planted bug");
            }
            match scan.next().await? {
                Scanned::Batch { position, header, control } => {
                    segment.note(&header, position, self.interval);
                    self.recovered.scanned_bytes += header.len as u64;
                    if header.base_offset >= self.epochs_from {
                        self.epochs.assign(LeaderEpoch(header.leader_epoch), header.base_offset);
                    }
                    if let Some(ended) = self.producer(&header, control.as_deref()) {
                        segment.note_ended(&ended);
                    }
                }
                Scanned::End => break None,
                Scanned::Bad(why) => break Some(why),
            }
        };
        Ok(End { position: scan.position(), file_len: scan.file_len(), why })
    }

    /// Scans what of a segment lies below `position`, where `offset` is next, for the sake of its
    /// producers, unless they are known.
    pub(super) async fn producers_only(
        &mut self,
        dir: &Path,
        base: Offset,
        position: u64,
        offset: Offset,
    ) -> Result<(), Error> {
        if self.producers_from >= offset {
            return Ok(());
        }
        let path = names::file(dir, base, names::LOG);
        let mut scan = Scan::open(&path, base, 0, base).await?;
        while scan.position() < position {
            match scan.next().await? {
                Scanned::Batch { header, control, .. } => {
                    self.recovered.scanned_bytes += header.len as u64;
                    self.producer(&header, control.as_deref());
                }
                Scanned::End => break,
                Scanned::Bad(why) => return Err(Error::corrupt(&path, scan.position(), why)),
            }
        }
        self.producers_from = offset;
        Ok(())
    }

    fn producer(&mut self, header: &Header, control: Option<&[u8]>) -> Option<Ended> {
        if header.base_offset < self.producers_from || planted::is("forget-producers") {
            return None;
        }
        Said::of(header, control.unwrap_or_default(), 0).apply(&mut self.producers, header)
    }
}
