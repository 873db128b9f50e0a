//! The side ring: one io_uring a core beside glommio's own, which carries files, sockets and
//! splices. Its completions ring an eventfd that a glommio task awaits; what completes while the
//! core runs anyway is reaped without a wake-up.
//!
//! Operations own what the kernel touches: buffers, slices, message headers and descriptors live in
//! the operation's slot until its last completion, whoever drops the future before.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use rustix::event::{EventfdFlags, eventfd};

use super::CoreStats;
use crate::base::buf::{Buf, DeviceSlice, Slice};
use crate::base::signal::Signal;
use crate::base::slab::Slab;

/// Submission entries of the side ring; a full queue is submitted on the spot.
const ENTRIES: u32 = 256;
/// Completion entries; the kernel keeps what does not fit (IORING_FEAT_NODROP).
const COMPLETIONS: u32 = 4096;
/// Kernel workers a core may keep busy with operations that block (splice, sync, open).
const WORKERS_MAX: u32 = 8;
/// IORING_NOTIF_USAGE_ZC_COPIED: the result word of a notification.
const NOTIFICATION_COPIED: u32 = 1 << 31;
/// IORING_SEND_ZC_REPORT_USAGE: asks for that word.
const REPORT_USAGE: u16 = 1 << 3;
/// IORING_ENTER_GETEVENTS: run deferred completions now.
const ENTER_GETEVENTS: u32 = 1;
/// The user data of cancellations, whose results nobody awaits.
const CANCEL_KEY: u64 = u64::MAX;

/// What an operation keeps alive for the kernel.
pub(super) enum Keep {
    None,
    Buf(Buf),
    /// A vectored write: the slices and the table that points at them.
    Write {
        _slices: Vec<DeviceSlice>,
        table: Vec<libc::iovec>,
    },
    /// A vectored send: the slices, and a header whose table points at them.
    Send(Box<SendHead>),
}

/// A message header with its table; boxed, so that neither moves while the kernel reads them.
pub(super) struct SendHead {
    pub slices: Vec<Slice>,
    table: Vec<libc::iovec>,
    header: libc::msghdr,
}

struct Op {
    state: State,
    keep: Keep,
    /// Open until the last completion: a number that was closed could name another file.
    _descriptors: [Option<Rc<OwnedFd>>; 2],
    /// A zero-copy send whose buffers the kernel still reads.
    notification_due: bool,
    /// Cleared when the kernel reports that it copied a zero-copy send after all.
    zero_copy: Option<Rc<Cell<bool>>>,
    passive: bool,
}

enum State {
    Waiting(Option<Waker>),
    Done(i32),
    Abandoned,
    /// Its result was taken; the slot waits for the notification.
    Taken,
}

struct Inner {
    uring: IoUring,
    ops: Slab<Op>,
    wakers: Vec<Waker>,
}

pub struct Ring {
    inner: RefCell<Inner>,
    /// Spare boxes and tables of finished operations, for the next ones.
    #[expect(clippy::vec_box, reason = "the kernel holds a head's address: it moves by its box")]
    heads: RefCell<Vec<Box<SendHead>>>,
    tables: RefCell<Vec<Vec<libc::iovec>>>,
    pub(super) bell: OwnedFd,
    pub(super) work: Signal,
    /// Operations under way that do not wait for a peer.
    active: Cell<usize>,
    turns: Cell<u64>,
    stats: Cell<CoreStats>,
}

