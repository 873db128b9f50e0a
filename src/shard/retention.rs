//! When records that have had their time are looked for: every `log.retention.check.interval.ms`. Which
//! those are is the log's business. In the small share.

use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use crate::notice;
use crate::rt;

/// The least rest between two looks, whatever is set.
const REST_MIN: Duration = Duration::from_millis(100);

impl Shard {
    pub async fn retain_logs(self: Rc<Self>) {
        loop {
            self.rest_between_looks().await;
            for partition in self.partitions() {
                let log = partition.log();
                // One that is closed goes on elsewhere, or not at all.
                if let Err(error) = log.retain().await
                    && !log.is_closed()
                {
                    notice!("{}-{} keeps old records: {error}", partition.name, partition.index);
                }
                if rt::should_yield() {
                    rt::yield_now().await;
                }
            }
        }
    }

    /// An interval that is set meanwhile counts from the same beginning.
    async fn rest_between_looks(&self) {
        let began = rt::now();
        loop {
            let every = Duration::from_millis(self.config().log_retention_check_interval_ms as u64);
            let left = every.max(REST_MIN).saturating_sub(rt::now().since(began));
            if left.is_zero() {
                return;
            }
            rt::timeout(left, self.means.changed.wait()).await;
        }
    }
}
