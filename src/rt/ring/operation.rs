//! What the side ring can do: each operation as an entry of the queue, and what it keeps alive.

use std::cell::Cell;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

use io_uring::{opcode, types};

use super::super::bell::Bell;
use super::{Kind, Ring, Running};
use crate::base::buf::{Buf, DeviceSlice, Slice};

/// IORING_SEND_ZC_REPORT_USAGE: asks for a word on whether the kernel copied.
const REPORT_USAGE: u16 = 1 << 3;

/// What is read from an eventfd.
const BELL_BYTES: usize = 8;

/// What an operation keeps alive for the kernel.
pub(in crate::rt) enum Keep {
    None,
    Buf(Buf),
    /// A bell, and room for what its wire says.
    Bell {
        _bell: Arc<Bell>,
        buf: Buf,
    },
    /// A vectored write: the slices and the table that points at them.
    Write {
        _slices: Vec<DeviceSlice>,
        table: Vec<libc::iovec>,
    },
    /// A vectored send: the slices, and a header whose table points at them.
    Send(Box<SendHead>),
}

/// A message header with its table; boxed, so that neither moves while the kernel reads them.
pub(in crate::rt) struct SendHead {
    pub slices: Vec<Slice>,
    table: Vec<libc::iovec>,
    header: libc::msghdr,
}

impl Ring {
    /// Reads into `buf[at..at + len]`; the caller sets the length.
    pub(in crate::rt) fn read(
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
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], Kind::Device)
    }

    /// Waits until a bell wakes this core.
    pub(in crate::rt) fn hear(self: &Rc<Self>, bell: &Arc<Bell>, buf: Buf) -> Running {
        assert!(buf.capacity() >= BELL_BYTES);
        let entry = opcode::Read::new(raw(&bell.wire), buf.as_ptr(), BELL_BYTES as u32).build();
        self.start(entry, Keep::Bell { _bell: bell.clone(), buf }, [None, None], Kind::Passive)
    }

    pub(in crate::rt) fn write_buf(
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
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], Kind::Device)
    }

    /// Writes the slices, less their first `skip` bytes, from `pos + skip` on.
    pub(in crate::rt) fn write(
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
        self.start(
            entry,
            Keep::Write { _slices: slices, table },
            [Some(fd.clone()), None],
            Kind::Write,
        )
    }

    /// The slices of a finished write come back, for going on after a short one.
    pub(in crate::rt) fn reclaim(&self, keep: Keep) -> Vec<DeviceSlice> {
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

    pub(in crate::rt) fn sync_data(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::Fsync::new(raw(fd)).flags(types::FsyncFlags::DATASYNC).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], Kind::Write)
    }

    pub(in crate::rt) fn allocate(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        pos: u64,
        len: u64,
    ) -> Running {
        let entry = opcode::Fallocate::new(raw(fd), len).offset(pos).mode(0).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], Kind::Device)
    }

    pub(in crate::rt) fn forget(self: &Rc<Self>, fd: &Rc<OwnedFd>, pos: u64, len: u64) -> Running {
        let entry = opcode::Fadvise::new(raw(fd), len as libc::off_t, libc::POSIX_FADV_DONTNEED)
            .offset(pos)
            .build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], Kind::Device)
    }

    pub(in crate::rt) fn accept(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::Accept::new(raw(fd), std::ptr::null_mut(), std::ptr::null_mut())
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], Kind::Passive)
    }

    /// Receives behind the buffer's length, at most `most` bytes.
    pub(in crate::rt) fn receive(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Buf,
        most: usize,
    ) -> Running {
        assert!(most <= buf.spare());
        // SAFETY: the length lies inside the allocation.
        let target = unsafe { buf.as_ptr().add(buf.len()) };
        let entry = opcode::Recv::new(raw(fd), target, most as u32).build();
        self.start(entry, Keep::Buf(buf), [Some(fd.clone()), None], Kind::Passive)
    }

    pub(in crate::rt) fn send_head(&self) -> Box<SendHead> {
        self.heads.borrow_mut().pop().unwrap_or_else(|| {
            Box::new(SendHead {
                slices: Vec::new(),
                table: Vec::new(),
                // SAFETY: msghdr is plain data for which all zeros means "nothing".
                header: unsafe { std::mem::zeroed() },
            })
        })
    }

    pub(in crate::rt) fn recycle(&self, mut head: Box<SendHead>) {
        head.slices.clear();
        head.table.clear();
        let mut heads = self.heads.borrow_mut();
        if heads.len() < 64 {
            heads.push(head);
        }
    }

    /// Sends the head's slices. `more`: another send follows at once (MSG_MORE). With `zero_copy`
    /// the kernel reads the slices until its notification, and the head does not come back.
    pub(in crate::rt) fn send(
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
            return self.start(entry, Keep::Send(head), fds, Kind::Passive);
        };
        let entry = opcode::SendMsgZc::new(raw(fd), header)
            .flags(flags as u32)
            .ioprio(REPORT_USAGE)
            .build();
        let running = self.start(entry, Keep::Send(head), fds, Kind::Passive);
        self.count(|stats| stats.zero_copy_sends += 1);
        let mut inner = self.inner.borrow_mut();
        let op = inner.ops.get_mut(running.key).expect("started just now");
        op.zero_copy = Some(flag.clone());
        drop(inner);
        running
    }

    /// Waits until the socket takes more bytes, or has failed.
    pub(in crate::rt) fn writable(self: &Rc<Self>, fd: &Rc<OwnedFd>) -> Running {
        let entry = opcode::PollAdd::new(raw(fd), libc::POLLOUT as u32).build();
        self.start(entry, Keep::None, [Some(fd.clone()), None], Kind::Passive)
    }

    /// Moves up to `len` bytes of a file into a pipe, on one of the kernel's workers.
    pub(in crate::rt) fn splice(
        self: &Rc<Self>,
        from: &Rc<OwnedFd>,
        pos: u64,
        to: &Rc<OwnedFd>,
        len: u32,
    ) -> Running {
        let entry = opcode::Splice::new(raw(from), pos as i64, raw(to), -1, len)
            .flags(libc::SPLICE_F_MOVE)
            .build();
        self.start(entry, Keep::None, [Some(from.clone()), Some(to.clone())], Kind::Device)
    }
}

fn raw(fd: &OwnedFd) -> types::Fd {
    types::Fd(fd.as_raw_fd())
}

/// Takes over the descriptor that an accept returned.
pub(in crate::rt) fn adopt_descriptor(number: u32) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for us just now; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}
