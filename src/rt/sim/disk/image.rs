//! The content of a file: sparse pages and a length.

use std::collections::BTreeMap;
use std::rc::Rc;

/// What a device writes wholly or not at all, in bytes.
pub(super) const SECTOR: usize = 512;
pub(super) const PAGE: usize = 4096;

/// Pages are shared between the copies of an image until one of them changes.
#[derive(Clone, Default)]
pub(super) struct Image {
    pages: BTreeMap<u64, Rc<[u8; PAGE]>>,
    len: u64,
}

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Copies what is stored from `pos` on, zeros where nothing is; does not look at the length.
    pub(super) fn copy_to(&self, pos: u64, out: &mut [u8]) {
        each_page(pos, out.len(), |page, within, range| {
            let target = &mut out[range];
            match self.pages.get(&page) {
                Some(bytes) => target.copy_from_slice(&bytes[within..within + target.len()]),
                None => target.fill(0),
            }
        });
    }

    /// Stores bytes; does not change the length.
    pub(super) fn put(&mut self, pos: u64, bytes: &[u8]) {
        each_page(pos, bytes.len(), |page, within, range| {
            let target = self.pages.entry(page).or_insert_with(|| Rc::new([0; PAGE]));
            let source = &bytes[range];
            Rc::make_mut(target)[within..within + source.len()].copy_from_slice(source);
        });
    }

    pub(super) fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Sets the length; what lay beyond it is gone for good.
    pub(super) fn set_len(&mut self, len: u64) {
        self.len = len;
        self.trim();
    }

    /// Drops everything beyond the length.
    pub(super) fn trim(&mut self) {
        let keep = self.len.div_ceil(PAGE as u64);
        self.pages.split_off(&keep);
        let within = (self.len % PAGE as u64) as usize;
        if within > 0
            && let Some(page) = self.pages.get_mut(&(self.len / PAGE as u64))
        {
            Rc::make_mut(page)[within..].fill(0);
        }
    }

    pub(super) fn flip(&mut self, pos: u64, bit: u8) {
        let mut byte = [0];
        self.copy_to(pos, &mut byte);
        byte[0] ^= 1 << (bit % 8);
        self.put(pos, &byte);
    }
}

/// Calls `f` with each page number, the position within it, and the range of the bytes.
fn each_page(pos: u64, len: usize, mut f: impl FnMut(u64, usize, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < len {
        let at = pos + done as u64;
        let within = (at % PAGE as u64) as usize;
        let count = (PAGE - within).min(len - done);
        f(at / PAGE as u64, within, done..done + count);
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shorter_length_cut_off_reads_as_zeros_later() {
        let mut image = Image::default();
        image.put(4000, &[7; 300]);
        image.grow(4300);
        let copy = image.clone();
        image.set_len(4100);
        image.set_len(4300);
        let mut out = [1; 300];
        image.copy_to(4000, &mut out);
        assert_eq!(out[..100], [7; 100]);
        assert_eq!(out[100..], [0; 200]);
        copy.copy_to(4000, &mut out);
        assert_eq!(out, [7; 300]);
    }
}
