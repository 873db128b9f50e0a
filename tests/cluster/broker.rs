//! A whole broker on a simulated host, started through the same entry as the real one.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringmain::cluster::Lanes;
use ringmain::config::BrokerSettings;
use ringmain::config::broker::BrokerConfig;
use ringmain::model::NodeId;
use ringmain::node::{Control, Event, Plan, run_core};
use ringmain::rt;
use ringmain::rt::sim::{HostId, Sim};
use ringmain::rt::{InboxSender, inbox, mesh};
use ringmain::shard::directories::Given;
use ringmain::shard::message::CoreCounters;

const PORT: u16 = 9092;
const MESH_BOUND: usize = 64;

/// A host with a data directory of its own.
pub struct Broker {
    pub host: HostId,
    cores: usize,
    settings: Vec<String>,
    /// The data directories, from the next start on.
    pub directories: RefCell<Vec<&'static str>>,
    starts: Cell<u64>,
    control: RefCell<Option<InboxSender<Control>>>,
    /// What its cores had counted when it stopped in order, since it was started first.
    pub counted: Rc<Cell<CoreCounters>>,
    /// Why it could not start, if it could not.
    pub failure: Rc<RefCell<Option<String>>>,
}

impl Broker {
    /// `settings`: as `--set` takes them.
    pub fn new(sim: &Sim, cores: usize, settings: &[&str]) -> Broker {
        Broker::with_directories(sim, cores, &["/data"], settings)
    }

    pub fn with_directories(
        sim: &Sim,
        cores: usize,
        directories: &[&'static str],
        settings: &[&str],
    ) -> Broker {
        let host = sim.add_host("broker");
        // What the command does before it starts the cores.
        let disk = sim.disk(host);
        for directory in directories {
            let own = Path::new(directory).join(".ringmain");
            disk.install_dir(&own).expect("an empty disk");
            disk.install_file(&own.join("format"), b"1\n").expect("an empty disk");
        }
        let mut all = vec![
            format!("log.dirs={}", directories.join(",")),
            format!("ringmain.listen=0.0.0.0:{PORT}"),
            format!("ringmain.advertised.host={}", sim.address(host)),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        Broker {
            host,
            cores,
            settings: all,
            directories: RefCell::new(directories.to_vec()),
            starts: Cell::new(0),
            control: RefCell::default(),
            counted: Rc::default(),
            failure: Rc::default(),
        }
    }

    pub fn bootstrap(&self, sim: &Sim) -> SocketAddr {
        SocketAddr::new(sim.address(self.host), PORT)
    }

    /// Starts it; to be called from inside the simulation. Clients find out when it answers.
    pub fn start(&self, sim: &Sim) {
        let settings = BrokerSettings::load(None, &self.settings).expect("settings that hold");
        let config = BrokerConfig::resolve(&settings);
        let node = NodeId(config.node_id);
        let lanes = Lanes::plan(node, self.cores as u16, config.lanes, PORT).expect("a plan");
        let starts = self.starts.replace(self.starts.get() + 1);
        let plan = Arc::new(Plan {
            fixed: settings.fixed.clone(),
            config,
            data: self.directories.borrow().iter().map(Given::new).collect(),
            listen: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            lanes,
            cores: self.cores,
            seed: sim.seed() << 16 | starts,
        });
        let (control, commands) = inbox(16).expect("an inbox");
        *self.control.borrow_mut() = Some(control);
        let mut commands = Some(commands);
        let mut seats: Vec<_> =
            mesh(self.cores, MESH_BOUND).expect("seats").into_iter().map(Some).collect();
        sim.start(self.host, self.cores, |core| {
            let seat = seats[core].take().expect("one seat a core");
            let commands = commands.take_if(|_| core == 0);
            let (failure, total) = (self.failure.clone(), self.counted.clone());
            let tell = move |event| {
                if let Event::Failed(reason) = event {
                    rt::write_notice(format_args!("it cannot start: {reason}"));
                    *failure.borrow_mut() = Some(reason);
                }
            };
            let plan = plan.clone();
            async move {
                let mut counted = run_core(seat, plan, commands, tell).await;
                counted += total.get();
                total.set(counted);
            }
        });
    }

    /// Starts it again if it found no room to start in, as whoever looks after it would.
    pub async fn supervise(&self, sim: &Sim) {
        rt::sleep(Duration::from_millis(200)).await;
        let full = |reason: &String| reason.contains("No space") || reason.contains("is full");
        if self.failure.borrow_mut().take_if(|reason| full(reason)).is_some() {
            sim.ended(self.host).await;
            self.start(sim);
        }
    }

    /// Stops it in order and waits for its end.
    pub async fn stop(&self, sim: &Sim) {
        let control = self.control.take().expect("it runs");
        control.try_send(Control::Stop).expect("room for a word");
        sim.ended(self.host).await;
    }
}
