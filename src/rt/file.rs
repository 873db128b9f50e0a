//! Files and directories. Reads and writes are *eager*: the operation is under way when the call
//! returns, and the returned future yields its result; dropping the future lets a write finish.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::current::{Current, with};
use super::{glommio, sim};
use crate::base::buf::{Buf, DeviceSlice};
use crate::base::planted;

#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    pub read: bool,
    pub write: bool,
    /// Create it when it is missing.
    pub create: bool,
    /// Create it, and fail when it exists.
    pub create_new: bool,
    pub truncate: bool,
    /// O_DIRECT: positions, lengths and memory must be multiples of [`crate::base::buf::ALIGN`].
    pub direct: bool,
}

/// An open file of this core. Clones share the descriptor.
#[derive(Clone)]
pub enum File {
    Real(glommio::file::File),
    Sim(sim::File),
}

/// Knows whether a descriptor is still held, by anybody or by an operation under way.
pub enum Watch {
    Real(glommio::file::Watch),
    Sim(sim::Watch),
}

impl Watch {
    pub fn is_held(&self) -> bool {
        match self {
            Watch::Real(watch) => watch.is_held(),
            Watch::Sim(watch) => watch.is_held(),
        }
    }
}

/// `len` bytes of a file from `pos` on.
#[derive(Clone)]
pub struct FileRange {
    pub file: File,
    pub pos: u64,
    pub len: u64,
}

/// A write or sync under way.
pub enum Pending {
    Real(glommio::file::Pending),
    Sim(sim::Pending),
}

impl Future for Pending {
    type Output = io::Result<()>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Pending::Real(op) => Pin::new(op).poll(cx),
            Pending::Sim(op) => Pin::new(op).poll(cx),
        }
    }
}

impl File {
    pub async fn open(path: &Path, options: OpenOptions) -> io::Result<File> {
        match sim_core() {
            None => Ok(File::Real(glommio::file::File::open(path, options).await?)),
            Some(core) => Ok(File::Sim(core.open(path, options).await?)),
        }
    }

    /// Reads up to `len` bytes at `pos` into the front of `buf` (whose capacity must hold them)
    /// and sets its length to what was read; short only at the end of the file. A direct file
    /// needs `pos` and `len` aligned.
    pub async fn read_at(&self, buf: Buf, pos: u64, len: usize) -> (io::Result<usize>, Buf) {
        assert!(len <= buf.capacity());
        match self {
            File::Real(file) => file.read_at(buf, pos, len).await,
            File::Sim(file) => file.read_at(buf, pos, len).await,
        }
    }

    /// Writes all slices one after the other from `pos` on; short writes go on by themselves.
    pub fn write_at(&self, slices: Vec<DeviceSlice>, pos: u64) -> Pending {
        match self {
            File::Real(file) => Pending::Real(file.write_at(slices, pos)),
            File::Sim(file) => Pending::Sim(file.write_at(slices, pos)),
        }
    }

    /// Writes ordinary bytes (not for direct files).
    pub async fn write_bytes_at(&self, bytes: Buf, pos: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.write_bytes_at(bytes, pos).await,
            File::Sim(file) => file.write_bytes_at(bytes, pos).await,
        }
    }

    /// fdatasync: content and the metadata needed to read it are on stable media.
    pub fn sync_data(&self) -> Pending {
        match self {
            File::Real(file) if planted::is("sync-nothing") => {
                Pending::Real(file.write_at(Vec::new(), 0))
            }
            File::Real(file) => Pending::Real(file.sync_data()),
            File::Sim(file) => Pending::Sim(file.sync_data()),
        }
    }

    /// Reserves space for `len` bytes from `pos` on and extends the file to hold them (zeros).
    pub async fn allocate(&self, pos: u64, len: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.allocate(pos, len).await,
            File::Sim(file) => file.allocate(pos, len).await,
        }
    }

    pub async fn truncate(&self, len: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.truncate(len).await,
            File::Sim(file) => file.truncate(len).await,
        }
    }

    /// Size in bytes as the file system has it.
    pub async fn len(&self) -> io::Result<u64> {
        match self {
            File::Real(file) => file.len().await,
            File::Sim(file) => file.len().await,
        }
    }

    pub fn watch(&self) -> Watch {
        match self {
            File::Real(file) => Watch::Real(file.watch()),
            File::Sim(file) => Watch::Sim(file.watch()),
        }
    }

    /// What the file is called now, for messages.
    pub fn name(&self) -> PathBuf {
        match self {
            File::Real(file) => file.name(),
            File::Sim(_) => PathBuf::from("a simulated file"),
        }
    }

    /// Tells the kernel that these bytes will not be read again soon (POSIX_FADV_DONTNEED).
    pub async fn forget(&self, pos: u64, len: u64) {
        if let File::Real(file) = self {
            file.forget(pos, len).await;
        }
    }
}

