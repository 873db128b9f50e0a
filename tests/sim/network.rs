//! Connections and the mesh: what arrives, in which pieces, and what ends them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::buf::{Buf, Slice};
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, NetOptions, Sim, SimOptions};
use ringmain::rt::{self, File, FileRange, Listener, MeshPort, Piece, Stream};

use super::{buffered, sim, sim_with};

const PORT: u16 = 9092;

fn any() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], PORT))
}

async fn send(stream: &Stream, bytes: &[u8]) -> io::Result<()> {
    let pieces = &mut VecDeque::from([Piece::Bytes(Slice::from(Buf::copy_of(bytes)))]);
    stream.send(pieces).await
}

/// Receives to the end; also says how many receives it took.
async fn drain(stream: &Stream) -> (io::Result<Vec<u8>>, usize) {
    let mut buf = Buf::with_capacity(64 << 10);
    for receives in 0.. {
        buf.reserve(4096);
        let (result, back) = stream.receive(buf).await;
        buf = back;
        match result {
            Ok(0) => return (Ok(buf.to_vec()), receives),
            Ok(_) => {}
            Err(error) => return (Err(error), receives),
        }
    }
    unreachable!("counting ends")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A host that accepts one connection and does `serve` with it.
fn server<F>(sim: &Sim, host: HostId, serve: impl Fn(Stream) -> F + 'static) -> SocketAddr
where
    F: Future<Output = ()> + 'static,
{
    let address = SocketAddr::new(sim.address(host), PORT);
    let serve = Rc::new(serve);
    sim.start(host, 1, move |_| {
        let serve = serve.clone();
        async move {
            let listener = Listener::bind(any(), false, 64).expect("bind");
            let stream = listener.accept().await.expect("accept");
            serve(stream).await;
        }
    });
    address
}

/// Connects as soon as somebody listens.
async fn connect(address: SocketAddr) -> Stream {
    loop {
        match Stream::connect(address).await {
            Ok(stream) => return stream,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
        }
    }
}

#[test]
fn bytes_arrive_in_order_in_pieces_of_any_size() {
    let mut counts = BTreeSet::new();
    for seed in 0..30 {
        let (sim, host) = sim(seed);
        let address = server(&sim, host, |stream| async move {
            for part in pattern(200_000).chunks(33_333) {
                send(&stream, part).await.expect("send");
            }
        });
        let (received, receives) = sim.run(async { drain(&connect(address).await).await });
        assert_eq!(received.expect("no error"), pattern(200_000), "seed {seed}");
        counts.insert(receives);
    }
    assert!(counts.len() > 10, "{counts:?}");
}

#[test]
fn a_sender_waits_while_nobody_receives() {
    let net = NetOptions { buffer_bytes: 10_000, ..Default::default() };
    let (sim, host) = sim_with(1, SimOptions { net, ..Default::default() });
    let sent = Rc::new(Cell::new(0));
    let counter = sent.clone();
    let address = server(&sim, host, move |stream| {
        let sent = counter.clone();
        async move {
            for part in pattern(100_000).chunks(1_000) {
                send(&stream, part).await.expect("send");
                sent.set(sent.get() + part.len());
            }
        }
    });
    sim.run(async {
        let stream = connect(address).await;
        rt::sleep(Duration::from_secs(1)).await;
        assert_eq!(sent.get(), 10_000);
        assert_eq!(drain(&stream).await.0.expect("no error"), pattern(100_000));
    });
}

#[test]
fn a_part_of_a_file_travels_as_its_bytes() {
    let (sim, host) = sim(2);
    sim.disk(host).install_file(Path::new("/data/file"), &pattern(300_000)).expect("made");
    let address = server(&sim, host, |stream| async move {
        let file = File::open(Path::new("/data/file"), buffered()).await.expect("open");
        let range = |pos, len| Piece::File(FileRange { file: file.clone(), pos, len });
        let head = Piece::Bytes(Slice::from(Buf::copy_of(b"head")));
        let mut pieces = VecDeque::from([head, range(1_000, 200_000)]);
        stream.send(&mut pieces).await.expect("send");
        assert!(pieces.is_empty());
        let beyond = stream.send(&mut VecDeque::from([range(290_000, 20_000)])).await;
        assert_eq!(beyond.expect_err("too long").kind(), io::ErrorKind::UnexpectedEof);
    });
    let received = sim.run(async { drain(&connect(address).await).await }).0.expect("no error");
    let whole = pattern(300_000);
    assert_eq!(received, [b"head", &whole[1_000..201_000], &whole[290_000..]].concat());
}

#[test]
fn a_file_that_cannot_be_read_fails_the_send() {
    let (sim, host) = sim(3);
    sim.disk(host).install_file(Path::new("/data/file"), &[1; 4096]).expect("made");
    sim.disk(host).inject(FaultRule::new(DiskOp::Read, Fault::Eio));
    let address = server(&sim, host, |stream| async move {
        let file = File::open(Path::new("/data/file"), buffered()).await.expect("open");
        let range = FileRange { file, pos: 0, len: 4096 };
        let result = stream.send(&mut VecDeque::from([Piece::File(range)])).await;
        assert_eq!(result.expect_err("a fault").raw_os_error(), Some(libc::EIO));
    });
    sim.run(async { drain(&connect(address).await).await }).0.expect("closed");
}

#[test]
fn a_connect_is_refused_where_nobody_listens_and_times_out_where_nobody_is() {
    let (sim, host) = sim(4);
    let address = SocketAddr::new(sim.address(host), PORT);
    let kind = || sim.run(async { Stream::connect(address).await.map(drop).unwrap_err().kind() });
    assert_eq!(kind(), io::ErrorKind::ConnectionRefused);
    sim.crash(host, CrashKind::PowerLoss);
    assert_eq!(kind(), io::ErrorKind::TimedOut);
    assert!(sim.elapsed() >= Duration::from_secs(5));
}

#[test]
fn shutdown_wakes_both_sides() {
    for seed in 0..20 {
        let (sim, host) = sim(seed);
        let address = server(&sim, host, |stream| async move {
            assert_eq!(drain(&stream).await.0.expect("closed"), b"bye");
        });
        sim.run(async {
            let stream = connect(address).await;
            let waiting = stream.clone();
            let receiver = rt::spawn(async move { drain(&waiting).await.0 });
            rt::sleep(Duration::from_millis(1)).await;
            send(&stream, b"bye").await.expect("send");
            stream.shutdown();
            assert_eq!(receiver.await.expect("closed"), b"");
            assert_eq!(send(&stream, b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            sim.ended(host).await;
        });
    }
}

#[test]
fn sending_to_somebody_who_has_hung_up_resets() {
    let (sim, host) = sim(5);
    let address = server(&sim, host, |stream| async move { drop(stream) });
    sim.run(async {
        let stream = connect(address).await;
        assert_eq!(drain(&stream).await.0.expect("closed"), b"");
        let error = loop {
            if let Err(error) = send(&stream, b"anybody there?").await {
                break error;
            }
            rt::sleep(Duration::from_micros(100)).await;
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_dropped_receive_loses_nothing_that_comes_later() {
    let (sim, host) = sim(6);
    let address = server(&sim, host, |stream| async move {
        rt::sleep(Duration::from_millis(10)).await;
        send(&stream, b"late").await.expect("send");
    });
    sim.run(async {
        let stream = connect(address).await;
        let receive = stream.receive(Buf::with_capacity(16));
        assert!(rt::timeout(Duration::from_millis(1), receive).await.is_none());
        assert_eq!(drain(&stream).await.0.expect("closed"), b"late");
    });
}

#[test]
fn listeners_on_one_address_share_its_connections() {
    let (sim, host) = sim(7);
    let address = SocketAddr::new(sim.address(host), PORT);
    let accepted = Rc::new([const { Cell::new(0) }; 3]);
    let counters = accepted.clone();
    sim.start(host, 3, move |core| {
        let accepted = counters.clone();
        async move {
            let listener = Listener::bind(any(), true, 64).expect("shared");
            let exclusive = Listener::bind(any(), false, 64).map(drop).expect_err("taken");
            assert_eq!(exclusive.kind(), io::ErrorKind::AddrInUse);
            loop {
                let stream = listener.accept().await.expect("accept");
                accepted[core].set(accepted[core].get() + 1);
                assert!(stream.peer_addr().port() >= 32_768);
            }
        }
    });
    sim.run(async {
        for _ in 0..60 {
            connect(address).await;
        }
        rt::sleep(Duration::from_millis(1)).await;
    });
    let counts = accepted.each_ref().map(Cell::get);
    assert_eq!(counts.iter().sum::<u32>(), 60);
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn a_crash_ends_connections_and_the_port_is_free_again() {
    for seed in 0..40 {
        for kind in [CrashKind::ProcessKill, CrashKind::PowerLoss] {
            let (sim, host) = sim(seed);
            let wait = |stream| async move { drop(drain(&stream).await) };
            let address = server(&sim, host, wait);
            sim.run(async {
                let stream = connect(address).await;
                let waiting = stream.clone();
                let receiver = rt::spawn(async move { drain(&waiting).await.0 });
                rt::sleep(Duration::from_millis(5)).await;
                sim.crash(host, kind);
                match receiver.await {
                    Ok(bytes) => assert_eq!((bytes.len(), kind), (0, CrashKind::ProcessKill)),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                }
                server(&sim, host, wait);
                connect(address).await;
            });
        }
    }
}

#[test]
fn a_half_open_connection_is_noticed_by_sending() {
    let net = NetOptions { half_open_percent: 100, ..Default::default() };
    let (sim, host) = sim_with(8, SimOptions { net, ..Default::default() });
    let wait = |stream| async move { drop(drain(&stream).await) };
    let address = server(&sim, host, wait);
    sim.run(async {
        let stream = connect(address).await;
        sim.crash(host, CrashKind::PowerLoss);
        server(&sim, host, wait);
        let quiet = rt::timeout(Duration::from_secs(60), drain(&stream)).await;
        assert!(quiet.is_none(), "nobody said anything");
        send(&stream, b"still there?").await.expect("it does not know");
        let error = drain(&stream).await.0.expect_err("now it does");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_partition_delays_and_healing_delivers() {
    let (sim, host) = sim(9);
    let client = sim.add_host("client");
    let address = server(&sim, host, |stream| async move {
        for part in pattern(50_000).chunks(500) {
            send(&stream, part).await.expect("send");
            rt::sleep(Duration::from_micros(50)).await;
        }
    });
    let task = sim.spawn(client, async move { drain(&connect(address).await).await.0 });
    let received = sim.run(async {
        rt::sleep(Duration::from_millis(3)).await;
        sim.partition(host, client);
        rt::sleep(Duration::from_secs(30)).await;
        let refused = sim.spawn(client, async move { Stream::connect(address).await.map(drop) });
        assert_eq!(refused.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        sim.heal(client, host);
        task.await
    });
    assert_eq!(received.expect("no error"), pattern(50_000));
}

#[test]
fn seeded_resets_break_connections() {
    let net = NetOptions { reset_ppm: 200_000, ..Default::default() };
    let mut whole = 0;
    for seed in 0..50 {
        let net = net.clone();
        let (sim, host) = sim_with(seed, SimOptions { net, ..Default::default() });
        let address = server(&sim, host, |stream| async move {
            for part in pattern(3_000).chunks(1_000) {
                if send(&stream, part).await.is_err() {
                    break;
                }
            }
        });
        match sim.run(async { drain(&connect(address).await).await }).0 {
            Ok(bytes) => {
                assert_eq!(bytes, pattern(3_000));
                whole += 1;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
    assert!((10..45).contains(&whole), "{whole} whole");
}

/// Starts a process whose cores join one mesh.
fn meshed<F>(sim: &Sim, cores: usize, bound: usize, main: impl Fn(MeshPort<u64>) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let host = sim.add_host("meshed");
    let seats: Vec<_> = sim.run(async { rt::mesh(cores, bound).expect("seats") });
    let seats = RefCell::new(seats.into_iter().map(Some).collect::<Vec<_>>());
    let main = Rc::new(main);
    sim.start(host, cores, move |core| {
        let seat = seats.borrow_mut()[core].take().expect("one each");
        let main = main.clone();
        async move { main(seat.join().await).await }
    });
    sim.run(sim.ended(host));
}

#[test]
fn a_mesh_delivers_everything_in_order_of_each_pair() {
    for seed in 0..30 {
        let (sim, _) = sim(seed);
        let done = Rc::new(Cell::new(0));
        let counter = done.clone();
        meshed(&sim, 3, 4, move |port| {
            let done = counter.clone();
            async move {
                for message in 0..50 {
                    for to in (0..3).filter(|to| *to != port.core()) {
                        port.send(to, message);
                    }
                    if message % 7 == 0 {
                        rt::yield_now().await;
                    }
                }
                let mut receivers = port.take_receivers();
                while let Some((_, receiver)) = receivers.pop() {
                    for expected in 0..50 {
                        assert_eq!(receiver.receive().await, Some(expected));
                    }
                }
                done.set(done.get() + 1);
                while done.get() < 3 {
                    rt::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        assert_eq!(done.get(), 3);
    }
}

#[test]
fn a_core_that_leaves_ends_its_queues() {
    let (sim, _) = sim(1);
    meshed(&sim, 2, 4, |port| async move {
        if port.core() == 0 {
            port.send(1, 7);
            return;
        }
        let (_, receiver) = port.take_receivers().pop().expect("one peer");
        assert_eq!(receiver.receive().await, Some(7));
        assert_eq!(receiver.receive().await, None);
        for message in 0..100 {
            port.send(0, message);
        }
    });
}
