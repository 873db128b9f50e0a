//! First-in first-out queues between the cores, one for each ordered pair.
//!
//! `send` never waits: what the ring between two cores cannot take yet is queued on the sender's
//! side and follows in order. What bounds that queue is the budget of requests in flight.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use super::current::in_simulator;
use super::{glommio, sim};

/// One core's place in the mesh, made before the cores start and handed to its thread.
pub enum MeshSeat<M: Send + 'static> {
    Real(glommio::mesh::Seat<M>),
    Sim(sim::MeshSeat<M>),
}

enum Sender<M: Send + 'static> {
    Real(glommio::mesh::Sender<M>),
    Sim(sim::MeshSender<M>),
}

pub enum MeshReceiver<M: Send + 'static> {
    Real(glommio::mesh::Receiver<M>),
    Sim(sim::MeshReceiver<M>),
}

/// Seats for `cores` cores of one process; each ring holds `bound` messages. In the simulator they
/// are for virtual cores, anywhere else for real ones.
pub fn mesh<M: Send + 'static>(cores: usize, bound: usize) -> io::Result<Vec<MeshSeat<M>>> {
    if in_simulator() {
        return Ok(sim::mesh_seats(cores, bound).into_iter().map(MeshSeat::Sim).collect());
    }
    Ok(glommio::mesh::seats(cores, bound)?.into_iter().map(MeshSeat::Real).collect())
}

impl<M: Send + 'static> MeshSeat<M> {
    /// Takes the seat on its core.
    pub async fn join(self) -> MeshPort<M> {
        let (core, senders, receivers) = match self {
            MeshSeat::Real(seat) => {
                let (core, senders, receivers) = seat.join();
                (
                    core,
                    senders.into_iter().map(|s| s.map(Sender::Real)).collect::<Vec<_>>(),
                    receivers
                        .into_iter()
                        .map(|(from, r)| (from, MeshReceiver::Real(r)))
                        .collect::<Vec<_>>(),
                )
            }
            MeshSeat::Sim(seat) => {
                let (core, senders, receivers) = seat.join().await;
                (
                    core,
                    senders.into_iter().map(|s| s.map(Sender::Sim)).collect(),
                    receivers.into_iter().map(|(from, r)| (from, MeshReceiver::Sim(r))).collect(),
                )
            }
        };
        let lanes = senders
            .into_iter()
            .map(|sender| {
                sender.map(|sender| {
                    Rc::new(Lane { sender, queue: RefCell::default(), draining: Cell::new(false) })
                })
            })
            .collect();
        MeshPort { core, lanes, receivers: RefCell::new(receivers) }
    }
}

struct Lane<M: Send + 'static> {
    sender: Sender<M>,
    queue: RefCell<VecDeque<M>>,
    draining: Cell<bool>,
}

/// A joined seat.
pub struct MeshPort<M: Send + 'static> {
    core: usize,
    lanes: Vec<Option<Rc<Lane<M>>>>,
    receivers: RefCell<Vec<(usize, MeshReceiver<M>)>>,
}

impl<M: Send + 'static> MeshPort<M> {
    pub fn core(&self) -> usize {
        self.core
    }

    /// The receiving ends, one a peer; may be taken once.
    pub fn take_receivers(&self) -> Vec<(usize, MeshReceiver<M>)> {
        self.receivers.take()
    }

    /// Sends to another core. A message to a core that has stopped is dropped.
    pub fn send(&self, to: usize, message: M) {
        let lane = self.lanes[to].as_ref().expect("a core does not send to itself");
        if lane.draining.get() {
            lane.queue.borrow_mut().push_back(message);
            return;
        }
        if let Some(refused) = lane.sender.try_send(message) {
            lane.queue.borrow_mut().push_back(refused);
            lane.draining.set(true);
            let lane = lane.clone();
            super::spawn(async move {
                loop {
                    let Some(message) = lane.queue.borrow_mut().pop_front() else { break };
                    lane.sender.send(message).await;
                }
                lane.draining.set(false);
            })
            .detach();
        }
    }
}

impl<M: Send + 'static> Sender<M> {
    /// Gives the message back when the ring is full.
    fn try_send(&self, message: M) -> Option<M> {
        match self {
            Sender::Real(sender) => sender.try_send(message),
            Sender::Sim(sender) => sender.try_send(message),
        }
    }

    async fn send(&self, message: M) {
        match self {
            Sender::Real(sender) => sender.send(message).await,
            Sender::Sim(sender) => sender.send(message).await,
        }
    }
}

impl<M: Send + 'static> MeshReceiver<M> {
    /// The next message; `None` when the peer has left.
    pub async fn receive(&self) -> Option<M> {
        match self {
            MeshReceiver::Real(receiver) => receiver.receive().await,
            MeshReceiver::Sim(receiver) => receiver.receive().await,
        }
    }
}
