//! A timer on the virtual clock.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::agenda::{Event, Key};
use super::world::World;

pub struct Sleep {
    world: Rc<World>,
    deadline: u64,
    key: Option<Key>,
}

impl Sleep {
    pub(super) fn until(world: Rc<World>, deadline: u64) -> Sleep {
        Sleep { world, deadline, key: None }
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.deadline {
            return Poll::Ready(());
        }
        match self.key {
            Some(key) => self.world.agenda.rewake(key, cx.waker()),
            None => {
                let wake = Event::Wake(cx.waker().clone());
                self.key = Some(self.world.agenda.add(self.deadline, wake));
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.agenda.cancel(key);
        }
    }
}
