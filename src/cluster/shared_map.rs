//! A sorted map whose clones share what neither has changed.
//!
//! Entries lie in chunks. Cloning copies one pointer; a change after that copies the list of chunks
//! and the one chunk it touches, so with a hundred thousand topics a change costs some hundred
//! pointers and not all of them.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries of one chunk; a fuller one is split.
const CHUNK_LEN_MAX: usize = 256;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

#[derive(Clone)]
pub(super) struct SharedMap<K, V> {
    /// Sorted, none empty.
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { chunks: Arc::default(), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// The chunk that holds the key or would, and the key's place in it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let after = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key);
        let chunk = after.saturating_sub(1);
        let place = match self.chunks.get(chunk) {
            Some(entries) => entries.binary_search_by(|(present, _)| present.borrow().cmp(key)),
            None => Err(0),
        };
        (chunk, place)
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, place) = self.find(key);
        let place = place.ok()?;
        Some(&self.chunks[chunk][place].1)
    }

    /// Entries from this key on.
    pub fn from<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (first, place) = self.find(key);
        let mut skip = place.unwrap_or_else(|place| place);
        let chunks = self.chunks.get(first..).unwrap_or_default().iter();
        chunks
            .flat_map(move |chunk| chunk[std::mem::take(&mut skip)..].iter())
            .map(|(key, value)| (key, value))
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (chunk, place) = self.find(key);
        let place = place.ok()?;
        let entries = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[chunk]);
        Some(&mut entries[place].1)
    }

    /// The key must be new.
    pub fn insert(&mut self, key: K, value: V) {
        let (chunk, place) = self.find(&key);
        let place = place.expect_err("the key is new");
        self.len += 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(entries) = chunks.get_mut(chunk) else {
            chunks.push(Arc::new(vec![(key, value)]));
            return;
        };
        let entries = Arc::make_mut(entries);
        entries.insert(place, (key, value));
        if entries.len() > CHUNK_LEN_MAX {
            let second = entries.split_off(entries.len() / 2);
            chunks.insert(chunk + 1, Arc::new(second));
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (chunk, place) = self.find(key);
        let place = place.ok()?;
        self.len -= 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(&mut chunks[chunk]);
        let (_, value) = entries.remove(place);
        // Small neighbours join, so that removals leave no trail of crumbs.
        if entries.is_empty() {
            chunks.remove(chunk);
        } else if chunk > 0 && chunks[chunk - 1].len() + chunks[chunk].len() <= CHUNK_LEN_MAX / 2 {
            let entries = chunks.remove(chunk);
            Arc::make_mut(&mut chunks[chunk - 1]).extend(entries.iter().cloned());
        }
        Some(value)
    }
}

/// The same entries, however they came to lie in their chunks.
impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &SharedMap<K, V>) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::prng::Prng;

    #[test]
    fn it_is_a_sorted_map_and_its_clones_stay_as_they_were() {
        for seed in 0..8 {
            let mut random = Prng::new(seed);
            let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
            let mut kept = Vec::new();
            // First it grows, then it shrinks, then it wavers.
            for (steps, removals) in [(3000, 1), (3000, 7), (2000, 4)] {
                for step in 0..steps {
                    let key = random.below(4000);
                    if random.chance(removals, 8) {
                        assert_eq!(map.remove(&key), model.remove(&key));
                    } else if let Some(value) = map.get_mut(&key) {
                        *value = step;
                        model.insert(key, step);
                    } else {
                        map.insert(key, step);
                        assert_eq!(model.insert(key, step), None);
                    }
                    if random.chance(1, 500) {
                        kept.push((map.clone(), model.clone()));
                    }
                }
                kept.push((map.clone(), model.clone()));
            }
            for (map, model) in kept {
                assert_eq!(map.len(), model.len());
                assert!(map.iter().eq(model.iter()), "seed {seed}");
                for _ in 0..50 {
                    let key = random.below(4100);
                    assert_eq!(map.get(&key), model.get(&key));
                    assert!(map.from(&key).eq(model.range(key..)), "seed {seed} from {key}");
                }
                assert!(map.chunks.iter().all(|chunk| chunk.len() <= CHUNK_LEN_MAX));
                let crumbs = map.chunks.iter().filter(|chunk| chunk.len() < 16).count();
                assert!(crumbs <= 2 + map.chunks.len() / 2, "seed {seed}: {crumbs} crumbs");
            }
        }
    }

    #[test]
    fn a_change_copies_one_chunk() {
        let mut map = SharedMap::default();
        for key in 0..10_000 {
            map.insert(key, ());
        }
        let before = map.clone();
        map.insert(10_000, ());
        let shared = before.chunks.iter().filter(|chunk| Arc::strong_count(chunk) == 2).count();
        assert_eq!(shared, before.chunks.len() - 1);
    }
}
