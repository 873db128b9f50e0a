//! What a log file holds behind the end of its log when it was another segment's file before (`log/spares.rs`)
//! and a crash came before it was cut: batches of offsets below its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::config::limits::BATCH_BYTES_MAX;
use crate::model::Offset;
use crate::wire::batch::{BATCH_LENGTH_AT, Batch, HEADER_SIZE, LENGTH_END, MAGIC, MAGIC_AT};

const WINDOW: usize = 1 << 20;

/// Whose batches lie somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// All are from before the segment.
    Older,
    /// Some are the segment's.
    Own,
}

/// Looks for batches from `position` on in the file of the segment that begins with offset `base`. What lies
/// there may begin in the middle of one, so that one may begin at every byte.
pub(super) fn look(file: &File, position: u64, len: u64, base: Offset) -> io::Result<Found> {
    let (mut at, mut found) = (position, Found::Nothing);
    let mut window = Vec::new();
    while at + HEADER_SIZE as u64 <= len {
        window.resize(WINDOW.min((len - at) as usize), 0);
        file.read_exact_at(&mut window, at)?;
        let mut next = at + (window.len() - HEADER_SIZE + 1) as u64;
        for (index, header) in window.windows(HEADER_SIZE).enumerate() {
            let here = at + index as u64;
            if let Some(size) = size_of(header, len - here)
                && let Some(offset) = offset_of(file, here, size)?
            {
                if offset >= base {
                    return Ok(Found::Own);
                }
                found = Found::Older;
                next = here + size as u64;
                break;
            }
        }
        at = next;
    }
    Ok(found)
}

/// Bytes of the batch that this may be the header of.
fn size_of(header: &[u8], left: u64) -> Option<usize> {
    if header[MAGIC_AT] != MAGIC as u8 {
        return None;
    }
    let length = header[BATCH_LENGTH_AT..LENGTH_END].try_into().map(i32::from_be_bytes).ok()?;
    let size = usize::try_from(length).ok()? + LENGTH_END;
    let fits = (HEADER_SIZE..=BATCH_BYTES_MAX).contains(&size) && size as u64 <= left;
    fits.then_some(size)
}

/// The first offset of the batch, if it is one.
fn offset_of(file: &File, position: u64, size: usize) -> io::Result<Option<Offset>> {
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, position)?;
    let batch = Batch::first(&bytes).ok().filter(|batch| batch.check_crc().is_ok());
    Ok(batch.map(|batch| batch.header.base_offset()).filter(|&offset| offset >= 0))
}
