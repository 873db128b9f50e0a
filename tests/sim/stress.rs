//! Everything at once: cores that pass on what clients ask for, files, crashes; equal traces.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::buf::{Buf, Slice};
use ringmain::rt::sim::{CrashKind, Sim, SimOptions, TaskOrder};
use ringmain::rt::{self, File, Listener, MeshPort, MeshReceiver, MeshSeat, Piece, Stream, file};

use super::{buffered, sim_with};

const CORES: usize = 3;
const CLIENTS: u64 = 5;
const REQUESTS: u64 = 20;

/// A number to be doubled by another core, and the doubled number on its way back.
enum Message {
    Ask { client: u64, number: u64 },
    Answer { client: u64, number: u64 },
}

type Streams = Rc<RefCell<std::collections::BTreeMap<u64, Stream>>>;

async fn broker_core(core: usize, seat: MeshSeat<Message>) {
    let port = Rc::new(seat.join().await);
    let streams = Streams::default();
    for (from, receiver) in port.take_receivers() {
        rt::spawn(exchange(port.clone(), from, receiver, streams.clone())).detach();
    }
    let listener = Listener::bind(SocketAddr::from(([0, 0, 0, 0], 9092)), true, 64).expect("bind");
    let notes = PathBuf::from(format!("/data/core-{core}"));
    let notes = File::open(&notes, buffered()).await.expect("open");
    file::sync_dir(std::path::Path::new("/data")).await.expect("sync");
    let written = Rc::new(Cell::new(0));
    loop {
        let stream = listener.accept().await.expect("accept");
        let (port, streams, notes) = (port.clone(), streams.clone(), notes.clone());
        let written = written.clone();
        rt::spawn(async move {
            while let Some([client, number]) = receive(&stream).await {
                let pos = written.replace(written.get() + 8);
                let note = Buf::copy_of(&number.to_le_bytes());
                notes.write_bytes_at(note, pos).await.expect("write");
                notes.sync_data().await.expect("sync");
                streams.borrow_mut().insert(client, stream.clone());
                let to = (core + 1 + (number as usize % (CORES - 1))) % CORES;
                port.send(to, Message::Ask { client, number });
            }
        })
        .detach();
    }
}

async fn exchange(
    port: Rc<MeshPort<Message>>,
    from: usize,
    receiver: MeshReceiver<Message>,
    streams: Streams,
) {
    while let Some(message) = receiver.receive().await {
        match message {
            Message::Ask { client, number } => {
                port.send(from, Message::Answer { client, number: number * 2 });
            }
            Message::Answer { client, number } => {
                let stream = streams.borrow()[&client].clone();
                // The client may have gone.
                let _ = send(&stream, [client, number]).await;
            }
        }
    }
}

async fn send(stream: &Stream, words: [u64; 2]) -> std::io::Result<()> {
    let mut buf = Buf::with_capacity(16);
    words.iter().for_each(|word| buf.extend_from_slice(&word.to_le_bytes()));
    stream.send(&mut VecDeque::from([Piece::Bytes(Slice::from(buf))])).await
}

async fn receive(stream: &Stream) -> Option<[u64; 2]> {
    let mut buf = Buf::with_capacity(16);
    while buf.len() < 16 {
        let missing = 16 - buf.len();
        let (result, back) = stream.receive_most(buf, missing).await;
        buf = back;
        if result.ok()? == 0 {
            return None;
        }
    }
    let word = |at: usize| u64::from_le_bytes(buf[at..at + 8].try_into().expect("eight bytes"));
    Some([word(0), word(8)])
}

async fn client(broker: SocketAddr, client: u64) {
    let mut next = 0;
    'connections: while next < REQUESTS {
        let Ok(stream) = Stream::connect(broker).await else {
            rt::sleep(Duration::from_millis(1)).await;
            continue;
        };
        while next < REQUESTS {
            let number = client * 1000 + next;
            if send(&stream, [client, number]).await.is_err() {
                continue 'connections;
            }
            // An answer to what an earlier connection asked may come first.
            loop {
                match receive(&stream).await {
                    None => continue 'connections,
                    Some(answer) if answer == [client, number * 2] => break,
                    Some([to, earlier]) => {
                        assert_eq!(to, client);
                        assert!(earlier < number * 2 && earlier % 2 == 0);
                    }
                }
            }
            next += 1;
        }
    }
}

fn start_broker(sim: &Sim, host: ringmain::rt::sim::HostId) {
    let seats: Vec<MeshSeat<Message>> = rt::mesh(CORES, 2).expect("seats");
    let seats = RefCell::new(seats.into_iter().map(Some).collect::<Vec<_>>());
    sim.start(host, CORES, move |core| {
        broker_core(core, seats.borrow_mut()[core].take().expect("one each"))
    });
}

fn run(seed: u64) -> u64 {
    let order = if seed.is_multiple_of(2) { TaskOrder::Any } else { TaskOrder::Fifo };
    let mut options = SimOptions { task_order: order, ..Default::default() };
    options.net.reset_ppm = 2_000;
    let (sim, host) = sim_with(seed, options);
    let clients = sim.add_host("clients");
    let broker = SocketAddr::new(sim.address(host), 9092);
    sim.run(async {
        start_broker(&sim, host);
        let tasks: Vec<_> =
            (0..CLIENTS).map(|number| sim.spawn(clients, client(broker, number))).collect();
        for kind in [CrashKind::ProcessKill, CrashKind::PowerLoss] {
            rt::sleep(Duration::from_micros(5_000 + sim.below(30_000))).await;
            sim.crash(host, kind);
            rt::sleep(Duration::from_micros(sim.below(10_000))).await;
            start_broker(&sim, host);
        }
        for task in tasks {
            task.await;
        }
    });
    sim.trace_hash()
}

#[test]
fn clients_get_their_answers_through_crashes_and_resets() {
    for seed in 0..60 {
        let hash = run(seed);
        if seed % 10 == 0 {
            assert_eq!(hash, run(seed), "seed {seed} ran in two ways");
        }
    }
}
