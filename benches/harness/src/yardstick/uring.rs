//! A bare io_uring for the yardsticks: one thread, no runtime.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::io;

use io_uring::{IoUring, squeue};
use rustix::io::Errno;

const ENTRIES: u32 = 256;

pub struct Uring(IoUring);

/// A completion: what it was for, and the kernel's result.
pub struct Done {
    pub key: u64,
    pub result: io::Result<usize>,
}

impl Uring {
    pub fn new() -> io::Result<Uring> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun();
        builder.build(ENTRIES).map(Uring)
    }

    /// How many of the kernel's workers may be busy with operations that block.
    pub fn limit_workers(&self, most: u32) -> io::Result<()> {
        self.0.submitter().register_iowq_max_workers(&mut [most, most])
    }

    /// Registers fixed buffers, to be named by their place in the list.
    ///
    /// # Safety
    ///
    /// The buffers must stay where they are for as long as this ring lives.
    pub unsafe fn register(&self, buffers: &[libc::iovec]) -> io::Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.0.submitter().register_buffers(buffers) }
    }

    /// Queues an operation, to be submitted by the next `wait`.
    ///
    /// # Safety
    ///
    /// What the entry points at must stay until the operation's completion, and nobody may write
    /// to what the kernel reads, nor touch what it writes, until then.
    pub unsafe fn push(&mut self, entry: squeue::Entry, key: u64) -> io::Result<()> {
        let entry = entry.user_data(key);
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.0.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.0.submit()?;
        }
    }

    /// Submits what was queued, waits for at least one completion, and gives out all there are.
    pub fn wait(&mut self, done: &mut Vec<Done>) -> io::Result<()> {
        match self.0.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        done.clear();
        done.extend(self.0.completion().map(|completion| {
            Done {
                key: completion.user_data(),
                result: usize::try_from(completion.result())
                    .map_err(|_| Errno::from_raw_os_error(-completion.result()).into()),
            }
        }));
        Ok(())
    }
}
