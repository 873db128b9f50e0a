//! What is written to one broker and must be read from the other: every codec, keys, headers,
//! several segments, idempotent producers, records that were deleted, and what a cleaner leaves.

use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::wire::compression::Codec;
use ringmain::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ringmain::wire::record::{BatchBuilder, BatchFields, Header};

use super::reading::read;
use crate::client::Client;
use crate::topics::{LATEST, Sequence, Topic, batch, new_producer_id, now_ms};

const SMALL: (&str, &str) = ("segment.bytes", "1048576");
pub const DELETED: &str = "deleted";
const DELETED_BEFORE: i64 = 1000;
pub const COMPACTED: &str = "compacted";
const COMPACTED_KEYS: i32 = 10;
const IDEMPOTENT: &str = "idempotent";

/// The last batch of an idempotent producer, and where it went.
#[derive(Clone)]
pub struct Last {
    pub topic: Topic,
    pub partition: i32,
    pub bytes: Vec<u8>,
    pub offset: i64,
    pub next: Sequence,
}

/// Makes the topics and fills them.
pub fn write(client: &mut Client) -> (Vec<Topic>, Vec<Last>) {
    let codecs = create(client, "codecs", 2, &[SMALL]);
    for round in 0..60 {
        for codec in Codec::ALL {
            for partition in 0..2 {
                put(client, &codecs, partition, &varied(codec, round));
            }
        }
    }
    let times = ("message.timestamp.type", "LogAppendTime");
    let stamped = create(client, "stamped", 1, &[SMALL, times]);
    for round in 0..50 {
        put(client, &stamped, 0, &varied(Codec::None, round));
        put(client, &stamped, 0, &varied(Codec::Lz4, round));
    }
    let empty = create(client, "empty", 1, &[]);
    let deleted = create(client, DELETED, 1, &[SMALL]);
    for round in 0..300 {
        put(client, &deleted, 0, &varied(Codec::None, round));
    }
    delete_before(client, &deleted, DELETED_BEFORE);
    let idempotent = create(client, IDEMPOTENT, 2, &[SMALL]);
    let mut lasts = Vec::new();
    for partition in 0..2 {
        for _ in 0..3 {
            lasts.push(write_in_sequence(client, &idempotent, partition));
        }
    }
    (vec![codecs, stamped, empty, deleted, idempotent], lasts)
}

/// Kafka answers before everybody knows of a new topic.
pub fn create(client: &mut Client, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Topic {
    Topic::make(client, name, partitions, configs);
    let began = Instant::now();
    loop {
        if let Some(topic) = Topic::find(client, name).expect("metadata") {
            return topic;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no topic {name}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn put(client: &mut Client, topic: &Topic, partition: i32, batch: &[u8]) -> i64 {
    let began = Instant::now();
    loop {
        let (error, offset) = topic.produce(client, partition, batch).expect("an answer");
        // Kafka tells of a new topic before it can be written to.
        if error == ErrorCode::NOT_LEADER_OR_FOLLOWER && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        assert_eq!(error, ErrorCode::NONE, "{}-{partition}", topic.name);
        return offset;
    }
}

/// A batch with keys and without, headers, nulls and some bulk.
fn varied(codec: Codec, round: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields { codec, ..BatchFields::default() });
    let now = now_ms();
    // Half of it random, so that every codec has something to do and not too much.
    let mut bulk = vec![b'x'; 6000 + round as usize * 30];
    Prng::new(round as u64).fill(&mut bulk[3000..]);
    let header = Header { key: b"round", value: Some(&[round as u8]) };
    builder.push(now, Some(b"key"), Some(&bulk), &[header]);
    builder.push(now + 5, None, Some(b"a value"), &[]);
    builder.push(now - 5, Some(b"gone"), None, &[Header { key: b"none", value: None }]);
    builder.push(now + 1, Some(b""), Some(b""), &[]);
    builder.finish()
}

/// A batch with the keys of all others of its kind.
fn keyed(sequence: Sequence, round: u8) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        producer_id: sequence.producer_id,
        producer_epoch: sequence.epoch,
        base_sequence: sequence.base,
        ..BatchFields::default()
    });
    for key in 0..COMPACTED_KEYS as u8 {
        builder.push(now_ms(), Some(&[key]), Some(&[round; 1500]), &[]);
    }
    builder.finish()
}

