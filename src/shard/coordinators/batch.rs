//! Records of a machine to a batch, and batches back to entries.

use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::coordinator::{Entry, Record, Writer};
use crate::wire::batch::{Batch, Batches};
use crate::wire::compression::decompress;
use crate::wire::record::{BatchBuilder, BatchFields, RecordReader};

/// One batch with all of the records.
pub fn build(records: &[Record], writer: Option<Writer>, unix_ms: i64) -> Vec<u8> {
    let mut fields = BatchFields::default();
    if let Some(writer) = writer {
        // Offsets of a transaction have no sequence: the coordinator vouches for them.
        fields.transactional = true;
        fields.producer_id = writer.producer_id;
        fields.producer_epoch = writer.epoch;
    }
    let mut builder = BatchBuilder::new(fields);
    for Record { key, value } in records {
        builder.push(unix_ms, Some(key), value.as_deref(), &[]);
    }
    builder.finish()
}

/// Shows every entry of the batches, in order; what cannot be read is told and passed over.
pub fn each_entry(bytes: &[u8], mut show: impl FnMut(Entry<'_>), mut bad: impl FnMut(i64, String)) {
    for batch in Batches::new(bytes) {
        match batch {
            Ok(batch) => {
                if let Err(fault) = entries_of(&batch, &mut show) {
                    bad(batch.header.base_offset(), fault);
                }
            }
            Err(error) => bad(-1, error.to_string()),
        }
    }
}

fn entries_of(batch: &Batch<'_>, show: &mut impl FnMut(Entry<'_>)) -> Result<(), String> {
    let header = batch.header;
    let writer = Writer { producer_id: header.producer_id(), epoch: header.producer_epoch() };
    let codec = header.codec().ok_or("an unknown codec")?;
    let payload = decompress(codec, batch.payload(), BATCH_DECOMPRESSED_BYTES_MAX)
        .map_err(|error| error.to_string())?;
    for record in RecordReader::new(&payload, header.record_count()) {
        let record = record.map_err(|error| error.to_string())?;
        if header.is_control() {
            // Its type: 0 aborts, 1 commits, others end no transaction.
            let commit = match record.key.and_then(|key| key.get(2..4)) {
                Some([0, 0]) => false,
                Some([0, 1]) => true,
                _ => continue,
            };
            show(Entry::Marker { writer, commit });
        } else if let Some(key) = record.key {
            let writer = header.is_transactional().then_some(writer);
            show(Entry::Record { key, value: record.value, writer });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::batch_bytes;

    #[test]
    fn what_is_written_reads_back() {
        let records = [
            Record { key: b"k".to_vec(), value: Some(b"v".to_vec()) },
            Record { key: vec![7; 300], value: None },
        ];
        for writer in [None, Some(Writer { producer_id: 9, epoch: 2 })] {
            let bytes = build(&records, writer, 1000);
            assert!(bytes.len() <= batch_bytes(&records), "the estimate is not too low");
            let mut read = Vec::new();
            each_entry(
                &bytes,
                |entry| match entry {
                    Entry::Record { key, value, writer: of } => {
                        assert_eq!(of, writer);
                        let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
                        read.push(Record { key, value });
                    }
                    Entry::Marker { .. } => panic!("no marker was written"),
                },
                |at, fault| panic!("{at}: {fault}"),
            );
            assert_eq!(read, records);
        }
    }
}
