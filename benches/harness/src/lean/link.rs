//! One connection that never blocks: requests go out in order, frames come in whole.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use ringmain::wire::frame;

use crate::lean::links::{closed, ready};
use crate::lean::rpc;

/// Room that a receive finds at least.
const RECEIVE_BYTES: usize = 256 << 10;
/// Longest answer that is taken.
const FRAME_MAX: usize = 256 << 20;

pub struct Link {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// What of the inbox is filled and not taken.
    unread: std::ops::Range<usize>,
    outbox: Vec<u8>,
    /// How much of the outbox has left.
    gone: usize,
    correlation_id: i32,
}

impl Link {
    /// Of a connection that does not block and is registered with the epoll.
    pub fn new(stream: TcpStream) -> Link {
        Link {
            stream,
            inbox: vec![0; RECEIVE_BYTES],
            unread: 0..0,
            outbox: Vec::new(),
            gone: 0,
            correlation_id: 0,
        }
    }

    /// Where requests are appended; `flush` sends them.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        if self.gone > 0 {
            self.outbox.drain(..self.gone);
            self.gone = 0;
        }
        &mut self.outbox
    }

    pub fn next_correlation_id(&mut self) -> i32 {
        self.correlation_id = (self.correlation_id + 1) & i32::MAX;
        self.correlation_id
    }

    /// Whether everything has left.
    pub fn is_flushed(&self) -> bool {
        self.gone == self.outbox.len()
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.gone < self.outbox.len() {
            match ready(self.stream.write(&self.outbox[self.gone..]))? {
                Some(0) => return Err(closed()),
                Some(count) => self.gone += count,
                None => return Ok(()),
            }
        }
        self.outbox.clear();
        self.gone = 0;
        Ok(())
    }

    /// Receives until there is nothing left, and gives each whole frame (without its length) to `take`.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            self.make_room()?;
            let room = &mut self.inbox[self.unread.end..];
            let wanted = room.len();
            let Some(count) = ready(self.stream.read(room))? else { return Ok(()) };
            if count == 0 {
                return Err(closed());
            }
            self.unread.end += count;
            while let Some(len) = self.frame_len()? {
                let start = self.unread.start + frame::LENGTH_SIZE;
                if start + len > self.unread.end {
                    break;
                }
                self.unread.start = start + len;
                take(&self.inbox[start..start + len])?;
            }
            // Edge-triggered: a short read left nothing.
            if count < wanted {
                return Ok(());
            }
        }
    }

    fn frame_len(&self) -> io::Result<Option<usize>> {
        match self.inbox[self.unread.clone()].first_chunk() {
            None => Ok(None),
            Some(prefix) => frame::length(*prefix, FRAME_MAX).map(Some).map_err(rpc::malformed),
        }
    }

    /// Moves what is unread to the front when it does not fit behind it, and grows for large frames.
    fn make_room(&mut self) -> io::Result<()> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
        let needed = self.frame_len()?.map_or(0, |len| len + frame::LENGTH_SIZE);
        let fits = self.unread.start + needed <= self.inbox.len();
        if fits && self.unread.end < self.inbox.len() {
            return Ok(());
        }
        self.inbox.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if needed > self.inbox.len() || self.unread.end == self.inbox.len() {
            self.inbox.resize((needed + RECEIVE_BYTES).next_power_of_two(), 0);
        }
        Ok(())
    }
}
