//! Readers of files that are not in the page cache, alone and beside somebody who writes.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmain::base::buf::{Block, Buf, DeviceSlice};
use ringmain::rt::{self, File, FileRange, Listener, OpenOptions, Piece, Stream};
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

#[cfg(feature = "planted-bugs")]
use crate::fails_with;
use crate::{loopback, on_core, pattern, scratch};

/// Clients that do not read, and what each asks for: more than sockets hold.
const IDLE: usize = 12;
const OTHER_LEN: u64 = 16 << 20;

/// A file of which nothing is in the page cache.
fn cold_file(path: &Path, len: usize) -> Vec<u8> {
    let content = pattern(len).to_vec();
    write_cold(path, &content);
    content
}

fn write_cold(path: &Path, content: &[u8]) {
    std::fs::write(path, content).expect("fixture");
    let file = std::fs::File::open(path).expect("fixture");
    file.sync_all().expect("fixture");
    fadvise(&file, 0, None, Advice::DontNeed).expect("fixture");
}

/// Writes a log block, as an append would: the lane then leaves the disk to the writers.
async fn write_something(path: PathBuf) {
    let options =
        OpenOptions { read: true, write: true, create: true, direct: true, ..Default::default() };
    let file = File::open(&path, options).await.expect("open");
    let block = Block::new(pattern(4096));
    file.write_at(vec![DeviceSlice::new(&block, 0..4096)], 0).await.expect("write");
}

async fn open(path: &Path) -> File {
    File::open(path, OpenOptions { read: true, ..Default::default() }).await.expect("open")
}

fn whole(file: &File, pos: u64, len: u64) -> VecDeque<Piece> {
    VecDeque::from([Piece::File(FileRange { file: file.clone(), pos, len })])
}

fn read_all(address: SocketAddr) -> Vec<u8> {
    let mut got = Vec::new();
    let mut socket = TcpStream::connect(address).expect("connect");
    socket.read_to_end(&mut got).expect("read");
    got
}

#[test]
fn cold_ranges_arrive_whole_by_every_way() {
    for (name, writes, readers) in [("quiet", false, 1), ("alone", true, 1), ("company", true, 3)] {
        let dir = scratch(&format!("cold-{name}"));
        let len = (3 << 20) + 1234;
        let want = cold_file(&dir.join("file"), len);
        on_core(move || {
            let (dir, want) = (dir.clone(), want.clone());
            async move {
                if writes {
                    write_something(dir.join("written")).await;
                }
                let file = open(&dir.join("file")).await;
                let listener = Listener::bind(loopback(), false, 64).expect("listen");
                let address = listener.local_addr();
                let mut sending = Vec::new();
                let mut reading = Vec::new();
                for _ in 0..readers {
                    reading.push(std::thread::spawn(move || read_all(address)));
                    let (stream, file) = (listener.accept().await.expect("accept"), file.clone());
                    sending.push(rt::spawn(async move {
                        // Ranges that begin and end anywhere, the last one at the file's end.
                        for (from, to) in [(0, 1), (1, 4096), (4096, 1_000_003), (1_000_003, len)] {
                            let mut pieces = whole(&file, from as u64, (to - from) as u64);
                            stream.send(&mut pieces).await.expect("send");
                        }
                        stream.shutdown();
                    }));
                }
                for task in sending {
                    task.await;
                }
                for thread in reading {
                    let got = rt::blocking(move || thread.join().expect("reader")).await;
                    assert!(got == want, "{name}: {} of {len} bytes", got.len());
                }
                // Behind its end there is nothing, which is said and not waited for.
                let client = TcpStream::connect(address).expect("connect");
                let stream = listener.accept().await.expect("accept");
                let sent = stream.send(&mut whole(&file, len as u64 & !4095, 1 << 20)).await;
                let error = sent.expect_err("the file is shorter");
                assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
                drop(client);
            }
        });
    }
}

