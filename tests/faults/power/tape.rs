//! A block device that writes down everything that is done to it, and what the device would hold
//! had the power failed at any entry of that log.
//!
//! The log is qemu's `blklogwrites`, in the format of the kernel's dm-log-writes (numbers little
//! endian): a super block with the count of entries at byte 16, then entries of one sector each,
//! with the written bytes behind them. Requests reach it one at a time, so a flush covers exactly
//! what lies before it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringmain::base::prng::Prng;

use super::tools::{Device, FileSystem, Mounted, copy_sparse, read_at, text};

const SECTOR: u64 = 512;
const MAGIC: u64 = 0x6a_736677736872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
/// Room for the log, as a sparse file.
const LOG_BYTES: u64 = 16 << 30;

/// How many entries the log has by now.
#[derive(Debug)]
pub struct Counter(File);

impl Counter {
    pub fn now(&self) -> u64 {
        let mut bytes = [0; 8];
        read_at(&self.0, 16, &mut bytes).expect("the log's super block");
        u64::from_le_bytes(bytes)
    }
}

/// A mounted file system whose device is being recorded.
pub struct Recording {
    dir: PathBuf,
    kind: FileSystem,
    // In the order in which they must go.
    mounted: Mounted,
    device: Device,
}

impl Recording {
    pub fn start(dir: &Path, kind: FileSystem, mib: u64) -> Recording {
        let (base, live, log) = (dir.join("base"), dir.join("live"), dir.join("log"));
        kind.format(&base, mib);
        copy_sparse(&base, &live);
        File::create(&log).and_then(|file| file.set_len(LOG_BYTES)).expect("room for the log");
        let file = |name: &str, path: &Path| {
            format!("driver=file,node-name={name},filename={},cache.no-flush=on", text(path))
        };
        let layers = [
            file("live-file", &live),
            "driver=raw,node-name=live,file=live-file".to_owned(),
            file("log-file", &log),
            "driver=raw,node-name=log,file=log-file".to_owned(),
            "driver=blklogwrites,node-name=top,file=live,log=log,log-super-update-interval=1"
                .to_owned(),
        ];
        let device = Device::new(&dir.join("device"), mib << 20, &layers);
        let mounted = Mounted::new(device.path(), kind, &dir.join("recorded"));
        let mounted = mounted.unwrap_or_else(|error| panic!("{error}"));
        Recording { dir: dir.to_owned(), kind, mounted, device }
    }

    pub fn path(&self) -> &Path {
        self.mounted.path()
    }

    pub fn counter(&self) -> Counter {
        Counter(File::open(self.dir.join("log")).expect("the log"))
    }

    /// Ends the recording. Nobody may use the file system any more.
    pub fn finish(self) -> Tape {
        let Recording { dir, kind, mounted, device } = self;
        drop(mounted);
        drop(device);
        fs::remove_file(dir.join("live")).expect("the image is there");
        Tape::open(&dir, kind)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// In bytes of the device.
    at: u64,
    len: u64,
    flags: u64,
    /// Where the bytes lie in the log.
    data: u64,
}

/// A recorded device.
pub struct Tape {
    dir: PathBuf,
    pub kind: FileSystem,
    log: File,
    entries: Vec<Entry>,
    /// The image `base` holds everything that was flushed before this entry.
    flushed: usize,
}

impl Tape {
    fn open(dir: &Path, kind: FileSystem) -> Tape {
        let log = File::open(dir.join("log")).expect("the log");
        let mut head = [0; 32];
        read_at(&log, 0, &mut head).expect("a super block");
        let word = |bytes: &[u8], index: usize| {
            u64::from_le_bytes(*bytes[index * 8..].first_chunk().expect("eight bytes"))
        };
        assert_eq!(word(&head, 0), MAGIC, "not a log of writes");
        assert_eq!(word(&head, 3) & 0xffff_ffff, SECTOR, "another sector size");
        let (count, mut position) = (word(&head, 2), SECTOR);
        let mut entries = Vec::new();
        for _ in 0..count {
            read_at(&log, position, &mut head).expect("an entry");
            let (at, len) = (word(&head, 0) * SECTOR, word(&head, 1) * SECTOR);
            let entry = Entry { at, len, flags: word(&head, 2), data: position + SECTOR };
            position = entry.data + if entry.flags & DISCARD == 0 { len } else { 0 };
            entries.push(entry);
        }
        Tape { dir: dir.to_owned(), kind, log, entries, flushed: 0 }
    }

    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The device as it may be when the power failed after `count` entries, as an image of its own.
    /// Without dice the device had written everything that it was given; with them some of what
    /// came since the last flush is missing, and some is written in part, by sectors of 512 bytes.
    /// Counts must not fall from call to call.
    pub fn rebuild(&mut self, count: u64, dice: Option<Prng>) -> PathBuf {
        let entries = &self.entries[..count as usize];
        let is_flush = |entry: &Entry| entry.flags & FLUSH != 0;
        let flushed = entries.iter().rposition(is_flush).map_or(0, |index| index + 1);
        assert!(flushed >= self.flushed, "counts must not fall");
        let base = self.dir.join("base");
        let file = File::options().write(true).open(&base).expect("the base image");
        for entry in &self.entries[self.flushed..flushed] {
            self.apply(&file, entry, |_| true);
        }
        self.flushed = flushed;
        let image = self.dir.join("crashed");
        copy_sparse(&base, &image);
        let file = File::options().write(true).open(&image).expect("the copy");
        let unflushed = &self.entries[flushed..count as usize];
        let Some(mut dice) = dice else {
            unflushed.iter().for_each(|entry| self.apply(&file, entry, |_| true));
            return image;
        };
        // How much of it the device had got to.
        let (kept, torn) = (dice.below(11), dice.below(4));
        for entry in unflushed {
            if entry.flags & FUA != 0 || dice.below(10) < kept {
                self.apply(&file, entry, |_| true);
            } else if dice.below(10) < torn {
                self.apply(&file, entry, |_| dice.chance(1, 2));
            }
        }
        image
    }

    /// Those sectors of an entry that `reached` names, in order.
    fn apply(&self, image: &File, entry: &Entry, mut reached: impl FnMut(u64) -> bool) {
        if entry.flags & DISCARD != 0 || entry.len == 0 {
            return;
        }
        let mut bytes = vec![0; entry.len as usize];
        read_at(&self.log, entry.data, &mut bytes).expect("logged bytes");
        let which: Vec<bool> = (0..entry.len / SECTOR).map(&mut reached).collect();
        let mut from = 0;
        while from < which.len() {
            let until = which[from..].iter().position(|it| *it != which[from]);
            let until = until.map_or(which.len(), |len| from + len);
            if which[from] {
                let (start, end) = (from as u64 * SECTOR, until as u64 * SECTOR);
                let part = &bytes[start as usize..end as usize];
                image.write_all_at(part, entry.at + start).expect("the image takes it");
            }
            from = until;
        }
    }
}
