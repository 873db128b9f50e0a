//! The yardstick of produce: a server that takes the same requests and does with them only what no
//! broker can leave out. It receives, sums up (CRC-32C), copies once into a block, writes blocks of
//! 256 KiB with O_DIRECT from registered buffers, four in flight, and answers when a request's last
//! byte is written. It knows nothing of Kafka but the length in front and the correlation id.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use io_uring::{opcode, types};
use ringmain::base::buf::Buf;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, open, unlink};

use crate::yardstick::pin;
use crate::yardstick::uring::{Done, Uring};

const SECTOR: usize = 4096;
/// Length, API key and version, correlation id.
const HEAD_BYTES: usize = 12;
/// Bytes of an answer, as long as a broker's.
const ANSWER_BYTES: usize = 56;

const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const WRITE: u64 = 3;

#[derive(Args)]
pub struct Ceiling {
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:42190")]
    listen: String,
    /// Where the file is made (and unlinked at once)
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Bytes preallocated; it begins again at the end
    #[arg(long, default_value = "16g", value_parser = crate::yardstick::bytes)]
    size: u64,
    /// Bytes of a write
    #[arg(long, default_value = "256k", value_parser = crate::yardstick::bytes)]
    block: u64,
    /// Writes in flight
    #[arg(long, default_value_t = 4)]
    depth: usize,
    /// Bytes of a receive
    #[arg(long, default_value = "128k", value_parser = crate::yardstick::bytes)]
    receive: u64,
    /// How far to go
    #[arg(long, value_enum, default_value_t = Until::Write)]
    until: Until,
    #[arg(long, default_value_t = 0)]
    cpu: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Until {
    Receive,
    Checksum,
    Copy,
    Write,
}

struct Link {
    stream: TcpStream,
    inbox: Buf,
    /// What of the inbox waits to be taken.
    unread: std::ops::Range<usize>,
    receiving: bool,
    closed: bool,
    head: [u8; HEAD_BYTES],
    head_len: usize,
    body_left: usize,
    sum: u32,
    /// Requests that wait for the device: answered when this much is written.
    owed: VecDeque<(u64, [u8; 4])>,
    outbox: Vec<u8>,
    /// What the kernel is sending.
    leaving: Vec<u8>,
    sending: bool,
}

struct Write {
    block: usize,
    len: usize,
    /// Bytes of all requests up to its end.
    end: u64,
    done: bool,
}

struct Server {
    ring: Uring,
    until: Until,
    depth: usize,
    file: OwnedFd,
    file_at: u64,
    file_end: u64,
    blocks: Vec<Buf>,
    free: Vec<usize>,
    /// The block being filled, and how far it is.
    filling: Option<(usize, usize)>,
    writes: VecDeque<Write>,
    taken: u64,
    written: u64,
    links: Vec<Link>,
    /// So that no checksum is thought useless.
    sums: u32,
}

pub fn run(arguments: &Ceiling) -> io::Result<()> {
    pin(Some(arguments.cpu))?;
    let path = arguments.dir.join("ceiling.data");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::DIRECT | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::from_raw_mode(0o644))?;
    unlink(&path)?;
    fallocate(&file, FallocateFlags::empty(), 0, arguments.size)?;
    let block_bytes = (arguments.block as usize).next_multiple_of(SECTOR);
    // One is filled while the others are written.
    let mut blocks: Vec<Buf> =
        (0..arguments.depth + 1).map(|_| Buf::with_capacity(block_bytes)).collect();
    let mut table = Vec::new();
    for block in &mut blocks {
        block.set_len(block_bytes);
        table.push(libc::iovec { iov_base: block.as_mut_ptr().cast(), iov_len: block_bytes });
    }
    let ring = Uring::new()?;
    // SAFETY: a Buf never moves its memory while its length stays within its capacity; the blocks
    // live in the server beside the ring, which is dropped first.
    unsafe { ring.register(&table)? };
    let listener = TcpListener::bind(&arguments.listen)?;
    let mut server = Server {
        ring,
        until: arguments.until,
        depth: arguments.depth,
        file,
        file_at: 0,
        file_end: arguments.size - arguments.size % block_bytes as u64,
        free: (0..blocks.len()).collect(),
        blocks,
        filling: None,
        writes: VecDeque::new(),
        taken: 0,
        written: 0,
        links: Vec::new(),
        sums: 0,
    };
    println!("ceiling ready on {}", listener.local_addr()?);
    server.serve(&listener, arguments.receive as usize)
}

