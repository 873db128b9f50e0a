//! Which directories are partitions, and whether a broker has them open.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::cli::failure::{Failure, plain};
use crate::log::names::{self, Name};

/// For what cannot be read at a path.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Told(format!("{}: {}", path.display(), plain(error)))
}

/// The partition that this directory is, or else those in this data directory, by name.
pub fn partitions(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    if holds_log(dir)? {
        return Ok(vec![dir.to_owned()]);
    }
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(dir, &error))?.path();
        if is_named_as_partition(&path) && path.is_dir() && holds_log(&path)? {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() && !dir.join(".ringmain").is_dir() {
        return Err(Failure::Told(format!(
            "{} holds no log: give a data directory, or a partition's such as {}",
            dir.display(),
            dir.join("orders-0").display(),
        )));
    }
    Ok(found)
}

fn holds_log(dir: &Path) -> Result<bool, Failure> {
    for entry in fs::read_dir(dir).map_err(|error| unreadable(dir, &error))? {
        let name = entry.map_err(|error| unreadable(dir, &error))?.file_name();
        let name = names::parse(&name.to_string_lossy());
        if matches!(name, Name::Log(_) | Name::PartitionMetadata) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `<topic>-<number>`.
fn is_named_as_partition(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.rsplit_once('-').filter(|(topic, _)| !topic.is_empty());
    number.is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

/// Keeps brokers out of a data directory, or of the one around a partition, for as long as the
/// result lives.
pub fn keep_out(dir: &Path) -> Result<Option<File>, Failure> {
    lock(dir, FlockOperation::NonBlockingLockShared)
}

/// The same, for somebody who writes: no other command may look either.
pub fn keep_all_out(dir: &Path) -> Result<Option<File>, Failure> {
    lock(dir, FlockOperation::NonBlockingLockExclusive)
}

fn lock(dir: &Path, how: FlockOperation) -> Result<Option<File>, Failure> {
    let writes = how == FlockOperation::NonBlockingLockExclusive;
    let around = fs::canonicalize(dir).ok().and_then(|dir| Some(dir.parent()?.to_owned()));
    for dir in [Some(dir.to_owned()), around].into_iter().flatten() {
        let path = dir.join(".lock");
        let lock = match File::options().read(true).write(writes).open(&path) {
            // One that may not be opened is somebody's: what it guards is not ours to write.
            Err(error) if writes && error.kind() != io::ErrorKind::NotFound => {
                return Err(unreadable(&path, &error));
            }
            Err(_) => continue,
            Ok(lock) => lock,
        };
        if fcntl_lock(&lock, how).is_err() {
            return Err(Failure::Told(format!(
                "{} is in use by a broker: stop it first, what is being written looks like damage",
                dir.display()
            )));
        }
        return Ok(Some(lock));
    }
    Ok(None)
}
