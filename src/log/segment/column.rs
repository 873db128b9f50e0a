//! Entries of one index of one segment: those its file has, and those it does not have yet.

/// Entries in order. The first `persisted` of all are in the file; `entries` begins with them when
/// they are `loaded`, and holds only the later ones otherwise.
pub(crate) struct Column<E> {
    persisted: usize,
    loaded: bool,
    entries: Vec<E>,
}

impl<E: Copy> Column<E> {
    pub(crate) fn empty() -> Column<E> {
        Column { persisted: 0, loaded: true, entries: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        if self.loaded { self.entries.len() } else { self.persisted + self.entries.len() }
    }

    pub(crate) fn persisted(&self) -> usize {
        self.persisted
    }

    pub(crate) fn push(&mut self, entry: E) {
        self.entries.push(entry);
    }

    /// All entries, when they are in memory.
    pub(crate) fn all(&self) -> Option<&[E]> {
        self.loaded.then_some(&self.entries)
    }

    /// The entries that are in memory: all, or the later ones.
    pub(crate) fn known(&self) -> &[E] {
        &self.entries
    }

    /// Entries that the file does not have yet.
    pub(crate) fn fresh(&self) -> &[E] {
        if self.loaded { &self.entries[self.persisted..] } else { &self.entries }
    }

    /// The file now has the first `count` entries.
    pub(crate) fn set_persisted(&mut self, count: usize) {
        debug_assert!(count >= self.persisted && count <= self.len());
        if !self.loaded {
            self.entries.drain(..count - self.persisted);
        }
        self.persisted = count;
    }

    /// Puts what the file holds in front of the later entries. Nothing happens when it was done.
    pub(crate) fn load(&mut self, file: Vec<E>) {
        if !self.loaded {
            let later = std::mem::replace(&mut self.entries, file);
            self.persisted = self.entries.len();
            self.entries.extend(later);
            self.loaded = true;
        }
    }

    /// Forgets what the file holds.
    pub(crate) fn unload(&mut self) {
        if self.loaded && self.persisted > 0 {
            self.entries.drain(..self.persisted);
            self.entries.shrink_to_fit();
            self.loaded = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_and_go_with_the_file() {
        let mut column = Column::empty();
        column.push(1);
        column.push(2);
        assert_eq!(column.fresh(), [1, 2]);
        column.set_persisted(1);
        assert_eq!(column.fresh(), [2]);
        column.unload();
        assert_eq!((column.len(), column.all(), column.known()), (2, None, &[2][..]));
        column.push(3);
        column.set_persisted(2);
        assert_eq!((column.len(), column.known()), (3, &[3][..]));
        column.load(vec![1, 2]);
        assert_eq!(column.all(), Some(&[1, 2, 3][..]));
        assert_eq!(column.fresh(), [3]);
    }
}
