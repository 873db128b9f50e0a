//! Wiring: what one core of a broker does from its first message to its last. Alone sees every
//! room. The real start and the simulator's both come in through [`run_core`].
//!
//! The metadata core leads: it reads the metadata log, tells every core what is theirs, has them
//! listen when all partitions are open, and stops them. No core serves before all are ready.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::prng::Prng;
use crate::cluster::{ClusterImage, Command, Lanes, Node, Topic, controller, directories};
use crate::config::broker::BrokerConfig;
use crate::config::{BrokerSettings, Overrides};
use crate::handlers::Desk;
use crate::log;
use crate::model::{CoreId, NodeId};
use crate::notice;
use crate::rt::{self, Inbox, MeshSeat};
use crate::server::Front;
use crate::shard::directories::{Given, own_dir};
use crate::shard::inspection::inspect;
use crate::shard::message::{CoreCounters, Message, Reply, Request};
use crate::shard::metadata::Metadata;
use crate::shard::proposal::Proposal;
use crate::shard::scan::scan;
use crate::shard::settle::settle;
use crate::shard::{METADATA_CORE, Order, Shard, checkpoints, foreign, offset_files};

/// What every core of a host is told before it starts.
#[derive(Clone)]
pub struct Plan {
    pub fixed: Overrides,
    pub config: BrokerConfig,
    /// The data directories; at least one.
    pub data: Vec<Given>,
    /// The address to listen on; lanes add their number to the port.
    pub listen: IpAddr,
    pub lanes: Lanes,
    pub cores: usize,
    /// For new ids.
    pub seed: u64,
}

impl Plan {
    /// Bytes of tail cache of each core.
    fn limits(&self) -> log::Limits {
        let memory = self.config.memory_per_core_bytes as usize;
        log::Limits {
            cache_bytes: memory / 2,
            unwritten_bytes: memory / 4,
            spare_bytes: self.config.recycle_per_core_bytes as u64,
            ..log::Limits::default()
        }
    }
}

/// What the process tells a running host; read by the metadata core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Stop,
    /// Print the counters.
    Report,
}

/// What the host tells the process.
#[derive(Clone, Debug)]
pub enum Event {
    /// Every lane answers. One address a core, and what opening the partitions took.
    Ready(Vec<SocketAddr>, CoreCounters),
    /// It cannot start; the reason.
    Failed(String),
}

/// Runs one core until the host stops. `control` is for the metadata core.
pub async fn run_core(
    seat: MeshSeat<Message>,
    plan: Arc<Plan>,
    control: Option<Inbox<Control>>,
    tell: impl Fn(Event) + 'static,
) -> CoreCounters {
    let port = seat.join().await;
    let logs = log::Budget::new(plan.limits());
    let receivers = port.take_receivers();
    // Another sequence on each core, and another than the ids of topics come from.
    let random = Prng::new(Prng::new(plan.seed ^ !(port.core() as u64)).next_u64());
    let shard = Shard::new(port, plan.cores, plan.fixed.clone(), logs, random);
    let _peers: Vec<_> = receivers
        .into_iter()
        .map(|(from, receiver)| rt::spawn(shard.clone().serve_peer(from, receiver)))
        .collect();
    let _housekeeping = rt::spawn_background(shard.clone().keep_house());
    let _cleaning = rt::spawn_background(shard.clone().clean_logs());
    let _retention = rt::spawn_background(shard.clone().retain_logs());
    let _outages = rt::spawn(shard.clone().tell_outages());
    match control {
        Some(control) => lead(&shard, &plan, control, tell).await,
        None => follow(&shard, &plan).await,
    }
    shard.counted()
}

/// The metadata core.
async fn lead(shard: &Rc<Shard>, plan: &Plan, control: Inbox<Control>, tell: impl Fn(Event)) {
    let front = match start(shard, plan).await {
        Ok((front, addresses)) => {
            let mut opened = CoreCounters::default();
            count(shard).await.into_iter().for_each(|(_, counted)| opened += counted);
            tell(Event::Ready(addresses, opened));
            Some(front)
        }
        Err(reason) => {
            tell(Event::Failed(reason));
            None
        }
    };
    if front.is_some() {
        loop {
            match control.receive().await {
                Control::Stop => break,
                Control::Report => report(shard).await,
            }
        }
    }
    let was_open = front.is_some();
    // In two rounds: while one core has clients, they may need any other.
    let hushed: Vec<_> = others(shard).map(|core| shard.call(core, Request::Hush)).collect();
    shard.hush_coordinators();
    hush(front).await;
    shard.end_moves().await;
    for hushed in hushed {
        hushed.await;
    }
    let stopped: Vec<_> = others(shard).map(|core| shard.call(core, Request::Stop)).collect();
    shard.close_partitions().await;
    for stopped in stopped {
        stopped.await;
    }
    if was_open {
        hand_over(shard).await;
    }
}

