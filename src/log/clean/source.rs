//! The batches of a finished segment, one after the other, each whole in memory and its checksum
//! computed. Read with O_DIRECT: what is cleaned shall not push out of the page cache what is read.

use std::path::PathBuf;

use crate::base::buf::{ALIGN, Buf};
use crate::log::error::{At, Error};
use crate::log::header::{HEADER, Header};
use crate::log::segment::Segment;
use crate::model::Offset;
use crate::rt::{File, OpenOptions};
use crate::wire::batch::Batch;

/// Bytes of one read, unless a batch is longer.
const WINDOW: usize = 1 << 20;

pub(super) struct Source {
    file: File,
    path: PathBuf,
    /// Bytes of batches in the file.
    len: u64,
    position: u64,
    expected: Offset,
    buf: Buf,
    /// Position of the buffer's first byte.
    start: u64,
    bytes_read: u64,
}

impl Source {
    /// From `position` on, where a batch begins.
    pub(super) async fn open(segment: &Segment, position: u64) -> Result<Source, Error> {
        let path = segment.log_path();
        let options = OpenOptions { read: true, direct: true, ..OpenOptions::default() };
        let file = File::open(&path, options).await.at(&path)?;
        Ok(Source {
            file,
            path,
            len: segment.len.get(),
            position,
            expected: segment.base_offset,
            buf: Buf::with_capacity(WINDOW),
            start: 0,
            bytes_read: 0,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Batch<'_>>, Error> {
        let position = self.position;
        if position >= self.len {
            return Ok(None);
        }
        self.fill(position, HEADER.min((self.len - position) as usize)).await?;
        let header = Header::read(self.window(position)).map_err(|why| self.corrupt(why))?;
        if header.len as u64 > self.len - position {
            return Err(self.corrupt("a batch is longer than the file"));
        }
        if header.base_offset < self.expected {
            return Err(self.corrupt("an offset that was given before"));
        }
        self.fill(position, header.len).await?;
        self.position = position + header.len as u64;
        self.expected = header.last_offset() + 1;
        let corrupt = |what: &str| Error::corrupt(&self.path, position, what);
        let batch = Batch::first(&self.buf[(position - self.start) as usize..]);
        let batch = batch.map_err(|why| corrupt(why.message()))?;
        batch.check_crc().map_err(|why| corrupt(why.message()))?;
        Ok(Some(batch))
    }

    /// Bytes read since this was asked last.
    pub(super) fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_read)
    }

    /// Something is wrong with the batch that was read last.
    pub(super) fn fault(&self, batch_len: usize, what: &str) -> Error {
        Error::corrupt(&self.path, self.position - batch_len as u64, what)
    }

    fn corrupt(&self, what: impl ToString) -> Error {
        Error::corrupt(&self.path, self.position, what.to_string())
    }

    fn window(&self, position: u64) -> &[u8] {
        &self.buf[(position - self.start) as usize..]
    }

    /// Brings at least `count` bytes from `position` on into memory.
    async fn fill(&mut self, position: u64, count: usize) -> Result<(), Error> {
        let end = position + count as u64;
        if position >= self.start && end <= self.start + self.buf.len() as u64 {
            return Ok(());
        }
        self.start = position - position % ALIGN as u64;
        let len = ((end - self.start) as usize).next_multiple_of(ALIGN).max(WINDOW);
        let mut buf = std::mem::replace(&mut self.buf, Buf::with_capacity(1));
        if buf.capacity() < len {
            buf = Buf::with_capacity(len);
        }
        let (result, buf) = self.file.read_at(buf, self.start, len).await;
        self.buf = buf;
        result.map_err(|error| Error::io(&self.path, Some(position), &error))?;
        self.bytes_read += self.buf.len() as u64;
        if self.start + (self.buf.len() as u64) < end {
            return Err(self.corrupt("the file is shorter than the log"));
        }
        Ok(())
    }
}
