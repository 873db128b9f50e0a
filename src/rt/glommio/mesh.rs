//! Single-producer queues, one for each ordered pair of cores, and a bell for each core.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::Poll;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::super::bell::Bell;
use super::core;
use super::ear::{Ear, Ready};

pub struct Seat<M: Send + 'static> {
    core: usize,
    bell: Arc<Bell>,
    senders: Vec<Option<Line<Producer<M>>>>,
    receivers: Vec<(usize, Line<Consumer<M>>)>,
}

/// One end of a queue. The fields go in this order: first the end, then the word that it is gone.
struct Line<E> {
    end: E,
    /// The sender waits for room.
    full: Arc<AtomicBool>,
    far: Far,
}

/// The bell at the other end.
struct Far(Arc<Bell>);

impl Drop for Far {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// One end on its core.
struct Joined<E> {
    line: Rc<RefCell<Line<E>>>,
    ear: Rc<Ear>,
    ready: Ready,
}

pub struct Sender<M: Send + 'static>(Joined<Producer<M>>);
pub struct Receiver<M: Send + 'static>(Joined<Consumer<M>>);

pub fn seats<M: Send + 'static>(cores: usize, bound: usize) -> io::Result<Vec<Seat<M>>> {
    let mut seats = Vec::new();
    for core in 0..cores {
        let senders = (0..cores).map(|_| None).collect();
        seats.push(Seat { core, bell: Arc::new(Bell::new()?), senders, receivers: Vec::new() });
    }
    for from in 0..cores {
        for to in (0..cores).filter(|&to| to != from) {
            let (producer, consumer) = RingBuffer::new(bound);
            let full = Arc::new(AtomicBool::new(false));
            let far = Far(seats[to].bell.clone());
            seats[from].senders[to] = Some(Line { end: producer, full: full.clone(), far });
            let far = Far(seats[from].bell.clone());
            seats[to].receivers.push((from, Line { end: consumer, full, far }));
        }
    }
    Ok(seats)
}

type Ends<M> = (usize, Vec<Option<Sender<M>>>, Vec<(usize, Receiver<M>)>);

impl<M: Send + 'static> Seat<M> {
    pub fn join(self) -> Ends<M> {
        let ear = core().ear(&self.bell);
        let senders = self.senders.into_iter().map(|line| {
            line.map(|line| Sender(Joined::new(line, &ear, Line::<Producer<M>>::takes_more)))
        });
        let receivers = self.receivers.into_iter().map(|(from, line)| {
            (from, Receiver(Joined::new(line, &ear, Line::<Consumer<M>>::has_more)))
        });
        (self.core, senders.collect(), receivers.collect())
    }
}

impl<E: 'static> Joined<E> {
    fn new(line: Line<E>, ear: &Rc<Ear>, is_ready: fn(&Line<E>) -> bool) -> Joined<E> {
        let line = Rc::new(RefCell::new(line));
        let looked_at = line.clone();
        let ready: Ready = Rc::new(move || is_ready(&looked_at.borrow()));
        Joined { line, ear: ear.clone(), ready }
    }
}

impl<M> Line<Producer<M>> {
    /// Or would, were anybody there.
    fn takes_more(&self) -> bool {
        !self.end.is_full() || self.end.is_abandoned()
    }
}

impl<M> Line<Consumer<M>> {
    /// Or that nothing more comes.
    fn has_more(&self) -> bool {
        !self.end.is_empty() || self.end.is_abandoned()
    }
}

impl<M: Send + 'static> Sender<M> {
    /// Gives the message back when there is no room. Nobody reads it when the peer has stopped.
    pub fn try_send(&self, message: M) -> Option<M> {
        let mut line = self.0.line.borrow_mut();
        match line.end.push(message) {
            Ok(()) => {
                line.far.0.ring();
                None
            }
            Err(PushError::Full(_)) if line.end.is_abandoned() => None,
            Err(PushError::Full(message)) => Some(message),
        }
    }

    pub async fn send(&self, message: M) {
        let mut message = Some(message);
        poll_fn(|cx| {
            message = message.take().and_then(|message| self.try_send(message));
            if message.is_none() {
                return Poll::Ready(());
            }
            self.0.line.borrow().full.store(true, Ordering::Relaxed);
            // Either the receiver sees that we wait, or we see the room it made.
            fence(Ordering::SeqCst);
            if (self.0.ready)() {
                cx.waker().wake_by_ref();
            } else {
                self.0.ear.wait(&self.0.ready, cx.waker());
            }
            Poll::Pending
        })
        .await;
    }
}

impl<M: Send + 'static> Receiver<M> {
    /// None: the peer has stopped, and all that it sent was received.
    pub async fn receive(&self) -> Option<M> {
        poll_fn(|cx| {
            let mut line = self.0.line.borrow_mut();
            // Before the last look: what it sent before it stopped is there then.
            let abandoned = line.end.is_abandoned();
            let Ok(message) = line.end.pop() else {
                if abandoned {
                    return Poll::Ready(None);
                }
                self.0.ear.wait(&self.0.ready, cx.waker());
                return Poll::Pending;
            };
            fence(Ordering::SeqCst);
            if line.full.load(Ordering::Relaxed) && line.full.swap(false, Ordering::Relaxed) {
                line.far.0.ring();
            }
            Poll::Ready(Some(message))
        })
        .await
    }
}
