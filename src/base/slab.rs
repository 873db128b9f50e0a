//! Values with a stable small key; a freed key is used again.

pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    next_free: usize,
    len: usize,
}

enum Entry<T> {
    Full(T),
    Free(usize),
}

const END: usize = usize::MAX;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), next_free: END, len: 0 }
    }
}

impl<T> Slab<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn insert(&mut self, value: T) -> usize {
        self.len += 1;
        if self.next_free == END {
            self.entries.push(Entry::Full(value));
            return self.entries.len() - 1;
        }
        let key = self.next_free;
        match std::mem::replace(&mut self.entries[key], Entry::Full(value)) {
            Entry::Free(next) => self.next_free = next,
            Entry::Full(_) => unreachable!("the free list names a full entry"),
        }
        key
    }

    pub fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        match self.entries.get_mut(key) {
            Some(Entry::Full(value)) => Some(value),
            _ => None,
        }
    }

    pub fn get(&self, key: usize) -> Option<&T> {
        match self.entries.get(key) {
            Some(Entry::Full(value)) => Some(value),
            _ => None,
        }
    }

    pub fn remove(&mut self, key: usize) -> Option<T> {
        match self.entries.get_mut(key) {
            Some(entry @ Entry::Full(_)) => {
                let freed = std::mem::replace(entry, Entry::Free(self.next_free));
                self.next_free = key;
                self.len -= 1;
                match freed {
                    Entry::Full(value) => Some(value),
                    Entry::Free(_) => None,
                }
            }
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries.iter().enumerate().filter_map(|(key, entry)| match entry {
            Entry::Full(value) => Some((key, value)),
            Entry::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_and_reused() {
        let mut slab = Slab::default();
        let a = slab.insert("a");
        let b = slab.insert("b");
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.remove(a), None);
        let c = slab.insert("c");
        assert_eq!(c, a);
        assert_eq!(slab.get(b), Some(&"b"));
        assert_eq!(slab.iter().count(), slab.len());
    }
}
