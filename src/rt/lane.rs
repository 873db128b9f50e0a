//! The catch-up lane of a core: how many transfers from the disk may be under way for readers of old
//! data. First come, first served. A reader asks for one transfer at a time and gives its slot
//! back when the bytes are there, not when its client has taken them: nobody holds all slots, and a
//! client that does not read holds none.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::planted;

/// The slots and who waits for one.
pub(super) struct Lane(RefCell<State>);

struct State {
    width: usize,
    taken: usize,
    next_ticket: u64,
    waiting: VecDeque<Waiting>,
    /// Slots given to those who waited and have not looked yet.
    called: Vec<u64>,
}

struct Waiting {
    ticket: u64,
    waker: Waker,
}

impl Lane {
    pub(super) fn new(width: usize) -> Rc<Lane> {
        Rc::new(Lane(RefCell::new(State {
            width,
            taken: 0,
            next_ticket: 0,
            waiting: VecDeque::new(),
            called: Vec::new(),
        })))
    }

    /// Those who have a slot keep it when the lane becomes narrower.
    pub(super) fn set_width(&self, width: usize) {
        self.0.borrow_mut().width = width;
        self.call();
    }

    /// Waits for a slot.
    pub(super) fn slot(self: &Rc<Lane>) -> Wait {
        Wait { lane: self.clone(), ticket: None }
    }

    /// Gives free slots to those who wait.
    fn call(&self) {
        loop {
            let mut state = self.0.borrow_mut();
            if state.taken >= state.width {
                return;
            }
            let next = match planted::is("serve-the-last-comer-first") {
                true => state.waiting.pop_back(),
                false => state.waiting.pop_front(),
            };
            let Some(Waiting { ticket, waker }) = next else { return };
            state.taken += 1;
            state.called.push(ticket);
            drop(state);
            waker.wake();
        }
    }

    fn free(&self) {
        self.0.borrow_mut().taken -= 1;
        self.call();
    }
}

/// Yields a slot when its turn has come; dropped before, it leaves the queue.
pub(super) struct Wait {
    lane: Rc<Lane>,
    ticket: Option<u64>,
}

impl Future for Wait {
    type Output = Slot;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Slot> {
        let lane = self.lane.clone();
        let mut state = lane.0.borrow_mut();
        match self.ticket {
            None if state.taken < state.width && state.waiting.is_empty() => state.taken += 1,
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.waiting.push_back(Waiting { ticket, waker: cx.waker().clone() });
                self.ticket = Some(ticket);
                return Poll::Pending;
            }
            Some(ticket) => {
                if let Some(at) = state.waiting.iter().position(|one| one.ticket == ticket) {
                    state.waiting[at].waker.clone_from(cx.waker());
                    return Poll::Pending;
                }
                state.called.retain(|&called| called != ticket);
                self.ticket = None;
            }
        }
        Poll::Ready(Slot(lane.clone()))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.lane.0.borrow_mut();
        let before = state.waiting.len() + state.called.len();
        state.waiting.retain(|one| one.ticket != ticket);
        let had = state.called.len();
        state.called.retain(|&called| called != ticket);
        debug_assert!(state.waiting.len() + state.called.len() < before, "it was in one of them");
        let was_called = state.called.len() < had;
        drop(state);
        if was_called {
            self.lane.free();
        }
    }
}

/// A transfer that may be under way; dropped, the next one may.
pub(super) struct Slot(Rc<Lane>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.free();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::{future::Future, pin::Pin};

    use super::{Lane, Slot, Wait};

    fn poll(wait: &mut Wait) -> Option<Slot> {
        match Pin::new(wait).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn no_more_than_its_width_are_under_way() {
        let lane = Lane::new(2);
        let mut waits: Vec<Wait> = (0..10).map(|_| lane.slot()).collect();
        let mut slots: Vec<Slot> = waits.iter_mut().filter_map(poll).collect();
        assert_eq!(slots.len(), 2);
        for left in (0..8).rev() {
            drop(slots.remove(0));
            slots.extend(
                waits.iter_mut().skip(2).filter(|wait| wait.ticket.is_some()).filter_map(poll),
            );
            assert_eq!(slots.len(), 2, "{left} still to come");
        }
        drop(slots);
        assert_eq!(lane.0.borrow().taken, 0);
    }

    /// A reader with everything to read and two with as much: each gets every third slot.
    #[test]
    fn readers_take_turns() {
        let lane = Lane::new(1);
        let mut waits: Vec<Wait> = (0..3).map(|_| lane.slot()).collect();
        let mut held = poll(&mut waits[0]);
        assert!(held.is_some() && poll(&mut waits[1]).is_none() && poll(&mut waits[2]).is_none());
        let (mut holder, mut order) = (0, Vec::new());
        for _ in 0..9 {
            // Asks for the next transfer as soon as this one is there, before anybody else looks.
            waits[holder] = lane.slot();
            assert!(poll(&mut waits[holder]).is_none(), "others wait");
            drop(held.take());
            holder = (0..3)
                .find(|&reader| {
                    held = poll(&mut waits[reader]);
                    held.is_some()
                })
                .expect("somebody's turn");
            order.push(holder);
        }
        assert_eq!(order, [1, 2, 0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let lane = Lane::new(1);
        let (mut first, mut second, mut third) = (lane.slot(), lane.slot(), lane.slot());
        let held = poll(&mut first);
        assert!(poll(&mut second).is_none() && poll(&mut third).is_none());
        drop(held);
        // Called, and gone before it looked.
        drop(second);
        let held = poll(&mut third).expect("the next one's turn");
        let (mut fourth, mut fifth) = (lane.slot(), lane.slot());
        assert!(poll(&mut fourth).is_none() && poll(&mut fifth).is_none());
        drop(fourth);
        drop(held);
        assert!(poll(&mut fifth).is_some());
        drop(fifth);
    }

    #[test]
    fn a_narrower_lane_lets_go_on_who_is_in_it() {
        let lane = Lane::new(3);
        let mut waits: Vec<Wait> = (0..4).map(|_| lane.slot()).collect();
        let mut slots: Vec<Slot> = waits.iter_mut().filter_map(poll).collect();
        assert_eq!(slots.len(), 3);
        lane.set_width(1);
        slots.truncate(1);
        assert!(poll(&mut waits[3]).is_none(), "one is under way");
        lane.set_width(2);
        assert!(poll(&mut waits[3]).is_some());
    }
}
