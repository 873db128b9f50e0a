//! What a core does now and then: writes its checkpoint when logs have grown, and forgets producers that
//! were silent for long. In the small share; a core without news only looks.

use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use crate::rt;

/// Between two looks. A crash costs a scan of what was written since the last checkpoint.
const PERIOD: Duration = Duration::from_secs(20);

/// Whether the `look`-th look is the one for something that is due every `interval_ms`.
fn is_due(look: u32, interval_ms: i64) -> bool {
    let every = interval_ms.max(1) as u128 / PERIOD.as_millis();
    u128::from(look).is_multiple_of(every.max(1))
}

impl Shard {
    pub async fn keep_house(self: Rc<Self>) {
        let mut checkpointed = self.written_total();
        let mut look = 0u32;
        loop {
            rt::sleep(PERIOD).await;
            // What failed beside all requests.
            self.outages.suspected.raise();
            let written = self.written_total();
            if written != checkpointed {
                self.write_checkpoint().await;
                checkpointed = written;
            }
            look = look.wrapping_add(1);
            let config = self.config();
            let expires = is_due(look, config.producer_id_expiration_check_interval_ms.into());
            if !expires {
                continue;
            }
            // Nobody expires because the wall clock jumped.
            let now_ms = self.logs.steady_ms();
            for partition in self.partitions() {
                partition.log().expire_producers(now_ms);
                rt::yield_now().await;
            }
        }
    }

    /// Grows with every record that is written on this core.
    fn written_total(&self) -> i64 {
        let partitions = self.partitions();
        partitions.iter().map(|p| p.log().progress().written_offset).fold(0, i64::wrapping_add)
    }
}
