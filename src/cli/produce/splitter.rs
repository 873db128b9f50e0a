//! Cuts a stream of bytes into records. Pure.

pub enum Cut {
    /// Behind each of these texts, which are no part of any record.
    At(Vec<u8>),
    /// After so many bytes.
    Every(usize),
}

pub struct Splitter {
    cut: Cut,
    buffer: Vec<u8>,
    /// Where the next record begins, and up to where no delimiter begins.
    start: usize,
    searched: usize,
}

impl Splitter {
    pub fn new(cut: Cut) -> Splitter {
        Splitter { cut, buffer: Vec::new(), start: 0, searched: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record.
    pub fn next(&mut self) -> Option<&[u8]> {
        let (end, next) = match &self.cut {
            Cut::Every(size) => {
                let end = self.start + size;
                (end <= self.buffer.len()).then_some((end, end))?
            }
            Cut::At(delimiter) => {
                let found = find(&self.buffer[self.searched..], delimiter);
                let Some(found) = found else {
                    let kept = delimiter.len() - 1;
                    self.searched = self.searched.max(self.buffer.len().saturating_sub(kept));
                    self.searched = self.searched.max(self.start);
                    return None;
                };
                (self.searched + found, self.searched + found + delimiter.len())
            }
        };
        let record = self.start..end;
        (self.start, self.searched) = (next, next);
        Some(&self.buffer[record])
    }

    /// Bytes of a record that is not whole yet.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What stands behind the last delimiter when the input has ended.
    pub fn rest(&mut self) -> Option<&[u8]> {
        let start = std::mem::replace(&mut self.start, self.buffer.len());
        self.searched = self.start;
        Some(&self.buffer[start..]).filter(|rest| !rest.is_empty())
    }
}

/// Where `needle` begins, which is not empty.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first().expect("something to look for");
    let mut from = 0;
    loop {
        let found = from + bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[found + 1..].starts_with(rest) {
            return Some(found);
        }
        from = found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(cut: fn() -> Cut, input: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(cut());
        let mut records = Vec::new();
        for piece in input.chunks(piece) {
            splitter.push(piece);
            while let Some(record) = splitter.next() {
                records.push(record.to_vec());
            }
        }
        records.extend(splitter.rest().map(<[u8]>::to_vec));
        records
    }

    #[test]
    fn records_do_not_depend_on_how_the_input_comes() {
        let check = |cut: fn() -> Cut, input: &[u8], expect: &[&[u8]]| {
            for piece in 1..=input.len().max(1) {
                assert_eq!(split(cut, input, piece), expect, "in pieces of {piece}");
            }
        };
        check(|| Cut::At(b"\n".to_vec()), b"one\n\ntwo\nrest", &[b"one", b"", b"two", b"rest"]);
        check(|| Cut::At(b"\n".to_vec()), b"one\n", &[b"one"]);
        check(|| Cut::At(b"--".to_vec()), b"a-b---c--", &[b"a-b", b"-c"]);
        check(|| Cut::At(b"aab".to_vec()), b"aaabaab", &[b"a", b""]);
        check(|| Cut::Every(4), b"abcdefghij", &[b"abcd", b"efgh", b"ij"]);
        check(|| Cut::Every(4), b"abcd", &[b"abcd"]);
        check(|| Cut::Every(4), b"", &[]);
    }
}
