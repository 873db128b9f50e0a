//! The transactions of one producer: begun by the first batch, committed after a while, one behind the
//! other. With `transaction.version` 2 the broker adds partitions by itself and each commit raises the
//! epoch (KIP-890); with older ones all partitions of the topic are added first.

use std::io;

use ringmain::model::ErrorCode;
use ringmain::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use ringmain::wire::messages::end_txn::{EndTxn, EndTxnRequest};
use ringmain::wire::{Api, Message, Reader, Writer, frame};

use super::{Producer, RETRY_PAUSE};
use crate::clock;
use crate::driver::Nanos;
use crate::lean::link::Link;
use crate::lean::rpc;
use crate::tally::Tally;

const ADD_VERSION: i16 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent since the last commit.
    Idle,
    /// Partitions are being added (version 1).
    Adding,
    Open,
    Ending,
}

pub struct Transaction {
    id: String,
    /// To the coordinator.
    link: Link,
    /// From the first batch to the commit.
    interval: Nanos,
    /// Of EndTxn: 5 with `transaction.version` 2.
    end_version: i16,
    state: State,
    /// Batches that were sent and not answered.
    outstanding: usize,
    began: Nanos,
    /// When the commit was asked for first.
    asked: Option<Nanos>,
    again_at: Nanos,
}

impl Transaction {
    pub fn new(id: String, link: Link, interval: Nanos, end_version: i16) -> Transaction {
        Transaction {
            id,
            link,
            interval,
            end_version,
            state: State::Idle,
            outstanding: 0,
            began: 0,
            asked: None,
            again_at: 0,
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn is_open(&self) -> bool {
        self.state != State::Idle
    }

    fn adds_by_itself(&self) -> bool {
        self.end_version < 5
    }

    /// Whether records may be sent that were not sent before.
    pub fn takes_more(&self) -> bool {
        match self.state {
            State::Idle => !self.adds_by_itself(),
            State::Open => self.asked.is_none(),
            State::Adding | State::Ending => false,
        }
    }

    pub fn sent(&mut self, batches: usize, now: Nanos) {
        self.outstanding += batches;
        if self.state == State::Idle {
            (self.state, self.began) = (State::Open, now);
        }
    }

    pub fn answered(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    pub fn wake(&self, now: Nanos) -> Nanos {
        match self.state {
            State::Open if self.asked.is_none() => self.began + self.interval,
            _ if self.again_at > now => self.again_at,
            _ => Nanos::MAX,
        }
    }
}

impl Producer {
    /// Begins and ends transactions as it is time.
    pub(super) fn step_transaction(&mut self, now: Nanos) -> io::Result<()> {
        let over = now >= self.common.window.end() && self.pending == 0;
        let waits = self.lanes.iter().any(|lane| !lane.ready.is_empty());
        let Producer { transaction: Some(transaction), topic, author, parts, .. } = self else {
            return Ok(());
        };
        match transaction.state {
            State::Idle if waits && transaction.adds_by_itself() && now >= transaction.again_at => {
                let partitions = (0..parts.len() as i32).collect();
                let topics = vec![AddPartitionsToTxnTopic { name: topic, partitions }];
                let request = AddPartitionsToTxnRequest {
                    v3_and_below_transactional_id: &transaction.id,
                    v3_and_below_producer_id: author.id,
                    v3_and_below_producer_epoch: author.epoch,
                    v3_and_below_topics: topics,
                    ..Default::default()
                };
                ask::<AddPartitionsToTxn>(&mut transaction.link, ADD_VERSION, &request)?;
                transaction.state = State::Adding;
            }
            State::Open if over || now >= transaction.began + transaction.interval => {
                // From now on nothing new is sent; what was sent is waited for.
                let asked = *transaction.asked.get_or_insert(now);
                if transaction.outstanding > 0 || now < transaction.again_at {
                    return Ok(());
                }
                transaction.asked = Some(asked);
                let request = EndTxnRequest {
                    transactional_id: &transaction.id,
                    producer_id: author.id,
                    producer_epoch: author.epoch,
                    committed: true,
                };
                ask::<EndTxn>(&mut transaction.link, transaction.end_version, &request)?;
                transaction.state = State::Ending;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn hear_coordinator(&mut self, tally: &mut Tally) -> io::Result<()> {
        let Producer { transaction: Some(transaction), author, parts, common, .. } = self else {
            return Ok(());
        };
        let Transaction { link, state, end_version, asked, again_at, began, .. } = transaction;
        link.receive(|answer| {
            let now = clock::now();
            let mut reader = Reader::new(answer);
            if *state == State::Adding {
                frame::read_response_header::<AddPartitionsToTxn>(&mut reader, ADD_VERSION)
                    .map_err(rpc::malformed)?;
                let response =
                    <AddPartitionsToTxn as Api>::Response::decode(&mut reader, ADD_VERSION)
                        .map_err(rpc::malformed)?;
                let topics = response.results_by_topic_v3_and_below.iter();
                let mut codes = topics.flat_map(|topic| &topic.results_by_partition);
                let code = codes
                    .find(|part| part.partition_error_code != ErrorCode::NONE)
                    .map_or(ErrorCode::NONE, |part| part.partition_error_code);
                *state = State::Idle;
                match code {
                    ErrorCode::NONE => (*state, *began) = (State::Open, now),
                    ErrorCode::CONCURRENT_TRANSACTIONS => *again_at = now + RETRY_PAUSE,
                    code => return rpc::check("AddPartitionsToTxn", code),
                }
                return Ok(());
            }
            frame::read_response_header::<EndTxn>(&mut reader, *end_version)
                .map_err(rpc::malformed)?;
            let response = <EndTxn as Api>::Response::decode(&mut reader, *end_version)
                .map_err(rpc::malformed)?;
            match response.error_code {
                ErrorCode::NONE => {}
                ErrorCode::CONCURRENT_TRANSACTIONS
                | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                    (*state, *again_at) = (State::Open, now + RETRY_PAUSE);
                    return Ok(());
                }
                code => return rpc::check("EndTxn", code),
            }
            let before = (author.id, author.epoch);
            if *end_version >= 5 && response.producer_id >= 0 {
                (author.id, author.epoch) = (response.producer_id, response.producer_epoch);
            }
            if before != (author.id, author.epoch) {
                parts.iter_mut().for_each(|part| part.next_sequence = 0);
            }
            if let Some(asked) = asked.take() {
                tally.event(&common.window, "commits", asked, now);
            }
            *state = State::Idle;
            Ok(())
        })?;
        link.flush()
    }
}

fn ask<A: Api>(link: &mut Link, version: i16, request: &A::Request<'_>) -> io::Result<()> {
    let correlation_id = link.next_correlation_id();
    let out = link.outbox();
    let client = Some("ringmain-bench");
    frame::write_request::<A>(&mut Writer::new(out), version, correlation_id, client, request);
    link.flush()
}
