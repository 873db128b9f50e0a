//! How a partition is read: all of it, as lines that can be compared.

use std::io;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::batch::Batches;
use ringmain::wire::compression;
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};
use ringmain::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;

use super::content::{COMPACTED, DELETED};
use crate::client::Client;
use crate::topics::{EARLIEST, LATEST, Topic, from, now_ms};

/// Everything of a partition, as lines: bounds, aborted transactions, records, what is found by
/// time.
pub fn read(client: &mut Client, topic: &Topic, partition: i32) -> Vec<String> {
    let start = topic.offset_at(client, partition, EARLIEST).expect("an offset");
    let end = topic.offset_at(client, partition, LATEST).expect("an offset");
    let mut lines = vec![format!("{}-{partition} from {start} to {end}", topic.name)];
    for isolation_level in [0, 1] {
        let mut position = start;
        while position < end {
            position = read_some(client, topic, partition, isolation_level, position, &mut lines)
                .expect("an answer");
        }
    }
    // Kafka looks into the first segment that is new enough and nowhere else, even if all records
    // of it are gone.
    if [DELETED, COMPACTED].contains(&topic.name.as_str()) {
        return lines;
    }
    for timestamp in [-3, 0, now_ms() - 1_000_000, now_ms() + 1_000_000] {
        let found = offset_at(client, topic, partition, timestamp);
        lines.push(format!("at {}: {found:?}", timestamp.signum()));
    }
    lines
}

fn offset_at(client: &mut Client, topic: &Topic, partition: i32, timestamp: i64) -> (i64, i64) {
    let wanted =
        ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
    let asked = ListOffsetsTopic { name: &topic.name, partitions: vec![wanted] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
    let answer = client.call::<ListOffsets>(7, &request).expect("an answer");
    let part = answer.body().topics[0].partitions[0].clone();
    assert_eq!(part.error_code, ErrorCode::NONE);
    (part.timestamp, part.offset)
}

fn read_some(
    client: &mut Client,
    topic: &Topic,
    partition: i32,
    isolation_level: i8,
    position: i64,
    lines: &mut Vec<String>,
) -> io::Result<i64> {
    let request =
        FetchRequest { isolation_level, ..topic.fetch_request(12, from(partition, position)) };
    let answer = client.call::<Fetch>(12, &request)?;
    let body = answer.body();
    let data = &body.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::NONE, "{}-{partition} {position}", topic.name);
    let mut aborted: Vec<(i64, i64)> = data
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.producer_id, aborted.first_offset))
        .collect();
    aborted.sort_unstable();
    for aborted in aborted {
        // How much one answer holds, and so how often it is told, is the broker's to choose.
        let line = format!("aborted {aborted:?}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let Records::Bytes(bytes) = data.records else { panic!("no records at {position}") };
    let mut next = position;
    for batch in Batches::new(bytes) {
        let batch = batch.expect("whole batches");
        batch.check_crc().expect("a good checksum");
        let head = batch.header;
        next = head.next_offset();
        if isolation_level == 1 {
            continue;
        }
        let codec = head.codec().expect("a known codec");
        let payload = compression::decompress(codec, batch.payload(), 64 << 20).expect("a payload");
        lines.push(format!("{head:?} {codec:?} control {}", head.is_control()));
        for record in RecordReader::new(&payload, head.record_count()) {
            let record = record.expect("a record");
            let offset = head.base_offset() + i64::from(record.offset_delta);
            if offset >= position {
                lines.push(format!("{offset}: {record:?}"));
            }
        }
    }
    assert!(next > position, "stuck at {position} of {}-{partition}", topic.name);
    Ok(next)
}

pub fn read_all(client: &mut Client, topics: &[Topic]) -> Vec<Vec<String>> {
    let partitions =
        topics.iter().flat_map(|topic| (0..topic.partitions.len()).map(move |p| (topic, p)));
    partitions.map(|(topic, partition)| read(client, topic, partition as i32)).collect()
}

/// Line by line, so that a difference can be read.
pub fn assert_same(ours: &[Vec<String>], theirs: &[Vec<String>]) {
    assert_eq!(ours.len(), theirs.len());
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(ours, theirs, "partition {at} of the list");
        }
        assert_eq!(ours.len(), theirs.len(), "partition {at} of the list");
    }
}