fn in_sequence(sequence: Sequence, count: i32) -> Vec<u8> {
    let values: Vec<u64> = (0..count as u64).collect();
    batch(sequence, &values, 300)
}

/// A producer that nobody has heard of.
fn new_sequence(client: &mut Client) -> Sequence {
    loop {
        let (error, producer_id, epoch) = new_producer_id(client).expect("an answer");
        if error == ErrorCode::NONE {
            return Sequence { producer_id, epoch, base: 0 };
        }
        // A Kafka that has just started.
        assert_eq!(error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        thread::sleep(Duration::from_millis(50));
    }
}

fn write_in_sequence(client: &mut Client, topic: &Topic, partition: i32) -> Last {
    let mut sequence = new_sequence(client);
    let (mut bytes, mut offset) = (Vec::new(), 0);
    for round in 0..20 {
        let count = 1 + round % 4;
        bytes = in_sequence(sequence, count);
        offset = put(client, topic, partition, &bytes);
        sequence.base += count;
    }
    Last { topic: topic.clone(), partition, bytes, offset, next: sequence }
}

fn delete_before(client: &mut Client, topic: &Topic, offset: i64) {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: &topic.name, partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
    let answer = client.call::<DeleteRecords>(2, &request).expect("an answer");
    assert_eq!(answer.body().topics[0].partitions[0].error_code, ErrorCode::NONE);
}

/// For a broker that compacts: a topic of which it has cleaned much away. Of the first producer's
/// batch it leaves the bare head, which remembers the sequence.
pub fn write_compacted(client: &mut Client) -> Topic {
    let compact = ("cleanup.policy", "compact");
    let topic =
        create(client, COMPACTED, 1, &[SMALL, compact, ("min.cleanable.dirty.ratio", "0.01")]);
    let sequence = new_sequence(client);
    put(client, &topic, 0, &keyed(sequence, 0));
    let rounds = 250;
    for round in 1..rounds {
        put(client, &topic, 0, &keyed(Sequence::NONE, round));
    }
    let all = usize::from(rounds) * COMPACTED_KEYS as usize;
    let began = Instant::now();
    let mut lines = Vec::new();
    loop {
        let before = std::mem::replace(&mut lines, read(client, &topic, 0));
        // The cleaner has been there, and has nothing more to do.
        if lines.len() < all / 2 && lines == before {
            return topic;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{} lines after all", lines.len());
        thread::sleep(Duration::from_secs(2));
    }
}

/// The broker knows each producer: its last batch comes again and is not appended again, a gap is
/// refused, and the next batch is appended.
pub fn go_on_in_sequence(client: &mut Client, lasts: &mut [Last]) {
    for last in lasts {
        let Last { topic, partition, bytes, offset, next } = last;
        *topic = Topic::describe(client, &topic.name);
        let end = topic.offset_at(client, *partition, LATEST).expect("an offset");
        assert_eq!(put(client, topic, *partition, bytes), *offset, "the last batch again");
        let gap = Sequence { base: next.base + 7, ..*next };
        let (error, _) =
            topic.produce(client, *partition, &in_sequence(gap, 1)).expect("an answer");
        assert_eq!(error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        *bytes = in_sequence(*next, 2);
        *offset = put(client, topic, *partition, bytes);
        assert_eq!(*offset, end, "appended at the end");
        next.base += 2;
    }
}

/// Something new at the end of every partition, and a producer with an id that nobody had.
pub fn write_more(client: &mut Client, topics: &[Topic], lasts: &mut Vec<Last>) {
    for topic in topics {
        for partition in 0..topic.partitions.len() as i32 {
            let bytes = match topic.name.as_str() {
                COMPACTED => keyed(Sequence::NONE, 255),
                _ => varied(Codec::Zstd, 9),
            };
            let end = topic.offset_at(client, partition, LATEST).expect("an offset");
            assert_eq!(put(client, topic, partition, &bytes), end, "{}-{partition}", topic.name);
        }
        if topic.name == IDEMPOTENT {
            let last = write_in_sequence(client, topic, 0);
            let id = last.next.producer_id;
            assert!(lasts.iter().all(|known| known.next.producer_id != id), "{id} is another's");
            lasts.push(last);
        }
    }
}
