//! Making the data directories ours, before the cores start: one process at a time, and no newer layout.
//! One of several that cannot be used at all is left to the others; whatever else is in the way is told
//! in one line.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::shard::directories::Given;

/// Version of a data directory's layout; a larger one is of a newer Ringmain.
const FORMAT: u32 = 1;

/// Why a directory is not ours.
enum Refusal {
    /// The disk does not work, or does not let us.
    Unusable(String),
    /// Somebody else's.
    Taken(String),
}

/// The directories, and the locks that are held for as long as they live.
pub fn claim_all(dirs: &[String]) -> Result<(Vec<Given>, Vec<File>), String> {
    let (mut all, mut locks, mut seen) = (Vec::new(), Vec::new(), Vec::<(PathBuf, &str)>::new());
    for dir in dirs {
        let path = Path::new(dir);
        let name = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // Without the separators that say nothing.
        let name: PathBuf = name.components().collect();
        let name = name.to_string_lossy().into_owned();
        let mut given = Given { path: path.to_owned(), name, fault: None };
        match claim(path, &mut seen, dir) {
            Ok(lock) => locks.push(lock),
            Err(Refusal::Unusable(fault)) if dirs.len() > 1 => given.fault = Some(fault),
            Err(Refusal::Unusable(fault)) => {
                return Err(format!(
                    "{dir} cannot be used for data: {fault} (choose another with --data)"
                ));
            }
            Err(Refusal::Taken(told)) => return Err(told),
        }
        all.push(given);
    }
    Ok((all, locks))
}

fn claim<'a>(
    dir: &Path,
    seen: &mut Vec<(PathBuf, &'a str)>,
    name: &'a str,
) -> Result<File, Refusal> {
    let unusable = |error: io::Error| Refusal::Unusable(error.to_string());
    let own = dir.join(".ringmain");
    let is_new = !dir.exists();
    fs::create_dir_all(dir).map_err(unusable)?;
    let real = dir.canonicalize().map_err(unusable)?;
    if let Some((_, other)) = seen.iter().find(|(path, _)| *path == real) {
        return Err(Refusal::Taken(format!("{name} and {other} are the same directory")));
    }
    seen.push((real, name));
    // Kafka locks the same file, in the same way; and nothing is touched before.
    let lock = File::create(dir.join(".lock")).map_err(unusable)?;
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Refusal::Taken(format!(
            "{name} is in use by another broker: stop it, or choose another with --data"
        ))
    })?;
    fs::create_dir_all(&own).map_err(unusable)?;
    let format = own.join("format");
    match fs::read_to_string(&format) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => {}
            Ok(found) => {
                return Err(Refusal::Taken(format!(
                    "{name} was written by a newer Ringmain (layout {found}, this one knows \
                     {FORMAT}): upgrade, or choose another with --data"
                )));
            }
            Err(_) => {
                let told = format!("{} does not hold a number", format.display());
                return Err(Refusal::Taken(told));
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            begin(dir, &own, is_new).map_err(unusable)?;
        }
        Err(error) => return Err(unusable(error)),
    }
    Ok(lock)
}

/// Says of a directory that it is ours; of one that we made, its own name becomes durable, too.
fn begin(dir: &Path, own: &Path, is_new: bool) -> io::Result<()> {
    // A power cut must not leave the name without the number.
    let beside = own.join("format.tmp");
    let mut file = File::create(&beside)?;
    file.write_all(format!("{FORMAT}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, own.join("format"))?;
    for dir in [own, dir] {
        File::open(dir)?.sync_all()?;
    }
    match dir.canonicalize()?.parent() {
        Some(parent) if is_new => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
