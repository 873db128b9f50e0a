//! One batch through the cleaner (Kafka: MemoryRecords.filterTo). Pure. A batch of which everything
//! stays is copied as it is; another one is built anew with the codec it had. Its offsets and
//! sequence numbers never change, nor does the time of a record.

use std::borrow::Cow;

use super::retain::{Fate, Retention};
use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::model::Offset;
use crate::wire::batch::{self, Batch, Thinned};
use crate::wire::compression::{self, Codec, CompressionError};
use crate::wire::record::RecordReader;

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rewritten {
    Gone,
    AsItIs,
    Anew(Vec<u8>),
}

/// The records of a batch, unpacked; in words what is wrong if they cannot be.
pub(super) fn payload<'a>(batch: &Batch<'a>) -> Result<Cow<'a, [u8]>, &'static str> {
    match batch.header.codec() {
        None => Err("its codec is unknown"),
        Some(Codec::None) => Ok(Cow::Borrowed(batch.payload())),
        Some(codec) => {
            compression::decompress(codec, batch.payload(), BATCH_DECOMPRESSED_BYTES_MAX)
                .map(Cow::Owned)
                .map_err(|error| match error {
                    CompressionError::Corrupt => "its records cannot be decompressed",
                    CompressionError::TooLarge => "its records are too large when decompressed",
                })
        }
    }
}

/// Visits the records of a batch: offset, key, whether there is a value. Ends when `visit` says so,
/// with false.
pub(super) fn visit_keys(
    batch: &Batch<'_>,
    mut visit: impl FnMut(Offset, Option<&[u8]>) -> bool,
) -> Result<bool, &'static str> {
    let payload = payload(batch)?;
    for record in RecordReader::new(&payload, batch.header.record_count()) {
        let record = record.map_err(|_| "its records are not as its header says")?;
        if !visit(batch.header.base_offset() + Offset::from(record.offset_delta), record.key) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `may_go`: its transaction is aborted, or it is a marker that is spent.
pub(super) fn rewrite(
    batch: &Batch<'_>,
    rule: &Retention<'_>,
    may_go: bool,
) -> Result<Rewritten, &'static str> {
    let header = batch.header;
    let fate = rule.fate(&header, may_go);
    let mut rest = match fate.loses_all {
        true => Rest::default(),
        false => thin_out(batch, rule, fate)?,
    };
    if rest.count > 0 && rest.count == header.record_count() && !rest.is_horizon_new {
        return Ok(Rewritten::AsItIs);
    }
    if rest.count == 0 {
        if !fate.stays_empty {
            return Ok(Rewritten::Gone);
        }
        if header.record_count() == 0 {
            return Ok(Rewritten::AsItIs);
        }
        rest.thinned = Some(Thinned {
            base_timestamp: -1,
            max_timestamp: header.max_timestamp(),
            record_count: 0,
            has_delete_horizon: false,
            codec: Codec::None,
        });
    }
    let thinned = rest.thinned.expect("set for every batch that stays");
    let payload = match thinned.codec {
        Codec::None => rest.payload,
        codec => compression::compress(codec, &rest.payload),
    };
    let bytes = batch::thin_out(&header, thinned, &payload);
    bytes.map(Rewritten::Anew).ok_or("it would be too long when built anew")
}

/// What is left of a batch.
#[derive(Default)]
struct Rest {
    payload: Vec<u8>,
    count: i32,
    is_horizon_new: bool,
    thinned: Option<Thinned>,
}

