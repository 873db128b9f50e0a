//! Readers of old data: how what is not in the page cache comes from the disk, by way of the core's
//! catch-up lane.
//!
//! While nobody writes, the disk is theirs: the kernel reads ahead for them, by some MiB. What it
//! reads ahead stands in the device's queue before every write, though, and one cannot ask for less of
//! it (POSIX_FADV_RANDOM gives none, in single pages). So while this process writes logs, a reader alone
//! on its file is served past the page cache, in small blocks, one at a time; readers near one
//! another share what the first one brings, in small blocks through the cache.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{Advice, Mode, OFlags, fadvise, open};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::cachestat::cached_bytes;
use super::super::clock::timeout;
use super::super::lane::{Lane, Slot};
use super::super::ring::Ring;
use super::super::task::yield_now;
use super::super::trail::{GRANULE, Trail};
use super::super::writing::Writing;
use super::clock;
use super::pipe::Pipe;
use crate::base::buf::ALIGN;
use crate::base::planted;
use crate::base::time::Instant;

/// Transfers under way for all readers of a core, and bytes of one, while logs are written: what a
/// write finds before it in the device's queue. Less costs readers their speed, more the writers
/// their p99 (docs/ARCHITECTURE.md has figures).
const WIDTH_BESIDE_WRITERS: usize = 1;
const BLOCK_BESIDE_WRITERS: u64 = 64 << 10;
/// A block waits so long for a moment in which nothing is written.
const PATIENCE: Duration = Duration::from_millis(1);
/// Where it waited in vain, writers are busy enough not to mind more.
const BLOCK_BESIDE_BUSY_WRITERS: u64 = 256 << 10;
/// Other cores do not say when they have written.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// The same while nobody writes. The kernel has eight workers for a core: some stay free.
const WIDTH_ALONE: usize = 4;
const BLOCK_ALONE: u64 = 512 << 10;
/// Bytes that the core itself takes from the page cache in one go: a usual fetch; less beside writers, who
/// wait for the core meanwhile. A page less than a pipe holds, for ranges that begin inside a page.
const CACHED_ALONE: u64 = (1 << 20) - ALIGN as u64;
const CACHED_BESIDE_WRITERS: u64 = 256 << 10;
/// After the last write for so long there are writers still.
const WRITERS_STAY: Duration = Duration::from_secs(5);
/// Further than the kernel reads ahead, if the host is set as usual.
const AHEAD: u64 = 32 << 20;
/// What a peer that reads may not have taken yet: the page cache keeps what is in a socket's queue.
const IN_SOCKET: u64 = 8 << 20;
/// Between two looks into the page cache: the kernel reads ahead by that much and more.
const LOOK_BYTES: u64 = 128 << 10;
/// What the look for the first batch brings of a granule, and more.
const ALL_BUT_EMPTY: u64 = 256 << 10;

/// What the readers of a core share.
pub(in crate::rt) struct CatchUp {
    lane: Rc<Lane>,
    /// Of all cores, which share the disk if nothing else.
    writing: Writing,
    /// Writers left no room when a reader last waited for it.
    are_busy: Cell<bool>,
    seen: Cell<u64>,
    /// When writes were last seen to have come.
    written: Cell<Option<Instant>>,
}

impl CatchUp {
    pub(super) fn new(writing: Writing) -> CatchUp {
        CatchUp {
            lane: Lane::new(WIDTH_ALONE),
            writing,
            are_busy: Cell::new(false),
            seen: Cell::new(0),
            written: Cell::new(None),
        }
    }

    fn beside_writers(&self, now: Instant) -> bool {
        let begun = self.writing.begun();
        if self.seen.replace(begun) != begun {
            self.written.set(Some(now));
        }
        let recent = |at| now.since(at) < WRITERS_STAY;
        let beside = self.written.get().is_some_and(recent) && !planted::is("read-as-if-alone");
        self.lane.set_width(if beside { WIDTH_BESIDE_WRITERS } else { WIDTH_ALONE });
        beside
    }

    /// Lets what is being written pass, if that is soon.
    async fn let_writers_pass(&self, ring: &Ring) {
        let begun = clock::now();
        while self.writing.is_under_way() && !planted::is("read-into-every-write") {
            if clock::now().since(begun) >= PATIENCE {
                self.are_busy.set(true);
                return;
            }
            timeout(LOOK_AGAIN, ring.written.wait()).await;
            // A flush follows a write at once.
            yield_now().await;
        }
        self.are_busy.set(false);
    }
}

/// What is known of one open file's readers.
#[derive(Default)]
pub(in crate::rt) struct Cold {
    /// The same file with O_DIRECT; none where that cannot be had.
    direct: OnceCell<Option<Rc<OwnedFd>>>,
    direct_fails: Cell<bool>,
    /// Whether the kernel was told to read ahead; none before the first reader.
    with_readahead: Cell<Option<bool>>,
    /// How far the kernel may have read ahead before it was told not to.
    read_ahead_to: Cell<u64>,
    trail: RefCell<Trail>,
}

