//! What belongs to one core: its partitions, its view of the cluster, and its way to other cores.
//!
//! Never shared: every field is this core's alone, and the only way to another core's partition is
//! a [`message`]. Rules are decided in the pure rooms below; here they are performed.

pub mod append_group;
mod calls;
pub mod checkpoints;
mod cleaning;
pub mod coordinators;
pub mod directories;
mod forced_sync;
pub mod foreign;
mod hold;
mod housekeeping;
pub mod inspection;
mod internal_topics;
mod log_settings;
mod losses;
pub mod markers;
pub mod message;
pub mod meta_properties;
pub mod metadata;
mod offline;
pub mod offset_files;
mod pace;
pub mod partition;
pub mod placement;
mod producer_ids;
pub mod proposal;
pub mod query;
mod reconcile;
mod relocation;
mod reserve;
mod retention;
pub mod scan;
pub mod settle;
mod space;
mod switch;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::prng::Prng;
use crate::base::signal::{Broadcast, Signal};
use crate::base::slab::Slab;
use crate::cluster::ClusterImage;
use crate::config::broker::BrokerConfig;
use crate::config::{BrokerSettings, Overrides};
use crate::coordinator::View;
use crate::coordinator::group::Groups;
use crate::coordinator::txn::TxnMachine;
use crate::log;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{DirectoryId, NodeId, PartitionId, TopicId};
use crate::rt::{self, MeshPort, MeshReceiver};
use append_group::{AppendGroup, AppendResult};
use calls::Call;
use checkpoints::Checkpoints;
use coordinators::Seats;
use directories::{Directory, Known};
use message::{AckWait, CoreCounters, Message, RemoteRecords, Reply, Request};
use metadata::Metadata;
use offline::Outages;
use pace::Pace;
use partition::Partition;
use placement::{Placement, TopicPlace};
use proposal::{Decision, Proposal};
use query::{Answer, Ask, Query};
use relocation::Relocations;

/// The core that keeps the metadata log.
pub const METADATA_CORE: usize = 0;

/// What the metadata core tells this one to do; taken by `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Open,
    Hush,
    Stop,
}

pub struct Shard {
    core: usize,
    cores: usize,
    port: MeshPort<Message>,
    /// What the host was started with, which nothing set online changes.
    fixed: Overrides,
    settings: RefCell<Rc<BrokerSettings>>,
    config: RefCell<Rc<BrokerConfig>>,
    node: NodeId,
    /// In the order of `log.dirs`; none before the metadata core has told.
    directories: RefCell<Rc<[Rc<Directory>]>>,
    image: RefCell<Arc<ClusterImage>>,
    placement: RefCell<Placement>,
    calls: RefCell<Slab<Call>>,
    logs: Rc<log::Budget>,
    checkpoints: RefCell<Checkpoints>,
    /// A task writes the checkpoint.
    checkpointing: Cell<bool>,
    checkpointed: Broadcast,
    /// What the cleaner of this core may take.
    means: log::Means,
    /// Raised when a flush made progress: memory may be free again.
    progress: Rc<Broadcast>,
    /// Only on the metadata core.
    metadata: OnceCell<Rc<Metadata>>,
    pub orders: Orders,
    pub counters: Counters,
    adopting: Cell<bool>,
    adopted: Broadcast,
    /// Topics with partitions that a full disk kept from being opened.
    unopened: RefCell<BTreeSet<TopicId>>,
    opening_later: Cell<bool>,
    outages: Outages,
    relocations: Relocations,
    /// Of the host's moves; only on the metadata core.
    pace: Pace,
    /// For ids that are made here.
    random: RefCell<Prng>,
    groups: Seats<Groups>,
    /// The image as the machines see it, once one has asked.
    view: RefCell<Option<Rc<dyn View>>>,
    transactions: Seats<TxnMachine>,
    /// Partitions of `__transaction_state` and ids of transactions whose markers are being written.
    marking: RefCell<BTreeSet<(i32, String)>>,
    /// Producer ids granted to this core and not yet handed out: the next one and the end.
    producer_ids: Cell<(i64, i64)>,
}

