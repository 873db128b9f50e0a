//! Partitions that serve nobody any more until the broker is started again. An operator must hear of them:
//! this is what to alarm on.

use super::Shard;

impl Shard {
    /// Partitions at home here of which a write, a flush or the opening has failed.
    pub(super) fn offline_partitions(&self) -> u64 {
        let placement = self.placement.borrow();
        let places = placement.topics().flat_map(|topic| &topic.partitions);
        let at_home = places.filter(|place| place.core == self.core());
        // One that is not open has failed to open: a topic is placed when all of that was tried.
        at_home.filter(|place| place.here.as_ref().is_none_or(|here| here.has_failed())).count()
            as u64
    }
}
