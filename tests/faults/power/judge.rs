//! What must hold on a device on which the power failed after so many entries of its log: what had
//! been acknowledged or read by then is there; what was written later may be. Level `synced` loses
//! nothing; level `written` may lose its end, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ringmain::model::TopicId;

use super::deeds::{Configs, Deed, When, read_keyed};
use super::transfers::Transfers;
use crate::checker::{Anomaly, Logs, check};
use crate::client::Client;
use crate::history::{Entry, Event, History, Key};
use crate::topics::{EARLIEST, Topic};

/// Who reads everything after a restart: what they saw was recovered, and holds at every level.
pub const READERS: u32 = 1 << 20;

pub const TRIMMED: &str = "trimmed";
pub const KEYED: &str = "keyed";
pub const WRITTEN: &str = "written";

/// What was seen and done while the device was recorded.
pub struct Seen {
    pub history: History,
    pub deeds: Vec<Deed>,
    pub transfers: Transfers,
}

/// What became of one topic, as far as it is known.
#[derive(Default)]
struct Life {
    made: Option<When>,
    configs: Configs,
    removed: Option<When>,
    id: Option<TopicId>,
}

impl Seen {
    /// Everything that is wrong with what the broker serves.
    pub fn judge(&self, count: u64, client: &mut Client) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut topics = BTreeMap::new();
        for (name, life) in self.lives() {
            let found = Topic::find(client, name).expect("metadata");
            let must_be = life.made.is_some_and(|when| when.is_told(count))
                && life.removed.is_none_or(|when| when.asked > count);
            let may_not_be = life.removed.is_some_and(|when| when.is_told(count));
            match found {
                None if must_be => wrong.push(format!("topic {name} is lost")),
                Some(_) if may_not_be => wrong.push(format!("topic {name} is back")),
                Some(topic) => {
                    if life.id.is_some_and(|id| id != topic.id) {
                        wrong.push(format!("topic {name} has another id"));
                    }
                    for (key, value) in &life.configs {
                        let found = topic.config(client, key).expect("settings");
                        if found.as_ref() != Some(value) {
                            wrong.push(format!("topic {name}: {key} is {found:?}, not {value}"));
                        }
                    }
                    topics.insert(name, topic);
                }
                None => {}
            }
        }
        let mut logs = Logs::new();
        for topic in topics.values().filter(|topic| !self.is_keyed(&topic.name)) {
            for partition in 0..topic.partitions.len() as i32 {
                let log = topic.read_all(client, partition).expect("the whole log");
                let start = topic.offset_at(client, partition, EARLIEST).expect("a start");
                wrong.extend(self.judge_start(&topic.name, start, count));
                if log.first().is_some_and(|&(first, _)| first != start) {
                    wrong.push(format!("{}-{partition} does not begin at {start}", topic.name));
                }
                logs.insert((topic.name.clone(), partition), log);
            }
        }
        wrong.extend(self.judge_logs(&logs, count));
        for topic in topics.values().filter(|topic| self.is_keyed(&topic.name)) {
            let found = read_keyed(topic, client).expect("the whole log");
            wrong.extend(self.judge_keyed(&topic.name, &found, count));
        }
        // What is new takes no offset that was given before.
        for topic in topics.values().filter(|topic| !self.is_keyed(&topic.name)) {
            let end = logs[&(topic.name.clone(), 0)].last().map(|&(offset, _)| offset + 1);
            let offset = topic.put(client, 0, &[u64::MAX]);
            if end.is_some_and(|end| end != offset) {
                wrong.push(format!("{}: {offset} follows {end:?}", topic.name));
            }
        }
        wrong
    }

    fn is_keyed(&self, name: &str) -> bool {
        name == KEYED || name.contains('-')
    }

    fn lives(&self) -> BTreeMap<&str, Life> {
        let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
        for deed in &self.deeds {
            match deed {
                Deed::Made { name, configs, when } => {
                    let life = lives.entry(name).or_default();
                    (life.made, life.configs) = (Some(*when), configs.clone());
                }
                Deed::Is { name, id } => lives.entry(name).or_default().id = Some(*id),
                Deed::Removed { name, when } => {
                    lives.entry(name).or_default().removed = Some(*when);
                }
                Deed::Trimmed { .. } | Deed::Put { .. } => {}
            }
        }
        lives
    }

    /// A log begins no later than somebody asked for.
    fn judge_start(&self, name: &str, start: i64, count: u64) -> Option<String> {
        let asked = self.deeds.iter().filter_map(|deed| match deed {
            Deed::Trimmed { offset, when } if when.asked <= count => Some(*offset),
            _ => None,
        });
        let latest = if name == TRIMMED { asked.max().unwrap_or(0) } else { 0 };
        (start > latest).then(|| format!("{name} begins at {start}, not at {latest} or before"))
    }

    fn judge_logs(&self, logs: &Logs, count: u64) -> Vec<String> {
        let holds = |entry: &&Entry| match entry.event {
            Event::Sent { .. } | Event::Refused { .. } => true,
            _ => entry.count <= count,
        };
        let history = self.history.0.iter().filter(holds);
        // A topic that is not there was judged before.
        let known = history.filter(|entry| logs.contains_key(entry.event.key()));
        let history = History(known.cloned().collect());
        let bounds = |key: &Key| {
            let log: &Vec<(i64, u64)> = &logs[key];
            let first = log.first().map_or(0, |&(offset, _)| offset);
            (first, log.last().map_or(first, |&(offset, _)| offset + 1))
        };
        let mut wrong = Vec::new();
        for anomaly in check(&history, logs) {
            let (key, offset) = match &anomaly {
                Anomaly::LostWrite { key, offset, .. } => (key, *offset),
                Anomaly::TakenBack { key, offset, .. } => (key, *offset),
                other => {
                    wrong.push(format!("{other:?}"));
                    continue;
                }
            };
            let (first, end) = bounds(key);
            let is_deleted = key.0 == TRIMMED && offset < first;
            let may_be_lost = key.0 == WRITTEN && offset >= end;
            if !is_deleted && !may_be_lost {
                wrong.push(format!("{anomaly:?}"));
            }
        }
        for entry in history.0.iter().filter(|entry| entry.process >= READERS) {
            let Event::Polled { key, records } = &entry.event else { continue };
            let (first, end) = bounds(key);
            let taken =
                |&&(offset, _): &&(i64, u64)| offset >= end || (offset < first && key.0 != TRIMMED);
            if let Some((offset, _)) = records.iter().find(taken) {
                wrong.push(format!("{key:?}: {offset} was read after a restart and is gone"));
            }
        }
        wrong
    }

    /// The last acknowledged value of every key is there, or one that was put later.
    fn judge_keyed(&self, name: &str, found: &[(i64, u64, u64)], count: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        let (mut last, mut sent) = (BTreeMap::new(), BTreeSet::new());
        for deed in &self.deeds {
            let Deed::Put { topic, key, value, offset, when } = deed else { continue };
            if topic != name {
                continue;
            }
            sent.insert((*key, *value));
            if let Some(offset) = *offset
                && when.is_told(count)
            {
                let last = last.entry(*key).or_insert((offset, *value));
                *last = (*last).max((offset, *value));
            }
        }
        let by_offset: BTreeMap<i64, (u64, u64)> =
            found.iter().map(|&(offset, key, value)| (offset, (key, value))).collect();
        if by_offset.len() != found.len() || !found.is_sorted() {
            wrong.push(format!("{name}: offsets do not rise"));
        }
        for (offset, record) in &by_offset {
            if !sent.contains(record) {
                wrong.push(format!("{name}: nobody put {record:?} at {offset}"));
            }
        }
        for (key, (offset, value)) in last {
            let there = by_offset.iter().rev().find(|(_, record)| record.0 == key);
            let holds = there
                .is_some_and(|(&at, record)| at > offset || (at == offset && record.1 == value));
            if !holds {
                wrong.push(format!("{name}: {value} of key {key} at {offset} is lost: {there:?}"));
            }
        }
        wrong
    }
}
