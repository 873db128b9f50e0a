//! A segment whose place another one takes, and the one that takes it.
//!
//! Readers find a segment once and then wait for its files, by name where they are not open. So that
//! none finds the new files under the old names, everything that a reader of the old segment may
//! need is opened and loaded before the first file is renamed, and stays so while anybody has it.

use super::Segment;
use crate::log::error::Error;
use crate::model::Offset;

impl Segment {
    /// From here on no reader of this segment uses a name, and nobody writes its indexes.
    pub(in crate::log) async fn pin(&self) -> Result<(), Error> {
        loop {
            while self.indexing.get() {
                self.indexed.wait().await;
            }
            self.load_indexes().await?;
            self.reader().await?;
            // Meanwhile somebody may have let it go again.
            let is_open = self.reading.borrow().is_some() && self.indexes.borrow().is_loaded();
            if is_open && !self.indexing.get() {
                self.is_pinned.set(true);
                return Ok(());
            }
        }
    }

    /// All that was noted is in files of their own, up to `end_offset`.
    pub(in crate::log) fn take_place(&self, end_offset: Offset) {
        assert!(self.end_offset.get() <= end_offset);
        self.end_offset.set(end_offset);
        self.written.set(self.len.get());
        self.synced.set(self.len.get());
        {
            let indexes = &mut *self.indexes.borrow_mut();
            let all = indexes.offset.len();
            indexes.offset.set_persisted(all);
            let all = indexes.time.len();
            indexes.time.set_persisted(all);
            let all = indexes.txn.len();
            indexes.txn.set_persisted(all);
        }
        self.finished.set(true);
        self.cool_down();
    }
}
