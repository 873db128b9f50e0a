//! `ringmain serve`: checks the host, starts the cores, waits for a signal, stops in order.

use std::env;
use std::fs::{self, File};
use std::io;
use std::io::Write;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::claim::claim_all;
use super::units::{bytes, thousands};
use crate::cluster::Lanes;
use crate::config::BrokerSettings;
use crate::config::broker::{BrokerConfig, Cores};
use crate::config::topic::TopicConfig;
use crate::model::{CoreId, NodeId};
use crate::node::{self, Control, Event, Plan};
use crate::rt;
use crate::rt::glommio::{Layout, run_cores};
use crate::shard::message::CoreCounters;

/// Messages that a ring between two cores holds.
const MESH_BOUND: usize = 1024;

#[derive(Args)]
pub struct Serve {
    /// Settings in TOML; see docs/config.md
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data lies; several times for several disks [default: ./ringmain-data]
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Address and base port; lane l listens on port + l [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// CPUs that carry data cores: all, or a list such as 0-3,6 [default: all]
    #[arg(long, value_name = "all|LIST")]
    cores: Option<String>,
    /// Brokers this host presents to clients: auto, or a number [default: auto]
    #[arg(long, value_name = "auto|N")]
    lanes: Option<String>,
    /// Number of this host in its cluster [default: 1]
    #[arg(long, value_name = "N")]
    node_id: Option<i32>,
    /// Any setting; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn run(args: Serve) -> Result<(), String> {
    let settings = load(&args)?;
    let config = BrokerConfig::resolve(&settings);
    let cpus = cpus(&config.cores)?;
    check_host(cpus.len())?;
    let mut lanes =
        Lanes::plan(NodeId(config.node_id), cpus.len() as u16, config.lanes, config.listen.port)
            .map_err(|fault| fault.to_string())?;
    let listen = resolve(&config.listen.host)?;
    if config.listen.port == 0 {
        let port = free_ports(listen, lanes.count())?;
        lanes = Lanes::plan(NodeId(config.node_id), cpus.len() as u16, config.lanes, port)
            .map_err(|fault| fault.to_string())?;
    }
    let (data, _locks) = claim_all(&config.log_dirs)?;
    let plan = Arc::new(Plan {
        fixed: settings.fixed.clone(),
        config: config.clone(),
        data,
        listen,
        lanes,
        cores: cpus.len(),
        seed: random_seed()?,
    });
    let durability = TopicConfig::resolve(&Default::default(), &settings).durability;
    start(plan, &cpus, |plan, addresses, opened| {
        let data: Vec<String> =
            plan.data.iter().map(|given| given.path.display().to_string()).collect();
        tell(format_args!("ringmain {}: data in {}", env!("CARGO_PKG_VERSION"), data.join(", ")));
        for (core, (cpu, address)) in cpus.iter().zip(addresses).enumerate() {
            let lane = plan.lanes.lane_of(CoreId(core as u16));
            let broker = plan.lanes.broker_id(lane);
            tell(format_args!(
                "  core {core} (cpu {cpu}): lane {lane}, broker {broker}, {address}"
            ));
        }
        if opened.opened > 0 {
            let (partitions, scanned) = (thousands(opened.opened), bytes(opened.scanned_bytes));
            tell(format_args!("  {partitions} partitions opened, {scanned} of their logs scanned"));
        }
        if opened.cut > 0 {
            let cut = thousands(opened.cut);
            tell(format_args!(
                "  {cut} of them ended in what a crash left half written, which was cut off"
            ));
        }
        tell(format_args!("  acks=all means {durability} (ringmain.durability; docs/config.md)"));
        let bootstrap = format!("{}:{}", plan.config.advertised_host(), addresses[0].port());
        // As it was called: it need not be on the path.
        let me = env::args().next().unwrap_or_else(|| "ringmain".into());
        tell(format_args!("try:  echo hello | {me} produce --bootstrap {bootstrap} --topic first"));
        tell(format_args!(
            "      {me} consume --bootstrap {bootstrap} --topic first --from-beginning"
        ));
    })
}

fn load(args: &Serve) -> Result<BrokerSettings, String> {
    let file = match &args.config {
        None => None,
        Some(path) => Some(
            fs::read_to_string(path)
                .map_err(|error| format!("--config {}: {error}", path.display()))?,
        ),
    };
    // Flags are settings too; --set has the last word.
    let mut flags: Vec<String> = Vec::new();
    let mut flag = |key: &str, value: Option<String>| {
        flags.extend(value.map(|value| format!("{key}={value}")));
    };
    let data: Vec<String> = args.data.iter().map(|dir| dir.display().to_string()).collect();
    let data = (!data.is_empty()).then(|| data.join(","));
    let unset = file.as_deref().is_none_or(|text| !text.contains("log.dirs"));
    flag("log.dirs", data.or_else(|| unset.then(|| "./ringmain-data".to_owned())));
    flag("ringmain.listen", args.listen.clone());
    flag("ringmain.cores", args.cores.clone());
    flag("ringmain.lanes", args.lanes.clone());
    flag("node.id", args.node_id.map(|id| id.to_string()));
    flags.extend(args.set.iter().cloned());
    BrokerSettings::load(file.as_deref(), &flags).map_err(|invalid| invalid.to_string())
}

fn cpus(cores: &Cores) -> Result<Vec<usize>, String> {
    let present: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    match cores {
        Cores::All if present.is_empty() => Err("no CPU may be used by this process".into()),
        Cores::All => Ok(present),
        Cores::List(list) => {
            let wanted: Vec<usize> = list.iter().map(|&cpu| usize::from(cpu)).collect();
            match wanted.iter().find(|cpu| !present.contains(cpu)) {
                None => Ok(wanted),
                Some(cpu) => {
                    Err(format!("CPU {cpu} of --cores cannot be used here; usable are {present:?}"))
                }
            }
        }
    }
}

/// Where the kernel's workers (splices, cold reads) run: beside the data cores where there is such
/// a place, otherwise anywhere, so that none of them is bound to the core that waits for it.
fn worker_cpus(data: &[usize]) -> Vec<usize> {
    let present: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    let beside: Vec<usize> = present.iter().copied().filter(|cpu| !data.contains(cpu)).collect();
    if beside.is_empty() { present } else { beside }
}

/// Says in one line what the kernel lacks.
pub(super) fn check_host(cores: usize) -> Result<(), String> {
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let probe = rt::glommio::probe();
    if let Err(error) = probe {
        let reason = match (disabled.trim(), error.kind()) {
            ("2", _) => "io_uring is disabled: sysctl -w kernel.io_uring_disabled=0".to_owned(),
            ("1", io::ErrorKind::PermissionDenied) => {
                "io_uring is reserved for a group: add this user to kernel.io_uring_group, or \
                 sysctl -w kernel.io_uring_disabled=0"
                    .to_owned()
            }
            (_, io::ErrorKind::PermissionDenied) => {
                "io_uring is forbidden here (a seccomp filter of the container?): allow \
                 io_uring_setup, io_uring_enter and io_uring_register"
                    .to_owned()
            }
            (_, io::ErrorKind::OutOfMemory) => memory_advice(cores),
            (_, io::ErrorKind::Unsupported) => {
                "this kernel has no io_uring: Linux 6.1 or newer is needed".to_owned()
            }
            _ => format!("io_uring does not work here ({error}): Linux 6.1 or newer is needed"),
        };
        return Err(reason);
    }
    let memlock = rustix::process::getrlimit(rustix::process::Resource::Memlock);
    if memlock.current.is_some_and(|limit| limit < locked_bytes(cores)) {
        return Err(memory_advice(cores));
    }
    Ok(())
}

fn locked_bytes(cores: usize) -> u64 {
    let registered = cores as u64 * rt::glommio::LOCKED_BYTES_PER_CORE;
    registered.max(rt::glommio::LOCKED_BYTES_MIN)
}

fn memory_advice(cores: usize) -> String {
    let kib = locked_bytes(cores) / 1024;
    format!(
        "too little memory may be locked: {kib} KiB are needed for {cores} cores \
         (ulimit -l {kib}, or LimitMEMLOCK= in the systemd unit)"
    )
}

fn resolve(host: &str) -> Result<IpAddr, String> {
    let mut addresses = (host, 0).to_socket_addrs().map_err(|error| {
        format!("{host} of ringmain.listen is no address of this host: {error}")
    })?;
    let address = addresses.next().ok_or_else(|| format!("{host} has no address"))?;
    Ok(address.ip())
}

/// A base port with room for `count` lanes.
fn free_ports(listen: IpAddr, count: u16) -> Result<u16, String> {
    for _ in 0..100 {
        let bind = |port| std::net::TcpListener::bind((listen, port));
        let Ok(first) = bind(0) else { continue };
        let Ok(base) = first.local_addr().map(|address| address.port()) else { continue };
        let rest = (1..count).map_while(|lane| bind(base.checked_add(lane)?).ok());
        if rest.count() == usize::from(count) - 1 {
            return Ok(base);
        }
    }
    Err(format!("no {count} neighbouring ports are free"))
}

fn random_seed() -> Result<u64, String> {
    use std::io::Read;
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(u64::from_le_bytes(bytes))
}

fn start(
    plan: Arc<Plan>,
    cpus: &[usize],
    ready: impl FnOnce(&Plan, &[std::net::SocketAddr], &CoreCounters),
) -> Result<(), String> {
    let fault = |error: io::Error| format!("the cores cannot be started: {error}");
    let (control, inbox) = rt::inbox(16).map_err(fault)?;
    let (events, happened) = mpsc::channel();
    let seats: Vec<_> =
        rt::mesh(plan.cores, MESH_BOUND).map_err(fault)?.into_iter().map(Some).collect();
    let given = Arc::new(Mutex::new((seats, Some(inbox))));
    let layout = Layout { worker_cpus: worker_cpus(cpus), ..Layout::pinned(cpus.to_vec()) };
    let core_plan = plan.clone();
    let cores = run_cores(&layout, move |core| {
        let (seat, inbox) = {
            let mut given = given.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let inbox = if core == 0 { given.1.take() } else { None };
            (given.0[core].take().expect("one seat a core"), inbox)
        };
        let (plan, events) = (core_plan.clone(), events.clone());
        node::run_core(seat, plan, inbox, move |event| {
            // The process waits for this as long as it lives.
            let _ = events.send(event);
        })
    })
    .map_err(fault)?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])
        .map_err(|error| format!("signals cannot be caught: {error}"))?;
    let watching = signals.handle();
    let watcher = thread::spawn(move || {
        for signal in signals.forever() {
            let message = if signal == SIGUSR1 { Control::Report } else { Control::Stop };
            // A full queue holds a stop already, or more reports than anybody reads.
            let _ = control.try_send(message);
        }
    });
    let failed = match happened.recv() {
        Ok(Event::Ready(addresses, opened)) => {
            ready(&plan, &addresses, &opened);
            None
        }
        Ok(Event::Failed(reason)) => Some(reason),
        // The cores have ended; their own words follow.
        Err(_) => None,
    };
    let results = cores.join();
    watching.close();
    // The watcher only ends; it has nothing to say.
    let _ = watcher.join();
    if let Some(reason) = failed {
        return Err(reason);
    }
    let mut total = CoreCounters::default();
    for result in results {
        total += result.map_err(|error| format!("a core could not run: {error}"))?;
    }
    tell(format_args!("stopped in order: {total}"));
    Ok(())
}

/// Nobody need read what a broker says of itself.
fn tell(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