/// Orders from the metadata core, in order, each with the call that awaits its answer.
#[derive(Default)]
pub struct Orders {
    queue: RefCell<VecDeque<(usize, Order)>>,
    raised: Signal,
}

impl Orders {
    pub async fn next(&self) -> (usize, Order) {
        loop {
            if let Some(order) = self.queue.borrow_mut().pop_front() {
                return order;
            }
            self.raised.wait().await;
        }
    }

    fn push(&self, call: usize, order: Order) {
        self.queue.borrow_mut().push_back((call, order));
        self.raised.raise();
    }
}

/// What this core counts. Plain cells: nobody else writes them.
#[derive(Default)]
pub struct Counters {
    /// Partitions of requests served where they arrived, and those sent on to their owner.
    pub direct: Cell<u64>,
    pub forwarded: Cell<u64>,
    pub requests: Cell<u64>,
    pub opened: Opened,
}

/// What opening the partitions of a core took.
#[derive(Default)]
pub struct Opened {
    pub partitions: Cell<u64>,
    /// Bytes of batches whose checksums were computed.
    pub scanned_bytes: Cell<u64>,
    /// Partitions whose logs ended in what a crash left half written.
    pub cut: Cell<u64>,
}

impl Counters {
    pub fn add(counter: &Cell<u64>, amount: u64) {
        counter.set(counter.get() + amount);
    }
}

impl Shard {
    pub fn new(
        port: MeshPort<Message>,
        cores: usize,
        fixed: Overrides,
        logs: Rc<log::Budget>,
        random: Prng,
    ) -> Rc<Shard> {
        let settings = BrokerSettings { fixed: fixed.clone(), ..BrokerSettings::default() };
        let config = BrokerConfig::resolve(&settings);
        let means = log::Means::default();
        cleaning::share(&means, &config, cores);
        Rc::new(Shard {
            core: port.core(),
            cores,
            port,
            fixed,
            node: NodeId(config.node_id),
            settings: RefCell::new(Rc::new(settings)),
            config: RefCell::new(Rc::new(config)),
            directories: RefCell::new(Rc::from([])),
            image: RefCell::default(),
            placement: RefCell::default(),
            calls: RefCell::default(),
            logs,
            checkpoints: RefCell::default(),
            checkpointing: Cell::new(false),
            checkpointed: Broadcast::default(),
            means,
            progress: Rc::default(),
            metadata: OnceCell::new(),
            orders: Orders::default(),
            counters: Counters::default(),
            adopting: Cell::new(false),
            adopted: Broadcast::default(),
            unopened: RefCell::default(),
            opening_later: Cell::new(false),
            outages: Outages::new(cores),
            relocations: Relocations::default(),
            pace: Pace::default(),
            random: RefCell::new(random),
            groups: Seats::default(),
            view: RefCell::default(),
            transactions: Seats::default(),
            marking: RefCell::default(),
            producer_ids: Cell::new((0, 0)),
        })
    }

    pub fn core(&self) -> usize {
        self.core
    }

