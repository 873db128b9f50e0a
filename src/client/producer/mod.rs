//! Writes records to one topic: batched by partition, pipelined, repeated until acknowledged, and
//! with idempotence written exactly once and in order (KIP-98).
//!
//! `send` only queues; [`Producer::flush`] waits for the acknowledgements. The first failure that
//! trying again cannot mend ends the producer: every later call yields it.

mod lane;
mod queue;

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use crate::base::signal::Broadcast;
use crate::client::partitioner::Sticky;
use crate::client::routes::Routes;
use crate::client::{Cluster, Error, Result, partition_of_key};
use crate::model::ErrorCode;
use crate::rt;
use crate::wire::compression::Codec;
use crate::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use crate::wire::record::Header;
use lane::Lane;

/// How long a topic may take to be made.
const CREATION_PATIENCE: Duration = Duration::from_secs(5);

/// When the broker answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Never.
    None,
    /// When the leader has the records.
    Leader,
    /// When every replica in sync has them, as durably as the topic says.
    #[default]
    All,
}

impl Acks {
    /// As it stands on the wire.
    pub fn level(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ProducerOptions {
    pub acks: Acks,
    /// Needs `Acks::All`.
    pub idempotent: bool,
    pub codec: Codec,
    /// A batch is sent at the latest when it holds this many bytes, before compression. A larger
    /// record travels alone.
    pub batch_bytes: usize,
    /// A batch is sent at the latest after this time.
    pub linger: Duration,
    /// Bytes that may be queued or under way; `send` waits beyond.
    pub buffer_bytes: usize,
    /// From queueing to acknowledgement, all attempts included.
    pub delivery_timeout: Duration,
    /// Makes the topic where the cluster allows it.
    pub create_topic: bool,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        ProducerOptions {
            acks: Acks::All,
            idempotent: true,
            codec: Codec::None,
            batch_bytes: 256 << 10,
            linger: Duration::from_millis(5),
            buffer_bytes: 32 << 20,
            delivery_timeout: Duration::from_secs(120),
            create_topic: false,
        }
    }
}

/// A record to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header<'a>],
    /// `None` leaves it to the key, or to chance.
    pub partition: Option<i32>,
}

impl NewRecord<'_> {
    /// Bytes in a batch, at most: its parts and the numbers around them.
    fn size_max(&self) -> usize {
        const NUMBERS: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
        let headers = self.headers.iter();
        let headers = headers.map(|header| 10 + header.key.len() + len(header.value));
        NUMBERS + len(self.key) + len(self.value) + headers.sum::<usize>()
    }
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// What was acknowledged, or with `Acks::None` sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub records: u64,
    /// Of batches as they went over the wire.
    pub bytes: u64,
    pub batches: u64,
}

/// Who writes: what brokers know duplicates and gaps by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    producer_id: i64,
    epoch: i16,
}

impl Identity {
    const NONE: Identity = Identity { producer_id: -1, epoch: -1 };
}

/// A failure that may pass, told once until something is acknowledged again.
#[derive(Default)]
enum Trouble {
    #[default]
    None,
    New(Error),
    Told,
}

/// What the lanes of a producer share.
struct Shared {
    routes: Routes,
    options: ProducerOptions,
    identity: Identity,
    buffered_bytes: Cell<usize>,
    records_open: Cell<u64>,
    flushes: Cell<usize>,
    written: Cell<Written>,
    failure: RefCell<Option<Error>>,
    trouble: RefCell<Trouble>,
    /// Raised with every acknowledgement and with the failure.
    progress: Broadcast,
}

pub struct Producer {
    shared: Rc<Shared>,
    /// By partition, made when first needed.
    lanes: RefCell<Vec<Option<lane::Running>>>,
    sticky: RefCell<Sticky>,
}

