//! Making a machine from its partition's log: read to the end, in pieces, beside all else.

use std::rc::Rc;

use super::seat::{RELOAD_PAUSE, Seat, State, now};
use super::{Coordinated, batch};
use crate::log::{self, ReadError};
use crate::notice;
use crate::rt;
use crate::shard::Shard;

/// Bytes that are read at a time (Kafka: `offsets.load.buffer.size`, which is five times as much).
const LOAD_BYTES: u64 = 1 << 20;

impl<M: Coordinated> Seat<M> {
    /// Loads in the background; whoever asks meanwhile is told so.
    pub(super) fn load(self: &Rc<Self>, shard: &Rc<Shard>) {
        let (seat, shard) = (self.clone(), shard.clone());
        rt::spawn(async move {
            while !seat.is_closed() {
                match seat.read_log(&shard).await {
                    Ok(machine) => return seat.begin(&shard, machine),
                    Err(error) => {
                        let partition = &seat.partition;
                        notice!("{}-{} is not loaded: {error:?}", partition.name, partition.index);
                        if partition.has_failed() {
                            *seat.state.borrow_mut() = State::Failed;
                            return;
                        }
                        rt::sleep(RELOAD_PAUSE).await;
                    }
                }
            }
        })
        .detach();
    }

    fn begin(self: &Rc<Self>, shard: &Rc<Shard>, machine: M) {
        if self.is_closed() {
            return;
        }
        *self.state.borrow_mut() = State::Ready(machine);
        self.obey(shard);
        self.turn(shard, |machine| machine.loaded(now()));
        self.take_notes(shard);
    }

    async fn read_log(&self, shard: &Rc<Shard>) -> Result<M, ReadError> {
        // It may be on its way to another directory.
        let _using = self.partition.hold.use_log().await;
        let log = self.partition.log();
        let mut machine = M::new(self.seed(shard, shard.fork_random()));
        let mut offset = log.log_start_offset();
        // Nothing but this seat writes here, and it does not before it has loaded.
        while offset < log.end_offset() && !self.is_closed() {
            let plan = match log.read(offset, LOAD_BYTES, log.end_offset(), true).await {
                Err(ReadError::OutOfRange { log_start_offset, .. })
                    if offset < log_start_offset =>
                {
                    offset = log_start_offset;
                    continue;
                }
                plan => plan?,
            };
            let next = plan.next_offset;
            if next <= offset {
                // What is behind the last batch was cleaned away.
                break;
            }
            let bytes = log::gather(plan.pieces).await.map_err(ReadError::Offline)?;
            let partition = &self.partition;
            batch::each_entry(
                &bytes,
                |entry| machine.apply(entry, now()),
                |at, fault| {
                    notice!("{}-{} at {at}: passed over: {fault}", partition.name, partition.index);
                },
            );
            offset = next;
            rt::yield_now().await;
        }
        Ok(machine)
    }
}
