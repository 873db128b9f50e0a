//! The real side of the runtime door: files, sockets, splices, the mesh, and when a core sleeps.

mod cold;
mod sleep;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringmain::base::buf::{Block, Buf, DeviceSlice, Slice};
use ringmain::base::prng::Prng;
use ringmain::rt::glommio::{Layout, run_cores};
use ringmain::rt::{self, File, FileRange, Listener, OpenOptions, Piece, Stream};

fn on_core<T: Send + 'static, Fut: Future<Output = T> + 'static>(
    main: impl Fn() -> Fut + Clone + Send + 'static,
) -> T {
    let cores = run_cores(&Layout::unpinned(1), move |_| main()).expect("a core");
    cores.join().remove(0).expect("its result")
}

fn scratch(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    dir
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn pattern(len: usize) -> Buf {
    let mut buf = Buf::with_capacity(len);
    buf.set_len(len);
    Prng::new(len as u64).fill(&mut buf);
    buf
}

#[test]
fn direct_writes_come_back_and_survive_short_buffers() {
    let path = scratch("direct").join("file");
    on_core(move || {
        let path = path.clone();
        async move {
            let options = OpenOptions {
                read: true,
                write: true,
                create: true,
                direct: true,
                ..Default::default()
            };
            let file = File::open(&path, options).await.expect("open");
            file.allocate(0, 1 << 20).await.expect("allocate");
            let content = pattern(300 << 10);
            let want = content.to_vec();
            let block = Block::new(content);
            let slices = vec![
                DeviceSlice::new(&block, 0..128 << 10),
                DeviceSlice::new(&block, 128 << 10..300 << 10),
            ];
            let first = file.write_at(slices, 0);
            first.await.expect("write");
            file.sync_data().await.expect("sync");
            let (result, buf) = file.read_at(Buf::with_capacity(512 << 10), 0, 300 << 10).await;
            assert_eq!(result.expect("read"), 300 << 10);
            assert_eq!(&buf[..], &want[..]);
            file.truncate(5000).await.expect("truncate");
            let (result, _) = file.read_at(Buf::with_capacity(64 << 10), 0, 64 << 10).await;
            assert_eq!(result.expect("read"), 5000);
        }
    });
}

#[test]
fn pieces_arrive_in_order_from_memory_and_from_files() {
    let path = scratch("pieces").join("file");
    let content = pattern(1 << 20);
    std::fs::write(&path, &content[..]).expect("fixture");
    let want = content.to_vec();
    on_core(move || {
        let (path, want) = (path.clone(), want.clone());
        async move {
            let listener = Listener::bind(loopback(), false, 64).expect("listen");
            let address = listener.local_addr();
            let reader = std::thread::spawn(move || {
                let mut got = Vec::new();
                let mut socket = std::net::TcpStream::connect(address).expect("connect");
                socket.write_all(b"hello").expect("write");
                socket.read_to_end(&mut got).expect("read");
                got
            });
            let stream = listener.accept().await.expect("accept");
            let (received, buf) = stream.receive(Buf::with_capacity(64)).await;
            assert_eq!(received.expect("receive"), 5);
            assert_eq!(&buf[..], b"hello");
            let file = File::open(&path, OpenOptions { read: true, ..Default::default() })
                .await
                .expect("open");
            let range = |pos, len| Piece::File(FileRange { file: file.clone(), pos, len });
            let mut pieces: VecDeque<Piece> = VecDeque::new();
            pieces.push_back(Piece::Bytes(Slice::from(Buf::copy_of(b"head"))));
            pieces.push_back(range(100, 700_000));
            pieces.push_back(Piece::Bytes(Slice::from(Buf::copy_of(&want[..300_000]))));
            pieces.push_back(range(0, 1));
            stream.send(&mut pieces).await.expect("send");
            if let Stream::Real(real) = &stream {
                real.set_zero_copy(true);
            }
            pieces.push_back(Piece::Bytes(Slice::from(Buf::copy_of(&want[..200_000]))));
            stream.send(&mut pieces).await.expect("send without copy");
            // The kernel's report comes with the receiver's progress.
            for _ in 0..100 {
                if matches!(&stream, Stream::Real(real) if !real.zero_copy()) {
                    break;
                }
                rt::sleep(Duration::from_millis(2)).await;
            }
            assert!(
                matches!(&stream, Stream::Real(real) if !real.zero_copy()),
                "loopback copies, and the report must disarm zero copy"
            );
            stream.shutdown();
            let got = rt::blocking(move || reader.join().expect("reader")).await;
            let mut expected = b"head".to_vec();
            expected.extend_from_slice(&want[100..700_100]);
            expected.extend_from_slice(&want[..300_000]);
            expected.push(want[0]);
            expected.extend_from_slice(&want[..200_000]);
            assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
        }
    });
}

#[test]
fn a_dropped_receive_is_cancelled_and_its_buffer_outlives_it() {
    on_core(|| async {
        let listener = Listener::bind(loopback(), false, 64).expect("listen");
        let client = Stream::connect(listener.local_addr()).await.expect("connect");
        let server = listener.accept().await.expect("accept");
        for _ in 0..50 {
            let waited =
                rt::timeout(Duration::from_millis(1), server.receive(Buf::with_capacity(64 << 10)))
                    .await;
            assert!(waited.is_none());
        }
        let mut pieces = VecDeque::from([Piece::Bytes(Slice::from(Buf::copy_of(b"late")))]);
        client.send(&mut pieces).await.expect("send");
        let (received, buf) = server.receive(Buf::with_capacity(64)).await;
        assert_eq!(received.expect("receive"), 4);
        assert_eq!(&buf[..], b"late");
    });
}

#[test]
fn the_mesh_keeps_order_both_ways_beyond_its_bound() {
    const COUNT: u64 = 20_000;
    let seats = std::sync::Arc::new(std::sync::Mutex::new(
        rt::mesh::<u64>(2, 16).expect("seats").into_iter().map(Some).collect::<Vec<_>>(),
    ));
    let cores = run_cores(&Layout::unpinned(2), move |core| {
        let seat = seats.lock().expect("seats")[core].take().expect("one seat a core");
        async move {
            let port = seat.join().await;
            let (_, receiver) = port.take_receivers().remove(0);
            for number in 0..COUNT {
                port.send(1 - core, number);
            }
            for number in 0..COUNT {
                assert_eq!(receiver.receive().await, Some(number));
            }
            // Leave only when the peer has everything.
            port.send(1 - core, COUNT);
            assert_eq!(receiver.receive().await, Some(COUNT));
        }
    })
    .expect("cores");
    for result in cores.join() {
        result.expect("a core");
    }
}

/// What a test says when a bug is planted; it has to fail.
#[cfg(feature = "planted-bugs")]
fn fails_with(test: &str, bug: &str) -> String {
    let found = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact"])
        .env("RINGMAIN_PLANTED", bug)
        .output()
        .expect("run");
    let output = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(!found.status.success() && output.contains("1 failed"), "{output}");
    String::from_utf8_lossy(&found.stderr).into_owned() + &output
}