fn sim_core() -> Option<std::rc::Rc<sim::Core>> {
    with(|current| match current {
        Current::Real(_) => None,
        Current::Sim(core) => Some(core.clone()),
    })
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub is_dir: bool,
    /// Size in bytes; 0 for a directory.
    pub len: u64,
}

macro_rules! fs_calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: &Path),*) -> $out:ty;)*) => {$(
        $(#[$doc])*
        pub async fn $name($($arg: &Path),*) -> io::Result<$out> {
            match sim_core() {
                None => {
                    $(let $arg: PathBuf = $arg.to_owned();)*
                    super::blocking(move || glommio::file::$name($(&$arg),*)).await
                }
                Some(core) => core.$name($($arg),*).await,
            }
        }
    )*};
}

fs_calls! {
    /// Creates a directory and its missing parents.
    create_dir_all(path: &Path) -> ();
    /// Renames a file or directory, replacing a file that is there. Not durable before
    /// [`sync_dir`] of the parent.
    rename(from: &Path, to: &Path) -> ();
    remove_file(path: &Path) -> ();
    /// Removes a directory with all that is in it.
    remove_dir_all(path: &Path) -> ();
    /// The entries, sorted by name.
    list_dir(path: &Path) -> Vec<Entry>;
    /// Makes creations, renames and removals in this directory durable.
    sync_dir(path: &Path) -> ();
    /// A small file, whole.
    read_whole(path: &Path) -> Vec<u8>;
    exists(path: &Path) -> bool;
    /// Bytes that may still be written to the file system that holds `path`, and its size.
    disk_space(path: &Path) -> (u64, u64);
}

/// No room on the file system, or none for this user.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Replaces a small file: written beside it, synced, renamed over it, directory synced. When that
/// fails, what lies beside it is removed again: on a full disk it takes room from others.
pub async fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_beside(path, "tmp", bytes).await
}

/// The same by way of a name with another suffix, for a file that two tasks may write at once.
pub async fn write_whole_beside(path: &Path, suffix: &str, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().map(|name| name.to_owned()).unwrap_or_default();
    name.push(".");
    name.push(suffix);
    let tmp = path.with_file_name(name);
    let replaced = async {
        write_new(&tmp, bytes).await?;
        rename(&tmp, path).await
    };
    if let Err(error) = replaced.await {
        let _ = remove_file(&tmp).await;
        return Err(error);
    }
    match path.parent() {
        Some(parent) if !planted::is("rename-without-syncing-the-directory") => {
            sync_dir(parent).await
        }
        _ => Ok(()),
    }
}

async fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let options = OpenOptions { write: true, create: true, truncate: true, ..Default::default() };
    let file = File::open(path, options).await?;
    if !bytes.is_empty() {
        file.write_bytes_at(Buf::copy_of(bytes), 0).await?;
    }
    if planted::is("leave-small-files-unsynced") {
        return Ok(());
    }
    file.sync_data().await
}
