//! SipHash-2-4 with 128 bits (Aumasson, Bernstein): a keyed hash. Whoever does not know the key
//! cannot make two inputs collide, and by chance none will.

struct State([u64; 4]);

impl State {
    fn new(key: [u64; 2]) -> State {
        State([
            key[0] ^ 0x736f_6d65_7073_6575,
            // 0xee says that 128 bits are wanted.
            key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ])
    }

    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn half(&mut self) -> u64 {
        (0..4).for_each(|_| self.round());
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

/// The hash of `bytes` under `key`, low half first.
pub fn hash128(key: [u64; 2], bytes: &[u8]) -> [u64; 2] {
    let mut state = State::new(key);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        state.take(u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    last[7] = bytes.len() as u8;
    state.take(u64::from_le_bytes(last));
    state.0[2] ^= 0xee;
    let low = state.half();
    state.0[1] ^= 0xdd;
    [low, state.half()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some of the authors' vectors: inputs 00, 00 01 ... under the key 00 01 .. 0f.
    #[test]
    fn it_is_the_authors_hash() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let check = |len: u8, expect: &str| {
            let input: Vec<u8> = (0..len).collect();
            let [low, high] = hash128(key, &input);
            let bytes = [low.to_le_bytes(), high.to_le_bytes()].concat();
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, expect, "{len} bytes");
        };
        check(0, "a3817f04ba25a8e66df67214c7550293");
        check(1, "da87c1d86b99af44347659119b22fc45");
        check(2, "8177228da4a45dc7fca38bdef60affe4");
        check(8, "3b62a9ba6258f5610f83e264f31497b4");
        check(14, "31fcefac66d7de9c7ec7485fe4494902");
        check(15, "5493e99933b0a8117e08ec0f97cfc3d9");
    }
}
