//! The head of the request that producers send most: one topic, one partition. It can be read while
//! the record bytes are still on their way, and says where in the body they will lie.

use std::ops::Range;

use crate::model::ids::TopicId;
use crate::wire::error::{Error, Result, What};
use crate::wire::message::Api;
use crate::wire::messages::produce::Produce;
use crate::wire::primitives::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceHead<'a> {
    pub transactional_id: Option<&'a str>,
    pub acks: i16,
    pub timeout_ms: i32,
    /// Empty from version 13 on.
    pub topic: &'a str,
    /// `NIL` before version 13.
    pub topic_id: TopicId,
    pub partition: i32,
    /// Where the record bytes lie in the body.
    pub records: Range<usize>,
}

impl<'a> ProduceHead<'a> {
    /// Looks at the first bytes of a body whose length is `body_len`. `None` when more bytes are
    /// needed, or when the request is of another shape: several topics or partitions, null records,
    /// tagged fields. Such a request is read as a whole, by `ProduceParts`.
    pub fn peek(body: &'a [u8], body_len: usize, version: i16) -> Result<Option<ProduceHead<'a>>> {
        match read(body, body_len, version) {
            Err(error) if error.what == What::Short && body.len() < body_len => Ok(None),
            result => result,
        }
    }
}

fn read<'a>(body: &'a [u8], body_len: usize, version: i16) -> Result<Option<ProduceHead<'a>>> {
    let mut reader = Reader::new(body);
    if !(Produce::MIN..=Produce::MAX).contains(&version) {
        return Err(reader.error(What::Version));
    }
    let flexible = version >= Produce::FLEXIBLE;
    let transactional_id = reader.string(flexible)?;
    let acks = reader.i16()?;
    let timeout_ms = reader.i32()?;
    // Counts are read as lengths: the elements need not be there yet.
    if reader.bytes_len(flexible)? != Some(1) {
        return Ok(None);
    }
    let (topic, topic_id) = if version >= 13 {
        ("", reader.uuid()?)
    } else {
        let null = reader.error(What::Null);
        (reader.string(flexible)?.ok_or(null)?, TopicId::NIL)
    };
    if reader.bytes_len(flexible)? != Some(1) {
        return Ok(None);
    }
    let partition = reader.i32()?;
    let Some(len) = reader.bytes_len(flexible)? else {
        return Ok(None);
    };
    let start = reader.position();
    // Behind the records: the empty tagged fields of partition, topic and request.
    let tail = if flexible { 3 } else { 0 };
    let end = start + len;
    if end + tail > body_len {
        return Err(Error { what: What::Short, position: body_len });
    }
    let tail_is_plain = body.iter().skip(end).all(|&tags| tags == 0);
    if end + tail != body_len || !tail_is_plain {
        return Ok(None);
    }
    Ok(Some(ProduceHead {
        transactional_id,
        acks,
        timeout_ms,
        topic,
        topic_id,
        partition,
        records: start..end,
    }))
}
