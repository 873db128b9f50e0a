//! `partition.metadata`: which topic a directory belongs to, beyond its name. Pure.
//!
//! ```text
//! version: 0
//! topic_id: vRVrEnXyRJmBzD3Ca4nfgg
//! ```

use crate::model::TopicId;

pub fn encode(topic: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic}\n")
}

/// `None` when the text is not such a file.
pub fn decode(text: &str) -> Option<TopicId> {
    let mut version = None;
    let mut topic = None;
    for line in text.lines() {
        let (key, value) = line.split_once(": ")?;
        match key {
            "version" => version = Some(value),
            "topic_id" => topic = value.parse().ok(),
            _ => return None,
        }
    }
    topic.filter(|_| version == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_refuses_other_texts() {
        let topic = TopicId(*b"sixteen bytes ok");
        assert_eq!(decode(&encode(topic)), Some(topic));
        for text in ["", "version: 0\n", "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n", "x"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
