//! Apache Artemis, by AMQP 1.0 (fe2o3-amqp): a partition is an address `<topic>.<partition>`, a subscription
//! a shared durable one, which is a queue at each address.
//!
//! A queue holds what comes after it was made, until it is consumed: there is no reading from the
//! beginning. Without subscriptions the driver makes one, or the broker would keep nothing.

use std::sync::Arc;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::link::{CreditMode, LinkStateError, Receiver, RecvError, SendError, Sender};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::SequenceNo;
use fe2o3_amqp::types::messaging::{
    Data, Header, Message as AmqpMessage, Outcome, Source, Target, TerminusDurability,
    TerminusExpiryPolicy,
};
use fe2o3_amqp::types::primitives::{Array, Symbol};
use fe2o3_amqp::{Connection, Session};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::partition::{Partitioner, share};
use super::runtime::{self, Promise};
use super::window::Window;
use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, From, Message, NewTopic, Producer, ProducerSeat,
    Received, Result,
};
use crate::workload::{Durability, Workload};

const UNACKNOWLEDGED_MAX: u64 = 10_000;
const BATCH_MESSAGES: usize = 1_000;
/// As Artemis gives to its producers (`amqpCredits`).
const CREDIT: SequenceNo = 1_000;
/// The subscription of topics that nobody reads.
const KEPT: &str = "kept";

pub fn open(address: String, workload: &Workload) -> Result<Box<dyn Driver>> {
    let runtime = Arc::new(runtime::start()?);
    let keep = workload.consumers() == 0;
    let line = runtime.block_on(Line::open(&address, "control"))?;
    Ok(Box::new(Artemis { address, runtime, line, keep }))
}

/// A connection with its one session.
struct Line {
    session: SessionHandle<()>,
    _connection: ConnectionHandle<()>,
}

impl Line {
    async fn open(address: &str, name: &str) -> Result<Line> {
        let mut connection = Connection::builder()
            .container_id(name)
            .sasl_profile(SaslProfile::Anonymous)
            .open(&*format!("amqp://{address}"))
            .await?;
        let session = Session::begin(&mut connection).await?;
        Ok(Line { session, _connection: connection })
    }

    async fn sender(&mut self, address: &str) -> Result<Sender> {
        let target = Target::builder().address(address).capabilities(capabilities(&["topic"]));
        let sender = Sender::builder().name(format!("to {address}")).target(target.build());
        Ok(sender.attach(&mut self.session).await?)
    }

    async fn receiver(&mut self, address: &str, subscription: &str) -> Result<Receiver> {
        let source = Source::builder()
            .address(address)
            .durable(TerminusDurability::UnsettledState)
            .expiry_policy(TerminusExpiryPolicy::Never)
            .capabilities(capabilities(&["topic", "shared", "global"]));
        let receiver = Receiver::builder()
            .name(format!("{subscription}.{address}"))
            .source(source.build())
            .credit_mode(CreditMode::Auto(CREDIT))
            .auto_accept(true);
        Ok(receiver.attach(&mut self.session).await?)
    }
}

fn capabilities(names: &[&str]) -> Array<Symbol> {
    Array::from(names.iter().map(|name| Symbol::from(*name)).collect::<Vec<_>>())
}

fn at(topic: &str, partition: u32) -> String {
    format!("{topic}.{partition}")
}

struct Artemis {
    address: String,
    runtime: Arc<Runtime>,
    line: Line,
    keep: bool,
}

impl Driver for Artemis {
    fn version(&mut self) -> Result<String> {
        // It tells a client when the connection is opened, and the library keeps that to itself.
        Ok("Artemis".into())
    }

    fn cannot(&self, workload: &Workload) -> Option<String> {
        if workload.consumer_backlog_size_gb > 0.0 || workload.catch_up_subscriptions > 0 {
            let why = "a queue holds only what comes after its subscription, and gives it once: nothing \
                       can be read from the beginning";
            return Some(why.into());
        }
        super::cannot(workload)
    }

