//! The end of a move: a partition leaves the directory that it lies in for the copy of it in another.
//!
//! ```text
//! 1  appends and reads wait, the log is closed in order
//! 2  the copy gets the rest, durably, and its directory's checkpoint says what it is
//! 3  the metadata decides: from now on the copy is the partition        a crash before: it is not
//! 4  the old directory gets the name of one that is removed             a crash: the next start
//! 5  the copy gets the partition's name                                 goes on from here
//! 6  its log is opened, and everybody goes on
//! ```
//!
//! Between 1 and 3 an error leads back to the old one, after the copy was put aside durably: a decision
//! that was perhaps written down and never heard of finds no copy then, and the old one counts.

use std::rc::Rc;

use super::Shard;
use super::hold::Held;
use super::partition::Partition;
use super::proposal::Proposal;
use super::relocation::{Relocation, Stopped};
use crate::cluster::Command;
use crate::log::checkpoint::Entry;
use crate::log::{self, Copy, Log};
use crate::notice;
use crate::rt;

impl Shard {
    pub(super) async fn switch(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        moving: &Rc<Relocation>,
        mut copy: Copy,
    ) -> Result<(), Stopped> {
        let held = partition.hold_on().await;
        partition.flushed().await;
        let log = partition.log();
        // Nothing was taken away yet: whoever cancels, or a log that fails, ends it here.
        self.check_move(partition, moving)?;
        let entry = log.close().await?;
        let decided = self.complete(partition, moving, &mut copy, &entry).await;
        let decided = match decided {
            Ok(()) => self.decide_move(partition, moving).await,
            Err(stopped) => Err(stopped),
        };
        match decided {
            Ok(()) => self.exchange(partition, moving, &copy, &entry, held).await,
            Err(stopped) => {
                let back = self.go_back(partition, &copy, &entry).await;
                self.forget_arrival(partition.topic, partition.index);
                drop(held);
                self.write_checkpoint().await;
                back.and(Err(stopped))
            }
        }
    }

    async fn complete(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        moving: &Rc<Relocation>,
        copy: &mut Copy,
        entry: &Entry,
    ) -> Result<(), Stopped> {
        partition.log().copy_rest(copy).await?;
        moving.note(copy);
        self.note_arrival(&moving.to, entry.clone());
        let written = self.write_checkpoint_of(&moving.to).await;
        written.map_err(|error| log::Error::io(&moving.to.own_dir(), None, &error))?;
        match moving.is_cancelled() {
            true => Err(Stopped::Cancelled),
            false => Ok(()),
        }
    }

    async fn decide_move(
        self: &Rc<Self>,
        partition: &Partition,
        moving: &Relocation,
    ) -> Result<(), Stopped> {
        let (id, first) = (partition.topic, partition.index);
        let command = Command::AssignDirectories {
            id,
            node: self.node(),
            first,
            directories: vec![moving.to.id],
        };
        let decision = self.propose(Proposal::Commands(vec![command])).await;
        let reason = match decision.0.into_iter().next() {
            Some(Ok(_)) => return Ok(()),
            Some(Err(refusal)) => refusal.to_string(),
            None => "nothing was decided".to_owned(),
        };
        let error = std::io::Error::other(reason);
        Err(log::Error::io(&partition.home().path, None, &error).into())
    }

    /// The log goes on where it was.
    async fn go_back(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        copy: &Copy,
        entry: &Entry,
    ) -> Result<(), Stopped> {
        if partition.hold.is_retired() {
            return Ok(());
        }
        let undecided = |error: log::Error| Stopped::Undecided(error.to_string());
        let aside = log::put_aside(copy.dir()).await.map_err(undecided)?;
        let log = partition.log();
        let opened = Log::open(log.dir(), log.settings(), &self.logs, Some(entry)).await;
        partition.install(opened.map_err(undecided)?, partition.home());
        if let Some(aside) = aside {
            remove_in_background(aside);
        }
        Ok(())
    }

    async fn exchange(
        self: &Rc<Self>,
        partition: &Rc<Partition>,
        moving: &Rc<Relocation>,
        copy: &Copy,
        entry: &Entry,
        held: Held,
    ) -> Result<(), Stopped> {
        // While these are renamed nobody drops the topic.
        let turn = self.turn().await;
        if partition.hold.is_retired() {
            return Err(Stopped::Cancelled);
        }
        let log = partition.log();
        let old = log.dir().to_owned();
        let aside = match log::put_aside(&old).await {
            Ok(aside) => aside,
            Err(error) => {
                // The decision says which one counts.
                notice!("{} stays until the next start: {error}", old.display());
                partition.home().suspect(&error);
                None
            }
        };
        let undecided = |error: log::Error| Stopped::Undecided(error.to_string());
        let new = moving.to.path.join(old.file_name().unwrap_or_default());
        log::rename_dir(copy.dir(), &new).await.map_err(undecided)?;
        let opened = Log::open(&new, log.settings(), &self.logs, Some(entry)).await;
        partition.install(opened.map_err(undecided)?, moving.to.clone());
        self.forget_arrival(partition.topic, partition.index);
        drop(turn);
        drop(held);
        self.write_checkpoint().await;
        if let Some(aside) = aside {
            remove_in_background(aside);
        }
        let to = moving.to.path.display();
        notice!("{}-{} has moved to {to}", partition.name, partition.index);
        Ok(())
    }
}

/// What cannot be removed now is removed at the next start.
fn remove_in_background(aside: std::path::PathBuf) {
    rt::spawn_background(async move {
        let _ = rt::file::remove_dir_all(&aside).await;
    })
    .detach();
}
