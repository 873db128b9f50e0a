//! Which partition a message goes to: in turn without a key, always the same one for a key.

pub struct Partitioner {
    partitions: u32,
    next: u32,
}

impl Partitioner {
    /// Producers begin at different places, so that they do not march in step.
    pub fn new(partitions: u32, producer: usize) -> Partitioner {
        let partitions = partitions.max(1);
        Partitioner { partitions, next: (producer % partitions as usize) as u32 }
    }

    pub fn pick(&mut self, key: Option<&[u8]>) -> u32 {
        match key {
            Some(key) => (fnv(key) % u64::from(self.partitions)) as u32,
            None => {
                let picked = self.next;
                self.next = (picked + 1) % self.partitions;
                picked
            }
        }
    }
}

/// FNV-1a: these brokers have no hash of their own that a client must follow.
fn fnv(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The partitions of a consumer that shares them with others of its subscription.
pub fn share(partitions: u32, index: u32, of: u32) -> impl Iterator<Item = u32> {
    (0..partitions).filter(move |partition| partition % of.max(1) == index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_turn_and_a_key_its_place() {
        let mut partitioner = Partitioner::new(3, 4);
        let picked: Vec<u32> = (0..4).map(|_| partitioner.pick(None)).collect();
        assert_eq!(picked, [1, 2, 0, 1]);
        let place = partitioner.pick(Some(b"key"));
        assert!((0..9).all(|_| partitioner.pick(Some(b"key")) == place));
        let shares: Vec<Vec<u32>> = (0..2).map(|index| share(5, index, 2).collect()).collect();
        assert_eq!(shares, [vec![0, 2, 4], vec![1, 3]]);
    }
}
