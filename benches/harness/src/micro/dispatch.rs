//! A request through a whole broker of one core: received, dispatched, answered, sent. The network and
//! the disk are the simulator's; the time is real, the simulator's own work in it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain::base::buf::{Buf, Slice};
use ringmain::cluster::Lanes;
use ringmain::config::BrokerSettings;
use ringmain::config::broker::BrokerConfig;
use ringmain::model::NodeId;
use ringmain::node::{Control, Plan, run_core};
use ringmain::rt::sim::{HostId, Sim};
use ringmain::rt::{self, InboxSender, Piece, Stream, inbox, mesh};
use ringmain::shard::directories::Given;
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest};
use ringmain::wire::{Writer, frame};

use super::{Done, Hash};

const SEED: u64 = 1;
const PORT: u16 = 9092;
const VERSION: i16 = 12;
const PATIENCE: Duration = Duration::from_millis(50);

pub fn dispatch(count: u64) -> Done {
    let sim = Sim::new(SEED);
    let host = sim.add_host("broker");
    let own = Path::new("/data/.ringmain");
    sim.disk(host).install_dir(own).expect("an empty disk");
    sim.disk(host).install_file(&own.join("format"), b"1\n").expect("an empty disk");
    let control = start(&sim, host);
    let client = sim.add_host("client");
    let address = SocketAddr::new(sim.address(host), PORT);
    let task = sim.spawn(client, ask(address, count));
    let done = sim.run(task);
    control.try_send(Control::Stop).expect("room for a word");
    sim.run(sim.ended(host));
    done
}

fn start(sim: &Sim, host: HostId) -> InboxSender<Control> {
    let settings = [
        "log.dirs=/data".to_owned(),
        format!("ringmain.listen=0.0.0.0:{PORT}"),
        format!("ringmain.advertised.host={}", sim.address(host)),
    ];
    let settings = BrokerSettings::load(None, &settings).expect("settings that hold");
    let config = BrokerConfig::resolve(&settings);
    let lanes = Lanes::plan(NodeId(config.node_id), 1, config.lanes, PORT).expect("a plan");
    let plan = Arc::new(Plan {
        fixed: settings.fixed.clone(),
        config,
        data: vec![Given::new("/data")],
        listen: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        lanes,
        cores: 1,
        seed: SEED,
    });
    let (control, commands) = sim.run(async { inbox(16).expect("an inbox") });
    let mut commands = Some(commands);
    sim.run(async {
        let mut seats = mesh(1, 64).expect("seats of a simulated mesh");
        sim.start(host, 1, |_| {
            let (seat, plan) = (seats.remove(0), plan.clone());
            let commands = commands.take();
            async move {
                run_core(seat, plan, commands, |_| {}).await;
            }
        });
    });
    control
}

async fn ask(address: SocketAddr, count: u64) -> Done {
    let stream = loop {
        match Stream::connect(address).await {
            Ok(stream) => break stream,
            // It is still starting.
            Err(_) => rt::sleep(PATIENCE).await,
        }
    };
    let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    frame::write_request::<Metadata>(&mut writer, VERSION, 7, Some("micro"), &request);
    let mut hash = Hash::default();
    let mut received = Buf::with_capacity(64 << 10);
    let began = Instant::now();
    for _ in 0..count {
        let mut pieces = VecDeque::from([Piece::Bytes(Slice::from(Buf::copy_of(&bytes)))]);
        stream.send(&mut pieces).await.expect("a request leaves");
        received.clear();
        loop {
            let (taken, back) = stream.receive(received).await;
            received = back;
            assert!(taken.expect("an answer") > 0, "the broker is there");
            let len = received.first_chunk().map(|prefix| u32::from_be_bytes(*prefix) as usize);
            if len.is_some_and(|len| received.len() >= len + frame::LENGTH_SIZE) {
                break;
            }
        }
        hash.number(received.len() as u64);
    }
    let took = began.elapsed();
    // Ids of the cluster aside, which are drawn anew, an answer is always the same.
    Done { took, hash: hash.finish() }
}
