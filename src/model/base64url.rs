//! Sixteen bytes as Kafka writes them: base64 with the URL alphabet, no padding, 22 characters.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of one encoded id.
pub(super) const LEN: usize = 22;

pub(super) fn encode(bytes: [u8; 16]) -> [u8; LEN] {
    // 128 bits in 22 groups of six: the last group holds the two lowest bits, shifted up.
    let number = u128::from_be_bytes(bytes);
    std::array::from_fn(|index| {
        let group = match 122usize.checked_sub(6 * index) {
            Some(shift) => number >> shift,
            None => number << 4,
        };
        ALPHABET[(group & 63) as usize]
    })
}

/// `None` for another length, a foreign character, or bits beyond the sixteenth byte.
pub(super) fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != LEN {
        return None;
    }
    let mut number = 0u128;
    for (index, byte) in text.bytes().enumerate() {
        let group = ALPHABET.iter().position(|&letter| letter == byte)? as u128;
        if index < LEN - 1 {
            number = number << 6 | group;
        } else {
            if group & 15 != 0 {
                return None;
            }
            number = number << 2 | group >> 4;
        }
    }
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    #[test]
    fn every_id_comes_back_and_has_one_spelling() {
        assert_eq!(&encode([0; 16]), b"AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(&encode([255; 16]), b"_____________________w");
        let mut prng = Prng::new(1);
        for _ in 0..1000 {
            let mut bytes = [0; 16];
            prng.fill(&mut bytes);
            let text = String::from_utf8(encode(bytes).to_vec()).unwrap();
            assert_eq!(decode(&text), Some(bytes));
        }
        for refused in
            ["", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(decode(refused), None, "{refused}");
        }
    }
}
