//! A run of neighbouring segments, and the one that is made of them.

use std::rc::Rc;

use super::Means;
use super::group;
use super::retain::Retention;
use super::rewrite::{self, Rewritten};
use super::round::Stopped;
use super::target::{self, Target};
use super::transactions::{Control, Transactions};
use crate::log::Log;
use crate::log::index::{offset, time};
use crate::log::segment::Segment;

impl Log {
    /// Makes one segment out of some neighbours.
    pub(super) async fn clean_run(
        &self,
        run: &[Rc<Segment>],
        rule: &Retention<'_>,
        transactions: &mut Transactions,
        means: &Means,
    ) -> Result<(), Stopped> {
        let interval = self.settings.get().index_interval_bytes;
        let mut target = Target::create(&self.dir, run[0].base_offset).await?;
        let mut is_changed = run.len() > 1;
        for (index, segment) in run.iter().enumerate() {
            let end = run.get(index + 1).map_or(rule.end_offset, |next| next.base_offset);
            transactions.learn(&self.aborted_between(segment.base_offset, end));
            let mut source = self.open_source(segment, 0).await?;
            while let Some(batch) = source.next().await? {
                let header = batch.header;
                let len = header.size();
                let (producer_id, last_offset) = (header.producer_id(), header.last_offset());
                let may_go = if header.is_control() {
                    let control = Control::of(&batch);
                    let (is_spent, aborted) =
                        transactions.on_control(control, producer_id, last_offset);
                    aborted.into_iter().for_each(|aborted| target.note_aborted(aborted));
                    is_spent
                } else {
                    header.is_transactional() && transactions.on_data(producer_id, last_offset)
                };
                let written = match rewrite::rewrite(&batch, rule, may_go) {
                    Ok(Rewritten::Gone) => {
                        is_changed = true;
                        0
                    }
                    Ok(Rewritten::AsItIs) => target.push(batch.bytes, interval).await?,
                    Ok(Rewritten::Anew(bytes)) => {
                        is_changed = true;
                        target.push(&bytes, interval).await?
                    }
                    Err(what) => return Err(source.fault(len, what).into()),
                };
                let read = source.take_bytes_read();
                self.pause(means, read + written).await?;
            }
        }
        if !is_changed {
            target::remove_leftovers(&self.dir).await?;
            return Ok(());
        }
        let new = target.finish(rule.end_offset).await?;
        self.go_on(means)?;
        if self.swap_in(new, run).await? { Ok(()) } else { Err(Stopped::Told) }
    }
}

pub(super) fn size_of(segment: &Segment) -> group::Size {
    let indexes = segment.indexes.borrow();
    group::Size {
        base_offset: segment.base_offset,
        bytes: segment.len.get(),
        offset_index_bytes: (indexes.offset.len() * offset::ENTRY) as u64,
        time_index_bytes: (indexes.time.len() * time::ENTRY) as u64,
    }
}
