//! What a fetch is answered with: how much, when, and which errors.

mod epochs;
mod errors;
mod sessions;
mod sizes;
mod waits;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest};

use crate::broker::{Broker, Setup};
use crate::client::{Answer, Client};
use crate::topics::Topic;

/// The highest version by name, and the lowest with leader epochs in each partition.
const VERSION: i16 = 12;

/// One broker of one core with one topic.
struct Field {
    _broker: Broker,
    client: Client,
    topic: Topic,
}

impl Field {
    fn new(name: &str, partitions: i32) -> Field {
        Field::with(Setup::new(name), partitions)
    }

    fn with(setup: Setup, partitions: i32) -> Field {
        let broker = setup.cores(1).start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::create(&mut client, "field", partitions, &[]);
        Field { _broker: broker, client, topic }
    }

    /// Asks for these partitions and nothing else, without waiting.
    fn request(&self, partitions: Vec<FetchPartition>) -> FetchRequest<'_> {
        FetchRequest {
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 64 << 20,
            topics: vec![self.topic.fetch_topic(VERSION, partitions)],
            ..Default::default()
        }
    }

    fn put(&mut self, partition: i32, values: &[u64]) -> i64 {
        self.topic.put(&mut self.client, partition, values)
    }
}

/// Each partition of an answer: number, error, bytes of records.
fn parts(answer: &Answer<Fetch>) -> Vec<(i32, ErrorCode, usize)> {
    let body = answer.body();
    assert_eq!(body.error_code, ErrorCode::NONE);
    let parts = body.responses.iter().flat_map(|topic| &topic.partitions);
    parts.map(|part| (part.partition_index, part.error_code, part.records.len())).collect()
}
