//! Two pipes between two ends.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::pipe::{Parcel, Pipe, Received};
use crate::rt::sim::core::Core;
use crate::rt::sim::host::HostId;
use crate::rt::sim::op::{Op, op};
use crate::rt::sim::world::World;

pub(in crate::rt::sim) struct Connection {
    hosts: [HostId; 2],
    pub(super) addresses: [SocketAddr; 2],
    /// What side 0 sends, what side 1 sends.
    pipes: [RefCell<Pipe>; 2],
    /// This side's machine went dark: its peer hears of it only when it sends.
    gone: [Cell<bool>; 2],
}

impl Connection {
    pub(super) fn new(hosts: [HostId; 2], addresses: [SocketAddr; 2]) -> Rc<Connection> {
        let (pipes, gone) = Default::default();
        Rc::new(Connection { hosts, addresses, pipes, gone })
    }

    pub(super) fn sides_of(&self, host: HostId) -> impl Iterator<Item = usize> {
        (0..2).filter(move |side| self.hosts[*side] == host)
    }

    pub(super) fn outgoing(&self, side: usize) -> &RefCell<Pipe> {
        &self.pipes[side]
    }

    fn incoming(&self, side: usize) -> &RefCell<Pipe> {
        &self.pipes[1 - side]
    }

    /// Puts a parcel on its way from `side` to the other.
    pub(super) fn post(self: &Rc<Self>, world: &Rc<World>, side: usize, parcel: Parcel) {
        self.outgoing(side).borrow_mut().post(parcel);
        self.schedule(world, side);
    }

    fn schedule(self: &Rc<Self>, world: &Rc<World>, side: usize) {
        let delay = world.network.dice.delay(&world.options.net.delay).as_nanos() as u64;
        let at = {
            let mut pipe = self.outgoing(side).borrow_mut();
            pipe.last_arrival = pipe.last_arrival.max(world.now() + delay);
            pipe.last_arrival
        };
        let (connection, world_then) = (self.clone(), world.clone());
        let delay = Duration::from_nanos(at - world.now());
        world.later(delay, move || connection.arrive(&world_then, side));
    }

    fn arrive(self: &Rc<Self>, world: &Rc<World>, side: usize) {
        let [a, b] = self.hosts;
        if world.network.are_parted(a, b) {
            self.outgoing(side).borrow_mut().held += 1;
            return;
        }
        let other = 1 - side;
        if self.gone[other].get() {
            // A machine that came back knows nothing of this connection and says so; one that is
            // off says nothing.
            if world.host(self.hosts[other]).powered.get() {
                self.break_both();
            }
            return;
        }
        let refused = self.outgoing(side).borrow_mut().arrive(|most| split(world, most));
        if refused {
            self.reset(world, other);
        }
    }

    /// Repeats what a partition stopped.
    pub(super) fn resume(self: &Rc<Self>, world: &Rc<World>) {
        let [a, b] = self.hosts;
        if world.network.are_parted(a, b) {
            return;
        }
        for side in 0..2 {
            let held = std::mem::take(&mut self.outgoing(side).borrow_mut().held);
            for _ in 0..held {
                self.schedule(world, side);
            }
        }
    }

    pub(super) fn receive(self: &Rc<Self>, core: &Core, side: usize, most: usize) -> Op<Received> {
        let (completer, result) = op();
        let mut pipe = self.incoming(side).borrow_mut();
        pipe.receive(most, completer);
        pipe.serve(|most| split(core.world(), most));
        result
    }

    /// `side` receives what has arrived and then the end, while the peer may go on sending.
    pub(super) fn stop_receiving(&self, side: usize) {
        let mut pipe = self.incoming(side).borrow_mut();
        pipe.stopped = true;
        pipe.serve(|most| most);
    }

    /// `side` sends its end and listens no more; what it sent before still arrives. With bytes
    /// unread, the peer hears of a reset instead.
    pub(super) fn close(self: &Rc<Self>, world: &Rc<World>, side: usize) {
        let unread = {
            let mut pipe = self.incoming(side).borrow_mut();
            pipe.deaf = true;
            pipe.serve(|most| most);
            pipe.has_unread()
        };
        if unread {
            return self.reset(world, side);
        }
        let first = {
            let mut pipe = self.outgoing(side).borrow_mut();
            pipe.senders.wake_all();
            !std::mem::replace(&mut pipe.ended, true) && !pipe.broken
        };
        if first {
            self.post(world, side, Parcel::End);
        }
    }

    /// `side` breaks the connection: at once for itself, for the peer when the news arrives.
    pub(super) fn reset(self: &Rc<Self>, world: &Rc<World>, side: usize) {
        if !self.break_sender(side) {
            return;
        }
        {
            let mut pipe = self.incoming(side).borrow_mut();
            pipe.break_off();
            pipe.serve(|most| most);
        }
        // What was under way is lost with the connection, wherever it was.
        self.outgoing(side).borrow_mut().lose_flight();
        self.post(world, side, Parcel::Reset);
        let at = self.outgoing(side).borrow().last_arrival;
        let (connection, world_then) = (self.clone(), world.clone());
        world.later(Duration::from_nanos(at - world.now()), move || {
            let [a, b] = connection.hosts;
            if !world_then.network.are_parted(a, b) {
                connection.break_sender(1 - side);
            }
        });
    }

    /// `side` can send no more; false when it could not before.
    fn break_sender(&self, side: usize) -> bool {
        let mut pipe = self.outgoing(side).borrow_mut();
        pipe.senders.wake_all();
        !std::mem::replace(&mut pipe.broken, true)
    }

    fn break_both(&self) {
        for side in 0..2 {
            self.break_sender(side);
            let mut pipe = self.outgoing(side).borrow_mut();
            pipe.lose_flight();
            pipe.break_off();
            pipe.serve(|most| most);
        }
    }

    /// `side`'s machine goes dark: nothing of it reaches the peer any more, no end, no reset.
    pub(super) fn abandon(&self, side: usize) {
        self.gone[side].set(true);
        self.break_sender(side);
        self.outgoing(side).borrow_mut().lose_flight();
    }

    pub(super) fn is_abandoned(&self, side: usize) -> bool {
        self.gone[side].get()
    }
}

/// How many of the bytes at hand a receive gets.
fn split(world: &World, most: usize) -> usize {
    let dice = &world.network.dice;
    if !world.options.net.split_receives || most < 2 || dice.coin() {
        return most;
    }
    match dice.below(3) {
        0 => 1 + dice.index(most.min(16)),
        _ => 1 + dice.index(most),
    }
}
