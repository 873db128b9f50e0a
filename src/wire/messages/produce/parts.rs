//! A whole produce request, partition by partition, without allocating.

use std::ops::Range;

use crate::model::ids::TopicId;
use crate::wire::error::{Result, What};
use crate::wire::message::Api;
use crate::wire::messages::produce::Produce;
use crate::wire::primitives::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePart<'a> {
    /// Empty from version 13 on.
    pub topic: &'a str,
    /// `NIL` before version 13.
    pub topic_id: TopicId,
    pub partition: i32,
    /// Where the record bytes lie in the body; `None` for null.
    pub records: Option<Range<usize>>,
}

/// Yields the parts in the order of the request, and ends after the first error. A request is
/// sound only when the last item has been read, so look through it once (it is `Clone`) before
/// acting on any part.
#[derive(Clone, Debug)]
pub struct ProduceParts<'a> {
    pub transactional_id: Option<&'a str>,
    pub acks: i16,
    pub timeout_ms: i32,
    reader: Reader<'a>,
    version: i16,
    topics_left: usize,
    partitions_left: usize,
    topic: &'a str,
    topic_id: TopicId,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BetweenTopics,
    InTopic,
    Done,
}

impl<'a> ProduceParts<'a> {
    /// `body` is the whole body of the request.
    pub fn new(body: &'a [u8], version: i16) -> Result<ProduceParts<'a>> {
        let mut reader = Reader::new(body);
        if !(Produce::MIN..=Produce::MAX).contains(&version) {
            return Err(reader.error(What::Version));
        }
        let flexible = version >= Produce::FLEXIBLE;
        let transactional_id = reader.string(flexible)?;
        let acks = reader.i16()?;
        let timeout_ms = reader.i32()?;
        let null = reader.error(What::Null);
        let topics_left = reader.count(flexible, 1)?.ok_or(null)?;
        Ok(ProduceParts {
            transactional_id,
            acks,
            timeout_ms,
            reader,
            version,
            topics_left,
            partitions_left: 0,
            topic: "",
            topic_id: TopicId::NIL,
            state: State::BetweenTopics,
        })
    }

    fn flexible(&self) -> bool {
        self.version >= Produce::FLEXIBLE
    }

    fn skip_tags(&mut self) -> Result<()> {
        if self.flexible() { self.reader.skip_tags() } else { Ok(()) }
    }

    fn read_topic(&mut self) -> Result<()> {
        let flexible = self.flexible();
        if self.version >= 13 {
            self.topic_id = self.reader.uuid()?;
        } else {
            let null = self.reader.error(What::Null);
            self.topic = self.reader.string(flexible)?.ok_or(null)?;
        }
        let null = self.reader.error(What::Null);
        self.partitions_left = self.reader.count(flexible, 5)?.ok_or(null)?;
        Ok(())
    }

    fn read_partition(&mut self) -> Result<ProducePart<'a>> {
        let partition = self.reader.i32()?;
        let flexible = self.flexible();
        let records = match self.reader.bytes_len(flexible)? {
            None => None,
            Some(len) => {
                let start = self.reader.position();
                self.reader.take(len)?;
                Some(start..start + len)
            }
        };
        self.skip_tags()?;
        Ok(ProducePart { topic: self.topic, topic_id: self.topic_id, partition, records })
    }

    fn advance(&mut self) -> Result<Option<ProducePart<'a>>> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::InTopic if self.partitions_left > 0 => {
                    self.partitions_left -= 1;
                    return self.read_partition().map(Some);
                }
                State::InTopic => {
                    self.skip_tags()?;
                    self.state = State::BetweenTopics;
                }
                State::BetweenTopics if self.topics_left > 0 => {
                    self.topics_left -= 1;
                    self.read_topic()?;
                    self.state = State::InTopic;
                }
                State::BetweenTopics => {
                    self.skip_tags()?;
                    self.state = State::Done;
                }
            }
        }
    }
}

impl<'a> Iterator for ProduceParts<'a> {
    type Item = Result<ProducePart<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.advance();
        if part.is_err() {
            self.state = State::Done;
        }
        part.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::produce::*;
    use crate::wire::{Message, Writer};