impl Ring {
    /// Makes the ring of this thread. `worker_cpus` are where the kernel's workers may run.
    pub(super) fn new(worker_cpus: &[usize]) -> io::Result<Rc<Ring>> {
        let uring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .build(ENTRIES)?;
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        uring.submitter().register_eventfd(bell.as_raw_fd())?;
        uring.submitter().register_iowq_max_workers(&mut [WORKERS_MAX, WORKERS_MAX])?;
        if !worker_cpus.is_empty() {
            // SAFETY: an all-zero cpu_set_t is the empty set; CPU_SET checks its bound itself.
            let set = unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                for &cpu in worker_cpus {
                    libc::CPU_SET(cpu, &mut set);
                }
                set
            };
            uring.submitter().register_iowq_aff(&set)?;
        }
        Ok(Rc::new(Ring {
            inner: RefCell::new(Inner { uring, ops: Slab::default(), wakers: Vec::new() }),
            heads: RefCell::default(),
            tables: RefCell::default(),
            bell,
            work: Signal::default(),
            active: Cell::new(0),
            turns: Cell::new(0),
            stats: Cell::default(),
        }))
    }

    pub(super) fn stats(&self) -> CoreStats {
        self.stats.get()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut CoreStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    /// Turns so far.
    pub(super) fn turns(&self) -> u64 {
        self.turns.get()
    }

    /// True while an operation is under way that ends by itself.
    pub(super) fn is_active(&self) -> bool {
        self.active.get() > 0
    }

    fn start(
        self: &Rc<Self>,
        entry: squeue::Entry,
        keep: Keep,
        descriptors: [Option<Rc<OwnedFd>>; 2],
        passive: bool,
    ) -> Running {
        let mut inner = self.inner.borrow_mut();
        let key = inner.ops.insert(Op {
            state: State::Waiting(None),
            keep,
            _descriptors: descriptors,
            notification_due: false,
            zero_copy: None,
            passive,
        });
        self.push(&mut inner, entry.user_data(key as u64));
        self.count(|stats| stats.operations += 1);
        if !passive {
            self.active.set(self.active.get() + 1);
        }
        drop(inner);
        self.work.raise();
        Running { ring: self.clone(), key, taken: false }
    }

    fn push(&self, inner: &mut Inner, entry: squeue::Entry) {
        loop {
            // SAFETY: every pointer in the entry aims into what its slot keeps (`Keep` and the
            // descriptor), which is dropped only after the operation's last completion.
            if unsafe { inner.uring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.count(|stats| stats.enters += 1);
            // A full queue: hand it over now. EBUSY or EAGAIN resolve as completions are reaped.
            if inner.uring.submit().is_err() {
                self.reap(inner);
            }
        }
    }

    /// Submits what was pushed, lets the kernel run its deferred work and wakes who waits. False
    /// when there was nothing to do.
    pub(super) fn turn(&self) -> bool {
        self.turns.set(self.turns.get() + 1);
        let mut found = false;
        let mut wakers = {
            let mut inner = self.inner.borrow_mut();
            // What completes from here on is reaped from here: the bell would wake a core that
            // is awake.
            inner.uring.completion().disable_eventfd();
            while self.step(&mut inner) {
                found = true;
            }
            inner.uring.completion().enable_eventfd();
            // The kernel adds work and then looks at the bell's switch; we switch it and then
            // look for work. Either it rings or we see.
            fence(Ordering::SeqCst);
            while self.step(&mut inner) {
                found = true;
            }
            std::mem::take(&mut inner.wakers)
        };
        for waker in wakers.drain(..) {
            waker.wake();
        }
        self.inner.borrow_mut().wakers = wakers;
        found
    }

    /// One exchange with the kernel; false when there was nothing to give or to take.
    fn step(&self, inner: &mut Inner) -> bool {
        let (submitted, more) = {
            let mut submission = inner.uring.submission();
            submission.sync();
            (submission.len(), submission.taskrun())
        };
        if submitted == 0 && !more {
            return self.reap(inner) > 0;
        }
        self.count(|stats| stats.enters += 1);
        // SAFETY: no argument is passed; the queues are the ring's own.
        let entered = unsafe {
            let submitter = inner.uring.submitter();
            submitter.enter::<libc::sigset_t>(submitted as u32, 0, ENTER_GETEVENTS, None)
        };
        let reaped = self.reap(inner);
        if entered.is_err() && reaped == 0 {
            // EINTR, EAGAIN, EBUSY: what was not taken stays in the queue for the next turn.
            self.work.raise();
            return false;
        }
        // The kernel may leave its flag of deferred work up after it ran that work: an enter that
        // neither gave nor brought anything is the last.
        submitted > 0 || reaped > 0
    }

    fn reap(&self, inner: &mut Inner) -> usize {
        let Inner { uring, ops, wakers } = inner;
        let mut reaped = 0;
        for completion in uring.completion() {
            reaped += 1;
            if completion.user_data() != CANCEL_KEY {
                self.complete(ops, wakers, &completion);
            }
        }
        reaped
    }

    fn complete(&self, ops: &mut Slab<Op>, wakers: &mut Vec<Waker>, done: &cqueue::Entry) {
        let key = done.user_data() as usize;
        let op = ops.get_mut(key).expect("a completion names an operation under way");
        if cqueue::notif(done.flags()) {
            if done.result() as u32 & NOTIFICATION_COPIED != 0 {
                self.count(|stats| stats.zero_copy_refused += 1);
                if let Some(zero_copy) = op.zero_copy.take() {
                    zero_copy.set(false);
                }
            }
            op.notification_due = false;
            if matches!(op.state, State::Taken | State::Abandoned) {
                self.finish(ops, key);
            }
            return;
        }
        if !op.passive {
            self.active.set(self.active.get() - 1);
        }
        op.notification_due = cqueue::more(done.flags());
        match std::mem::replace(&mut op.state, State::Done(done.result())) {
            State::Waiting(waker) => wakers.extend(waker),
            State::Abandoned if op.notification_due => op.state = State::Abandoned,
            State::Abandoned => drop(self.finish(ops, key)),
            State::Done(_) | State::Taken => unreachable!("two results for one operation"),
        }
    }

    fn finish(&self, ops: &mut Slab<Op>, key: usize) -> Keep {
        let op = ops.remove(key).expect("finished once");
        op.keep
    }

    // ---- operations -----------------------------------------------------------------------

    /// Reads into `buf[at..at + len]`; the caller sets the length.
    pub(super) fn read(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Buf,
        at: usize,
        len: usize,
        pos: u64,
    ) -> Running {
        assert!(at + len <= buf.capacity());
        // SAFETY: `at` lies inside the allocation.
        let target = unsafe { buf.as_ptr().add(at) };
        let entry = opcode::Read::new(raw(fd), target, len as u32).offset(pos).build();
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], false)
    }

    pub(super) fn write_buf(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Buf,
        at: usize,
        pos: u64,
    ) -> Running {
        assert!(at <= buf.len());
        // SAFETY: `at` lies inside the allocation.
        let source = unsafe { buf.as_ptr().add(at) };
        let entry =
            opcode::Write::new(raw(fd), source, (buf.len() - at) as u32).offset(pos).build();
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], false)
    }

    /// Writes the slices, less their first `skip` bytes, from `pos + skip` on.
    pub(super) fn write(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        slices: Vec<DeviceSlice>,
        skip: usize,
        pos: u64,
    ) -> Running {
        let mut table = self.tables.borrow_mut().pop().unwrap_or_default();
        table.clear();
        let mut skip_left = skip;
        for slice in &slices {
            let cut = skip_left.min(slice.len());
            skip_left -= cut;
            if cut < slice.len() {
                // SAFETY: `cut` lies inside the slice.
                let base = unsafe { slice.as_ptr().add(cut) };
                table.push(libc::iovec {
                    iov_base: base.cast_mut().cast(),
                    iov_len: slice.len() - cut,
                });
            }
        }
        let entry = match table.as_slice() {
            [one] => {
                opcode::Write::new(raw(fd), one.iov_base.cast_const().cast(), one.iov_len as u32)
                    .offset(pos + skip as u64)
                    .build()
            }
            many => opcode::Writev::new(raw(fd), many.as_ptr(), many.len() as u32)
                .offset(pos + skip as u64)
                .build(),
        };
        self.start(entry, Keep::Write { _slices: slices, table }, [Some(fd.clone()), None], false)
    }

    /// The slices of a finished write come back, for going on after a short one.
    pub(super) fn reclaim(&self, keep: Keep) -> Vec<DeviceSlice> {
        match keep {
            Keep::Write { _slices, table } => {
                let mut tables = self.tables.borrow_mut();
                if tables.len() < 64 {
                    tables.push(table);
                }
                _slices
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn sync_data(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::Fsync::new(raw(fd)).flags(types::FsyncFlags::DATASYNC).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], false)
    }

    pub(super) fn allocate(self: &Rc<Self>, fd: &Rc<OwnedFd>, pos: u64, len: u64) -> Running {
        let entry = opcode::Fallocate::new(raw(fd), len).offset(pos).mode(0).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], false)
    }

    pub(super) fn forget(self: &Rc<Self>, fd: &Rc<OwnedFd>, pos: u64, len: u64) -> Running {
        let entry = opcode::Fadvise::new(raw(fd), len as libc::off_t, libc::POSIX_FADV_DONTNEED)
            .offset(pos)
            .build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], false)
    }

    pub(super) fn accept(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::Accept::new(raw(fd), std::ptr::null_mut(), std::ptr::null_mut())
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], true)
    }

    /// Receives behind the buffer's length, at most `most` bytes.
    pub(super) fn receive(self: &Rc<Self>, fd: &Rc<OwnedFd>, buf: Buf, most: usize) -> Running {
        assert!(most <= buf.spare());
        // SAFETY: the length lies inside the allocation.
        let target = unsafe { buf.as_ptr().add(buf.len()) };
        let entry = opcode::Recv::new(raw(fd), target, most as u32).build();
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], true)
    }

    pub(super) fn send_head(&self) -> Box<SendHead> {
        self.heads.borrow_mut().pop().unwrap_or_else(|| {
            Box::new(SendHead {
                slices: Vec::new(),
                table: Vec::new(),
                // SAFETY: msghdr is plain data for which all zeros means "nothing".
                header: unsafe { std::mem::zeroed() },
            })
        })
    }

    pub(super) fn recycle(&self, mut head: Box<SendHead>) {
        head.slices.clear();
        head.table.clear();
        let mut heads = self.heads.borrow_mut();
        if heads.len() < 64 {
            heads.push(head);
        }
    }

    /// Sends the head's slices. `more`: another send follows at once (MSG_MORE). With `zero_copy`
    /// the kernel reads the slices until its notification, and the head does not come back.
    pub(super) fn send(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        mut head: Box<SendHead>,
        more: bool,
        zero_copy: Option<&Rc<Cell<bool>>>,
    ) -> Running {
        let SendHead { slices, table, header } = &mut *head;
        table.clear();
        table.extend(slices.iter().map(|slice| libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        }));
        header.msg_iov = table.as_mut_ptr();
        header.msg_iovlen = table.len() as _;
        let mut flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        if more {
            flags |= libc::MSG_MORE;
        }
        let fds = [Some(fd.clone()), None];
        let Some(flag) = zero_copy else {
            let entry = opcode::SendMsg::new(raw(fd), header).flags(flags as u32).build();
            return self.start(entry, Keep::Send(head), fds, true);
        };
        let entry = opcode::SendMsgZc::new(raw(fd), header)
            .flags(flags as u32)
            .ioprio(REPORT_USAGE)
            .build();
        let running = self.start(entry, Keep::Send(head), fds, true);
        self.count(|stats| stats.zero_copy_sends += 1);
        let mut inner = self.inner.borrow_mut();
        let op = inner.ops.get_mut(running.key).expect("started just now");
        op.zero_copy = Some(flag.clone());
        drop(inner);
        running
    }

    /// Waits until the socket takes more bytes, or has failed.
    pub(super) fn writable(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::PollAdd::new(raw(fd), libc::POLLOUT as u32).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], true)
    }

    /// Moves up to `len` bytes of a file into a pipe, on one of the kernel's workers.
    pub(super) fn splice(
        self: &Rc<Self>,
        from: &Rc<OwnedFd>,
        pos: u64,
        to: &Rc<OwnedFd>,
        len: u32,
    ) -> Running {
        let entry = opcode::Splice::new(raw(from), pos as i64, raw(to), -1, len)
            .flags(libc::SPLICE_F_MOVE)
            .build();
        self.start(entry, Keep::None, [Some(from.clone()), Some(to.clone())], false)
    }

    fn cancel(&self, key: usize) {
        let entry = opcode::AsyncCancel::new(key as u64).build().user_data(CANCEL_KEY);
        let mut inner = self.inner.borrow_mut();
        self.push(&mut inner, entry);
        drop(inner);
        self.work.raise();
    }
}

