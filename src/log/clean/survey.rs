//! What the dirty part of a log says of its keys: the last offset of each.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use super::keys::Keys;
use super::policy::Filth;
use super::round::Stopped;
use super::transactions::{Control, Transactions};
use super::{Means, rewrite};
use crate::log::Log;
use crate::log::segment::Segment;
use crate::model::Offset;

impl Log {
    /// The last offset of each key in the dirty part, or in as much of it as there is memory for.
    pub(super) async fn learn_keys(
        &self,
        segments: &[Rc<Segment>],
        filth: &Filth,
        means: &Means,
    ) -> Result<Keys, Stopped> {
        let (from, to) = (filth.first_dirty_offset, filth.first_uncleanable_offset);
        let secret = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        let expected = (to - from).max(0) as u64;
        let (bytes, load) = (means.memory_bytes.get(), means.load_factor.get());
        let mut keys = Keys::new(bytes, load, expected, secret);
        let mut transactions = Transactions::default();
        transactions.learn(&self.aborted_between(from, to));
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(to, |next| next.base_offset);
            if end <= from {
                continue;
            }
            if !self.learn_segment(segment, from, &mut keys, &mut transactions, means).await? {
                return Ok(keys);
            }
            // There may be a gap up to the next segment.
            keys.reach(end - 1);
        }
        Ok(keys)
    }

    /// False when there is no room for another key.
    async fn learn_segment(
        &self,
        segment: &Rc<Segment>,
        from: Offset,
        keys: &mut Keys,
        transactions: &mut Transactions,
        means: &Means,
    ) -> Result<bool, Stopped> {
        let position = match from > segment.base_offset {
            true => {
                let found = segment.locate(from).await;
                let found = found.map_err(|error| self.stopped_at(segment, error))?;
                found.map_or(segment.len.get(), |found| found.position)
            }
            false => 0,
        };
        let mut source = self.open_source(segment, position).await?;
        while let Some(batch) = source.next().await? {
            let header = batch.header;
            let len = header.size();
            let is_whole = if header.is_control() {
                transactions.on_control(
                    Control::of(&batch),
                    header.producer_id(),
                    header.last_offset(),
                );
                Ok(true)
            } else if header.is_transactional()
                && transactions.on_data(header.producer_id(), header.last_offset())
            {
                Ok(true)
            } else {
                rewrite::visit_keys(&batch, |offset, key| {
                    key.filter(|_| offset >= from).is_none_or(|key| keys.put(key, offset))
                })
            };
            let last_offset = header.last_offset();
            if !is_whole.map_err(|what| source.fault(len, what))? {
                return Ok(false);
            }
            if last_offset >= from {
                keys.reach(last_offset);
            }
            let bytes = source.take_bytes_read();
            self.pause(means, bytes).await?;
        }
        Ok(true)
    }
}