fn thin_out(batch: &Batch<'_>, rule: &Retention<'_>, fate: Fate) -> Result<Rest, &'static str> {
    let header = batch.header;
    let payload = payload(batch)?;
    let mut kept = Vec::new();
    let mut has_tombstones = false;
    for record in RecordReader::new(&payload, header.record_count()) {
        let record = record.map_err(|_| "its records are not as its header says")?;
        let offset = header.base_offset() + Offset::from(record.offset_delta);
        if rule.keeps(&header, offset, record.key, record.value.is_some()) {
            has_tombstones |= record.value.is_none();
            kept.push(record);
        }
    }
    if kept.is_empty() {
        return Ok(Rest::default());
    }
    let (horizon, is_horizon_new) = rule.horizon(&header, has_tombstones, fate);
    let time = |delta: i64| match header.is_append_time() {
        true => header.max_timestamp(),
        false => header.base_timestamp().wrapping_add(delta),
    };
    let count = kept.len() as i32;
    if count == header.record_count() && !is_horizon_new {
        return Ok(Rest { count, ..Rest::default() });
    }
    let times = kept.iter().map(|record| time(record.timestamp_delta));
    let max_timestamp = times.max().unwrap_or(-1);
    let base_timestamp = horizon.unwrap_or_else(|| time(kept[0].timestamp_delta));
    let mut rest = Vec::new();
    for record in &kept {
        let delta = time(record.timestamp_delta).wrapping_sub(base_timestamp);
        record.write(delta, &mut rest);
    }
    let thinned = Thinned {
        base_timestamp,
        max_timestamp,
        record_count: count,
        has_delete_horizon: horizon.is_some(),
        codec: header.codec().unwrap_or_default(),
    };
    Ok(Rest { payload: rest, count, is_horizon_new, thinned: Some(thinned) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::clean::keys::Keys;
    use crate::wire::record::{BatchBuilder, BatchFields, Header};

    const TIME: i64 = 1000;
    const NOW: i64 = 9000;

    /// Key, value; times rise by ten from [`TIME`] on.
    type Plain<'a> = (&'a str, Option<&'a str>);

    fn batch(codec: Codec, append_time: bool, records: &[Plain<'_>]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchFields {
            base_offset: 100,
            partition_leader_epoch: 4,
            codec,
            append_time,
            producer_id: 7,
            producer_epoch: 1,
            base_sequence: 55,
            ..BatchFields::default()
        });
        for (number, (key, value)) in records.iter().enumerate() {
            let header = Header { key: b"h", value: Some(key.as_bytes()) };
            let time = TIME + 10 * number as i64;
            builder.push(time, Some(key.as_bytes()), value.map(str::as_bytes), &[header]);
        }
        builder.finish()
    }

    /// Offset, time, key of every record.
    fn read(bytes: &[u8]) -> Vec<(Offset, i64, String)> {
        let batch = Batch::first(bytes).unwrap();
        assert_eq!(batch.bytes.len(), bytes.len());
        batch.check_crc().unwrap();
        let header = batch.header;
        let payload = payload(&batch).unwrap();
        let mut reader = RecordReader::new(&payload, header.record_count());
        let records = reader.by_ref().map(|record| {
            let record = record.unwrap();
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            assert_eq!(record.headers.iter().next().unwrap().value, Some(key.as_bytes()));
            let time = match header.is_append_time() {
                true => header.max_timestamp(),
                false => header.base_timestamp() + record.timestamp_delta,
            };
            (header.base_offset() + Offset::from(record.offset_delta), time, key)
        });
        let records = records.collect();
        reader.expect_end().unwrap();
        records
    }

    fn with<T>(last: &[(&str, Offset)], now_ms: i64, see: impl Fn(&Retention<'_>) -> T) -> T {
        let mut keys = Keys::new(4096, 0.9, 10, [1, 2]);
        last.iter().for_each(|(key, offset)| assert!(keys.put(key.as_bytes(), *offset)));
        keys.reach(500);
        see(&Retention {
            keys: &keys,
            producers: &BTreeMap::new(),
            end_offset: 501,
            now_ms,
            delete_retention_ms: 50,
        })
    }

    #[test]
    fn what_stays_keeps_its_offset_its_time_and_its_codec() {
        let records = [("a", Some("1")), ("b", Some("2")), ("a", Some("3")), ("c", Some("4"))];
        for codec in Codec::ALL {
            for append_time in [false, true] {
                let bytes = batch(codec, append_time, &records);
                let original = Batch::first(&bytes).unwrap();
                let newer = [("a", 102), ("c", 200)];
                let found = with(&newer, NOW, |rule| rewrite(&original, rule, false)).unwrap();
                let Rewritten::Anew(anew) = found else { panic!("{found:?}") };
                let all = read(&bytes);
                assert_eq!(read(&anew), [all[1].clone(), all[2].clone()], "{codec:?}");
                let header = Batch::first(&anew).unwrap().header;
                assert_eq!(header.codec(), Some(codec));
                assert_eq!((header.base_offset(), header.last_offset()), (100, 103));
                assert_eq!((header.base_sequence(), header.last_sequence()), (55, 58));
                assert_eq!((header.producer_id(), header.producer_epoch()), (7, 1));
                assert_eq!(header.partition_leader_epoch(), 4);
                assert_eq!(header.is_append_time(), append_time);
                let most = if append_time { TIME + 30 } else { TIME + 20 };
                assert_eq!(header.max_timestamp(), most);
                assert!(!header.has_delete_horizon());
            }
        }
    }

    #[test]
    fn what_loses_nothing_is_copied_and_what_loses_all_is_gone() {
        let bytes = batch(Codec::Lz4, false, &[("a", Some("1")), ("b", Some("2"))]);
        let original = Batch::first(&bytes).unwrap();
        let check = |newer: &[(&str, Offset)], may_go, expect| {
            let found = with(newer, NOW, |rule| rewrite(&original, rule, may_go));
            assert_eq!(found, Ok(expect), "{newer:?}");
        };
        check(&[], false, Rewritten::AsItIs);
        check(&[("a", 100), ("b", 101)], false, Rewritten::AsItIs);
        check(&[("a", 200), ("b", 201)], false, Rewritten::Gone);
        check(&[], true, Rewritten::Gone);
    }

    #[test]
    fn tombstones_get_a_horizon_and_go_when_it_has_passed() {
        for append_time in [false, true] {
            let records = [("a", Some("1")), ("b", None), ("c", Some("3"))];
            let bytes = batch(Codec::Gzip, append_time, &records);
            let original = Batch::first(&bytes).unwrap();
            let found = with(&[], NOW, |rule| rewrite(&original, rule, false)).unwrap();
            let Rewritten::Anew(waiting) = found else { panic!("{found:?}") };
            assert_eq!(read(&waiting), read(&bytes), "times are what they were");
            let waiting = Batch::first(&waiting).unwrap();
            assert_eq!(waiting.header.delete_horizon(), Some(NOW + 50));
            let early = with(&[], NOW + 49, |rule| rewrite(&waiting, rule, false));
            assert_eq!(early, Ok(Rewritten::AsItIs));
            // Another record goes: the horizon stays.
            let found = with(&[("a", 300)], NOW + 20, |rule| rewrite(&waiting, rule, false));
            let Ok(Rewritten::Anew(bytes)) = found else { panic!("{found:?}") };
            let all = read(waiting.bytes);
            assert_eq!(read(&bytes), all[1..]);
            assert_eq!(Batch::first(&bytes).unwrap().header.delete_horizon(), Some(NOW + 50));
            let found = with(&[], NOW + 50, |rule| rewrite(&waiting, rule, false));
            let Ok(Rewritten::Anew(bytes)) = found else { panic!("{found:?}") };
            assert_eq!(read(&bytes), [all[0].clone(), all[2].clone()]);
        }
    }

    #[test]
    fn an_empty_batch_keeps_its_place_and_its_producer() {
        let bytes = batch(Codec::Zstd, false, &[("a", Some("1")), ("b", Some("2"))]);
        let original = Batch::first(&bytes).unwrap();
        let as_last = |rule: &Retention<'_>, batch: &Batch<'_>| {
            let end = batch.header.next_offset();
            rewrite(batch, &Retention { end_offset: end, ..*rule }, true)
        };
        let found = with(&[], NOW, |rule| as_last(rule, &original));
        let Ok(Rewritten::Anew(empty)) = found else { panic!("{found:?}") };
        assert_eq!(empty.len(), batch::HEADER_SIZE);
        assert_eq!(read(&empty), []);
        let empty = Batch::first(&empty).unwrap();
        let header = empty.header;
        assert_eq!((header.base_offset(), header.last_offset()), (100, 101));
        assert_eq!((header.base_sequence(), header.last_sequence()), (55, 56));
        assert_eq!((header.base_timestamp(), header.max_timestamp()), (-1, TIME + 10));
        assert_eq!(header.codec(), Some(Codec::None));
        assert_eq!(with(&[], NOW, |rule| as_last(rule, &empty)), Ok(Rewritten::AsItIs));
        let later = with(&[], NOW, |rule| rewrite(&empty, rule, false));
        assert_eq!(later, Ok(Rewritten::Gone));
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        let bytes = batch(Codec::Zstd, false, &[("a", Some("1")), ("b", Some("2"))]);
        let mut cut = bytes.clone();
        cut[batch::HEADER_SIZE] ^= 0xff;
        let cut = Batch::first(&cut).unwrap();
        assert!(with(&[], NOW, |rule| rewrite(&cut, rule, false)).is_err());
        let mut many = batch(Codec::None, false, &[("a", Some("1"))]);
        many[batch::RECORD_COUNT_AT + 3] = 2;
        let many = Batch::first(&many).unwrap();
        assert!(with(&[], NOW, |rule| rewrite(&many, rule, false)).is_err());
        assert!(visit_keys(&many, |_, _| true).is_err());
    }
}
