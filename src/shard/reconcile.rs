//! Making an image true on this core: opening, creating, renaming away and retuning partitions.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::directories::Directory;
use super::log_settings;
use super::partition::Partition;
use super::placement::{PartitionPlace, TopicPlace};
use super::{Counters, Shard};
use crate::cluster::{ClusterImage, Topic};
use crate::config::topic::TopicConfig;
use crate::log::{self, Log};
use crate::model::{CoreId, PartitionId, topic_name};
use crate::notice;
use crate::rt;

/// Logs that one core opens at a time.
const OPENING_MAX: usize = 16;
/// Between two attempts to open logs for which there was no room.
const OPEN_PAUSE: Duration = Duration::from_secs(1);

impl Shard {
    /// Returns when every partition that the image gives to this core is open (or has been
    /// reported as broken), and those that it takes away are gone. One image at a time.
    pub async fn adopt(self: &Rc<Self>, image: Arc<ClusterImage>) {
        let _turn = self.turn().await;
        let old = self.image();
        if image.applied() >= old.applied() {
            self.reconcile(&old, &image).await;
        }
    }

    /// What is placed here is about to change, and not whole.
    pub(super) fn is_adopting(&self) -> bool {
        self.adopting.get()
    }

    /// One task at a time changes what is placed here.
    pub(super) async fn turn(&self) -> Turn<'_> {
        while self.adopting.replace(true) {
            self.adopted.wait().await;
        }
        Turn(self)
    }

    async fn reconcile(self: &Rc<Self>, old: &ClusterImage, image: &Arc<ClusterImage>) {
        let settings = Rc::new(image.settings(self.node(), self.fixed.clone()));
        let retuned = *self.settings() != *settings;
        self.set_settings(settings);
        let mut gone = Vec::new();
        for topic in old.topics() {
            if image.topic_by_id(topic.id).is_none() {
                self.drop_topic(topic).await;
                gone.push(topic.name.to_string());
            }
        }
        if !gone.is_empty() {
            self.review_outages(false);
            self.topics_gone(&gone);
        }
        let (mut changed, mut new) = (gone, false);
        for topic in image.topics() {
            let known = old.topic_by_id(topic.id);
            if retuned || known.is_none_or(|known| !Arc::ptr_eq(known, topic)) {
                self.place(topic).await;
            }
            new |= known.is_none();
            if known.is_none_or(|known| known.partitions.len() != topic.partitions.len()) {
                changed.push(topic.name.to_string());
            }
        }
        *self.image.borrow_mut() = image.clone();
        self.image_changed(changed, new);
    }

    /// Brings one topic's view up to date and opens what is new of it here.
    async fn place(self: &Rc<Self>, topic: &Arc<Topic>) {
        let config = TopicConfig::resolve(&topic.configs, &self.settings());
        let known = self.topic_by_id(topic.id);
        let name: Rc<str> = match &known {
            Some(known) => known.name.clone(),
            None => Rc::from(&*topic.name),
        };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        let mut opening = Vec::new();
        for (index, partition) in topic.partitions.iter().enumerate() {
            let core = partition.core_on(self.node()).map(CoreId::index).unwrap_or(usize::MAX);
            let epoch = partition.leader_epoch.0;
            let here = known.as_ref().and_then(|known| known.partition(index as i32)?.here.clone());
            if let Some(here) = &here {
                here.set_epoch(epoch);
                here.set_level(config.durability);
                let settings = log_settings::of(&config, &self.config());
                if here.log().settings() != settings {
                    here.log().set_settings(settings);
                    self.means.changed.raise();
                    // What is there already may have to become safer.
                    here.flush();
                }
                here.set_flush_ms(config.flush_ms, config.durability);
            } else if core == self.core() {
                let (shard, name, id) = (self.clone(), name.clone(), topic.id);
                let number = PartitionId(index as i32);
                let home = self.directory(topic.directory(self.node(), number));
                // Where the directory is lost or not here, that was said once for all.
                let Some(home) = home.filter(|home| !home.is_lost()) else {
                    partitions.push(PartitionPlace { core, epoch, here });
                    continue;
                };
                opening.push((index, async move {
                    shard.open_partition(id, name, number, epoch, home, &config).await
                }));
            }
            partitions.push(PartitionPlace { core, epoch, here });
        }
        let mut running = std::collections::VecDeque::new();
        let mut opening = opening.into_iter();
        loop {
            while running.len() < OPENING_MAX {
                let Some((index, task)) = opening.next() else { break };
                running.push_back((index, rt::spawn(task)));
            }
            let Some((index, task)) = running.pop_front() else { break };
            let opened = task.await;
            if let Some(partition) = &opened {
                self.partition_opened(partition);
            }
            partitions[index].here = opened;
        }
        let is_missing =
            partitions.iter().any(|place| place.core == self.core() && place.here.is_none());
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        self.placement.borrow_mut().insert(TopicPlace {
            id: topic.id,
            internal: topic_name::is_internal(&name),
            name,
            deletes: config.cleanup_policy.delete || !config.cleanup_policy.compact,
            insync_min: config.min_insync_replicas.min(replicas as i32),
            partitions,
        });
        self.review_outages(is_missing);
    }

    async fn open_partition(
        self: Rc<Self>,
        id: crate::model::TopicId,
        name: Rc<str>,
        index: PartitionId,
        epoch: i32,
        home: Rc<Directory>,
        config: &TopicConfig,
    ) -> Option<Rc<Partition>> {
        let dir = home.path.join(format!("{name}-{index}"));
        let settings = log_settings::of(config, &self.config());
        // It stays known until the log is open: another attempt needs it too.
        let known = self.checkpoints.borrow().get(home.id, id, index).cloned();
        match Log::open_or_create(&dir, id, settings, &self.logs, known.as_ref()).await {
            Ok(log) => {
                self.checkpoints.borrow_mut().forget(id, index);
                let opened = &self.counters.opened;
                Counters::add(&opened.partitions, 1);
                Counters::add(&opened.scanned_bytes, log.recovered().scanned_bytes);
                Counters::add(&opened.cut, u64::from(log.recovered().cut.is_some()));
                let progress = self.progress.clone();
                let level = config.durability;
                let partition = Partition::new(id, name, index, epoch, log, home, progress);
                partition.set_level(level);
                partition.set_flush_ms(config.flush_ms, level);
                Some(partition)
            }
            Err(error) => {
                // Said once, not with every attempt.
                if !(error.is_disk_full() && self.opening_later.get()) {
                    notice!("{name}-{index} is offline: {error}");
                }
                if error.is_disk_full() {
                    self.unopened.borrow_mut().insert(id);
                    self.open_later();
                }
                home.suspect(&error);
                None
            }
        }
    }

    /// Tries again, while there are any, to open partitions for which there was no room.
    fn open_later(self: &Rc<Self>) {
        if self.opening_later.replace(true) {
            return;
        }
        let shard = self.clone();
        rt::spawn_background(async move {
            while !shard.unopened.borrow().is_empty() {
                rt::sleep(OPEN_PAUSE).await;
                let _turn = shard.turn().await;
                let image = shard.image();
                for id in shard.unopened.take() {
                    if let Some(topic) = image.topic_by_id(id) {
                        shard.place(topic).await;
                    }
                }
            }
            shard.opening_later.set(false);
        })
        .detach();
    }

    async fn drop_topic(self: &Rc<Self>, topic: &Topic) {
        let Some(place) = self.placement.borrow_mut().remove(topic.id) else { return };
        for (index, partition) in place.partitions.iter().enumerate() {
            let index = PartitionId(index as i32);
            let home = self.directory(topic.directory(self.node(), index));
            let removed = match (&partition.here, home) {
                (Some(here), _) => {
                    self.partition_leaves(here);
                    here.retire();
                    // What a lost directory holds is a stray when it comes back.
                    match here.home().is_lost() {
                        true => Ok(()),
                        false => here.log().delete().await,
                    }
                }
                // Offline, but its files are there, and would be taken for somebody's at a start.
                (None, Some(home)) if partition.core == self.core() && !home.is_lost() => {
                    log::remove_partition(&home.path.join(format!("{}-{index}", place.name))).await
                }
                _ => Ok(()),
            };
            if let Err(error) = removed {
                notice!("{}-{index} was not removed: {error}", place.name);
            }
        }
    }

    /// Flushes and closes every partition, then writes down that nothing needs to be scanned.
    pub async fn close_partitions(self: &Rc<Self>) {
        let mut closing = std::collections::VecDeque::new();
        for partition in self.partitions() {
            closing.push_back(rt::spawn(async move { partition.close().await }));
            if closing.len() >= OPENING_MAX
                && let Some(first) = closing.pop_front()
            {
                first.await;
            }
        }
        for task in closing {
            task.await;
        }
        self.write_checkpoint().await;
    }
}

pub(super) struct Turn<'a>(&'a Shard);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.adopting.set(false);
        self.0.adopted.raise();
    }
}
