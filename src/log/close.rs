//! Closing in order: afterwards the files are exact, indexed and durable, Kafka's tools read them,
//! and a checkpoint entry that says `clean` lets the next open skip every scan.

use super::error::{At, Error};
use super::{Log, names, producers};
use crate::rt::file;

impl Log {
    /// Writes and syncs everything, waits for segments that are being finished, makes the active
    /// segment's files exact, and takes the log offline. The tail's memory goes with the last
    /// reference. After a failure nothing is written any more.
    pub async fn close(&self) -> Result<(), Error> {
        let result = self.close_files().await;
        self.fail(Error::closed(&self.dir));
        result
    }

    async fn close_files(&self) -> Result<(), Error> {
        self.sync().await?;
        self.finish_written();
        while self.finishing.get() > 0 {
            self.finished.wait().await;
        }
        if let Some(error) = self.failure() {
            return Err(error);
        }
        self.write_epochs().await?;
        let active = self.active();
        let path = names::file(&self.dir, self.end_offset.get(), names::SNAPSHOT);
        let snapshot = producers::encode(&self.producers.borrow());
        file::write_whole(&path, &snapshot).await.at(&path)?;
        if !active.is_empty() {
            active.finish().await?;
        }
        file::sync_dir(&self.dir).await.at(&self.dir)
    }

    /// Keeps the leader epochs, when they have changed since they were kept last.
    pub(super) async fn write_epochs(&self) -> Result<(), Error> {
        if self.epochs_kept.get() {
            return Ok(());
        }
        self.epochs_kept.set(true);
        let path = self.dir.join(names::EPOCHS);
        let text = self.epochs.borrow().encode();
        file::write_whole(&path, text.as_bytes()).await.at(&path)
    }
}