    pub fn cores(&self) -> usize {
        self.cores
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The data directories are these; from now on this core looks after them.
    pub async fn use_directories(self: &Rc<Self>, known: &[Known]) {
        let made = known.iter().enumerate();
        let made: Vec<_> = made
            .map(|(place, known)| Directory::new(place, known, &self.logs, &self.outages.suspected))
            .collect();
        *self.directories.borrow_mut() = Rc::from(made);
        let mut checkpoints = Checkpoints::default();
        for directory in self.online() {
            checkpoints.load(&directory).await;
            rt::spawn(self.clone().watch_space(directory.clone())).detach();
            rt::spawn(self.clone().watch_directory(directory)).detach();
        }
        *self.checkpoints.borrow_mut() = checkpoints;
    }

    pub fn directories(&self) -> Rc<[Rc<Directory>]> {
        self.directories.borrow().clone()
    }

    /// Those that work.
    pub fn online(&self) -> Vec<Rc<Directory>> {
        self.directories().iter().filter(|directory| !directory.is_lost()).cloned().collect()
    }

    pub fn directory(&self, id: DirectoryId) -> Option<Rc<Directory>> {
        let directories = self.directories();
        directories.iter().find(|directory| directory.id == id && !id.is_nil()).cloned()
    }

    /// What holds for this host at the moment.
    pub fn config(&self) -> Rc<BrokerConfig> {
        self.config.borrow().clone()
    }

    pub fn settings(&self) -> Rc<BrokerSettings> {
        self.settings.borrow().clone()
    }

    fn set_settings(&self, settings: Rc<BrokerSettings>) {
        let config = BrokerConfig::resolve(&settings);
        cleaning::share(&self.means, &config, self.cores);
        *self.config.borrow_mut() = Rc::new(config);
        *self.settings.borrow_mut() = settings;
        self.obey_in_coordinators();
    }

    /// Random numbers of its own for a part of this core.
    fn fork_random(&self) -> Prng {
        Prng::new(self.random.borrow_mut().next_u64())
    }

    pub fn image(&self) -> Arc<ClusterImage> {
        self.image.borrow().clone()
    }

    /// A snapshot of the counters, with those of the runtime.
    pub fn counted(&self) -> CoreCounters {
        CoreCounters {
            requests: self.counters.requests.get(),
            direct: self.counters.direct.get(),
            forwarded: self.counters.forwarded.get(),
            opened: self.counters.opened.partitions.get(),
            scanned_bytes: self.counters.opened.scanned_bytes.get(),
            cut: self.counters.opened.cut.get(),
            refused: self.refusals(),
            offline: self.offline_partitions(),
            runtime: rt::core_stats(),
        }
    }

    pub fn topic(&self, name: &str) -> Option<Rc<TopicPlace>> {
        self.placement.borrow().by_name(name).cloned()
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<Rc<TopicPlace>> {
        self.placement.borrow().by_id(id).cloned()
    }

    /// A partition that is at home here.
    pub fn partition(&self, topic: TopicId, partition: PartitionId) -> Option<Rc<Partition>> {
        self.placement.borrow().here(topic, partition).cloned()
    }

    /// Every partition of this core.
    pub fn partitions(&self) -> Vec<Rc<Partition>> {
        let placement = self.placement.borrow();
        placement.topics().flat_map(|t| &t.partitions).filter_map(|p| p.here.clone()).collect()
    }

    /// Waits while the unwritten bytes of this core exceed its budget.
    pub async fn wait_for_memory(&self) {
        while self.logs.is_pressed() {
            self.progress.wait().await;
        }
    }

    // ---- questions ------------------------------------------------------------------------

    /// Asks the owners, wherever they are; answers in the order of the questions.
    pub async fn ask(self: &Rc<Self>, queries: Vec<Query>) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = Vec::new();
        answers.resize_with(queries.len(), || None);
        let mut remote: Vec<(Vec<usize>, Vec<Query>)> = Vec::new();
        remote.resize_with(self.cores, Default::default);
        let mut local = Vec::new();
        for (index, query) in queries.into_iter().enumerate() {
            let core = self
                .topic_by_id(query.topic)
                .and_then(|topic| topic.partition(query.partition.0).map(|place| place.core));
            match core {
                None => {
                    answers[index] = Some(Answer::error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                }
                Some(core) if core == self.core => local.push((index, query)),
                Some(core) => {
                    remote[core].0.push(index);
                    remote[core].1.push(query);
                }
            }
        }
        Counters::add(&self.counters.direct, local.len() as u64);
        let mut pending = Vec::new();
        for (core, (indices, queries)) in remote.into_iter().enumerate() {
            if !queries.is_empty() {
                Counters::add(&self.counters.forwarded, queries.len() as u64);
                pending.push((indices, self.call(core, Request::Ask(queries))));
            }
        }
        for (index, query) in local {
            answers[index] = Some(self.answer_here(query).await);
        }
        for (indices, reply) in pending {
            if let Some(Reply::Answers(told)) = reply.await {
                for (index, answer) in indices.into_iter().zip(told) {
                    answers[index] = Some(answer);
                }
            }
        }
        answers
            .into_iter()
            .map(|a| a.unwrap_or_else(|| Answer::error(ErrorCode::NOT_LEADER_OR_FOLLOWER)))
            .collect()
    }

    async fn answer_here(self: &Rc<Self>, query: Query) -> Answer {
        match self.partition(query.topic, query.partition) {
            Some(partition) => match query.ask {
                Ask::Move { directory } => {
                    Answer::error(self.move_partition(&partition, directory).await)
                }
                ask => partition.answer(query.leader_epoch, ask).await,
            },
            None => Answer::error(self.absence(query.topic, query.partition)),
        }
    }

    /// Why a partition is not here: it is at home elsewhere, or could not be opened.
    fn absence(&self, topic: TopicId, partition: PartitionId) -> ErrorCode {
        let placement = self.placement.borrow();
        let place = placement.by_id(topic).and_then(|topic| topic.partition(partition.0));
        match place {
            Some(place) if place.core == self.core => ErrorCode::KAFKA_STORAGE_ERROR,
            _ => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        }
    }

    // ---- appends --------------------------------------------------------------------------

    /// Sends records to the core that owns their partitions; results go into `group`.
    pub fn append_there(
        &self,
        core: usize,
        wait: AckWait,
        records: Vec<RemoteRecords>,
        group: &Rc<AppendGroup>,
        indices: Vec<usize>,
    ) {
        Counters::add(&self.counters.forwarded, records.len() as u64);
        let call = Call::Append { group: group.clone(), indices };
        let call = self.calls.borrow_mut().insert(call);
        self.port.send(core, Message::Request { call, request: Request::Append { wait, records } });
    }

    fn append_for(
        self: &Rc<Self>,
        from: usize,
        call: usize,
        wait: AckWait,
        all: Vec<RemoteRecords>,
    ) {
        let done = Rc::new(Signal::default());
        let group = AppendGroup::new(done.clone());
        let indices: Vec<usize> = all.iter().map(|_| group.add()).collect();
        for (index, remote) in indices.into_iter().zip(all) {
            match self.partition(remote.topic, remote.partition) {
                Some(partition) => {
                    let records = log::Records::Copy(&remote.records);
                    partition.append(records, remote.proof, wait, &group, index);
                }
                None => {
                    let code = self.absence(remote.topic, remote.partition);
                    let failed = AppendResult::failed(code);
                    group.settle(index, failed);
                }
            }
        }
        let shard = self.clone();
        rt::spawn(async move {
            while !group.is_done() {
                done.wait().await;
            }
            let results = group.results().to_vec();
            shard.reply(from, call, Reply::Appended(results));
        })
        .detach();
    }

    // ---- changes --------------------------------------------------------------------------

    /// Asks the metadata core for a change and waits until this core has adopted it.
    pub async fn propose(self: &Rc<Self>, proposal: Proposal) -> Decision {
        if let Some(metadata) = self.metadata.get() {
            return metadata.decide(self, proposal).await;
        }
        match self.call(METADATA_CORE, Request::Propose(proposal)).await {
            Some(Reply::Decided(decision)) => decision,
            _ => Decision::refused(ErrorCode::BROKER_NOT_AVAILABLE, "the broker is stopping"),
        }
    }

    pub fn set_metadata(&self, metadata: Rc<Metadata>) {
        assert_eq!(self.core, METADATA_CORE);
        assert!(self.metadata.set(metadata).is_ok(), "one metadata log");
    }

    // ---- watching -------------------------------------------------------------------------

    /// Arranges for `signal` to be raised when any of the partitions has more to read. The ones of
    /// other cores are watched for at most `wait`.
    pub fn watch(
        self: &Rc<Self>,
        partitions: &[(TopicId, PartitionId)],
        signal: &Rc<Signal>,
        wait: Duration,
    ) {
        let mut remote: Vec<Vec<(TopicId, PartitionId)>> = vec![Vec::new(); self.cores];
        for &(topic, index) in partitions {
            let Some(place) = self.topic_by_id(topic) else { continue };
            match place.partition(index.0) {
                Some(p) if p.core == self.core => {
                    if let Some(partition) = &p.here {
                        partition.watch(signal);
                    }
                }
                Some(p) => remote[p.core].push((topic, index)),
                None => {}
            }
        }
        for (core, partitions) in remote.into_iter().enumerate() {
            if !partitions.is_empty() {
                let call = self.call(core, Request::Watch { partitions, wait });
                let signal = signal.clone();
                rt::spawn(async move {
                    call.await;
                    signal.raise();
                })
                .detach();
            }
        }
    }

    fn watch_for(
        self: &Rc<Self>,
        from: usize,
        call: usize,
        all: Vec<(TopicId, PartitionId)>,
        wait: Duration,
    ) {
        let signal = Rc::new(Signal::default());
        self.watch(&all, &signal, wait);
        let shard = self.clone();
        rt::spawn(async move {
            rt::timeout(wait, signal.wait()).await;
            shard.reply(from, call, Reply::Watched);
        })
        .detach();
    }

    // ---- the mesh -------------------------------------------------------------------------

    /// Serves one peer's messages until it leaves.
    pub async fn serve_peer(self: Rc<Self>, from: usize, receiver: MeshReceiver<Message>) {
        while let Some(message) = receiver.receive().await {
            match message {
                Message::Reply { call, reply } => self.take_reply(call, reply),
                Message::Request { call, request } => self.take_request(from, call, request),
            }
        }
    }

    /// In the order of arrival; what takes time goes on in a task of its own.
    fn take_request(self: &Rc<Self>, from: usize, call: usize, request: Request) {
        let shard = self.clone();
        match request {
            Request::Append { wait, records } => self.append_for(from, call, wait, records),
            Request::Watch { partitions, wait } => self.watch_for(from, call, partitions, wait),
            Request::Ask(queries) => rt::spawn(async move {
                let mut answers = Vec::with_capacity(queries.len());
                for query in queries {
                    answers.push(shard.answer_here(query).await);
                }
                shard.reply(from, call, Reply::Answers(answers));
            })
            .detach(),
            Request::Coordinate(errand) => rt::spawn(async move {
                let ruling = shard.run_errand(errand).await;
                shard.reply(from, call, Reply::Coordinated(ruling));
            })
            .detach(),
            Request::Mark(order) => rt::spawn(async move {
                let codes = shard.mark_here(&order).await;
                shard.reply(from, call, Reply::Marked(codes));
            })
            .detach(),
            Request::Propose(proposal) => rt::spawn(async move {
                let decision = shard.propose(proposal).await;
                shard.reply(from, call, Reply::Decided(decision));
            })
            .detach(),
            Request::Use(known) => rt::spawn(async move {
                shard.use_directories(&known).await;
                shard.reply(from, call, Reply::Used);
            })
            .detach(),
            Request::Adopt(image) => rt::spawn(async move {
                shard.adopt(image).await;
                shard.reply(from, call, Reply::Adopted);
            })
            .detach(),
            Request::Note => rt::spawn(async move {
                shard.write_checkpoint().await;
                shard.reply(from, call, Reply::Noted);
            })
            .detach(),
            Request::Look { directory, met_full } => rt::spawn(async move {
                let allowance = shard.look_at(directory, met_full).await;
                shard.reply(from, call, Reply::Looked(allowance));
            })
            .detach(),
            Request::Allow { directory, allowance } => {
                self.learn_space(directory, allowance);
                self.reply(from, call, Reply::Allowed);
            }
            Request::Lose { directory, reason } => rt::spawn(async move {
                match shard.core() {
                    METADATA_CORE => shard.lose_everywhere(directory, &reason).await,
                    _ => shard.lose_here(directory, &reason),
                }
                shard.reply(from, call, Reply::Lost);
            })
            .detach(),
            Request::Copy { bytes } => self.pace_copy(from, call, bytes),
            Request::Outage(outage) => self.learn_outage(from, call, outage),
            Request::Count => self.reply(from, call, Reply::Counters(self.counted())),
            Request::Open => self.orders.push(call, Order::Open),
            Request::Hush => self.orders.push(call, Order::Hush),
            Request::Stop => self.orders.push(call, Order::Stop),
        }
    }
}
