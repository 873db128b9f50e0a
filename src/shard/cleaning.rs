//! When logs are compacted: the dirtiest of this core first, one at a time, in the small share. What
//! may be cleaned and how is the log's business.

use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use super::partition::Partition;
use crate::config::BrokerConfig;
use crate::log::{Filth, Means};
use crate::notice;
use crate::rt;

/// The least rest between two looks at all logs, whatever is set.
const REST_MIN: Duration = Duration::from_millis(100);

/// What of the host's means is one core's.
pub(super) fn share(means: &Means, config: &BrokerConfig, cores: usize) {
    let cores = cores.max(1);
    means.memory_bytes.set(config.log_cleaner_dedupe_buffer_size as usize / cores);
    means.load_factor.set(config.log_cleaner_io_buffer_load_factor);
    means.bytes_per_second.set(config.log_cleaner_io_max_bytes_per_second / cores as f64);
    means.is_allowed.set(config.log_cleaner_enable);
    means.changed.raise();
}

impl Shard {
    pub async fn clean_logs(self: Rc<Self>) {
        let mut is_news = false;
        loop {
            // What is changed during the look shall not wait for the rest.
            let looked = self.means.changed.round();
            let mut has_cleaned = false;
            for (partition, filth) in self.dirtiest_first().await {
                has_cleaned = self.clean_log(&partition, &filth).await;
                if has_cleaned {
                    // Meanwhile another may have become the dirtiest.
                    break;
                }
            }
            is_news |= has_cleaned;
            if has_cleaned {
                continue;
            }
            if std::mem::take(&mut is_news) {
                // Otherwise the same would be cleaned again after a crash.
                self.write_checkpoint().await;
            }
            let rest = Duration::from_millis(self.config().log_cleaner_backoff_ms as u64);
            rt::timeout(rest.max(REST_MIN), self.means.changed.wait_since(looked)).await;
        }
    }

    async fn dirtiest_first(&self) -> Vec<(Rc<Partition>, Filth)> {
        let mut found = Vec::new();
        if !self.means.is_allowed.get() {
            return found;
        }
        for partition in self.partitions() {
            match partition.log().filth().await {
                Ok(Some(filth)) => found.push((partition, filth)),
                Ok(None) => {}
                Err(error) => {
                    notice!("{}-{} is not cleaned: {error}", partition.name, partition.index);
                }
            }
            if rt::should_yield() {
                rt::yield_now().await;
            }
        }
        let order = |a: &Filth, b: &Filth| b.ratio.partial_cmp(&a.ratio);
        found.sort_by(|(_, a), (_, b)| order(a, b).unwrap_or(Ordering::Equal));
        found
    }

    /// False when nothing came of it.
    async fn clean_log(self: &Rc<Self>, partition: &Partition, filth: &Filth) -> bool {
        let log = partition.log();
        let cleaned = async {
            if log.awaits_checkpoint(filth) {
                log.prepare_checkpoint().await?;
                self.write_checkpoint().await;
            }
            log.clean(&self.means).await
        };
        match cleaned.await {
            Ok(end) => end.is_some(),
            Err(error) => {
                if !log.is_closed() {
                    notice!("{}-{} is not cleaned: {error}", partition.name, partition.index);
                }
                false
            }
        }
    }
}
