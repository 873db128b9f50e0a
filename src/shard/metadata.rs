//! The metadata log of a single host: decides proposals one after the other, makes each durable,
//! and tells every core. Lives on the metadata core; a consensus can take its place behind the same
//! two calls, [`Metadata::open`] and [`Metadata::decide`].
//!
//! On disk: `snapshot` (the whole image) and `journal` (the commands since, framed). A command is
//! in the image of some core only after it is on stable media.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::message::{Reply, Request};
use super::proposal::{Decided, Decision, Proposal};
use super::{Shard, reserve};
use crate::base::buf::Buf;
use crate::base::planted;
use crate::base::prng::Prng;
use crate::base::signal::Broadcast;
use crate::cluster::controller::{self, Refusal};
use crate::cluster::{ClusterImage, Command, directories, journal, snapshot};
use crate::config::Overrides;
use crate::config::topic::TopicConfig;
use crate::model::{ErrorCode, NodeId};
use crate::notice;
use crate::rt::file::is_full;
use crate::rt::{File, OpenOptions, file};

/// A journal longer than this is folded into a snapshot, in bytes.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;
/// Room that is kept for the journal.
const JOURNAL_BYTES_RESERVED: u64 = JOURNAL_BYTES_MAX + (1 << 20);

pub struct Metadata {
    dir: PathBuf,
    node: NodeId,
    fixed: Overrides,
    image: RefCell<Arc<ClusterImage>>,
    journal: RefCell<File>,
    journal_len: Cell<u64>,
    random: RefCell<Prng>,
    /// One proposal at a time.
    busy: Cell<bool>,
    freed: Broadcast,
    failed: Cell<bool>,
}

