//! How far behind a group is: in records, and in time since the oldest record that it has not read.

use std::collections::BTreeMap;

use crate::client::{Cluster, Committed, Error, Isolation, Metadata, Result, list_offsets};
use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::model::Offset;
use crate::wire::batch::{Batch, BatchHeader};
use crate::wire::compression::decompress;
use crate::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};
use crate::wire::record::RecordReader;
use crate::wire::value::Records;

/// Topics are named by id from here on.
const BY_ID: i16 = 13;

/// One partition, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    pub committed: Option<Offset>,
    pub start: Option<Offset>,
    pub end: Option<Offset>,
    /// Of the first record that is not read yet, in milliseconds since 1970.
    pub waits_since_ms: Option<i64>,
}

impl Lag {
    /// Records that wait. What was deleted meanwhile waits no more.
    pub fn records(&self) -> Option<i64> {
        let (committed, end) = (self.committed?, self.end?);
        let from = committed.max(self.start.unwrap_or(0));
        Some((end - from).max(0))
    }
}

/// Where the partitions begin and end, and what waits in those that have something committed.
pub async fn lags(
    cluster: &Cluster,
    metadata: &Metadata,
    wanted: &[(String, i32)],
    committed: &Committed,
) -> Result<BTreeMap<(String, i32), Lag>> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in wanted {
        by_topic.entry(topic).or_default().push(*partition);
    }
    let mut lags = BTreeMap::new();
    for (name, partitions) in by_topic {
        let Some(topic) = metadata.topics.get(name) else {
            for partition in partitions {
                let committed = committed.get(&(name.to_owned(), partition)).copied();
                lags.insert((name.to_owned(), partition), Lag { committed, ..Lag::default() });
            }
            continue;
        };
        let known: Vec<i32> =
            partitions.iter().copied().filter(|&one| topic.partition(one).is_some()).collect();
        let ask = async |time| {
            let wanted: Vec<(i32, i64)> = known.iter().map(|&one| (one, time)).collect();
            list_offsets(cluster, name, topic, &wanted, Isolation::ReadUncommitted).await
        };
        let (starts, ends) = (ask(EARLIEST).await?, ask(LATEST).await?);
        for partition in partitions {
            let key = (name.to_owned(), partition);
            let mut lag = Lag {
                committed: committed.get(&key).copied(),
                start: starts.get(&partition).map(|at| at.offset),
                end: ends.get(&partition).map(|at| at.offset),
                waits_since_ms: None,
            };
            if lag.records().is_some_and(|records| records > 0) {
                let from = lag.committed.max(lag.start).unwrap_or(0);
                lag.waits_since_ms = first_time(cluster, metadata, name, partition, from).await?;
            }
            lags.insert(key, lag);
        }
    }
    Ok(lags)
}

/// The time of the first record from an offset on.
async fn first_time(
    cluster: &Cluster,
    metadata: &Metadata,
    name: &str,
    partition: i32,
    offset: Offset,
) -> Result<Option<i64>> {
    let topic = metadata.topics.get(name);
    let leader = topic.and_then(|topic| topic.partition(partition)?.leader);
    let leader =
        leader.ok_or_else(|| Error::NoLeader { subject: format!("{name}-{partition}") })?;
    let connection = cluster.broker(leader).await?;
    let version = connection.version_at_most::<Fetch>(BY_ID - 1)?;
    let one = FetchPartition {
        partition,
        fetch_offset: offset,
        // One batch comes in any case.
        partition_max_bytes: 1,
        ..Default::default()
    };
    let request = FetchRequest {
        min_bytes: 1,
        topics: vec![FetchTopic { topic: name, partitions: vec![one], ..Default::default() }],
        ..Default::default()
    };
    let answer = connection.send::<Fetch>(version, &request).answer().await?;
    let response = answer.decode()?;
    let told = response.responses.iter().flat_map(|topic| &topic.partitions).next();
    Ok(told.and_then(|told| match told.records {
        Records::Bytes(bytes) => time_in(bytes, offset),
        _ => None,
    }))
}

/// The time of the first record of a batch that is not before the offset.
fn time_in(bytes: &[u8], offset: Offset) -> Option<i64> {
    let batch = Batch::first(bytes).ok()?;
    let header: BatchHeader<'_> = batch.header;
    if header.is_append_time() {
        return Some(header.max_timestamp());
    }
    let payload =
        decompress(header.codec()?, batch.payload(), BATCH_DECOMPRESSED_BYTES_MAX).ok()?;
    let mut records = RecordReader::new(&payload, header.record_count()).map_while(|one| one.ok());
    let first = records
        .find(|record| header.base_offset() + Offset::from(record.offset_delta) >= offset)?;
    Some(header.base_timestamp() + first.timestamp_delta).filter(|&ms| ms >= 0)
}

/// `12 s`, `3 m`, `5 h`, `2 d`: two figures are enough.
pub fn ago(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} m", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::compression::Codec;
    use crate::wire::record::{BatchBuilder, BatchFields};

    #[test]
    fn what_was_deleted_waits_no_more() {
        let lag = |committed, start, end| {
            let lag = Lag { committed, start, end, waits_since_ms: None };
            lag.records()
        };
        assert_eq!(lag(Some(3), Some(0), Some(10)), Some(7));
        assert_eq!(lag(Some(3), Some(6), Some(10)), Some(4));
        assert_eq!(lag(Some(12), Some(0), Some(10)), Some(0));
        assert_eq!(lag(None, Some(0), Some(10)), None);
        assert_eq!(lag(Some(3), None, None), None);
    }

    #[test]
    fn the_first_unread_record_tells_the_time() {
        let fields = BatchFields { base_offset: 100, codec: Codec::Lz4, ..BatchFields::default() };
        let mut builder = BatchBuilder::new(fields);
        for time in [1_000, 900, 1_500] {
            builder.push(time, None, Some(b"v"), &[]);
        }
        let bytes = builder.finish();
        let times = [0, 101, 102, 103].map(|offset| time_in(&bytes, offset));
        assert_eq!(times, [Some(1_000), Some(900), Some(1_500), None]);
        assert_eq!(
            [119_999, 120_000, 7_200_000, 172_800_000].map(ago),
            ["119 s", "2 m", "2 h", "2 d"]
        );
    }
}
