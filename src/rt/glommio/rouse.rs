//! Waking a core that overslept its own start.
//!
//! The runtime's loop may park with runnable tasks (see the head of this folder). The pulse that
//! bounds that is a task itself: a core that parks before the pulse has begun to beat would sleep
//! for ever. A thread that had to wait for its processor on a loaded machine does, about once in a
//! thousand starts. A signal, which does nothing else, ends the sleep.
#![expect(unsafe_code, reason = "signals are sent by the C library; the block states its proof")]

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use signal_hook::consts::SIGURG;

/// How long a core may take to begin before it is woken, again and again.
const PATIENCE: Duration = Duration::from_millis(20);

/// A core's word that its pulse beats.
#[derive(Clone, Default)]
pub(super) struct Beating(Arc<AtomicBool>);

impl Beating {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Makes the signal harmless; by itself it would not even end a sleep.
pub(super) fn prepare() -> io::Result<()> {
    signal_hook::flag::register(SIGURG, Arc::default()).map(drop)
}

/// Returns when every core's pulse beats, or its thread has ended.
pub(super) fn rouse<T>(cores: &[(JoinHandle<T>, Beating)]) {
    loop {
        let late = |(thread, beating): &&(JoinHandle<T>, Beating)| {
            !beating.has_begun() && !thread.is_finished()
        };
        let late: Vec<_> = cores.iter().filter(late).collect();
        if late.is_empty() {
            return;
        }
        thread::sleep(PATIENCE);
        for (thread, _) in late {
            // SAFETY: the thread was not joined, so its handle is valid; the signal has a handler.
            unsafe { libc::pthread_kill(thread.as_pthread_t(), SIGURG) };
        }
    }
}
