//! Which known name somebody may have meant.

/// The known name with the fewest changed letters, when that is few enough to be a slip.
pub(super) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no slips, and comparing them would cost their length squared.
    if text.len() > 100 {
        return None;
    }
    let allowed = (text.len() / 3).clamp(1, 6);
    known
        .map(|name| (distance(text.as_bytes(), name.as_bytes()), name))
        .filter(|&(changes, _)| changes <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["retention.ms", "retention.bytes", "segment.ms"];
        let check = |text, expect| assert_eq!(nearest(text, known.into_iter()), expect, "{text}");
        check("retention.m", Some("retention.ms"));
        check("retension.ms", Some("retention.ms"));
        check("retention.byte", Some("retention.bytes"));
        check("zookeeper.connect", None);
        check("", None);
        check(&"retention.ms".repeat(100), None);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
