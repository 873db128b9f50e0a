//! What a file of a log says, as lines: for eyes, or one JSON object a line.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use super::walk::{Item, Walk};
use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::log::epochs::Epochs;
use crate::log::index::{offset, time, txn};
use crate::log::names::{self, Name};
use crate::log::{checkpoint, partition_metadata, producers};
use crate::model::Offset;
use crate::wire::batch::Batch;
use crate::wire::compression;
use crate::wire::record::RecordReader;

/// How lines look, and whether a log's records are shown besides its batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    pub json: bool,
    pub records: bool,
}

/// Writes what one file says, or all files of a partition's directory, one after the other.
pub fn dump(path: &Path, form: Form, out: &mut dyn Write) -> io::Result<()> {
    if !path.is_dir() {
        return file(path, form, out);
    }
    let mut paths: Vec<_> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if form.json {
            let name = path.to_string_lossy();
            Lines { form, out }.line("file", &[("path", &Text(&name))])?;
        } else {
            writeln!(out, "{}", path.display())?;
        }
        file(&path, form, out)?;
    }
    Ok(())
}

fn file(path: &Path, form: Form, out: &mut dyn Write) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut lines = Lines { form, out };
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    match names::parse(&name) {
        Name::Log(_) => return log(path, &mut lines),
        Name::OffsetIndex(base) => {
            let entries = offset::decode(&std::fs::read(path)?, u64::MAX);
            for entry in entries.map_err(|why| bad(why.0))? {
                let offset = base + Offset::from(entry.relative);
                lines
                    .line("offset_index", &[("offset", &offset), ("position", &entry.position)])?;
            }
        }
        Name::TimeIndex(base) => {
            let entries = time::decode(&std::fs::read(path)?, u64::MAX);
            for entry in entries.map_err(|why| bad(why.0))? {
                let offset = base + Offset::from(entry.relative);
                lines
                    .line("time_index", &[("timestamp", &entry.timestamp), ("offset", &offset)])?;
            }
        }
        Name::TxnIndex(base) => {
            let entries = txn::decode(&std::fs::read(path)?, base, Offset::MAX);
            for entry in entries.map_err(|why| bad(why.0))? {
                lines.line(
                    "aborted",
                    &[
                        ("producer_id", &entry.producer_id),
                        ("first_offset", &entry.first_offset),
                        ("last_offset", &entry.last_offset),
                        ("last_stable_offset", &entry.last_stable_offset),
                    ],
                )?;
            }
        }
        Name::Snapshot(_) => {
            let table = producers::decode(&std::fs::read(path)?).map_err(|why| bad(why.0))?;
            for (producer_id, producer) in table.iter() {
                for batch in producer.window() {
                    lines.line(
                        "producer",
                        &[
                            ("producer_id", &producer_id),
                            ("epoch", &producer.epoch),
                            ("base_sequence", &batch.base_sequence()),
                            ("last_sequence", &batch.last_sequence),
                            ("last_offset", &batch.last_offset),
                            ("timestamp", &batch.timestamp),
                            ("coordinator_epoch", &producer.coordinator_epoch),
                            ("txn_first_offset", &producer.txn_first_offset.unwrap_or(-1)),
                        ],
                    )?;
                }
            }
        }
        Name::Epochs => {
            let text = std::fs::read_to_string(path)?;
            let table = Epochs::decode(&text).ok_or_else(|| bad("not a table of epochs"))?;
            for entry in table.entries() {
                let start = ("start_offset", &entry.start_offset as &dyn std::fmt::Display);
                lines.line("epoch", &[("epoch", &entry.epoch), start])?;
            }
        }
        Name::PartitionMetadata => {
            let text = std::fs::read_to_string(path)?;
            let topic =
                partition_metadata::decode(&text).ok_or_else(|| bad("it names no topic"))?;
            lines.line("partition", &[("topic_id", &Text(&topic.to_string()))])?;
        }
        Name::Foreign if name.starts_with("checkpoint-") => {
            let entries = checkpoint::decode(&std::fs::read(path)?).map_err(|why| bad(why.0))?;
            for entry in entries {
                lines.line(
                    "checkpoint",
                    &[
                        ("topic", &Text(&entry.topic)),
                        ("partition", &entry.partition),
                        ("topic_id", &Text(&entry.topic_id.to_string())),
                        ("log_start_offset", &entry.log_start_offset),
                        ("cleaned_offset", &entry.cleaned_offset),
                        ("synced_offset", &entry.synced_offset),
                        ("high_watermark", &entry.high_watermark),
                        ("segment", &entry.segment),
                        ("position", &entry.position),
                        ("first_unfinished", &entry.first_unfinished),
                        ("producers", &entry.producer_count),
                        ("clean", &entry.clean),
                    ],
                )?;
            }
        }
        Name::Cleaned | Name::Deleted | Name::Temporary | Name::Swap | Name::Foreign => {}
    }
    Ok(())
}