impl Metadata {
    /// Reads what was decided before. `seed`: for new ids.
    pub async fn open(
        dir: &Path,
        node: NodeId,
        fixed: Overrides,
        seed: u64,
    ) -> io::Result<Rc<Metadata>> {
        file::create_dir_all(dir).await?;
        let damaged = |what: &str, fault: String| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {what}: {fault}", dir.display()),
            )
        };
        let snapshot_path = dir.join("snapshot");
        let mut image = ClusterImage::default();
        if file::exists(&snapshot_path).await? {
            let bytes = file::read_whole(&snapshot_path).await?;
            image = snapshot::decode(&bytes).map_err(|f| damaged("snapshot", f.to_string()))?;
        }
        let path = dir.join("journal");
        let bytes = match file::exists(&path).await? {
            true => file::read_whole(&path).await?,
            false => Vec::new(),
        };
        let replayed = journal::replay(&mut image, &bytes)
            .map_err(|fault| damaged("journal", fault.to_string()))?;
        // Whatever a crash or a failed sync left half safe is acted on from now on: a power cut
        // must not take it back, so it is written anew. What follows `kept` was never acknowledged.
        let journal = match begin(&path, &bytes[..replayed.kept]).await {
            // Without room for two the one that is there must do, or nobody could make room.
            Err(error) if is_full(&error) && !bytes.is_empty() => {
                renew(&path, &bytes, replayed.kept).await?
            }
            begun => begun?,
        };
        if let Some(parent) = dir.parent() {
            file::sync_dir(parent).await?;
        }
        Ok(Rc::new(Metadata {
            dir: dir.to_owned(),
            node,
            fixed,
            image: RefCell::new(Arc::new(image)),
            journal: RefCell::new(journal),
            journal_len: Cell::new(replayed.kept as u64),
            random: RefCell::new(Prng::new(seed)),
            busy: Cell::new(false),
            freed: Broadcast::default(),
            failed: Cell::new(false),
        }))
    }

    pub fn image(&self) -> Arc<ClusterImage> {
        self.image.borrow().clone()
    }

    pub fn with_random<T>(&self, f: impl FnOnce(&mut Prng) -> T) -> T {
        f(&mut self.random.borrow_mut())
    }

    /// Decides, writes down, and tells every core; returns when all of them have caught up.
    pub async fn decide(&self, shard: &Rc<Shard>, proposal: Proposal) -> Decision {
        while self.busy.replace(true) {
            self.freed.wait().await;
        }
        let decision = self.decide_alone(shard, proposal).await;
        self.busy.set(false);
        self.freed.raise();
        decision
    }

    async fn decide_alone(&self, shard: &Rc<Shard>, proposal: Proposal) -> Decision {
        let (decision, mut commands) = self.judge(proposal);
        if commands.is_empty() {
            return decision;
        }
        if self.failed.get() {
            return storage_failed();
        }
        commands.extend(self.choose_directories(shard, &commands).await);
        let written = reserve::spend(self.own_dir(), || async {
            let written = self.write(&commands).await;
            if let Err(error) = &written
                && is_full(error)
            {
                self.take_back().await?;
            }
            written
        });
        if let Err(error) = written.await {
            if is_full(&error) {
                shard.met_full_disk();
                return Decision::refused(ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full");
            }
            notice!("the metadata log failed, no more changes: {}: {error}", self.dir.display());
            self.failed.set(true);
            return storage_failed();
        }
        let mut image = ClusterImage::clone(&self.image());
        for command in &commands {
            image.apply(command);
        }
        let image = Arc::new(image);
        *self.image.borrow_mut() = image.clone();
        self.tell(shard, image).await;
        decision
    }

    /// Gives every core the present image and waits until all have made it true.
    pub async fn tell(&self, shard: &Rc<Shard>, image: Arc<ClusterImage>) {
        let others = (0..shard.cores()).filter(|&core| core != shard.core());
        let told: Vec<_> =
            others.map(|core| shard.call(core, Request::Adopt(image.clone()))).collect();
        shard.adopt(image).await;
        for reply in told {
            let reply = reply.await;
            assert!(matches!(reply, Some(Reply::Adopted) | None), "a core answers an image");
        }
    }

    fn judge(&self, proposal: Proposal) -> (Decision, Vec<Command>) {
        let image = self.image();
        let settings = image.settings(self.node, self.fixed.clone());
        let mut commands = Vec::new();
        let decision = match proposal {
            Proposal::CreateTopics { topics, validate_only } => {
                let random = &mut self.random.borrow_mut();
                let judged = controller::create_topics(&image, &settings, &topics, random);
                judged
                    .into_iter()
                    .map(|judged| {
                        judged.map(|created| {
                            if !validate_only {
                                commands.push(created.command);
                            }
                            Decided::Topic {
                                id: created.id,
                                partitions: created.partitions,
                                replication_factor: created.replication_factor,
                                configs: created.configs,
                            }
                        })
                    })
                    .collect()
            }
            Proposal::DeleteTopics(topics) => {
                let judged = controller::delete_topics(&image, &settings, &topics);
                take(judged.into_iter().map(|j| j.map(Some)), false, &mut commands)
            }
            Proposal::CreatePartitions { topics, validate_only } => {
                let judged = controller::create_partitions(&image, &topics);
                take(judged.into_iter().map(|j| j.map(Some)), validate_only, &mut commands)
            }
            Proposal::AlterConfigs { resources, validate_only } => {
                let judged = controller::alter_configs(&image, &settings, &resources);
                take(judged.into_iter(), validate_only, &mut commands)
            }
            Proposal::IncrementalAlterConfigs { resources, validate_only } => {
                let judged = controller::incremental_alter_configs(&image, &settings, &resources);
                take(judged.into_iter(), validate_only, &mut commands)
            }
            Proposal::AllocateProducerIds => {
                let judged = controller::allocate_producer_ids(&image, self.node);
                vec![judged.map(|command| {
                    let decided = match &command {
                        Command::AllocateProducerIds { first, count, .. } => {
                            Decided::ProducerIds { first: *first, count: *count }
                        }
                        _ => Decided::Done,
                    };
                    commands.push(command);
                    decided
                })]
            }
            Proposal::Commands(decided) => {
                commands = decided;
                vec![Ok(Decided::Done)]
            }
        };
        (Decision(decision), commands)
    }

    /// Appends to the journal; returns when it is on stable media.
    async fn write(&self, commands: &[Command]) -> io::Result<()> {
        if self.journal_len.get() > JOURNAL_BYTES_MAX {
            match self.fold().await {
                // It goes on in its reserve: it may be the deletion that makes room.
                Err(error) if is_full(&error) => {}
                folded => folded?,
            }
        }
        let bytes = journal::encode(self.image().applied() + 1, commands);
        let journal = self.journal.borrow().clone();
        let at = self.journal_len.get();
        journal.write_bytes_at(Buf::copy_of(&bytes), at).await?;
        if !planted::is("decide-without-a-sync") {
            journal.sync_data().await?;
        }
        self.journal_len.set(at + bytes.len() as u64);
        Ok(())
    }

    /// Says of partitions that are about to be in which directories of this host.
    async fn choose_directories(&self, shard: &Shard, commands: &[Command]) -> Vec<Command> {
        let creates =
            |c: &Command| matches!(c, Command::CreateTopic { .. } | Command::AddPartitions { .. });
        if !commands.iter().any(creates) {
            return Vec::new();
        }
        let image = self.image();
        let settings = image.settings(self.node, self.fixed.clone());
        let takers = shard.takers(&image).await;
        let weigh = |configs: &Overrides| {
            TopicConfig::resolve(configs, &settings).segment_bytes.unsigned_abs().into()
        };
        directories::assign(&image, self.node, commands, takers, weigh)
    }

    fn own_dir(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    /// Undoes a write for which there was no room.
    async fn take_back(&self) -> io::Result<()> {
        let journal = self.journal.borrow().clone();
        journal.truncate(self.journal_len.get()).await?;
        hold_room(&journal).await;
        Ok(())
    }

    /// Replaces the journal by a snapshot of what it led to. A crash in between leaves a journal
    /// whose commands the snapshot already has: they are passed over.
    async fn fold(&self) -> io::Result<()> {
        let (path, bytes) = (self.dir.join("snapshot"), snapshot::encode(&self.image()));
        reserve::spend(self.own_dir(), || file::write_whole(&path, &bytes)).await?;
        let journal = begin(&self.dir.join("journal"), &[]).await?;
        *self.journal.borrow_mut() = journal;
        self.journal_len.set(0);
        Ok(())
    }
}

/// A journal file that holds these frames, with room for more.
async fn begin(path: &Path, frames: &[u8]) -> io::Result<File> {
    file::write_whole(path, frames).await?;
    let options = OpenOptions { write: true, ..Default::default() };
    let journal = File::open(path, options).await?;
    hold_room(&journal).await;
    Ok(journal)
}

/// Writes the frames of a journal anew where they are, and zeros over the torn end. A crash leaves
/// each byte as it was or as it is to be, and of the frames these are the same.
async fn renew(path: &Path, bytes: &[u8], kept: usize) -> io::Result<File> {
    let torn = bytes[kept..].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut renewed = Buf::copy_of(&bytes[..kept + torn]);
    renewed[kept..].fill(0);
    let options = OpenOptions { write: true, ..Default::default() };
    let journal = File::open(path, options).await?;
    journal.write_bytes_at(renewed, 0).await?;
    journal.sync_data().await?;
    if let Some(parent) = path.parent() {
        file::sync_dir(parent).await?;
    }
    Ok(journal)
}

/// Takes room for a whole journal, so that topics can be deleted when the disk is full. What is
/// not written yet reads as zeros, which a replay takes for a torn end.
async fn hold_room(journal: &File) {
    // A full disk: then each write sees for itself.
    let _ = journal.allocate(0, JOURNAL_BYTES_RESERVED).await;
}

fn storage_failed() -> Decision {
    Decision::refused(ErrorCode::KAFKA_STORAGE_ERROR, "the metadata log cannot be written")
}

fn take(
    judged: impl Iterator<Item = Result<Option<Command>, Refusal>>,
    validate_only: bool,
    commands: &mut Vec<Command>,
) -> Vec<Result<Decided, Refusal>> {
    judged
        .map(|judged| {
            let command = judged?;
            if !validate_only {
                commands.extend(command);
            }
            Ok(Decided::Done)
        })
        .collect()
}
