//! The wire codec: the two messages that carry records.

use std::time::Instant;

use ringmain::wire::messages::fetch::{
    Fetch, FetchResponse, FetchableTopicResponse, PartitionData,
};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::value::Records;
use ringmain::wire::{Api, Message, Reader, Writer};

use super::{Done, Hash};

const PARTITIONS: i32 = 10;
const PRODUCE_VERSION: i16 = 11;
const FETCH_VERSION: i16 = 12;

fn round_trips<A: Api>(
    count: u64,
    version: i16,
    first: &[u8],
    again: impl Fn(&[u8], &mut Vec<u8>),
) -> Done {
    let (mut hash, mut bytes) = (Hash::default(), first.to_vec());
    let mut next = Vec::with_capacity(bytes.len());
    let began = Instant::now();
    for _ in 0..count {
        next.clear();
        again(&bytes, &mut next);
        std::mem::swap(&mut bytes, &mut next);
    }
    let took = began.elapsed();
    assert_eq!(bytes, first, "{} v{version} comes back", A::NAME);
    hash.number(count);
    hash.bytes(&bytes);
    Done { took, hash: hash.finish() }
}

pub fn produce(count: u64) -> Done {
    let records = [0x5a; 1024];
    let data = |index| PartitionProduceData { index, records: Some(&records) };
    let topic = TopicProduceData {
        name: "orders",
        partition_data: (0..PARTITIONS).map(data).collect(),
        ..Default::default()
    };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() };
    let mut first = Vec::new();
    request.encode(&mut Writer::new(&mut first), PRODUCE_VERSION);
    round_trips::<Produce>(count, PRODUCE_VERSION, &first, |from, to| {
        let read = ProduceRequest::decode(&mut Reader::new(from), PRODUCE_VERSION);
        read.expect("our own request").encode(&mut Writer::new(to), PRODUCE_VERSION);
    })
}

pub fn fetch(count: u64) -> Done {
    let records = [0x5a; 1024];
    let data = |partition_index| PartitionData {
        partition_index,
        records: Records::Bytes(&records),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: "orders",
        partitions: (0..PARTITIONS).map(data).collect(),
        ..Default::default()
    };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    let mut first = Vec::new();
    response.encode(&mut Writer::new(&mut first), FETCH_VERSION);
    round_trips::<Fetch>(count, FETCH_VERSION, &first, |from, to| {
        let read = FetchResponse::decode(&mut Reader::new(from), FETCH_VERSION);
        read.expect("our own answer").encode(&mut Writer::new(to), FETCH_VERSION);
    })
}
