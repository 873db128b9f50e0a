//! The names of a partition's files, as Kafka has them. Pure: builds and reads names, touches no
//! file. An offset is always twenty digits, so that names sort as offsets do.

use std::path::{Path, PathBuf};

use crate::model::Offset;

pub const LOG: &str = "log";
pub const OFFSET_INDEX: &str = "index";
pub const TIME_INDEX: &str = "timeindex";
pub const TXN_INDEX: &str = "txnindex";
pub const SNAPSHOT: &str = "snapshot";

pub const EPOCHS: &str = "leader-epoch-checkpoint";
pub const PARTITION_METADATA: &str = "partition.metadata";

/// All files that a segment may have.
pub const SEGMENT_SUFFIXES: [&str; 5] = [LOG, OFFSET_INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT];

/// Behind the name of a file that waits for its removal.
pub const DELETED: &str = "deleted";
/// Behind the name of a file that a cleaning makes, and of one that is about to take its place.
pub const CLEANED: &str = "cleaned";
pub const SWAP: &str = "swap";
/// Behind the name of a partition's directory that waits for its removal.
pub const DELETED_DIR: &str = "-delete";
/// Behind the name of a partition's copy in another data directory, while it is made.
pub const FUTURE_DIR: &str = "-future";

/// `<dir>/<twenty digits>.<suffix>`
pub fn file(dir: &Path, base_offset: Offset, suffix: &str) -> PathBuf {
    dir.join(format!("{base_offset:020}.{suffix}"))
}

/// The same file with the suffix that says it waits for its removal.
pub fn deleted(path: &Path) -> PathBuf {
    with(path, DELETED)
}

/// The same file with one suffix more.
pub fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// A name without this last suffix, if it has it.
pub fn without<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    name.strip_suffix(suffix)?.strip_suffix('.')
}

/// The parts of `<topic>-<partition>`; the partition is -1 in another name.
pub fn topic_and_partition(dir: &Path) -> (String, i32) {
    let name = dir.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let parts = name
        .rsplit_once('-')
        .and_then(|(topic, partition)| Some((topic.to_owned(), partition.parse().ok()?)));
    parts.unwrap_or_else(|| (name.into_owned(), -1))
}

/// What a name in a partition's directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Log(Offset),
    OffsetIndex(Offset),
    TimeIndex(Offset),
    TxnIndex(Offset),
    Snapshot(Offset),
    Epochs,
    PartitionMetadata,
    /// Waits for its removal: a crash came first.
    Deleted,
    /// Left by a write that a crash interrupted.
    Temporary,
    /// What a cleaning has made so far.
    Cleaned,
    /// The outcome of a cleaning that was about to take its place.
    Swap,
    /// Not of this log; left alone.
    Foreign,
}

impl Name {
    /// The offset in the name of one of a segment's files.
    pub fn base_offset(self) -> Option<Offset> {
        match self {
            Name::Log(offset)
            | Name::OffsetIndex(offset)
            | Name::TimeIndex(offset)
            | Name::TxnIndex(offset)
            | Name::Snapshot(offset) => Some(offset),
            _ => None,
        }
    }
}

pub fn parse(name: &str) -> Name {
    match name {
        EPOCHS => return Name::Epochs,
        PARTITION_METADATA => return Name::PartitionMetadata,
        _ => {}
    }
    let Some((stem, suffix)) = name.rsplit_once('.') else { return Name::Foreign };
    match suffix {
        DELETED => return Name::Deleted,
        "tmp" => return Name::Temporary,
        CLEANED => return Name::Cleaned,
        SWAP => return Name::Swap,
        _ => {}
    }
    let Some(offset) = offset(stem) else { return Name::Foreign };
    match suffix {
        LOG => Name::Log(offset),
        OFFSET_INDEX => Name::OffsetIndex(offset),
        TIME_INDEX => Name::TimeIndex(offset),
        TXN_INDEX => Name::TxnIndex(offset),
        SNAPSHOT => Name::Snapshot(offset),
        _ => Name::Foreign,
    }
}

fn offset(stem: &str) -> Option<Offset> {
    let digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    if digits { stem.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let path = file(Path::new("/d/t-0"), 170_210, LOG);
        assert_eq!(path, Path::new("/d/t-0/00000000000000170210.log"));
        assert_eq!(parse("00000000000000170210.log"), Name::Log(170_210));
        assert_eq!(parse("00000000000000000000.timeindex"), Name::TimeIndex(0));
        assert_eq!(parse("00000000000000000007.snapshot"), Name::Snapshot(7));
        assert_eq!(parse("00000000000000000007.log.deleted"), Name::Deleted);
        assert_eq!(parse("leader-epoch-checkpoint"), Name::Epochs);
        assert_eq!(parse("leader-epoch-checkpoint.tmp"), Name::Temporary);
        assert_eq!(parse("00000000000000000007.log.cleaned"), Name::Cleaned);
        assert_eq!(parse("00000000000000000007.index.swap"), Name::Swap);
        let plain = without("00000000000000000007.index.swap", SWAP).map(parse);
        assert_eq!(plain.and_then(Name::base_offset), Some(7));
        assert_eq!((without("7.log", SWAP), without("swap", SWAP)), (None, None));
        for foreign in ["7.log", "0000000000000000000x.log", "99999999999999999999.log", "log"] {
            assert_eq!(parse(foreign), Name::Foreign, "{foreign}");
        }
        assert_eq!(deleted(&path), Path::new("/d/t-0/00000000000000170210.log.deleted"));
    }
}