impl Server {
    fn serve(&mut self, listener: &TcpListener, receive_bytes: usize) -> io::Result<()> {
        let mut done: Vec<Done> = Vec::new();
        self.accept(listener)?;
        loop {
            self.ring.wait(&mut done)?;
            for Done { key, result } in done.drain(..) {
                let index = (key >> 8) as usize;
                match key & 0xff {
                    ACCEPT => {
                        self.welcome(result?, receive_bytes)?;
                        self.accept(listener)?;
                    }
                    RECEIVE => {
                        let link = &mut self.links[index];
                        link.receiving = false;
                        let count = result.unwrap_or(0);
                        link.closed |= count == 0;
                        link.unread = 0..count;
                    }
                    SEND => {
                        let link = &mut self.links[index];
                        link.sending = false;
                        match result {
                            Ok(count) => drop(link.leaving.drain(..count)),
                            Err(_) => link.closed = true,
                        }
                    }
                    _ => {
                        let mut writes = self.writes.iter_mut();
                        let write = writes.find(|write| write.block == index);
                        let write = write.expect("a write under way");
                        assert_eq!(result?, write.len, "a short write");
                        write.done = true;
                    }
                }
            }
            self.go_on()?;
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let fd = types::Fd(listener.as_raw_fd());
        let entry = opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut()).build();
        // SAFETY: the entry points at nothing.
        unsafe { self.ring.push(entry, ACCEPT) }
    }

    fn welcome(&mut self, number: usize, receive_bytes: usize) -> io::Result<()> {
        use std::os::fd::FromRawFd;
        // SAFETY: the kernel made this descriptor for us just now; nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(number as i32) };
        let stream = TcpStream::from(fd);
        stream.set_nodelay(true)?;
        let mut inbox = Buf::with_capacity(receive_bytes);
        inbox.set_len(receive_bytes);
        let link = Link {
            stream,
            inbox,
            unread: 0..0,
            receiving: false,
            closed: false,
            head: [0; HEAD_BYTES],
            head_len: 0,
            body_left: 0,
            sum: 0,
            owed: VecDeque::new(),
            outbox: Vec::new(),
            leaving: Vec::new(),
            sending: false,
        };
        // A closed link's place is taken once the kernel is done with it.
        let idle = |link: &Link| link.closed && !link.receiving && !link.sending;
        match self.links.iter().position(idle) {
            Some(index) => self.links[index] = link,
            None => self.links.push(link),
        }
        Ok(())
    }

    fn go_on(&mut self) -> io::Result<()> {
        while self.writes.front().is_some_and(|write| write.done) {
            let write = self.writes.pop_front().expect("just seen");
            self.written = write.end;
            self.free.push(write.block);
        }
        for index in 0..self.links.len() {
            self.take(index)?;
        }
        if self.until < Until::Write {
            self.written = self.taken;
        }
        if self.writes.is_empty()
            && let Some((block, len)) = self.filling.take()
        {
            if len > 0 {
                self.write(block, len)?;
            } else {
                self.free.push(block);
            }
        }
        for index in 0..self.links.len() {
            self.answer(index)?;
        }
        Ok(())
    }

    /// Takes what was received as far as there is room, and receives again.
    fn take(&mut self, index: usize) -> io::Result<()> {
        loop {
            let link = &mut self.links[index];
            if link.unread.is_empty() {
                break;
            }
            if link.head_len < HEAD_BYTES {
                let count = link.unread.len().min(HEAD_BYTES - link.head_len);
                let from = link.unread.start;
                link.head[link.head_len..link.head_len + count]
                    .copy_from_slice(&link.inbox[from..from + count]);
                link.head_len += count;
                link.unread.start += count;
                let len = i32::from_be_bytes([0, 1, 2, 3].map(|at| link.head[at]));
                link.body_left = (len as usize).saturating_sub(HEAD_BYTES - 4);
                continue;
            }
            let from = link.unread.start;
            let count = link.unread.len().min(link.body_left);
            let Some(count) = self.take_body(index, from, count)? else { return Ok(()) };
            let link = &mut self.links[index];
            link.unread.start += count;
            link.body_left -= count;
            self.taken += count as u64;
            if link.body_left == 0 {
                let correlation = [8, 9, 10, 11].map(|at| link.head[at]);
                link.owed.push_back((self.taken, correlation));
                link.head_len = 0;
                self.sums ^= std::mem::take(&mut link.sum);
            }
        }
        let link = &mut self.links[index];
        if !link.receiving && !link.closed {
            let fd = types::Fd(link.stream.as_raw_fd());
            let len = link.inbox.len() as u32;
            let entry = opcode::Recv::new(fd, link.inbox.as_mut_ptr(), len).build();
            link.receiving = true;
            // SAFETY: the inbox belongs to the link, which stays while it is receiving, and is not
            // touched before the completion.
            unsafe { self.ring.push(entry, RECEIVE | (index as u64) << 8)? };
        }
        Ok(())
    }

