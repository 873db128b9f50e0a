//! Files through the side ring; rare calls on directories through rustix, beside the core.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use rustix::fs::{Mode, OFlags};
use rustix::io::{ReadWriteFlags, preadv2};

use super::super::current::{Current, with};
use super::super::file::{Entry, OpenOptions};
use super::super::ring::{Keep, Ring, Running};
use super::cold::{Cold, Reader};
use crate::base::buf::{Buf, DeviceSlice};
use crate::base::planted;

#[derive(Clone)]
pub struct File {
    fd: Rc<OwnedFd>,
    direct: bool,
    cold: Rc<Cold>,
    ring: Rc<Ring>,
}

pub struct Watch(Weak<OwnedFd>);

impl Watch {
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// What an open file is called now; empty where the kernel does not tell.
pub(super) fn name_of(fd: &OwnedFd) -> PathBuf {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    std::fs::read_link(link).unwrap_or_default()
}

fn ring() -> Rc<Ring> {
    with(|current| match current {
        Current::Real(core) => core.ring.clone(),
        Current::Sim(_) => unreachable!("a real file in the simulator"),
    })
}

impl File {
    pub async fn open(path: &Path, options: OpenOptions) -> io::Result<File> {
        let mut flags = match (options.read, options.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags |= OFlags::CLOEXEC;
        flags.set(OFlags::CREATE, options.create || options.create_new);
        flags.set(OFlags::EXCL, options.create_new);
        flags.set(OFlags::TRUNC, options.truncate);
        flags.set(OFlags::DIRECT, options.direct);
        let path = path.to_owned();
        let fd =
            super::blocking(move || rustix::fs::open(&path, flags, Mode::from_raw_mode(0o644)))
                .await?;
        Ok(File { fd: Rc::new(fd), direct: options.direct, cold: Rc::default(), ring: ring() })
    }

    /// The file, for one who reads it to `id`.
    pub(super) fn reader(&self, id: u64) -> Reader {
        let catch_up = with(|current| match current {
            Current::Real(core) => core.catch_up.clone(),
            Current::Sim(_) => unreachable!("a real file in the simulator"),
        });
        let (ring, file, cold) = (self.ring.clone(), self.fd.clone(), self.cold.clone());
        Reader { ring, file, cold, catch_up, id }
    }

    pub fn watch(&self) -> Watch {
        Watch(Rc::downgrade(&self.fd))
    }

    pub async fn read_at(&self, mut buf: Buf, pos: u64, len: usize) -> (io::Result<usize>, Buf) {
        let mut read = self.read_cached(&mut buf, pos, len);
        while read < len {
            let running = self.ring.read(&self.fd, buf, read, len - read, pos + read as u64);
            let (result, keep) = running.await;
            let Keep::Buf(back) = keep else { unreachable!("a read keeps its buffer") };
            buf = back;
            match result {
                Ok(0) => break,
                Ok(count) => read += count as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    buf.clear();
                    return (Err(error), buf);
                }
            }
            // A short direct read that ends off the alignment is the end of the file.
            if !read.is_multiple_of(512) {
                break;
            }
        }
        buf.set_len(read);
        (Ok(read), buf)
    }

    /// What the page cache holds costs one call and no turn of the ring.
    fn read_cached(&self, buf: &mut Buf, pos: u64, len: usize) -> usize {
        if self.direct {
            return 0;
        }
        buf.set_len(len);
        let into = &mut [io::IoSliceMut::new(buf)];
        preadv2(&self.fd, into, pos, ReadWriteFlags::NOWAIT).unwrap_or(0)
    }

    pub fn write_at(&self, slices: Vec<DeviceSlice>, pos: u64) -> Pending {
        let total = slices.iter().map(DeviceSlice::len).sum();
        let running = self.ring.write(&self.fd, slices, 0, pos);
        Pending { running: Some(running), fd: self.fd.clone(), pos, total, written: 0 }
    }

    pub fn name(&self) -> PathBuf {
        name_of(&self.fd)
    }

    pub async fn write_bytes_at(&self, mut bytes: Buf, pos: u64) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            let running = self.ring.write_buf(&self.fd, bytes, written, pos + written as u64);
            let (result, keep) = running.await;
            let Keep::Buf(back) = keep else { unreachable!("a write keeps its buffer") };
            bytes = back;
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn sync_data(&self) -> Pending {
        let running = self.ring.sync_data(&self.fd);
        Pending { running: Some(running), fd: self.fd.clone(), pos: 0, total: 0, written: 0 }
    }

    pub async fn allocate(&self, pos: u64, len: u64) -> io::Result<()> {
        self.ring.allocate(&self.fd, pos, len).await.0.map(drop)
    }

    pub async fn truncate(&self, len: u64) -> io::Result<()> {
        let fd = self.fd.try_clone()?;
        Ok(super::blocking(move || rustix::fs::ftruncate(&fd, len)).await?)
    }

    pub async fn len(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.fd)?.st_size as u64)
    }

    pub async fn forget(&self, pos: u64, len: u64) {
        // Advice: a refusal changes nothing.
        let _ = self.ring.forget(&self.fd, pos, len).await;
    }
}

/// A write or sync under way. A short write goes on where it ended.
pub struct Pending {
    running: Option<Running>,
    fd: Rc<OwnedFd>,
    pos: u64,
    total: usize,
    written: usize,
}

impl Future for Pending {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let running = self.running.as_mut().expect("polled after its end");
            let ring = running.ring().clone();
            let Poll::Ready((result, keep)) = Pin::new(running).poll(cx) else {
                return Poll::Pending;
            };
            self.running = None;
            let slices = ring.reclaim(keep);
            match result {
                Ok(0) if self.total > 0 => {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Ok(count) => self.written += count as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.written >= self.total {
                return Poll::Ready(Ok(()));
            }
            self.running = Some(ring.write(&self.fd, slices, self.written, self.pos));
        }
    }
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

pub fn remove_file(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path)
}

pub fn list_dir(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Removed while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let is_dir = metadata.is_dir();
        entries.push(Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            is_dir,
            len: if is_dir { 0 } else { metadata.len() },
        });
    }
    entries.sort();
    Ok(entries)
}

pub fn sync_dir(path: &Path) -> io::Result<()> {
    if planted::is("sync-nothing") {
        return Ok(());
    }
    std::fs::File::open(path)?.sync_all()
}

pub fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

pub fn exists(path: &Path) -> io::Result<bool> {
    std::fs::exists(path)
}

pub fn disk_space(path: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}
