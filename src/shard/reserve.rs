//! Room held back on the file system of each data directory: `.ringmain/reserve`, a file of nothing. When
//! the disk is full it is given up piece by piece for what must be written all the same: changes of
//! the metadata (a deletion is what makes room) and checkpoints. It is taken again when there is
//! room.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use crate::rt::{File, OpenOptions, file};

pub const RESERVE_BYTES: u64 = 8 << 20;
/// Given up at a time: no more of it than is needed should go to whoever is quicker.
const PIECE_BYTES: u64 = 1 << 20;

fn path(own: &Path) -> PathBuf {
    own.join("reserve")
}

/// Takes the room, as far as it is missing; `own` is the directory of our own files.
pub async fn refill(own: &Path) -> io::Result<()> {
    let options = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    let held = File::open(&path(own), options).await?;
    let len = held.len().await?;
    if len >= RESERVE_BYTES {
        return Ok(());
    }
    let taken = held.allocate(len, RESERVE_BYTES - len).await;
    if taken.is_err() {
        held.truncate(len).await?;
    }
    taken
}

/// Gives up a piece; false when there is none.
pub async fn release(own: &Path) -> io::Result<bool> {
    let options = OpenOptions { write: true, ..OpenOptions::default() };
    let held = match File::open(&path(own), options).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let len = held.len().await?;
    if len == 0 {
        return Ok(false);
    }
    held.truncate(len.saturating_sub(PIECE_BYTES)).await?;
    Ok(true)
}

/// Attempts until there is room, or nothing is held back any more.
pub async fn spend<T, F>(own: &Path, attempt: impl Fn() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match attempt().await {
            // Where even that fails, what it was for is the news.
            Err(error) if file::is_full(&error) => {
                if !release(own).await.unwrap_or(false) {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}
