//! One direction of a connection.

use std::collections::VecDeque;
use std::io;

use rustix::io::Errno;

use crate::rt::sim::op::{Completer, Waiting};

/// What travels.
pub(super) enum Parcel {
    Bytes(Vec<u8>),
    /// The sender says no more.
    End,
    Reset,
}

pub(super) type Received = io::Result<Vec<u8>>;

#[derive(Default)]
pub(super) struct Pipe {
    /// Sent and under way, oldest first; each has its arrival on the agenda, unless it is `held`.
    flight: VecDeque<Parcel>,
    flight_bytes: usize,
    /// Arrivals that a partition stopped, to be repeated when it heals.
    pub(super) held: usize,
    /// When the last parcel arrives: none overtakes another.
    pub(super) last_arrival: u64,
    arrived: VecDeque<u8>,
    /// The receive under way: how many bytes it takes at most.
    receiver: Option<(usize, Completer<Received>)>,
    /// Senders that wait for room.
    pub(super) senders: Waiting,
    /// The sender has sent its end.
    pub(super) ended: bool,
    end_arrived: bool,
    /// The receiver takes only what is there.
    pub(super) stopped: bool,
    /// The receiver takes nothing, and who sends learns it.
    pub(super) deaf: bool,
    /// The sending side learnt that the connection is reset.
    pub(super) broken: bool,
    /// The receiving side did.
    reset_arrived: bool,
}

impl Pipe {
    pub(super) fn room(&self, bound: usize) -> usize {
        bound.saturating_sub(self.flight_bytes + self.arrived.len())
    }

    pub(super) fn post(&mut self, parcel: Parcel) {
        if let Parcel::Bytes(bytes) = &parcel {
            self.flight_bytes += bytes.len();
        }
        self.flight.push_back(parcel);
    }

    /// Takes in the oldest parcel; true when it came for somebody who has hung up.
    pub(super) fn arrive(&mut self, split: impl Fn(usize) -> usize) -> bool {
        match self.flight.pop_front() {
            None => return false,
            Some(Parcel::Bytes(bytes)) => {
                self.flight_bytes -= bytes.len();
                if self.deaf {
                    return true;
                }
                self.arrived.extend(bytes);
            }
            Some(Parcel::End) => self.end_arrived = true,
            Some(Parcel::Reset) => self.break_off(),
        }
        self.serve(split);
        false
    }

    /// The connection is reset as far as the receiver can tell.
    pub(super) fn break_off(&mut self) {
        self.reset_arrived = true;
        self.arrived.clear();
    }

    /// Forgets what is under way: the sender's machine is gone.
    pub(super) fn lose_flight(&mut self) {
        self.flight.clear();
        self.flight_bytes = 0;
        self.held = 0;
    }

    /// A receive takes its place; only one may wait.
    pub(super) fn receive(&mut self, most: usize, completer: Completer<Received>) {
        let busy = self.receiver.as_ref().is_some_and(|(_, waiting)| !waiting.is_abandoned());
        assert!(!busy, "two receives at once on a connection");
        self.receiver = Some((most, completer));
    }

    /// Gives the receive under way what there is for it.
    pub(super) fn serve(&mut self, split: impl Fn(usize) -> usize) {
        let Some((most, completer)) = self.receiver.take() else { return };
        if completer.is_abandoned() {
            return;
        }
        if !self.arrived.is_empty() && !self.deaf {
            let count = split(most.min(self.arrived.len()));
            let rest = self.arrived.split_off(count);
            let bytes = Vec::from(std::mem::replace(&mut self.arrived, rest));
            completer.complete(Ok(bytes));
            self.senders.wake_all();
        } else if self.reset_arrived {
            completer.complete(Err(io::Error::from(Errno::CONNRESET)));
        } else if self.end_arrived || self.stopped || self.deaf {
            completer.complete(Ok(Vec::new()));
        } else {
            self.receiver = Some((most, completer));
        }
    }

    /// Bytes that arrived and were never received.
    pub(super) fn has_unread(&self) -> bool {
        !self.arrived.is_empty()
    }
}
