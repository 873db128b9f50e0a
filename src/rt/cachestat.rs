//! How many bytes of a file the page cache holds, in whole pages, without touching them (cachestat, Linux 6.5):
//! reading to find out would set the kernel's readahead going.
#![expect(unsafe_code, reason = "a system call that no crate knows; each block states its proof")]

use std::os::fd::{AsFd, AsRawFd};

/// The same number on every processor that Linux 6.5 knows, except Alpha.
const SYS_CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct Range {
    from: u64,
    len: u64,
}

#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Bytes of the pages that hold this range which are in the cache, ready or being read; `None` where the
/// kernel does not tell.
pub(super) fn cached_bytes(file: &impl AsFd, pos: u64, len: u64) -> Option<u64> {
    let (range, mut counts) = (Range { from: pos, len }, Counts::default());
    // SAFETY: the kernel reads `range` and writes `counts`, both of its own layout and alive; it
    // keeps no pointer. The descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            file.as_fd().as_raw_fd(),
            &raw const range,
            &raw mut counts,
            0 as libc::c_uint,
        )
    };
    // SAFETY: no pointer is passed.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    (result == 0).then_some(counts.cached * page.max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::cached_bytes;

    #[test]
    fn counts_what_was_written() {
        let dir = std::env::var("CARGO_TARGET_TMPDIR").map_or(std::env::temp_dir(), Into::into);
        let path = dir.join(format!("cachestat-{}", std::process::id()));
        std::fs::write(&path, vec![1; 1 << 20]).expect("a file");
        let file = std::fs::File::open(&path).expect("the file");
        std::fs::remove_file(&path).expect("its name");
        if let Some(bytes) = cached_bytes(&file, 0, 1 << 20) {
            assert_eq!(bytes, 1 << 20, "just written");
            assert_eq!(cached_bytes(&file, 64 << 10, 128 << 10), Some(128 << 10));
            assert_eq!(cached_bytes(&file, 2 << 20, 64 << 10), Some(0));
        }
    }
}
