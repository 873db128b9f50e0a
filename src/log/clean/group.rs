//! Which neighbouring segments become one (Kafka: Cleaner.groupSegmentsBySize). Pure: they are
//! judged by their sizes before the cleaning, so the outcome always fits.

use std::ops::Range;

use crate::model::Offset;

/// One segment, before it is cleaned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) base_offset: Offset,
    pub(super) bytes: u64,
    pub(super) offset_index_bytes: u64,
    pub(super) time_index_bytes: u64,
}

/// Splits `sizes`, in order and behind the last of which `end` follows, into runs that fit into one
/// segment each.
pub(super) fn runs(
    sizes: &[Size],
    end: Offset,
    bytes_max: u64,
    index_bytes_max: u64,
) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut sum = [0; 3];
    for (at, size) in sizes.iter().enumerate() {
        let next = sizes.get(at + 1).map_or(end, |next| next.base_offset);
        let joined =
            [sum[0] + size.bytes, sum[1] + size.offset_index_bytes, sum[2] + size.time_index_bytes];
        if let Some(run) = runs.last_mut()
            && joined[0] <= bytes_max.min(i32::MAX as u64)
            && joined[1].max(joined[2]) <= index_bytes_max
            && (size.bytes == 0
                || next - 1 - sizes[run.start].base_offset <= Offset::from(i32::MAX))
        {
            run.end = at + 1;
            sum = joined;
        } else {
            runs.push(at..at + 1);
            sum = [size.bytes, size.offset_index_bytes, size.time_index_bytes];
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_while_they_fit() {
        let check = |sizes: &[(Offset, u64, u64)], end, expect: &[(usize, usize)]| {
            let sizes: Vec<Size> = sizes
                .iter()
                .map(|&(base_offset, bytes, index)| Size {
                    base_offset,
                    bytes,
                    offset_index_bytes: index,
                    time_index_bytes: index / 2,
                })
                .collect();
            let runs = runs(&sizes, end, 100, 50);
            let runs: Vec<_> = runs.iter().map(|run| (run.start, run.end)).collect();
            assert_eq!(runs, expect, "{sizes:?}");
        };
        check(&[], 0, &[]);
        check(&[(0, 500, 5)], 9, &[(0, 1)]);
        check(&[(0, 40, 5), (9, 60, 5), (20, 1, 5)], 30, &[(0, 2), (2, 3)]);
        check(&[(0, 500, 5), (9, 500, 5)], 30, &[(0, 1), (1, 2)]);
        check(&[(0, 0, 0), (9, 0, 0), (20, 0, 0)], 30, &[(0, 3)]);
        check(&[(0, 10, 30), (9, 10, 30), (20, 10, 20)], 30, &[(0, 1), (1, 3)]);
        let far = Offset::from(i32::MAX);
        check(&[(0, 10, 5), (9, 10, 5)], far + 1, &[(0, 2)]);
        check(&[(0, 10, 5), (9, 10, 5)], far + 2, &[(0, 1), (1, 2)]);
        check(&[(0, 10, 5), (9, 10, 5), (far, 10, 5)], far + 2, &[(0, 2), (2, 3)]);
        // What is empty needs no offsets, and is not left behind for ever.
        check(&[(0, 10, 5), (9, 0, 0)], far + 2, &[(0, 2)]);
    }
}
