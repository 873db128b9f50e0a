//! NATS JetStream, by async-nats: a topic is a stream, its partitions are subjects `<topic>.<partition>`.
//!
//! A stream is one log with one order, whatever its subjects; consumers of a subscription pull from one
//! durable consumer of it, which shares the messages out. Nothing is acknowledged by consumers (policy
//! `none`, the cheapest that there is).

use std::sync::Arc;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::stream::{Config as StreamConfig, StorageType};
use bytes::Bytes;
use futures::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::partition::Partitioner;
use super::runtime::{self, Promise};
use super::window::Window;
use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, From, Message, NewTopic, Producer, ProducerSeat,
    Received, Result,
};
use crate::workload::{Durability, Workload};

/// Published and unacknowledged.
const UNACKNOWLEDGED_MAX: u64 = 10_000;
const BATCH_MESSAGES: usize = 1_000;
/// The first server that can sync before it acknowledges (`sync_interval: always`).
const SYNCS_FROM: (u64, u64) = (2, 10);

pub fn open(address: String) -> Result<Box<dyn Driver>> {
    let runtime = Arc::new(runtime::start()?);
    let client = runtime.block_on(connect(&address, None))?;
    Ok(Box::new(JetStream { address, runtime, client }))
}

/// What is unacknowledged when the connection ends will never be: `window` is told.
async fn connect(address: &str, window: Option<Arc<Window>>) -> Result<async_nats::Client> {
    let options = async_nats::ConnectOptions::new().event_callback(move |event| {
        if let (async_nats::Event::Disconnected, Some(window)) = (event, &window) {
            window.fail("the connection has ended");
        }
        std::future::ready(())
    });
    Ok(options.connect(format!("nats://{address}")).await?)
}

/// Starts a task of its own, hence must be called within the runtime.
async fn context(client: async_nats::Client) -> Context {
    let acks = usize::try_from(UNACKNOWLEDGED_MAX).unwrap_or(usize::MAX);
    ContextBuilder::new().max_ack_inflight(acks).build(client)
}

struct JetStream {
    address: String,
    runtime: Arc<Runtime>,
    client: async_nats::Client,
}

impl JetStream {
    fn syncs(&self) -> bool {
        let version = self.client.server_info().version;
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        found >= SYNCS_FROM
    }
}

impl Driver for JetStream {
    fn version(&mut self) -> Result<String> {
        Ok(format!("nats-server {}", self.client.server_info().version))
    }

    fn cannot(&self, workload: &Workload) -> Option<String> {
        if workload.durability == Some(Durability::Synced) && !self.syncs() {
            let version = self.client.server_info().version;
            let why = format!(
                "nats-server {version} syncs by the clock, whatever it has acknowledged \
                 (sync_interval: always came with 2.10)"
            );
            return Some(why);
        }
        super::cannot(workload)
    }