impl Producer {
    /// Finds the topic, and gets an id from the cluster if it is to be idempotent.
    pub async fn open(
        cluster: Rc<Cluster>,
        topic_name: &str,
        options: ProducerOptions,
    ) -> Result<Producer> {
        assert!(!options.idempotent || options.acks == Acks::All, "idempotence needs all acks");
        let find = async || cluster.topic(topic_name, options.create_topic).await;
        // Only a topic that is being made may be waited for, and making one is quick. Where none is
        // made, brokers say the same as at first where one is.
        let patience = match options.create_topic {
            true => CREATION_PATIENCE.min(cluster.options().retry_for),
            false => Duration::ZERO,
        };
        let topic = cluster.retry_for(patience, find).await?;
        let identity = match options.idempotent {
            true => cluster.retry(async || new_identity(&cluster).await).await?,
            false => Identity::NONE,
        };
        let seed = rt::now().as_nanos() ^ identity.producer_id as u64;
        let sticky = Sticky::new(seed, options.batch_bytes);
        let shared = Shared {
            routes: Routes::new(cluster, topic_name, topic),
            options,
            identity,
            buffered_bytes: Cell::new(0),
            records_open: Cell::new(0),
            flushes: Cell::new(0),
            written: Cell::default(),
            failure: RefCell::default(),
            trouble: RefCell::default(),
            progress: Broadcast::default(),
        };
        Ok(Producer {
            shared: Rc::new(shared),
            lanes: RefCell::default(),
            sticky: RefCell::new(sticky),
        })
    }

    /// Partitions of the topic.
    pub fn partitions(&self) -> usize {
        self.shared.routes.topic().partitions.len()
    }

    /// Queues a record; waits while too many bytes are under way.
    pub async fn send(&self, record: &NewRecord<'_>) -> Result<()> {
        let shared = &self.shared;
        let size = record.size_max();
        loop {
            shared.alive()?;
            let buffered = shared.buffered_bytes.get();
            if buffered == 0 || buffered + size <= shared.options.buffer_bytes {
                break;
            }
            shared.progress.wait().await;
        }
        let lane = self.lane(self.partition_of(record, size)?);
        if lane.push(record, size) {
            // A batch is full: let it go before the next one is made.
            rt::yield_now().await;
        }
        Ok(())
    }

    /// Waits until everything queued before is acknowledged.
    pub async fn flush(&self) -> Result<()> {
        let shared = &self.shared;
        shared.flushes.set(shared.flushes.get() + 1);
        for running in self.lanes.borrow().iter().flatten() {
            running.lane.wake();
        }
        while shared.records_open.get() > 0 && shared.alive().is_ok() {
            shared.progress.wait().await;
        }
        shared.flushes.set(shared.flushes.get() - 1);
        shared.alive()
    }

    pub fn written(&self) -> Written {
        self.shared.written.get()
    }

    /// What is being tried again, once: for people who wait.
    pub fn trouble(&self) -> Option<Error> {
        let mut trouble = self.shared.trouble.borrow_mut();
        match mem::replace(&mut *trouble, Trouble::Told) {
            Trouble::New(error) => Some(error),
            before => {
                *trouble = before;
                None
            }
        }
    }

    fn partition_of(&self, record: &NewRecord<'_>, size: usize) -> Result<usize> {
        let count = self.partitions();
        match (record.partition, record.key) {
            (Some(index), _) => {
                let found = usize::try_from(index).ok().filter(|&index| index < count);
                found.ok_or_else(|| {
                    let subject = self.shared.routes.subject(index);
                    Error::refused(subject, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)
                })
            }
            (None, Some(key)) => Ok(partition_of_key(key, count)),
            (None, None) => Ok(self.sticky.borrow_mut().choose(count, size)),
        }
    }

    fn lane(&self, place: usize) -> Rc<Lane> {
        let mut lanes = self.lanes.borrow_mut();
        if lanes.len() <= place {
            lanes.resize_with(place + 1, || None);
        }
        let running = lanes[place].get_or_insert_with(|| {
            let index = self.shared.routes.topic().partitions[place].index;
            Lane::start(self.shared.clone(), index)
        });
        running.lane.clone()
    }
}

impl Shared {
    fn alive(&self) -> Result<()> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    fn note(&self, error: &Error) {
        let mut trouble = self.trouble.borrow_mut();
        if matches!(*trouble, Trouble::None) {
            *trouble = Trouble::New(error.clone());
        }
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
        self.progress.raise();
    }
}

async fn new_identity(cluster: &Cluster) -> Result<Identity> {
    let request = InitProducerIdRequest {
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let answer = cluster.call::<InitProducerId>(&request).await?;
    let response = answer.decode()?;
    match response.error_code {
        ErrorCode::NONE => {
            Ok(Identity { producer_id: response.producer_id, epoch: response.producer_epoch })
        }
        code => Err(Error::refused("a producer id", code, None)),
    }
}
