//! Walking over the batches of a log file with large direct reads, every checksum computed. What
//! the file says is bounded by the file itself before it is believed: a batch that claims more
//! bytes than there are is no batch.

use std::path::{Path, PathBuf};

use crate::base::buf::{ALIGN, Buf};
use crate::base::planted;
use crate::log::error::{At, Error};
use crate::log::header::{HEADER, Header};
use crate::model::Offset;
use crate::rt::{self, File, OpenOptions};
use crate::wire::batch::{ATTRIBUTES_AT, BatchError, BatchHeader};

/// Bytes of one read.
const WINDOW: usize = 1 << 20;
/// Control batches are shown whole, up to this size; none of Kafka's comes near it.
const CONTROL_MAX: usize = 4096;

/// Why a batch does not continue the log that lies behind the end of a segment whose file was another
/// segment's before.
pub(crate) const LEFT_BEHIND: &str = "an offset from before the segment";

/// What the next bytes of the file are.
pub(crate) enum Scanned {
    Batch {
        position: u64,
        header: Header,
        /// The bytes of a control batch.
        control: Option<Vec<u8>>,
    },
    /// Nothing, or the zeros of reserved room: where a log ends in order.
    End,
    /// No batch that continues the log.
    Bad(&'static str),
}

pub(crate) struct Scan {
    file: File,
    path: PathBuf,
    /// Size of the file.
    len: u64,
    /// Where the next batch begins, and the least offset it may have.
    position: u64,
    expected: Offset,
    base_offset: Offset,
    buf: Buf,
    /// Position of the buffer's first byte.
    start: u64,
}

impl Scan {
    /// From `position`, where a batch begins (or the log ends), and where `offset` is next.
    pub(crate) async fn open(
        path: &Path,
        base_offset: Offset,
        position: u64,
        offset: Offset,
    ) -> Result<Scan, Error> {
        let options = OpenOptions { read: true, direct: true, ..OpenOptions::default() };
        let file = File::open(path, options).await.at(path)?;
        let len = file.len().await.at(path)?;
        Ok(Scan {
            file,
            path: path.to_owned(),
            len,
            position,
            expected: offset,
            base_offset,
            buf: Buf::with_capacity(WINDOW),
            start: 0,
        })
    }

    /// Where the last batch ended.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Size of the file.
    pub(crate) fn file_len(&self) -> u64 {
        self.len
    }

    pub(crate) async fn next(&mut self) -> Result<Scanned, Error> {
        if rt::should_yield() {
            rt::yield_now().await;
        }
        let position = self.position;
        if position >= self.len {
            return Ok(Scanned::End);
        }
        let there = HEADER.min((self.len - position) as usize);
        self.fill(position, there).await?;
        let bytes = self.window(position);
        if bytes[..there].iter().all(|&byte| byte == 0) {
            return Ok(Scanned::End);
        }
        let header = match Header::read(&bytes[..there]) {
            Ok(header) => header,
            // Elsewhere it is a header torn at a sector's edge; the first one lies in one sector.
            Err(BatchError::OldMagic) if position == 0 => {
                let what = "message formats 0 and 1 are not supported";
                return Err(Error::corrupt(&self.path, position, what));
            }
            Err(_) => return Ok(Scanned::Bad("not the header of a batch")),
        };
        let crc = BatchHeader::peek(bytes).map_or(0, |view| view.crc());
        if let Some(why) = self.refusal(&header) {
            return Ok(Scanned::Bad(why));
        }
        let mut control = (header.is_control && header.len <= CONTROL_MAX).then(Vec::new);
        if let Some(copy) = &mut control {
            self.fill(position, header.len).await?;
            copy.extend_from_slice(&self.window(position)[..header.len]);
        }
        let found = self.crc(position + ATTRIBUTES_AT as u64, position + header.len as u64).await?;
        if found != crc && !planted::is("recover-without-checksums") {
            return Ok(Scanned::Bad("the checksum is wrong"));
        }
        self.position = position + header.len as u64;
        self.expected = header.last_offset() + 1;
        Ok(Scanned::Batch { position, header, control })
    }

    /// Leader epochs are not looked at: they go back where a log went from one cluster to another,
    /// and what was cut off was truncated durably before anything was appended behind it.
    fn refusal(&self, header: &Header) -> Option<&'static str> {
        if header.len as u64 > self.len - self.position {
            return Some("a batch is longer than the file");
        }
        if header.base_offset < self.base_offset && !planted::is("recover-what-is-left") {
            return Some(LEFT_BEHIND);
        }
        if header.base_offset < self.expected && !planted::is("recover-what-is-left") {
            return Some("an offset that was given before");
        }
        if header.last_offset() - self.base_offset > i64::from(i32::MAX) {
            return Some("an offset beyond the segment's range");
        }
        None
    }

    async fn crc(&mut self, from: u64, to: u64) -> Result<u32, Error> {
        let (mut at, mut crc) = (from, 0);
        while at < to {
            self.fill(at, 1).await?;
            let bytes = self.window(at);
            let count = bytes.len().min((to - at) as usize);
            crc = crc32c::crc32c_append(crc, &bytes[..count]);
            at += count as u64;
        }
        Ok(crc)
    }

    /// What is in memory from `position` on.
    fn window(&self, position: u64) -> &[u8] {
        &self.buf[(position - self.start) as usize..]
    }

    /// Brings at least `count` bytes from `position` on into memory; the file has them.
    async fn fill(&mut self, position: u64, count: usize) -> Result<(), Error> {
        let end = position + count as u64;
        if position >= self.start && end <= self.start + self.buf.len() as u64 {
            return Ok(());
        }
        self.start = position - position % ALIGN as u64;
        let buf = std::mem::replace(&mut self.buf, Buf::with_capacity(1));
        let (result, buf) = self.file.read_at(buf, self.start, WINDOW).await;
        self.buf = buf;
        result.map_err(|error| Error::io(&self.path, Some(position), &error))?;
        if self.start + (self.buf.len() as u64) < end {
            return Err(Error::corrupt(&self.path, position, "the file is shorter than it said"));
        }
        Ok(())
    }
}
