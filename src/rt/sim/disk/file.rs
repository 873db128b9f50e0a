//! An open file of a virtual core.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;

use super::fault::{DiskOp, Fault};
use super::image::SECTOR;
use super::node::FileNode;
use super::{Disk, How, error};
use crate::base::buf::{ALIGN, Buf, DeviceSlice};
use crate::rt::file::OpenOptions;
use crate::rt::sim::core::Core;
use crate::rt::sim::op::Op;

/// Clones share the descriptor.
#[derive(Clone)]
pub struct File(Rc<Descriptor>);

struct Descriptor {
    core: Rc<Core>,
    disk: Rc<Disk>,
    node: Rc<FileNode>,
    path: String,
    options: OpenOptions,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.node.handles.set(self.node.handles.get().saturating_sub(1));
        self.disk.release(&self.node);
    }
}

pub struct Watch(Weak<Descriptor>);

impl Watch {
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A write or sync under way.
pub struct Pending(Op<io::Result<()>>);

impl Future for Pending {
    type Output = io::Result<()>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Memory that the device reads while it writes.
enum Source {
    Slices(Vec<DeviceSlice>),
    Bytes(Buf),
}

impl Source {
    fn copy(&self) -> Vec<u8> {
        match self {
            Source::Bytes(bytes) => bytes.to_vec(),
            Source::Slices(slices) => {
                let mut out = Vec::with_capacity(slices.iter().map(DeviceSlice::len).sum());
                slices.iter().for_each(|slice| slice.copy_to(&mut out));
                out
            }
        }
    }
}

impl File {
    pub(in crate::rt::sim) async fn open(
        core: &Rc<Core>,
        path: &Path,
        options: OpenOptions,
    ) -> io::Result<File> {
        let disk = core.host().disk.clone();
        let name = path.to_string_lossy().into_owned();
        let (fault, stall) = disk.fault(DiskOp::Open, &name);
        let delay = disk.dice.delay(&disk.options.metadata) + stall;
        let (core, path, owner) = (core.clone(), path.to_owned(), disk.clone());
        let core_of_op = core.clone();
        disk.begin(&core_of_op, delay, move |disk, _| {
            match fault {
                None => {}
                Some(Fault::Enospc) => return error(Errno::NOSPC),
                Some(_) => return error(Errno::IO),
            }
            let node = disk.open_node(&path, options)?;
            node.handles.set(node.handles.get() + 1);
            Ok(File(Rc::new(Descriptor { core, disk: owner, node, path: name, options })))
        })
        .await
    }

    pub fn watch(&self) -> Watch {
        Watch(Rc::downgrade(&self.0))
    }

    /// See `rt::File::read_at`.
    pub async fn read_at(&self, mut buf: Buf, pos: u64, len: usize) -> (io::Result<usize>, Buf) {
        let Descriptor { core, disk, node, path, options } = &*self.0;
        let aligned = pos.is_multiple_of(ALIGN as u64) && len.is_multiple_of(ALIGN);
        if !options.read {
            return (error(Errno::BADF), buf);
        }
        if options.direct && !aligned {
            return (error(Errno::INVAL), buf);
        }
        let (fault, stall) = disk.fault(DiskOp::Read, path);
        let delay = disk.dice.delay(&disk.options.read) + stall;
        core.world().note("read", pos, len as u64);
        let node = node.clone();
        disk.begin(core, delay, move |disk, _| {
            if matches!(fault, Some(Fault::Eio)) {
                buf.clear();
                return (error(Errno::IO), buf);
            }
            buf.set_len(len);
            let count = node.read(pos, &mut buf[..len]);
            buf.set_len(count);
            if matches!(fault, Some(Fault::Flip)) && count > 0 {
                buf[disk.dice.index(count)] ^= 1 << disk.dice.below(8);
            }
            (Ok(count), buf)
        })
        .await
    }

    /// See `rt::File::write_at`.
    pub fn write_at(&self, slices: Vec<DeviceSlice>, pos: u64) -> Pending {
        self.write(Source::Slices(slices), pos)
    }

    /// See `rt::File::write_bytes_at`.
    pub async fn write_bytes_at(&self, bytes: Buf, pos: u64) -> io::Result<()> {
        self.write(Source::Bytes(bytes), pos).await
    }

    fn write(&self, source: Source, pos: u64) -> Pending {
        let Descriptor { core, disk, node, path, options } = &*self.0;
        let before = source.copy();
        let aligned = pos.is_multiple_of(ALIGN as u64) && before.len().is_multiple_of(ALIGN);
        if !options.write {
            return self.refuse(Errno::BADF);
        }
        if options.direct && !aligned {
            return self.refuse(Errno::INVAL);
        }
        let (fault, stall) = disk.fault(DiskOp::Write, path);
        let delay = disk.dice.delay(&disk.options.write) + stall;
        core.world().note("write", pos, u64::from(crc32c::crc32c(&before)));
        let (node, direct) = (node.clone(), options.direct);
        Pending(disk.begin(core, delay, move |disk, how| {
            let bytes = mix(disk, before, source.copy());
            complete_write(disk, &node, direct, pos, bytes, fault, how)
        }))
    }

