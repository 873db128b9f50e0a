//! The three indexes of a segment. Pure: entries in memory and their bytes; files are the
//! segment's business. An index is a hint: what it leads to is checked before it is used.

pub mod offset;
pub mod time;
pub mod txn;

/// Why an index file cannot be used; it is then built again from its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Takes `N` bytes at `at`; the caller has checked that they are there.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[at..at + N]);
    taken
}