    fn request<'a>(version: i16, shape: &[usize], records: &'a [u8]) -> ProduceRequest<'a> {
        let (name, topic_id) =
            if version >= 13 { ("", TopicId([9; 16])) } else { ("topic", TopicId::NIL) };
        let partition =
            |index| PartitionProduceData { index: index as i32, records: Some(records) };
        let topic = |&partitions: &usize| TopicProduceData {
            name,
            topic_id,
            partition_data: (0..partitions).map(partition).collect(),
        };
        ProduceRequest {
            transactional_id: Some("id"),
            acks: -1,
            timeout_ms: 1500,
            topic_data: shape.iter().map(topic).collect(),
        }
    }

    fn encode(request: &ProduceRequest<'_>, version: i16) -> Vec<u8> {
        let mut body = Vec::new();
        request.encode(&mut Writer::new(&mut body), version);
        body
    }

    #[test]
    fn parts_are_what_the_whole_message_says() {
        for version in Produce::MIN..=Produce::MAX {
            for shape in [&[][..], &[0], &[1], &[3, 0, 2]] {
                let request = request(version, shape, b"records");
                let body = encode(&request, version);
                let parts = ProduceParts::new(&body, version).unwrap();
                assert_eq!(parts.transactional_id, request.transactional_id);
                assert_eq!((parts.acks, parts.timeout_ms), (-1, 1500));
                let mut parts = parts.map(|part| part.unwrap());
                for topic in &request.topic_data {
                    for partition in &topic.partition_data {
                        let part = parts.next().unwrap();
                        assert_eq!((part.topic, part.topic_id), (topic.name, topic.topic_id));
                        assert_eq!(part.partition, partition.index);
                        assert_eq!(Some(&body[part.records.unwrap()]), partition.records);
                    }
                }
                assert_eq!(parts.next(), None);
                for len in 0..body.len() {
                    let cut = ProduceParts::new(&body[..len], version);
                    assert!(cut.is_err() || cut.unwrap().any(|part| part.is_err()), "{len}");
                }
            }
        }
    }

    #[test]
    fn a_head_is_read_before_its_records_are_there() {
        for version in Produce::MIN..=Produce::MAX {
            let request = request(version, &[1], b"records");
            let body = encode(&request, version);
            let head = ProduceHead::peek(&body, body.len(), version).unwrap().unwrap();
            let topic = &request.topic_data[0];
            assert_eq!((head.topic, head.topic_id), (topic.name, topic.topic_id));
            assert_eq!((head.transactional_id, head.acks), (Some("id"), -1));
            assert_eq!((head.partition, head.timeout_ms), (0, 1500));
            assert_eq!(&body[head.records.clone()], b"records");
            for len in 0..body.len() {
                let early = ProduceHead::peek(&body[..len], body.len(), version).unwrap();
                let expected = (len >= head.records.start).then_some(&head);
                assert_eq!(early.as_ref(), expected, "version {version}, {len} bytes");
            }
        }
    }

    #[test]
    fn other_shapes_have_no_head() {
        let check = |version: i16, body: &[u8], expected: std::result::Result<(), What>| {
            let got = ProduceHead::peek(body, body.len(), version);
            assert_eq!(got.map_err(|error| error.what), expected.map(|()| None));
        };
        for version in Produce::MIN..=Produce::MAX {
            for shape in [&[][..], &[0], &[2], &[1, 1]] {
                check(version, &encode(&request(version, shape, b"r"), version), Ok(()));
            }
            let mut null = request(version, &[1], b"");
            null.topic_data[0].partition_data[0].records = None;
            check(version, &encode(&null, version), Ok(()));
            let mut longer = encode(&request(version, &[1], b"r"), version);
            longer.push(0);
            check(version, &longer, Ok(()));
            let body = encode(&request(version, &[1], b"r"), version);
            check(version, &body[..body.len() - 1], Err(What::Short));
            if version >= Produce::FLEXIBLE {
                let mut tagged = body;
                *tagged.last_mut().unwrap() = 1;
                check(version, &tagged, Ok(()));
            }
        }
        check(2, &[], Err(What::Version));
        check(14, &[], Err(What::Version));
    }
}
