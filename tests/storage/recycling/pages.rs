//! What the log relies on of the kernel: pages of a file that were spliced stay as they are when the file is
//! written directly, cut and written again.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use ringmain::base::buf::Buf;
use rustix::fs::{Mode, OFlags, ftruncate, open};
use rustix::io::pwrite;
use rustix::pipe::{SpliceFlags, pipe, splice};

use crate::support::empty_dir;

const LEN: usize = 1 << 20;
/// What a pipe takes.
const HELD: usize = 32 << 10;

fn write(file: &OwnedFd, byte: u8, len: usize) {
    let mut buf = Buf::with_capacity(LEN);
    buf.set_len(len);
    buf.fill(byte);
    assert_eq!(pwrite(file, &buf[..], 0).expect("a direct write"), len);
}

#[test]
fn direct_writes_and_cuts_leave_spliced_pages_alone() {
    let path = empty_dir("pages").join("file");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::DIRECT;
    let writer = open(&path, flags, Mode::from_raw_mode(0o644)).expect("a new file");
    write(&writer, 1, LEN);
    let reader = open(&path, OFlags::RDONLY, Mode::empty()).expect("it is there");
    let mut pipes = Vec::new();
    for at in (0..LEN).step_by(HELD) {
        let (out, into) = pipe().expect("a pipe");
        let mut from = at as u64;
        let moved = splice(&reader, Some(&mut from), &into, None, HELD, SpliceFlags::MOVE);
        let moved = moved.expect("the file is there");
        assert!(moved > 0);
        pipes.push((out, moved));
    }
    // As a segment that takes the file over: written in part, cut within a block, and grown again.
    write(&writer, 2, LEN / 2);
    ftruncate(&writer, (LEN / 2 - 100) as u64).expect("a cut");
    ftruncate(&writer, LEN as u64).expect("zeros");
    write(&writer, 3, LEN);
    for (out, moved) in pipes {
        let mut held = vec![0; moved];
        File::from(out).read_exact(&mut held).expect("what was spliced");
        assert!(held.iter().all(|&byte| byte == 1), "a page that somebody holds has changed");
    }
    let mut now = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut now)).expect("a read");
    assert!(now.len() == LEN && now.iter().all(|&byte| byte == 3));
}