    /// See `rt::File::sync_data`.
    pub fn sync_data(&self) -> Pending {
        let Descriptor { core, disk, node, path, .. } = &*self.0;
        let (fault, stall) = disk.fault(DiskOp::Sync, path);
        let delay = disk.dice.delay(&disk.options.sync) + stall;
        let until = disk.sequence.get();
        core.world().note("sync", until, 0);
        let node = node.clone();
        Pending(disk.begin(core, delay, move |disk, _| {
            match fault {
                None => node.settle(until),
                Some(Fault::Lie) => {}
                Some(_) => {
                    node.forsake(until, disk.options.failed_sync_loses_direct, &disk.dice);
                    return error(Errno::IO);
                }
            }
            Ok(())
        }))
    }

    /// See `rt::File::allocate`.
    pub async fn allocate(&self, pos: u64, len: u64) -> io::Result<()> {
        self.reshape(DiskOp::Allocate, move |disk, node| {
            if disk.claim(node, pos, len) < len {
                return error(Errno::NOSPC);
            }
            if pos + len > node.len() {
                node.set_len(disk.next(), pos + len);
            }
            Ok(())
        })
        .await
    }

    /// See `rt::File::truncate`.
    pub async fn truncate(&self, len: u64) -> io::Result<()> {
        self.reshape(DiskOp::Truncate, move |disk, node| {
            disk.free(node.set_len(disk.next(), len));
            Ok(())
        })
        .await
    }

    pub async fn len(&self) -> io::Result<u64> {
        Ok(self.0.node.len())
    }

    fn reshape(
        &self,
        op: DiskOp,
        effect: impl FnOnce(&Disk, &FileNode) -> io::Result<()> + 'static,
    ) -> Pending {
        let Descriptor { core, disk, node, path, options } = &*self.0;
        if !options.write {
            return self.refuse(Errno::BADF);
        }
        let (fault, stall) = disk.fault(op, path);
        let delay = disk.dice.delay(&disk.options.metadata) + stall;
        let node = node.clone();
        Pending(disk.begin(core, delay, move |disk, _| match fault {
            None => effect(disk, &node),
            Some(Fault::Enospc) => error(Errno::NOSPC),
            Some(_) => error(Errno::IO),
        }))
    }

    /// Fails at once.
    fn refuse(&self, errno: Errno) -> Pending {
        let Descriptor { core, disk, .. } = &*self.0;
        Pending(disk.begin(core, Duration::ZERO, move |_, _| error(errno)))
    }

    /// What lies there now, without delay: for the network, which takes it page by page.
    pub(in crate::rt::sim) fn peek(&self, pos: u64, out: &mut [u8]) -> io::Result<usize> {
        let Descriptor { disk, node, path, .. } = &*self.0;
        match disk.fault(DiskOp::Read, path).0 {
            Some(Fault::Eio) => error(Errno::IO),
            _ => Ok(node.read(pos, out)),
        }
    }
}

/// Of memory that changed while it was being written, each sector is old or new.
fn mix(disk: &Disk, mut before: Vec<u8>, after: Vec<u8>) -> Vec<u8> {
    for (old, new) in before.chunks_mut(SECTOR).zip(after.chunks(SECTOR)) {
        if old != new && disk.dice.coin() {
            old.copy_from_slice(new);
        }
    }
    before
}

fn complete_write(
    disk: &Disk,
    node: &FileNode,
    direct: bool,
    mut pos: u64,
    mut bytes: Vec<u8>,
    fault: Option<Fault>,
    how: How,
) -> io::Result<()> {
    match fault {
        Some(Fault::Lie) => return Ok(()),
        Some(Fault::Enospc) => return error(Errno::NOSPC),
        Some(Fault::Misdirect) => {
            let astray = (1 + disk.dice.below(8)) * ALIGN as u64;
            pos = if disk.dice.coin() { pos + astray } else { pos.saturating_sub(astray) };
        }
        Some(Fault::Flip) if !bytes.is_empty() => {
            let index = disk.dice.index(bytes.len());
            bytes[index] ^= 1 << disk.dice.below(8);
        }
        _ => {}
    }
    let whole = bytes.len() as u64;
    let fits = disk.claim(node, pos, whole);
    bytes.truncate(fits as usize);
    let failed = matches!(fault, Some(Fault::Eio));
    if failed || how == How::Torn {
        write_torn(disk, node, direct, pos, &bytes);
    } else {
        node.write(disk.next(), direct, pos, &bytes);
    }
    if failed {
        return error(Errno::IO);
    }
    if fits < whole { error(Errno::NOSPC) } else { Ok(()) }
}

/// A prefix of the sectors, or any of them.
fn write_torn(disk: &Disk, node: &FileNode, direct: bool, pos: u64, bytes: &[u8]) {
    let mut at = pos;
    let end = pos + bytes.len() as u64;
    let prefix = disk.dice.coin();
    let cut = pos + disk.dice.below(bytes.len() as u64 + 1);
    while at < end {
        let next = (at + 1).next_multiple_of(SECTOR as u64).min(end);
        let kept = if prefix { next <= cut } else { disk.dice.coin() };
        if kept {
            let part = &bytes[(at - pos) as usize..(next - pos) as usize];
            node.write(disk.next(), direct, at, part);
        }
        at = next;
    }
}
