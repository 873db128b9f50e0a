//! Which partition a record goes to: by its key as Java clients do it, so that equal keys meet
//! whoever wrote them; records without one stay together for a while (KIP-480).

use crate::base::prng::Prng;

/// The partition of a key among `count`.
pub fn partition_of_key(key: &[u8], count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % count
}

/// MurmurHash2 with the seed that Kafka's Java client uses.
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// Where records without a key go: one partition until it has taken a batch's worth of bytes, then
/// another by chance (KIP-794).
#[derive(Debug)]
pub struct Sticky {
    random: Prng,
    current: Option<usize>,
    bytes_left: usize,
    bytes_per_turn: usize,
}

impl Sticky {
    pub fn new(seed: u64, bytes_per_turn: usize) -> Sticky {
        Sticky { random: Prng::new(seed), current: None, bytes_left: 0, bytes_per_turn }
    }

    /// The partition, among `count`, of a record of `bytes`.
    pub fn choose(&mut self, count: usize, bytes: usize) -> usize {
        let current = match self.current {
            Some(current) if self.bytes_left > 0 && current < count => current,
            previous => {
                self.bytes_left = self.bytes_per_turn;
                self.another(previous, count)
            }
        };
        self.current = Some(current);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        current
    }

    fn another(&mut self, previous: Option<usize>, count: usize) -> usize {
        match previous {
            Some(previous) if previous < count && count > 1 => {
                let chosen = self.random.below(count as u64 - 1) as usize;
                chosen + usize::from(chosen >= previous)
            }
            _ => self.random.below(count as u64) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_the_java_client() {
        // From Kafka's own test of its Utils.murmur2.
        let check = |key: &[u8], expect: i32| assert_eq!(murmur2(key) as i32, expect, "{key:?}");
        check(b"21", -973_932_308);
        check(b"foobar", -790_332_482);
        check(b"a-little-bit-long-string", -985_981_536);
        check(b"a-little-bit-longer-string", -1_486_304_829);
        check(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check(b"abc", 479_470_107);
        assert_eq!(partition_of_key(b"21", 7), (-973_932_308i32 & i32::MAX) as usize % 7);
    }

    #[test]
    fn records_without_a_key_stay_together_and_then_move() {
        let mut sticky = Sticky::new(3, 100);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let first = sticky.choose(5, 60);
            assert_eq!(sticky.choose(5, 60), first);
            let next = sticky.choose(5, 100);
            assert_ne!(next, first);
            seen[next] += 1;
        }
        assert!(seen.iter().all(|&times| times > 100), "{seen:?}");
        assert_eq!(Sticky::new(1, 10).choose(1, 5), 0);
    }
}
