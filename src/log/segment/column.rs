//! Entries of one index of one segment: those its file has, and those it does not have yet.

use std::mem::take;

use crate::log::index::Unusable;

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

    /// Of a file with this many entries, not read yet.
    pub(crate) fn on_disk(persisted: usize) -> Column<E> {
        Column { persisted, loaded: persisted == 0, entries: Vec::new() }
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

    /// Puts what the file holds in front of the later entries; what it holds beyond the entries
    /// that count is left out. Nothing happens when it was done.
    pub(crate) fn load(&mut self, mut file: Vec<E>) -> Result<(), Unusable> {
        if self.loaded {
            return Ok(());
        }
        if file.len() < self.persisted {
            return Err(Unusable("it has lost entries"));
        }
        file.truncate(self.persisted);
        let later = std::mem::replace(&mut self.entries, file);
        self.entries.extend(later);
        self.loaded = true;
        Ok(())
    }

    /// Takes out the entries that the file does not have.
    pub(crate) fn take_fresh(&mut self) -> Vec<E> {
        if self.loaded { self.entries.split_off(self.persisted) } else { take(&mut self.entries) }
    }

    /// What was built from the log, and those of the later entries that come behind it. Nothing of
    /// it is in a file.
    pub(crate) fn rebuilt(
        mut built: Column<E>,
        later: Vec<E>,
        rises: impl Fn(&E, &E) -> bool,
    ) -> Column<E> {
        for entry in later {
            if built.entries.last().is_none_or(|last| rises(last, &entry)) {
                built.entries.push(entry);
            }
        }
        built
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
        assert!(column.load(vec![1]).is_err());
        column.load(vec![1, 2, 9]).unwrap();
        assert_eq!(column.all(), Some(&[1, 2, 3][..]));
        assert_eq!(column.fresh(), [3]);
    }
}
