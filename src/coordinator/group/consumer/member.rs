//! A member as the log has it: who it is, what it subscribes to, what it has and has to give up.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::coordinator::group::request::Beat;
use crate::model::TopicId;

/// Partitions, each with the epoch since which the member has it.
pub(in crate::coordinator::group) type Held = BTreeMap<TopicId, BTreeMap<i32, i32>>;

/// How far a member is on its way to what is for it; the numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coordinator::group) enum State {
    /// It has what it is to have at its epoch.
    Stable = 0,
    /// It has been told to give partitions up, and has not said that it did.
    UnrevokedPartitions = 1,
    /// It waits for partitions that others have not let go of.
    UnreleasedPartitions = 2,
    /// Of a later Kafka.
    Unknown = 127,
}

impl State {
    pub fn of(number: i8) -> State {
        match number {
            0 => State::Stable,
            1 => State::UnrevokedPartitions,
            2 => State::UnreleasedPartitions,
            _ => State::Unknown,
        }
    }
}

/// What a member brings that speaks the classic protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::coordinator::group) struct ClassicPart {
    pub session_timeout_ms: i32,
    /// In the order of its liking.
    pub protocols: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::coordinator::group) struct Member {
    pub instance: Option<Rc<str>>,
    pub rack: Option<Rc<str>>,
    pub client_id: Rc<str>,
    pub client_host: Rc<str>,
    pub names: Rc<BTreeSet<Rc<str>>>,
    /// Empty: none.
    pub pattern: Rc<str>,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<Rc<str>>,
    pub classic: Option<Rc<ClassicPart>>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: State,
    pub assigned: Rc<Held>,
    pub revoking: Rc<Held>,
}

impl Default for Member {
    fn default() -> Member {
        Member {
            instance: None,
            rack: None,
            client_id: "".into(),
            client_host: "".into(),
            names: Rc::default(),
            pattern: "".into(),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
            epoch: 0,
            previous_epoch: -1,
            state: State::Stable,
            assigned: Rc::default(),
            revoking: Rc::default(),
        }
    }
}

impl Member {
    pub fn has_reached(&self, epoch: i32) -> bool {
        self.state == State::Stable && self.epoch == epoch
    }

    /// The same member at this epoch, also if it is the same one.
    pub fn at_epoch(&self, epoch: i32) -> Member {
        Member { previous_epoch: self.epoch, epoch, ..self.clone() }
    }

    /// What a heartbeat says of it; what it does not say stays.
    pub fn updated(&self, beat: &Beat) -> Member {
        let text = |new: &Option<String>, old: &Option<Rc<str>>| match new {
            Some(new) if old.as_deref() != Some(new) => Some(new.as_str().into()),
            _ => old.clone(),
        };
        let mut member = self.clone();
        member.instance = text(&beat.instance, &self.instance);
        member.rack = text(&beat.rack, &self.rack);
        member.assignor = text(&beat.assignor, &self.assignor);
        if beat.rebalance_timeout_ms != -1 {
            member.rebalance_timeout_ms = beat.rebalance_timeout_ms;
        }
        if let Some(names) = &beat.names {
            member.subscribe(names.iter().map(String::as_str));
        }
        if let Some(pattern) = beat.pattern.as_deref().filter(|&new| *self.pattern != *new) {
            member.pattern = pattern.into();
        }
        member.come_from(&beat.client_id, &beat.client_host);
        member.classic = None;
        member
    }

    pub fn subscribe<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let names: BTreeSet<&str> = names.collect();
        if !names.iter().copied().eq(self.names.iter().map(|name| &**name)) {
            self.names = Rc::new(names.into_iter().map(Rc::from).collect());
        }
    }

    pub fn come_from(&mut self, client_id: &str, client_host: &str) {
        if *self.client_id != *client_id {
            self.client_id = client_id.into();
        }
        if *self.client_host != *client_host {
            self.client_host = client_host.into();
        }
    }

    /// Bytes of what it subscribes to, and of what it brings with it.
    pub fn bytes(&self) -> usize {
        let names = self.names.iter().map(|name| name.len() + 16).sum::<usize>();
        let protocols = self.classic.iter().flat_map(|classic| &classic.protocols);
        let protocols = protocols.map(|(name, metadata)| name.len() + metadata.len());
        names + self.pattern.len() + protocols.sum::<usize>()
    }
}
