//! Pipes between files and sockets, kept for reuse.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::read;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::super::current::{Current, with};
use crate::base::buf::ALIGN;

/// Bytes a pipe holds: the largest block, in whole pages.
const PIPE_BYTES: usize = 1 << 20;
/// Pipes a core keeps for reuse.
const PIPES_MAX: usize = 16;

pub(super) struct Pipe {
    pub read: Rc<OwnedFd>,
    pub write: Rc<OwnedFd>,
}

/// Empty pipes of this core.
#[derive(Default)]
pub struct Pipes(RefCell<Vec<Pipe>>);

fn with_pipes<T>(f: impl FnOnce(&mut Vec<Pipe>) -> T) -> T {
    with(|current| match current {
        Current::Real(core) => f(&mut core.pipes.0.borrow_mut()),
        Current::Sim(_) => unreachable!("a real pipe in the simulator"),
    })
}

impl Pipe {
    pub(super) fn take() -> io::Result<Pipe> {
        if let Some(pipe) = with_pipes(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // Beyond the user's pipe allowance the kernel refuses: a small pipe works too, slower.
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        Ok(Pipe { read: Rc::new(read), write: Rc::new(write) })
    }

    /// Takes out bytes that are in it, less than a block of the device.
    pub(super) fn discard(&self, mut count: u64) -> io::Result<()> {
        let mut bytes = [0; ALIGN];
        while count > 0 {
            let most = count.min(ALIGN as u64) as usize;
            count -= read(&*self.read, &mut bytes[..most])? as u64;
        }
        Ok(())
    }

    /// Only an empty pipe is given back; one that an error left full is closed.
    pub(super) fn give_back(self) {
        with_pipes(|pipes| {
            if pipes.len() < PIPES_MAX {
                pipes.push(self);
            }
        });
    }
}
