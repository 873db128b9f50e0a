//! Bytes written in arguments: `\n`, `\t`, `\r`, `\0`, `\\` and `\xHH` stand for what they stand for
//! everywhere.

pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, taken) = sequence(behind).ok_or_else(|| {
            let shown: String = behind.chars().take(3).collect();
            format!(r"'\{shown}' is no escape; these are: \n \t \r \0 \\ \xHH")
        })?;
        bytes.push(byte);
        rest = &behind[taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that the escape behind a backslash stands for, and its length.
fn sequence(behind: &str) -> Option<(u8, usize)> {
    Some(match behind.as_bytes().first()? {
        b'n' => (b'\n', 1),
        b't' => (b'\t', 1),
        b'r' => (b'\r', 1),
        b'0' => (0, 1),
        b'\\' => (b'\\', 1),
        b'x' => {
            let digits = behind.get(1..3).filter(|digits| !digits.starts_with('+'))?;
            (u8::from_str_radix(digits, 16).ok()?, 3)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        let check = |text: &str, expect: Option<&[u8]>| {
            assert_eq!(parse(text).ok().as_deref(), expect, "{text}");
        };
        check("plain ä", Some("plain ä".as_bytes()));
        check(r"a\tb\n\\\0\x1F", Some(b"a\tb\n\\\0\x1f"));
        check("", Some(b""));
        for bad in [r"\q", r"\x1", r"\xgg", r"\x+1", "\\"] {
            check(bad, None);
        }
    }
}