/// One reader of one file, for as long as a range takes.
pub(super) struct Reader {
    pub ring: Rc<Ring>,
    pub file: Rc<OwnedFd>,
    pub cold: Rc<Cold>,
    pub catch_up: Rc<CatchUp>,
    /// Who it is among the readers of the file.
    pub id: u64,
}

/// How a block is brought.
pub(super) enum Way {
    /// It is in the page cache, for all one can see.
    Cached,
    Kernel,
    /// With O_DIRECT, past the page cache.
    Past(Rc<OwnedFd>),
}

/// A pipe that holds `len` bytes to be sent, and behind them some that are not.
pub(super) struct Filled {
    pub pipe: Pipe,
    pub len: u64,
    pub surplus: u64,
    /// Only by a planted bug.
    pub slot: Option<Slot>,
}

impl Reader {
    /// How the next block is to be brought, and its length.
    pub(super) fn look(&self, pos: u64, end: u64) -> (Way, u64) {
        let (cold, now) = (&self.cold, clock::now());
        let beside = self.catch_up.beside_writers(now);
        let (block, cached, ahead) = match beside {
            true if self.catch_up.are_busy.get() => {
                (BLOCK_BESIDE_BUSY_WRITERS, CACHED_BESIDE_WRITERS, BLOCK_BESIDE_BUSY_WRITERS)
            }
            true => (BLOCK_BESIDE_WRITERS, CACHED_BESIDE_WRITERS, BLOCK_BESIDE_WRITERS),
            false => (BLOCK_ALONE, CACHED_ALONE, AHEAD),
        };
        let in_company = cold.trail.borrow_mut().comes(self.id, pos, ahead, now, |granule| {
            let cached = cached_bytes(&self.file, granule.start, GRANULE);
            cached.is_some_and(|bytes| bytes < ALL_BUT_EMPTY)
        });
        let before = cold.with_readahead.replace(Some(!beside));
        if before != Some(!beside) {
            let advice = if beside { Advice::Random } else { Advice::Normal };
            // Advice: a refusal changes nothing.
            let _ = fadvise(&self.file, 0, None, advice);
            if before.is_some() {
                cold.read_ahead_to.set(cold.trail.borrow().front() + AHEAD);
            }
        }
        let marked = beside && self.leave_read_ahead(pos);
        for most in [cached, block] {
            let len = block_at(pos, end, most);
            if !marked && is_cached(&self.file, pos, len) {
                return (Way::Cached, len);
            }
        }
        let len = block_at(pos, end, block);
        let way = match self.direct().filter(|_| marked || (beside && !in_company)) {
            Some(direct) => Way::Past(direct),
            None => Way::Kernel,
        };
        (way, len)
    }

    /// What the kernel read ahead has marks in it, at which it reads on whatever it was told since, whoever
    /// comes there: it is dropped until nothing of it is left, and walked around. Whether `pos` is in it.
    fn leave_read_ahead(&self, pos: u64) -> bool {
        let to = self.cold.trail.borrow().borrowed_to(pos).min(self.cold.read_ahead_to.get());
        if to <= pos || planted::is("follow-the-marks-of-readahead") {
            return false;
        }
        if cached_bytes(&self.file, pos, to - pos).is_some_and(|bytes| bytes >= ALL_BUT_EMPTY) {
            // Goes on by itself.
            drop(self.ring.forget(&self.file, pos, to - pos));
        }
        true
    }

    fn direct(&self) -> Option<Rc<OwnedFd>> {
        if self.cold.direct_fails.get() {
            return None;
        }
        let direct = self.cold.direct.get_or_init(|| {
            // Finds the file also after it was renamed or deleted.
            let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
            open(path, flags, Mode::empty()).ok().map(Rc::new)
        });
        direct.clone()
    }

    /// Fills a pipe from the disk when the lane has room. The slot is free again when the bytes are
    /// there, whether or not anybody takes them.
    pub(super) async fn bring(self: Rc<Self>, way: Way, pos: u64, len: u64) -> io::Result<Filled> {
        let slot = self.catch_up.lane.slot().await;
        self.catch_up.let_writers_pass(&self.ring).await;
        let (pipe, len, surplus) = self.transfer(way, pos, len).await?;
        let slot = planted::is("keep-the-slot-until-sent").then_some(slot);
        Ok(Filled { pipe, len, surplus, slot })
    }

