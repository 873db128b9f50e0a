//! Whether a data directory still works. Whoever met an error in one has it tried out: a disk that
//! takes and gives back a small file has lost a part, and the partition that met it is offline by
//! itself; one that does not takes all its partitions with it, and the others go on (Kafka:
//! LogDirFailureChannel, which takes every error for the latter).
//!
//! The directory that keeps the metadata log is never given up: what is to be decided there fails by
//! itself, and so do its partitions, as they meet errors.

use std::io;
use std::rc::Rc;

use super::directories::Directory;
use super::message::Request;
use super::{METADATA_CORE, Shard};
use crate::log;
use crate::notice;
use crate::rt::file;

impl Shard {
    /// Tries out a directory whenever something in it went wrong, until it is lost.
    pub(super) async fn watch_directory(self: Rc<Self>, directory: Rc<Directory>) {
        while !directory.is_lost() {
            directory.suspected.wait().await;
            if directory.keeps_metadata {
                continue;
            }
            if let Err(error) = self.try_out(&directory).await
                && !file::is_full(&error)
            {
                self.give_up(&directory, &error.to_string()).await;
            }
        }
    }

    async fn try_out(&self, directory: &Directory) -> io::Result<()> {
        let path = directory.own_dir().join(format!("probe-{}", self.core()));
        file::write_whole(&path, b"does it work?").await?;
        file::read_whole(&path).await?;
        file::remove_file(&path).await?;
        file::list_dir(&directory.path).await.map(drop)
    }

    async fn give_up(&self, directory: &Directory, reason: &str) {
        let lose = || Request::Lose { directory: directory.place, reason: reason.to_owned() };
        match self.core() {
            METADATA_CORE => self.lose_everywhere(directory.place, reason).await,
            _ => drop(self.call(METADATA_CORE, lose()).await),
        }
    }

    /// On the metadata core: tells the operator, and every core.
    pub(super) async fn lose_everywhere(&self, place: usize, reason: &str) {
        assert_eq!(self.core(), METADATA_CORE);
        let Some(directory) = self.directories().get(place).cloned() else { return };
        if directory.is_lost() {
            return;
        }
        notice!(
            "{} is lost: {reason}: its partitions are offline until the broker is started again, \
             others go on",
            directory.path.display()
        );
        self.lose_here(place, reason);
        let others = (0..self.cores()).filter(|&core| core != self.core());
        let lose = || Request::Lose { directory: place, reason: reason.to_owned() };
        let told: Vec<_> = others.map(|core| self.call(core, lose())).collect();
        for told in told {
            told.await;
        }
    }

    pub(super) fn lose_here(&self, place: usize, reason: &str) {
        let Some(directory) = self.directories().get(place).cloned() else { return };
        directory.lose(reason);
        let error = io::Error::other(reason.to_owned());
        for partition in self.partitions() {
            if partition.home().place == place {
                partition.lose(log::Error::io(&directory.path, None, &error));
            }
        }
    }
}
