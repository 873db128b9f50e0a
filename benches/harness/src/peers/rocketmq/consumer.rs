//! Pulls from the queues of a topic that are its share. A connection for each queue: a pull that waits
//! for messages holds nobody else up.

use std::net::Shutdown;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::json;

use super::command::{self, Command};
use super::line::Line;
use super::message;
use crate::driver::{Consumer, ConsumerSeat, From, Received, Result};
use crate::peers::partition::share;

/// How long the broker keeps a pull that finds nothing, as RocketMQ's Java client asks.
const SUSPEND_MILLISECONDS: &str = "15000";
/// The broker gives what it may (`maxTransferCountOnMessageInMemory`).
const MESSAGES_MAX: &str = "1024";
/// Suspend when nothing is there; the subscription stands in the request.
const SYSTEM_FLAGS: &str = "6";

pub struct QueueConsumer {
    pulls: Vec<Pull>,
    ended: Arc<AtomicBool>,
}

struct Pull {
    stream: TcpStream,
    thread: JoinHandle<()>,
}

impl Consumer for QueueConsumer {}

impl QueueConsumer {
    pub fn open(
        address: &str,
        seat: &ConsumerSeat,
        listener: &Arc<dyn Received>,
    ) -> Result<QueueConsumer> {
        let ended = Arc::new(AtomicBool::new(false));
        let mut consumer = QueueConsumer { pulls: Vec::new(), ended };
        for queue in share(seat.partitions, seat.index, seat.of) {
            let mut line = Line::open(address)?;
            let offset = match seat.from {
                From::Beginning => 0,
                From::Tail => {
                    let fields = json!({"topic": seat.topic, "queueId": queue.to_string()});
                    line.ask(Command::new(command::GET_MAX_OFFSET).with(fields))?
                        .number("offset")?
                }
            };
            let stream = line.stream.try_clone()?;
            let (seat, listener) = (seat.clone(), listener.clone());
            let ended = consumer.ended.clone();
            let thread = thread::Builder::new().name("peer reader".into()).spawn(move || {
                let Err(error) = pull(line, &seat, queue, offset, &*listener) else { return };
                // A connection that ends is the broker's end, or ours, and told elsewhere.
                if !ended.load(Ordering::Relaxed) && !error.is::<std::io::Error>() {
                    eprintln!("a consumer of queue {queue} of {} ended: {error}", seat.topic);
                }
            })?;
            consumer.pulls.push(Pull { stream, thread });
        }
        Ok(consumer)
    }
}

fn pull(
    mut line: Line,
    seat: &ConsumerSeat,
    queue: u32,
    mut offset: i64,
    listener: &dyn Received,
) -> Result<()> {
    loop {
        let command = Command::new(command::PULL_MESSAGE).with(json!({
            "consumerGroup": seat.subscription,
            "topic": seat.topic,
            "queueId": queue.to_string(),
            "queueOffset": offset.to_string(),
            "maxMsgNums": MESSAGES_MAX,
            "sysFlag": SYSTEM_FLAGS,
            "commitOffset": "0",
            "suspendTimeoutMillis": SUSPEND_MILLISECONDS,
            "subscription": "*",
            "subVersion": "0",
            "expressionType": "TAG",
        }));
        let answer = line.ask_any(command)?;
        match answer.code {
            command::SUCCESS => {
                message::payloads(&answer.body, |payload| listener.received(payload))?;
                offset = answer.number("nextBeginOffset")?;
            }
            command::PULL_NOT_FOUND => {}
            command::PULL_RETRY_IMMEDIATELY | command::PULL_OFFSET_MOVED => {
                offset = answer.number("nextBeginOffset")?;
            }
            _ => return Err(answer.refusal().unwrap_or_default().into()),
        }
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for pull in &self.pulls {
            // It may be closed already.
            let _ = pull.stream.shutdown(Shutdown::Both);
        }
        for pull in self.pulls.drain(..) {
            let _ = pull.thread.join();
        }
    }
}