/// More clients than the lane has room, each asking for much and taking nothing.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    for (name, writes) in [("quiet", false), ("written", true)] {
        let dir = scratch(&format!("idle-{name}-{}", std::process::id()));
        let used = dir.clone();
        let len = 32 << 20;
        let want = cold_file(&dir.join("file"), len);
        for number in 0..IDLE {
            // A file each, for who reads one with others finds some of it cached.
            write_cold(&dir.join(format!("other-{number}")), &vec![7; OTHER_LEN as usize]);
        }
        on_core(move || {
            let (dir, want) = (dir.clone(), want.clone());
            async move {
                if writes {
                    write_something(dir.join("written")).await;
                }
                let listener = Listener::bind(loopback(), false, 64).expect("listen");
                let address = listener.local_addr();
                let mut idle: Vec<(TcpStream, rt::Task<()>)> = Vec::new();
                for number in 0..IDLE {
                    let client = TcpStream::connect(address).expect("connect");
                    let stream: Stream = listener.accept().await.expect("accept");
                    let other = open(&dir.join(format!("other-{number}"))).await;
                    let task = rt::spawn(async move {
                        let _ = stream.send(&mut whole(&other, 0, OTHER_LEN)).await;
                    });
                    idle.push((client, task));
                }
                rt::sleep(Duration::from_millis(300)).await;
                let reader = std::thread::spawn(move || read_all(address));
                let stream = listener.accept().await.expect("accept");
                let file = open(&dir.join("file")).await;
                let mut pieces = whole(&file, 0, len as u64);
                let sent = rt::timeout(Duration::from_secs(30), stream.send(&mut pieces)).await;
                sent.expect("the others hold nothing that it needs").expect("send");
                stream.shutdown();
                let got = rt::blocking(move || reader.join().expect("reader")).await;
                assert!(got == want, "{name}: {} of {len} bytes", got.len());
            }
        });
        std::fs::remove_dir_all(used).expect("some hundred MiB");
    }
}

/// Bytes of a file that are in the page cache, as far as a look at one byte of each 16 KiB tells.
fn cached(path: &Path, from: u64, to: u64) -> u64 {
    const STEP: u64 = 16 << 10;
    let file = std::fs::File::open(path).expect("fixture");
    let is_there = |at: &u64| {
        let mut byte = [0];
        let into = &mut [std::io::IoSliceMut::new(&mut byte)];
        preadv2(&file, into, *at, ReadWriteFlags::NOWAIT).is_ok()
    };
    (from..to).step_by(STEP as usize).filter(is_there).count() as u64 * STEP
}

/// A reader for whom the kernel read ahead; then somebody writes, and it shall not go on.
#[test]
fn reading_ahead_ends_when_writers_come() {
    const PIECE: u64 = 1 << 20;
    const ALONE: u64 = 16 << 20;
    const END: u64 = 48 << 20;
    const LEN: u64 = 96 << 20;
    let dir = scratch(&format!("ahead-{}", std::process::id()));
    let (used, path) = (dir.clone(), dir.join("file"));
    write_cold(&path, &vec![7; LEN as usize]);
    on_core(move || {
        let dir = dir.clone();
        async move {
            let file = open(&dir.join("file")).await;
            let listener = Listener::bind(loopback(), false, 64).expect("listen");
            let address = listener.local_addr();
            let reader = std::thread::spawn(move || read_all(address).len() as u64);
            let stream = listener.accept().await.expect("accept");
            for pos in (0..END).step_by(PIECE as usize) {
                if pos == ALONE {
                    write_something(dir.join("written")).await;
                }
                // What is sent is looked up before, through the page cache.
                let looked = file.read_at(Buf::with_capacity(4096), pos, 4096).await.0;
                assert_eq!(looked.expect("read"), 4096);
                stream.send(&mut whole(&file, pos, PIECE)).await.expect("send");
            }
            stream.shutdown();
            let got = rt::blocking(move || reader.join().expect("reader")).await;
            assert_eq!(got, END);
        }
    });
    let ahead = cached(&path, END, LEN);
    assert!(
        ahead <= 64 << 10,
        "the kernel reads on: {ahead} bytes are there that nobody asked for"
    );
    std::fs::remove_dir_all(used).expect("a hundred MiB");
}

/// The test above sees it when marks of the kernel's readahead are followed.
#[cfg(feature = "planted-bugs")]
#[test]
fn reading_on_at_marks_is_found() {
    let why =
        fails_with("cold::reading_ahead_ends_when_writers_come", "follow-the-marks-of-readahead");
    assert!(why.contains("the kernel reads on"), "{why}");
}

/// The test before that sees a slot that is kept until its bytes were taken.
#[cfg(feature = "planted-bugs")]
#[test]
fn a_slot_kept_too_long_is_found() {
    let test = "cold::a_client_that_does_not_read_holds_up_nobody";
    let why = fails_with(test, "keep-the-slot-until-sent");
    assert!(why.contains("the others hold nothing that it needs"), "{why}");
}