    /// Sums up and copies some bytes; `None` when every block is full.
    fn take_body(&mut self, index: usize, from: usize, count: usize) -> io::Result<Option<usize>> {
        let mut count = count;
        if self.until >= Until::Copy {
            let Some((block, len)) = self.filling.or_else(|| Some((self.free.pop()?, 0))) else {
                return Ok(None);
            };
            self.filling = Some((block, len));
            let room = self.blocks[block].len() - len;
            count = count.min(room);
            let source = &self.links[index].inbox[from..from + count];
            self.blocks[block][len..len + count].copy_from_slice(source);
            self.filling = Some((block, len + count));
            if count == room {
                if self.until == Until::Write && self.writes.len() >= self.depth {
                    // Full, and the device has enough to do: undo, and wait.
                    self.filling = Some((block, len));
                    return Ok(None);
                }
                self.filling = None;
                let end = self.taken + count as u64;
                if self.until == Until::Write {
                    self.write_up_to(block, room + len, end)?;
                } else {
                    self.free.push(block);
                }
            }
        }
        if self.until >= Until::Checksum {
            let link = &mut self.links[index];
            link.sum = crc32c::crc32c_append(link.sum, &link.inbox[from..from + count]);
        }
        Ok(Some(count))
    }

    fn write(&mut self, block: usize, len: usize) -> io::Result<()> {
        self.write_up_to(block, len.next_multiple_of(SECTOR), self.taken)
    }

    fn write_up_to(&mut self, block: usize, len: usize, end: u64) -> io::Result<()> {
        if self.file_at + len as u64 > self.file_end {
            self.file_at = 0;
        }
        let fd = types::Fd(self.file.as_raw_fd());
        let source = self.blocks[block].as_ptr();
        let entry = opcode::WriteFixed::new(fd, source, len as u32, block as u16)
            .offset(self.file_at)
            .build();
        self.file_at += len as u64;
        self.writes.push_back(Write { block, len, end, done: false });
        // SAFETY: a block is neither filling nor free before its write has completed.
        unsafe { self.ring.push(entry, WRITE | (block as u64) << 8) }
    }

    fn answer(&mut self, index: usize) -> io::Result<()> {
        let written = self.written;
        let link = &mut self.links[index];
        while link.owed.front().is_some_and(|(end, _)| *end <= written) {
            let (_, correlation) = link.owed.pop_front().expect("just seen");
            link.outbox.extend_from_slice(&(ANSWER_BYTES as i32 - 4).to_be_bytes());
            link.outbox.extend_from_slice(&correlation);
            link.outbox.extend_from_slice(&[0; ANSWER_BYTES - 8]);
        }
        if link.sending || link.closed {
            return Ok(());
        }
        if link.leaving.is_empty() {
            std::mem::swap(&mut link.leaving, &mut link.outbox);
        }
        if link.leaving.is_empty() {
            return Ok(());
        }
        let fd = types::Fd(link.stream.as_raw_fd());
        let (source, len) = (link.leaving.as_ptr(), link.leaving.len() as u32);
        let entry = opcode::Send::new(fd, source, len).flags(libc::MSG_NOSIGNAL).build();
        link.sending = true;
        // SAFETY: `leaving` belongs to the link, which stays while it is sending, and is not
        // touched before the completion.
        unsafe { self.ring.push(entry, SEND | (index as u64) << 8) }
    }
}