    fn create_topics(&mut self, topics: &[NewTopic], _: Option<Durability>) -> Result<()> {
        self.runtime.block_on(async {
            let context = context(self.client.clone()).await;
            for topic in topics {
                let config = StreamConfig {
                    name: topic.name.clone(),
                    subjects: vec![format!("{}.*", topic.name)],
                    storage: StorageType::File,
                    ..StreamConfig::default()
                };
                context.create_stream(config).await?;
            }
            Ok(())
        })
    }

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>> {
        // A connection of its own, as producers elsewhere have.
        let window = Arc::new(Window::new(UNACKNOWLEDGED_MAX));
        let context = self.runtime.block_on(async {
            let client = connect(&self.address, Some(window.clone())).await?;
            Ok::<_, crate::driver::Error>(context(client).await)
        })?;
        let (sender, receiver) = mpsc::unbounded_channel();
        self.runtime.spawn(publish(context, receiver, window.clone()));
        let subjects = (0..seat.partitions).map(|partition| format!("{}.{partition}", seat.topic));
        Ok(Box::new(JetStreamProducer {
            _runtime: self.runtime.clone(),
            subjects: subjects.collect(),
            partitioner: Partitioner::new(seat.partitions, seat.number),
            sender,
            waiting: Vec::new(),
            listener,
            window,
        }))
    }

    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>> {
        let deliver_policy = match seat.from {
            From::Beginning => DeliverPolicy::All,
            From::Tail => DeliverPolicy::New,
        };
        let config = PullConfig {
            durable_name: Some(seat.subscription.clone()),
            deliver_policy,
            ack_policy: AckPolicy::None,
            ..PullConfig::default()
        };
        let task = self.runtime.block_on(async {
            let context = context(connect(&self.address, None).await?).await;
            let stream = context.get_stream(&seat.topic).await?;
            let consumer = stream.get_or_create_consumer(&seat.subscription, config).await?;
            let messages = consumer.stream().max_messages_per_batch(BATCH_MESSAGES);
            let mut messages = messages.messages().await?;
            let topic = seat.topic.clone();
            Ok::<_, crate::driver::Error>(self.runtime.spawn(async move {
                while let Some(message) = messages.next().await {
                    match message {
                        Ok(message) => listener.received(&message.payload),
                        Err(error) => eprintln!("a consumer of {topic}: {error}"),
                    }
                }
            }))
        })?;
        Ok(Box::new(JetStreamConsumer { _runtime: self.runtime.clone(), task }))
    }
}

struct Outgoing {
    subject: String,
    payload: Bytes,
    promise: Promise,
}

struct JetStreamProducer {
    _runtime: Arc<Runtime>,
    subjects: Vec<String>,
    partitioner: Partitioner,
    sender: mpsc::UnboundedSender<Vec<Outgoing>>,
    /// Goes over to the runtime together, which is woken once for all.
    waiting: Vec<Outgoing>,
    listener: Arc<dyn Acknowledged>,
    window: Arc<Window>,
}

impl JetStreamProducer {
    fn hand_over(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.sender.send(waiting).map_err(|_| "the connection has ended".into())
    }
}

impl Producer for JetStreamProducer {
    fn send(&mut self, message: Message<'_>) -> Result<()> {
        if self.window.is_full() {
            self.hand_over()?;
        }
        self.window.enter()?;
        let subject = self.subjects[self.partitioner.pick(message.key) as usize].clone();
        let promise = Promise::new(message.due, &self.listener, &self.window);
        let payload = Bytes::copy_from_slice(message.payload);
        self.waiting.push(Outgoing { subject, payload, promise });
        if self.waiting.len() >= BATCH_MESSAGES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn idle(&mut self) {
        if let Err(error) = self.hand_over() {
            self.window.fail(&error.to_string());
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.hand_over()?;
        self.window.drained()
    }
}

/// Publishes in order; acknowledgements come in order too, and are waited for so.
async fn publish(
    context: Context,
    mut outgoing: mpsc::UnboundedReceiver<Vec<Outgoing>>,
    window: Arc<Window>,
) {
    let (acks, mut waiting) = mpsc::unbounded_channel();
    let hearing = tokio::spawn(async move {
        while let Some((ack, promise)) = waiting.recv().await {
            let ack: async_nats::jetstream::context::PublishAckFuture = ack;
            let promise: Promise = promise;
            promise.keep(ack.await.map(drop).map_err(|error| error.to_string()));
        }
    });
    while let Some(batch) = outgoing.recv().await {
        for Outgoing { subject, payload, promise } in batch {
            match context.publish(subject, payload).await {
                Ok(ack) => {
                    // The receiver lives as long as this sender.
                    let _ = acks.send((ack, promise));
                }
                Err(error) => {
                    window.fail(&error.to_string());
                    promise.keep(Err(error.to_string()));
                }
            }
        }
    }
    drop(acks);
    let _ = hearing.await;
}

struct JetStreamConsumer {
    _runtime: Arc<Runtime>,
    task: JoinHandle<()>,
}

impl Consumer for JetStreamConsumer {}

impl Drop for JetStreamConsumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
