//! The side ring: one io_uring a core beside glommio's own, which carries files, sockets and
//! splices, and in which the core sleeps.
//!
//! Operations own what the kernel touches: buffers, slices, message headers and descriptors live in
//! the operation's slot until its last completion, whoever drops the future before.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

mod operation;
mod running;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::CoreStats;
use super::writing::Writing;
use crate::base::signal::Broadcast;
use crate::base::slab::Slab;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use operation::SendHead;
pub(super) use operation::{Keep, adopt_descriptor};
pub(super) use running::Running;

/// Submission entries of the side ring; a full queue is submitted on the spot.
const ENTRIES: u32 = 256;
/// Completion entries; the kernel keeps what does not fit (IORING_FEAT_NODROP).
const COMPLETIONS: u32 = 4096;
/// Kernel workers a core may keep busy with operations that block (splice, sync, open).
const WORKERS_MAX: u32 = 8;
/// IORING_NOTIF_USAGE_ZC_COPIED: the result word of a notification.
const NOTIFICATION_COPIED: u32 = 1 << 31;
/// IORING_ENTER_GETEVENTS: run deferred completions now.
const ENTER_GETEVENTS: u32 = 1;
/// The user data of cancellations, whose results nobody awaits.
const CANCEL_KEY: u64 = u64::MAX;

/// What an operation is, for those who do not await it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It waits for a peer, and must be told when nobody awaits it any more.
    Passive,
    /// It ends by itself.
    Device,
    /// The same, and readers let it pass.
    Write,
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
    kind: Kind,
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
    writing: Writing,
    /// A write of this core has ended.
    pub(super) written: Broadcast,
    stats: Cell<CoreStats>,
}

impl Ring {
    /// Makes the ring of this thread. `worker_cpus` are where the kernel's workers may run.
    pub(super) fn new(worker_cpus: &[usize], writing: Writing) -> io::Result<Rc<Ring>> {
        let uring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .build(ENTRIES)?;
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
            writing,
            written: Broadcast::default(),
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

    fn start(
        self: &Rc<Self>,
        entry: squeue::Entry,
        keep: Keep,
        descriptors: [Option<Rc<OwnedFd>>; 2],
        kind: Kind,
    ) -> Running {
        let mut inner = self.inner.borrow_mut();
        let key = inner.ops.insert(Op {
            state: State::Waiting(None),
            keep,
            _descriptors: descriptors,
            notification_due: false,
            zero_copy: None,
            kind,
        });
        self.push(&mut inner, entry.user_data(key as u64));
        self.count(|stats| stats.operations += 1);
        drop(inner);
        if kind == Kind::Write {
            self.writing.begin();
        }
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
        let mut found = false;
        while self.step() {
            found = true;
        }
        self.wake();
        found
    }

    /// One exchange with the kernel; false when there was nothing to give or to take.
    fn step(&self) -> bool {
        let inner = &mut *self.inner.borrow_mut();
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
        // EINTR, EAGAIN, EBUSY: what was not taken stays in the queue for the next turn.
        // The kernel may leave its flag of deferred work up after it ran that work: an enter that
        // neither gave nor brought anything is the last.
        reaped > 0 || (submitted > 0 && entered.is_ok())
    }

    /// Submits what was pushed and sleeps until something completes, a signal comes or the time is
    /// over.
    pub(super) fn sleep(&self, most: Option<Duration>) {
        self.count(|stats| stats.sleeps += 1);
        let most = most.map(types::Timespec::from);
        let mut until = types::SubmitArgs::new();
        if let Some(most) = &most {
            until = until.timespec(most);
        }
        {
            let inner = &mut *self.inner.borrow_mut();
            // ETIME and EINTR are ends like any other; what was not taken stays in the queue.
            let _ = inner.uring.submitter().submit_with_args(1, &until);
            self.reap(inner);
        }
        self.wake();
    }

    fn wake(&self) {
        let mut wakers = std::mem::take(&mut self.inner.borrow_mut().wakers);
        wakers.drain(..).for_each(Waker::wake);
        self.inner.borrow_mut().wakers = wakers;
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
        if op.kind == Kind::Write {
            self.writing.end();
            self.written.raise();
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

    fn cancel(&self, key: usize) {
        let entry = opcode::AsyncCancel::new(key as u64).build().user_data(CANCEL_KEY);
        let mut inner = self.inner.borrow_mut();
        self.push(&mut inner, entry);
    }
}