    async fn transfer(&self, way: Way, pos: u64, len: u64) -> io::Result<(Pipe, u64, u64)> {
        let pipe = Pipe::take()?;
        if let Way::Past(direct) = &way {
            let skip = pos % ALIGN as u64;
            let asked = (skip + len).next_multiple_of(ALIGN as u64);
            match self.ring.splice(direct, pos - skip, &pipe.write, asked as u32).await.0 {
                Ok(got) if u64::from(got) <= skip => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(got) => {
                    pipe.discard(skip)?;
                    let got = u64::from(got) - skip;
                    return Ok((pipe, got.min(len), got.saturating_sub(len)));
                }
                // A device with larger blocks.
                Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                    self.cold.direct_fails.set(true);
                }
                Err(error) => return Err(error),
            }
        }
        match self.ring.splice(&self.file, pos, &pipe.write, len as u32).await.0? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => Ok((pipe, got.into(), 0)),
        }
    }

    /// Everything before `pos` is in the socket. What nobody else is about to read leaves the page
    /// cache; pages that are still in a socket's queue stay until they are sent: they are counted.
    pub(super) fn sent(&self, pos: u64) {
        let behind = pos.saturating_sub(IN_SOCKET);
        let gone = self.cold.trail.borrow_mut().passed(self.id, pos, behind, clock::now());
        if let Some(range) = gone.filter(|_| !planted::is("leave-it-in-the-page-cache")) {
            // Goes on by itself.
            drop(self.ring.forget(&self.file, range.start, range.end - range.start));
        }
    }
}

/// Inside a range, blocks end on the device's boundaries.
fn block_at(pos: u64, end: u64, most: u64) -> u64 {
    if end - pos <= most { end - pos } else { most - (pos + most) % ALIGN as u64 }
}

/// Whether reading would not wait for the disk; a guess. Pages may be there and still be filled: those
/// come last that lie last. Where the kernel does not count them, more of them are looked at.
fn is_cached(file: &impl AsFd, pos: u64, len: u64) -> bool {
    let step = match cached_bytes(file, pos, len) {
        Some(cached) if cached < len => return false,
        Some(_) => len,
        None => LOOK_BYTES,
    };
    let last = pos + len - 1;
    (0..len).step_by(step as usize).all(|back| {
        let mut byte = [0];
        let into = &mut [io::IoSliceMut::new(&mut byte)];
        preadv2(file, into, last - back, ReadWriteFlags::NOWAIT).is_ok_and(|count| count == 1)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Read;
    use std::net::{SocketAddr, TcpStream};

    use rustix::fs::{Advice, fadvise};

    use super::{GRANULE, IN_SOCKET, cached_bytes};
    use crate::rt::glommio::{Layout, run_cores};
    use crate::rt::{self, File, FileRange, Listener, OpenOptions, Piece};

    const LEN: u64 = 64 << 20;

    /// Sends a file to a client that reads it; yields the bytes that are cached at last.
    fn cached_after_a_reader(name: &str, cached_before: u64) -> Option<u64> {
        let path =
            std::env::temp_dir().join(format!("ringmain-cold-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![7; LEN as usize]).expect("fixture");
        let plain = std::fs::File::open(&path).expect("fixture");
        plain.sync_all().expect("fixture");
        fadvise(&plain, cached_before, None, Advice::DontNeed).expect("fixture");
        let to_read = path.clone();
        let cores = run_cores(&Layout::unpinned(1), move |_| {
            let path = to_read.clone();
            async move {
                let options = OpenOptions { read: true, ..Default::default() };
                let file = File::open(&path, options).await.expect("open");
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let listener = Listener::bind(any, false, 8).expect("listen");
                let address = listener.local_addr();
                let reader = std::thread::spawn(move || {
                    let mut socket = TcpStream::connect(address).expect("connect");
                    let mut got = Vec::new();
                    socket.read_to_end(&mut got).expect("read");
                    got.len() as u64
                });
                let stream = listener.accept().await.expect("accept");
                for pos in (0..LEN).step_by(1 << 20) {
                    let range = FileRange { file: file.clone(), pos, len: 1 << 20 };
                    let mut pieces = VecDeque::from([Piece::File(range)]);
                    stream.send(&mut pieces).await.expect("send");
                }
                stream.shutdown();
                let got = rt::blocking(move || reader.join().expect("reader")).await;
                assert_eq!(got, LEN);
                // What was dropped last may be under way.
                rt::sleep(std::time::Duration::from_millis(200)).await;
            }
        });
        cores.expect("a core").join().remove(0).expect("its end");
        std::fs::remove_file(&path).expect("fixture");
        cached_bytes(&plain, 0, LEN)
    }

    #[test]
    fn what_a_reader_brought_leaves_the_page_cache_behind_it() {
        let Some(bytes) = cached_after_a_reader("dropped", 0) else { return };
        // Of what may be in the socket's queue still nothing was dropped; and a little for chance.
        assert!(bytes <= IN_SOCKET + 2 * GRANULE, "{bytes} of {LEN} bytes stay");
    }

    #[test]
    fn what_was_cached_before_stays() {
        let Some(bytes) = cached_after_a_reader("kept", LEN) else { return };
        assert_eq!(bytes, LEN);
    }
}