    fn create_topics(&mut self, topics: &[NewTopic], _: Option<Durability>) -> Result<()> {
        if !self.keep {
            return Ok(());
        }
        let line = &mut self.line;
        self.runtime.block_on(async {
            for topic in topics {
                for partition in 0..topic.partitions {
                    let receiver = line.receiver(&at(&topic.name, partition), KEPT).await?;
                    // Detached, not closed: the subscription stays.
                    receiver.detach().await.map_err(|(_, error)| error)?;
                }
            }
            Ok(())
        })
    }

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>> {
        let window = Arc::new(Window::new(UNACKNOWLEDGED_MAX));
        let name = format!("producer {}", seat.number);
        let (line, senders) = self.runtime.block_on(async {
            let mut line = Line::open(&self.address, &name).await?;
            let mut senders = Vec::new();
            for partition in 0..seat.partitions {
                let sender = line.sender(&at(&seat.topic, partition)).await?;
                let (hand, outgoing) = mpsc::unbounded_channel();
                tokio::spawn(publish(sender, outgoing, window.clone()));
                senders.push(hand);
            }
            Ok::<_, crate::driver::Error>((line, senders))
        })?;
        Ok(Box::new(ArtemisProducer {
            waiting: senders.iter().map(|_| Vec::new()).collect(),
            senders,
            partitioner: Partitioner::new(seat.partitions, seat.number),
            listener,
            window,
            _line: line,
            _runtime: self.runtime.clone(),
        }))
    }

    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>> {
        if seat.from == From::Beginning {
            return Err("Artemis has no reading from the beginning".into());
        }
        let name = format!("consumer {}", seat.number);
        let (line, tasks) = self.runtime.block_on(async {
            let mut line = Line::open(&self.address, &name).await?;
            let mut tasks = Vec::new();
            for partition in share(seat.partitions, seat.index, seat.of) {
                let address = at(&seat.topic, partition);
                let receiver = line.receiver(&address, &seat.subscription).await?;
                tasks.push(tokio::spawn(consume(receiver, listener.clone())));
            }
            Ok::<_, crate::driver::Error>((line, tasks))
        })?;
        Ok(Box::new(ArtemisConsumer { tasks, _line: line, _runtime: self.runtime.clone() }))
    }
}

type Outgoing = (Vec<u8>, Promise);

struct ArtemisProducer {
    senders: Vec<mpsc::UnboundedSender<Vec<Outgoing>>>,
    /// For each partition; goes over to the runtime together, which is woken once for all.
    waiting: Vec<Vec<Outgoing>>,
    partitioner: Partitioner,
    listener: Arc<dyn Acknowledged>,
    window: Arc<Window>,
    _line: Line,
    _runtime: Arc<Runtime>,
}

impl ArtemisProducer {
    fn hand_over(&mut self) -> Result<()> {
        for (waiting, sender) in self.waiting.iter_mut().zip(&self.senders) {
            if !waiting.is_empty() {
                let sent = sender.send(std::mem::take(waiting));
                sent.map_err(|_| "the connection has ended")?;
            }
        }
        Ok(())
    }
}

impl Producer for ArtemisProducer {
    fn send(&mut self, message: Message<'_>) -> Result<()> {
        if self.window.is_full() {
            self.hand_over()?;
        }
        self.window.enter()?;
        let at = self.partitioner.pick(message.key) as usize;
        let promise = Promise::new(message.due, &self.listener, &self.window);
        self.waiting[at].push((message.payload.to_vec(), promise));
        if self.waiting[at].len() >= BATCH_MESSAGES {
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

/// Sends to one address; its acknowledgements come in order and are waited for so.
async fn publish(
    mut sender: Sender,
    mut outgoing: mpsc::UnboundedReceiver<Vec<Outgoing>>,
    window: Arc<Window>,
) {
    type Ack = (DeliveryFut<Result<Outcome, SendError>>, Promise);
    let (acks, mut waiting) = mpsc::unbounded_channel::<Ack>();
    let hearing = tokio::spawn(async move {
        while let Some((ack, promise)) = waiting.recv().await {
            promise.keep(match ack.await {
                Ok(Outcome::Accepted(_)) => Ok(()),
                Ok(other) => Err(format!("not accepted: {other:?}")),
                Err(error) => Err(error.to_string()),
            });
        }
    });
    while let Some(batch) = outgoing.recv().await {
        for (payload, promise) in batch {
            // What is not durable is kept in memory only.
            let header = Header { durable: true, ..Header::default() };
            let message = AmqpMessage::builder().header(header).data(Data::from(payload)).build();
            match sender.send_batchable(message).await {
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

async fn consume(mut receiver: Receiver, listener: Arc<dyn Received>) {
    loop {
        match receiver.recv::<Data>().await {
            Ok(delivery) => listener.received(&delivery.body().0),
            // The broker's end, or ours, which is told elsewhere.
            Err(RecvError::LinkStateError(LinkStateError::SessionStopped(_))) => return,
            Err(error) => {
                eprintln!("a consumer ended: {error}");
                return;
            }
        }
    }
}

struct ArtemisConsumer {
    tasks: Vec<JoinHandle<()>>,
    _line: Line,
    _runtime: Arc<Runtime>,
}

impl Consumer for ArtemisConsumer {}

impl Drop for ArtemisConsumer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