/// Says in Kafka's files what the closed logs are.
async fn hand_over(shard: &Shard) {
    for directory in shard.online() {
        let written = async {
            let (closed, _) = checkpoints::read(&directory.path).await?;
            offset_files::write(&directory.path, &closed).await
        };
        if let Err(error) = written.await {
            let path = directory.path.display();
            notice!("nothing was written for a Kafka to find: {path}: {error}");
        }
    }
}

/// Takes from Kafka's files what will not stay true.
async fn take_over(shard: &Shard) -> Result<(), String> {
    for directory in shard.online() {
        let taken = async {
            let (opened, _) = checkpoints::read(&directory.path).await?;
            offset_files::forget(&directory.path, &opened).await
        };
        taken.await.map_err(|error| format!("{}: {error}", directory.path.display()))?;
    }
    Ok(())
}

async fn start(shard: &Rc<Shard>, plan: &Plan) -> Result<(Front, Vec<SocketAddr>), String> {
    let node = NodeId(plan.config.node_id);
    let mut inspected = inspect(&plan.data, node).await?;
    let own = own_dir(&plan.data[inspected.metadata].path);
    let metadata = Metadata::open(&own.join("metadata"), node, plan.fixed.clone(), plan.seed)
        .await
        .map_err(|error| format!("the metadata cannot be read: {error}"))?;
    shard.set_metadata(metadata.clone());
    let itself = Node {
        id: node,
        rack: plan.config.broker_rack.clone(),
        cores: plan.cores as u16,
        lanes: plan.lanes.advertised(plan.config.advertised_host()),
    };
    let image = metadata.image();
    let started = metadata.with_random(|random| controller::start_node(&image, itself, random));
    let (formats, mut started): (Vec<_>, Vec<_>) =
        started.into_iter().partition(|c| matches!(c, Command::FormatCluster { .. }));
    let cluster = match formats.first() {
        // Directories that came from Kafka keep their cluster.
        Some(Command::FormatCluster { id }) => inspected.cluster.unwrap_or(*id),
        _ => image.cluster_id(),
    };
    // Before anything is written down that calls a directory by its id.
    let mut random = metadata.with_random(|random| Prng::new(random.next_u64()));
    inspected.sign(cluster, node, &mut random).await?;
    let known = Arc::new(inspected.directories);
    let using: Vec<_> =
        others(shard).map(|core| shard.call(core, Request::Use(known.clone()))).collect();
    shard.use_directories(&known).await;
    for used in using {
        used.await;
    }
    let mut items = Vec::new();
    for directory in shard.online() {
        let found = scan(&directory.path, directory.id).await;
        let found = found.map_err(|error| unreadable(&directory.path, &error))?;
        items.extend(found);
    }
    let mut after = ClusterImage::clone(&image);
    started.iter().for_each(|command| drop(after.apply(command)));
    if !formats.is_empty() {
        // A first start takes what it finds; one that a crash cuts short is a first start again.
        let found = foreign::topics(&after, node, &items, &plan.config).await;
        let found = found.map_err(|error| format!("what is there cannot be read: {error}"))?;
        found.iter().for_each(|command| drop(after.apply(command)));
        started.extend(found);
    }
    let mut takers = shard.takers(&after).await;
    let choose = |_: &Topic| directories::choose(&mut takers, 0).unwrap_or_default();
    // Before any core opens what it is given.
    let settled = settle(&after, node, &known, &items, choose).await?;
    started.extend(settled.commands);
    if !formats.is_empty() {
        started.push(Command::FormatCluster { id: cluster });
    }
    if started.is_empty() {
        metadata.tell(shard, image.clone()).await;
    } else {
        decide(shard, &metadata, started).await?;
    }
    // From now on a crash is a crash: no file may say that its core closed in order.
    let noted: Vec<_> = others(shard).map(|core| shard.call(core, Request::Note)).collect();
    shard.write_checkpoint().await;
    for noted in noted {
        noted.await;
    }
    for directory in shard.online() {
        if let Err(error) = checkpoints::remove_beyond(&directory.own_dir(), plan.cores).await {
            notice!("old checkpoints were not removed: {error}");
        }
    }
    take_over(shard).await?;
    // Before the first client may fill what is left.
    for directory in shard.online() {
        if !shard.look_for_space(&directory, false).await.is_short {
            shard.hold_room_back(&directory).await;
        }
    }
    let opening: Vec<_> = others(shard).map(|core| shard.call(core, Request::Open)).collect();
    let front = open(shard, plan)?;
    let mut addresses = vec![front.address];
    for opened in opening {
        match opened.await {
            Some(Reply::Opened(Ok(address))) => addresses.push(address),
            Some(Reply::Opened(Err(reason))) => return Err(reason),
            _ => return Err("a core did not start".to_owned()),
        }
    }
    shard.move_again(settled.moves).await;
    Ok((front, addresses))
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

async fn decide(
    shard: &Rc<Shard>,
    metadata: &Rc<Metadata>,
    commands: Vec<Command>,
) -> Result<(), String> {
    let decision = metadata.decide(shard, Proposal::Commands(commands)).await;
    match decision.0.into_iter().find_map(Result::err) {
        Some(refusal) => Err(refusal.to_string()),
        None => Ok(()),
    }
}

fn others(shard: &Rc<Shard>) -> impl Iterator<Item = usize> + use<> {
    let own = shard.core();
    (0..shard.cores()).filter(move |&core| core != own)
}

/// Every other core: does as the metadata core says.
async fn follow(shard: &Rc<Shard>, plan: &Plan) {
    let mut front = None;
    loop {
        let (call, order) = shard.orders.next().await;
        match order {
            Order::Open => {
                let opened = open(shard, plan).map(|opened| {
                    let address = opened.address;
                    front = Some(opened);
                    address
                });
                shard.reply(METADATA_CORE, call, Reply::Opened(opened));
            }
            Order::Hush => {
                shard.hush_coordinators();
                hush(front.take()).await;
                shard.end_moves().await;
                shard.reply(METADATA_CORE, call, Reply::Hushed);
            }
            Order::Stop => {
                shard.close_partitions().await;
                shard.reply(METADATA_CORE, call, Reply::Stopped);
                // The reply leaves with the next turn of this core.
                rt::sleep(Duration::from_millis(1)).await;
                return;
            }
        }
    }
}

/// Listens for this core's lane.
fn open(shard: &Rc<Shard>, plan: &Plan) -> Result<Front, String> {
    let core = CoreId(shard.core() as u16);
    let lane = plan.lanes.lane_of(core);
    let address = SocketAddr::new(plan.listen, plan.lanes.port(lane));
    let shared = plan.lanes.cores_of(lane).count() > 1;
    let config = &plan.config;
    Front::open(
        Desk::new(shard.clone()),
        address,
        shared,
        usize::from(lane.0),
        config.connections_per_core(plan.cores),
        idle_max(config.connections_max_idle_ms),
    )
    .map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "{address} is in use by another process: stop it, or choose another with --listen"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Kafka: connections.max.idle.ms; negative for ever.
fn idle_max(ms: i64) -> Duration {
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    u64::try_from(ms).map_or(FOR_EVER, Duration::from_millis).min(FOR_EVER)
}

async fn hush(front: Option<Front>) {
    if let Some(front) = front {
        front.close().await;
    }
}

async fn report(shard: &Rc<Shard>) {
    for (core, counted) in count(shard).await {
        notice!("core {core}: {counted}");
    }
}

/// What each core has counted.
async fn count(shard: &Rc<Shard>) -> Vec<(usize, CoreCounters)> {
    let mut lines = vec![(shard.core(), shard.counted())];
    for core in others(shard) {
        if let Some(Reply::Counters(counted)) = shard.call(core, Request::Count).await {
            lines.push((core, counted));
        }
    }
    lines
}

/// The settings a plan's overrides lead to before any image is known.
pub fn settings(fixed: &Overrides) -> BrokerSettings {
    BrokerSettings { fixed: fixed.clone(), ..BrokerSettings::default() }
}