fn raw(fd: &OwnedFd) -> types::Fd {
    types::Fd(fd.as_raw_fd())
}

/// An operation under way. Yields the kernel's result and gives back what it kept.
pub(super) struct Running {
    ring: Rc<Ring>,
    key: usize,
    taken: bool,
}

impl Running {
    pub fn ring(&self) -> &Rc<Ring> {
        &self.ring
    }
}

impl Future for Running {
    type Output = (io::Result<u32>, Keep);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ring = self.ring.clone();
        let mut inner = ring.inner.borrow_mut();
        let op = inner.ops.get_mut(self.key).expect("polled before its end");
        let result = match &mut op.state {
            State::Done(result) => *result,
            State::Waiting(waker) => {
                match waker {
                    Some(waker) if waker.will_wake(cx.waker()) => {}
                    other => *other = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            State::Abandoned | State::Taken => unreachable!("polled after its end"),
        };
        self.taken = true;
        let result =
            if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result as u32) };
        if op.notification_due {
            op.state = State::Taken;
            return Poll::Ready((result, Keep::None));
        }
        Poll::Ready((result, ring.finish(&mut inner.ops, self.key)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut inner = self.ring.inner.borrow_mut();
        let op = inner.ops.get_mut(self.key).expect("dropped before its end");
        match op.state {
            State::Done(_) if op.notification_due => op.state = State::Taken,
            State::Done(_) => {
                self.ring.finish(&mut inner.ops, self.key);
            }
            State::Waiting(_) => {
                op.state = State::Abandoned;
                let passive = op.passive;
                drop(inner);
                // A device operation ends by itself; one that waits for a peer must be told.
                if passive {
                    self.ring.cancel(self.key);
                }
            }
            State::Abandoned | State::Taken => unreachable!("dropped twice"),
        }
    }
}

/// Takes over the descriptor that an accept returned.
pub(super) fn adopt_descriptor(number: u32) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for us just now; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.borrow().uring.as_raw_fd()
    }
}