fn log(path: &Path, lines: &mut Lines<'_>) -> io::Result<()> {
    let mut walk = Walk::open(path)?;
    while let Some(item) = walk.next()? {
        match item {
            Item::Batch { position, batch } => {
                batch_line(position, &batch, lines)?;
                if lines.form.records {
                    record_lines(&batch, lines)?;
                }
            }
            Item::Zeros { position, bytes } => {
                lines.line("reserved", &[("position", &position), ("bytes", &bytes)])?;
            }
            Item::LeftBehind { position, bytes } => {
                lines.line("left_behind", &[("position", &position), ("bytes", &bytes)])?;
            }
            Item::Bad { position, what } => {
                lines.line("bad", &[("position", &position), ("why", &Text(what.message()))])?;
            }
        }
    }
    Ok(())
}

fn batch_line(position: u64, batch: &Batch<'_>, lines: &mut Lines<'_>) -> io::Result<()> {
    let header = batch.header;
    let codec = header.codec().map_or("unknown", |codec| codec.name());
    lines.line(
        "batch",
        &[
            ("base_offset", &header.base_offset()),
            ("last_offset", &header.last_offset()),
            ("position", &position),
            ("bytes", &header.size()),
            ("records", &header.record_count()),
            ("leader_epoch", &header.partition_leader_epoch()),
            ("base_timestamp", &header.base_timestamp()),
            ("max_timestamp", &header.max_timestamp()),
            ("codec", &Text(codec)),
            ("producer_id", &header.producer_id()),
            ("producer_epoch", &header.producer_epoch()),
            ("base_sequence", &header.base_sequence()),
            ("transactional", &header.is_transactional()),
            ("control", &header.is_control()),
            ("crc_holds", &batch.check_crc().is_ok()),
        ],
    )
}

fn record_lines(batch: &Batch<'_>, lines: &mut Lines<'_>) -> io::Result<()> {
    let header = batch.header;
    let payload = header.codec().and_then(|codec| {
        compression::decompress(codec, batch.payload(), BATCH_DECOMPRESSED_BYTES_MAX).ok()
    });
    let Some(payload) = payload else {
        return lines.line("unreadable", &[("base_offset", &header.base_offset())]);
    };
    for record in RecordReader::new(&payload, header.record_count()) {
        let Ok(record) = record else {
            return lines.line("unreadable", &[("base_offset", &header.base_offset())]);
        };
        let show = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.escape_ascii().to_string());
        let (key, value) = (show(record.key), show(record.value));
        lines.line(
            "record",
            &[
                ("offset", &(header.base_offset() + Offset::from(record.offset_delta))),
                ("timestamp", &(header.base_timestamp().wrapping_add(record.timestamp_delta))),
                ("headers", &record.headers.len()),
                ("key", &MaybeText(key.as_deref())),
                ("value", &MaybeText(value.as_deref())),
            ],
        )?;
    }
    Ok(())
}

/// A value that is quoted in JSON.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !f.alternate() {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// The same, or null.
struct MaybeText<'a>(Option<&'a str>);

impl std::fmt::Display for MaybeText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(text) => Text(text).fmt(f),
            None => f.write_str("null"),
        }
    }
}

struct Lines<'a> {
    form: Form,
    out: &'a mut dyn Write,
}

impl Lines<'_> {
    /// Numbers and truth values look the same in both forms; [`Text`] tells them apart.
    fn line(&mut self, kind: &str, fields: &[(&str, &dyn std::fmt::Display)]) -> io::Result<()> {
        let mut line = String::new();
        if self.form.json {
            let _ = write!(line, "{{\"kind\":\"{kind}\"");
            for (name, value) in fields {
                let _ = write!(line, ",\"{name}\":{value:#}");
            }
            line.push('}');
        } else {
            line.push_str(kind);
            for (name, value) in fields {
                let _ = write!(line, " {name}={value}");
            }
        }
        writeln!(self.out, "{line}")
    }
}
