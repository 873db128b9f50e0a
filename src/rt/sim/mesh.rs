//! Queues between the cores of one process: bounded, in order, each message a little late.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use super::super::current::{Current, with};
use super::core::Core;
use super::op::Waiting;

/// One core's place, not yet taken.
pub struct MeshSeat<M: Send + 'static> {
    core: usize,
    table: Arc<Table>,
    senders: Vec<Option<Arc<Queue<M>>>>,
    receivers: Vec<(usize, Arc<Queue<M>>)>,
}

/// How many seats are still empty, and who waits for them. Seats may be moved between threads
/// before they are taken, as real ones are; hence the locks.
struct Table(Mutex<(usize, Waiting)>);

struct Queue<M> {
    bound: usize,
    state: Mutex<State<M>>,
}

struct State<M> {
    in_flight: VecDeque<M>,
    arrived: VecDeque<M>,
    last_arrival: u64,
    sender_gone: bool,
    receiver_gone: bool,
    receivers: Waiting,
    senders: Waiting,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl<M> Queue<M> {
    fn new(bound: usize) -> Arc<Queue<M>> {
        let state = State {
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            last_arrival: 0,
            sender_gone: false,
            receiver_gone: false,
            receivers: Waiting::default(),
            senders: Waiting::default(),
        };
        Arc::new(Queue { bound, state: Mutex::new(state) })
    }

    fn arrive(&self) {
        let mut state = lock(&self.state);
        let message = state.in_flight.pop_front();
        state.arrived.extend(message);
        state.receivers.wake_all();
    }
}

/// Seats for the virtual cores of one process; each queue holds `bound` messages.
pub fn mesh_seats<M: Send + 'static>(cores: usize, bound: usize) -> Vec<MeshSeat<M>> {
    assert!(bound > 0, "a queue that holds nothing");
    let table = Arc::new(Table(Mutex::new((cores, Waiting::default()))));
    let mut seats: Vec<MeshSeat<M>> = (0..cores)
        .map(|core| MeshSeat {
            core,
            table: table.clone(),
            senders: (0..cores).map(|_| None).collect(),
            receivers: Vec::new(),
        })
        .collect();
    for from in 0..cores {
        for to in (0..cores).filter(|&to| to != from) {
            let queue = Queue::new(bound);
            seats[from].senders[to] = Some(queue.clone());
            seats[to].receivers.push((from, queue));
        }
    }
    seats
}

type Joined<M> = (usize, Vec<Option<MeshSender<M>>>, Vec<(usize, MeshReceiver<M>)>);

impl<M: Send + 'static> MeshSeat<M> {
    /// Takes the seat on the current core and waits for the others.
    pub async fn join(self) -> Joined<M> {
        let core = with(|current| match current {
            Current::Sim(core) => core.clone(),
            Current::Real(_) => unreachable!("a simulated seat on a real core"),
        });
        {
            let mut table = lock(&self.table.0);
            table.0 -= 1;
            if table.0 == 0 {
                table.1.wake_all();
            }
        }
        poll_fn(|cx| {
            let mut table = lock(&self.table.0);
            if table.0 == 0 {
                return Poll::Ready(());
            }
            table.1.add(cx.waker());
            Poll::Pending
        })
        .await;
        let sender = |queue: Arc<Queue<M>>| MeshSender { queue, core: core.clone() };
        let senders = self.senders.into_iter().map(|queue| queue.map(sender)).collect();
        let receiver = |(from, queue)| (from, MeshReceiver(queue));
        (self.core, senders, self.receivers.into_iter().map(receiver).collect())
    }
}

pub struct MeshSender<M: Send + 'static> {
    queue: Arc<Queue<M>>,
    core: Rc<Core>,
}

impl<M: Send + 'static> MeshSender<M> {
    /// Gives the message back when the queue is full.
    pub fn try_send(&self, message: M) -> Option<M> {
        let world = self.core.world();
        let at = {
            let mut state = lock(&self.queue.state);
            if state.receiver_gone {
                return None;
            }
            if state.in_flight.len() + state.arrived.len() >= self.queue.bound {
                return Some(message);
            }
            let delay = world.dice.delay(&world.options.mesh_delay);
            let at = (world.now() + delay.as_nanos() as u64).max(state.last_arrival);
            state.last_arrival = at;
            state.in_flight.push_back(message);
            at
        };
        let queue = self.queue.clone();
        world.later(std::time::Duration::from_nanos(at - world.now()), move || queue.arrive());
        None
    }

    /// Waits for room.
    pub async fn send(&self, message: M) {
        let mut message = Some(message);
        poll_fn(|cx| {
            message = message.take().and_then(|message| self.try_send(message));
            if message.is_none() {
                return Poll::Ready(());
            }
            lock(&self.queue.state).senders.add(cx.waker());
            Poll::Pending
        })
        .await
    }
}

impl<M: Send + 'static> Drop for MeshSender<M> {
    fn drop(&mut self) {
        let mut state = lock(&self.queue.state);
        state.sender_gone = true;
        state.receivers.wake_all();
    }
}

pub struct MeshReceiver<M: Send + 'static>(Arc<Queue<M>>);

impl<M: Send + 'static> MeshReceiver<M> {
    /// The next message; `None` when the sender is gone and nothing is left.
    pub async fn receive(&self) -> Option<M> {
        poll_fn(|cx| {
            let mut state = lock(&self.0.state);
            if let Some(message) = state.arrived.pop_front() {
                state.senders.wake_all();
                return Poll::Ready(Some(message));
            }
            if state.sender_gone && state.in_flight.is_empty() {
                return Poll::Ready(None);
            }
            state.receivers.add(cx.waker());
            Poll::Pending
        })
        .await
    }
}

impl<M: Send + 'static> Drop for MeshReceiver<M> {
    fn drop(&mut self) {
        let (arrived, in_flight) = {
            let mut state = lock(&self.0.state);
            state.receiver_gone = true;
            state.senders.wake_all();
            (std::mem::take(&mut state.arrived), std::mem::take(&mut state.in_flight))
        };
        drop((arrived, in_flight));
    }
}
