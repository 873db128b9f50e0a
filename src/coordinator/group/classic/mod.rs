//! A group of the classic protocol: members join, the broker counts votes for how to share, one of
//! them shares, and each is told its part. The rules are those of Kafka 4's ClassicGroup.
//!
//! What lasts is one record a group: who takes part in which generation with what (see `record`).
//! All else, who waits and until when, lives only here; a member whose broker was replaced goes on
//! with its next heartbeat.

mod join;
mod leave;
mod migrate;
mod rebalance;
pub(super) mod record;
mod session;
mod sync;
mod vote;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

pub(super) use migrate::{Moved, Moving};

use super::request::{Described, DescribedMember, Identity, Protocols};
use super::turn::Turn;
use crate::base::planted;
use crate::coordinator::Call;
use crate::coordinator::timers::Deadline;
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::PROTOCOL_TYPE;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// No members; offsets may be there.
    #[default]
    Empty,
    /// Waits for its members to join.
    PreparingRebalance,
    /// Waits for the leader to share.
    CompletingRebalance,
    Stable,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

#[derive(Debug)]
pub(super) struct Classic {
    pub(super) id: Rc<str>,
    pub(super) state: State,
    /// When the group came into its state, in Unix milliseconds, if that is known.
    pub(super) state_since_ms: Option<i64>,
    /// `None`: nobody has ever joined; the group is just a name for offsets.
    pub(super) protocol_type: Option<String>,
    protocol: Option<String>,
    pub(super) generation: i32,
    leader: Option<Rc<str>>,
    members: BTreeMap<Rc<str>, Member>,
    /// Members with an instance id, by it.
    instances: BTreeMap<String, Rc<str>>,
    /// Ids that were given out and not used yet.
    pending: BTreeMap<Rc<str>, Deadline>,
    /// Members that have joined this generation and not asked for their part yet.
    unsynced: BTreeSet<Rc<str>>,
    /// `None`: not known.
    subscribed: Option<BTreeSet<String>>,
    /// The rebalance under way began in an empty group.
    is_initial: bool,
    /// Somebody came since the initial delay was last begun, and how much of it is left after that.
    joined_since: bool,
    delay: Duration,
    delay_left: Duration,
    join_ends: Deadline,
    sync_ends: Deadline,
}

#[derive(Debug, Default)]
struct Member {
    instance: Option<String>,
    client_id: String,
    client_host: String,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    protocols: Protocols,
    assignment: Vec<u8>,
    joining: Option<Call>,
    syncing: Option<Call>,
    /// Its first join is not answered yet.
    is_new: bool,
    session: Deadline,
}

impl Member {
    fn metadata(&self, protocol: &str) -> Option<&[u8]> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.as_slice())
    }
}

impl Classic {
    pub(super) fn new(id: Rc<str>) -> Classic {
        Classic {
            id,
            state: State::Empty,
            state_since_ms: None,
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            subscribed: None,
            is_initial: false,
            joined_since: false,
            delay: Duration::ZERO,
            delay_left: Duration::ZERO,
            join_ends: Deadline::default(),
            sync_ends: Deadline::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// An empty group that somebody is about to join.
    pub(super) fn is_awaited(&self) -> bool {
        !self.pending.is_empty()
    }

    fn transition(&mut self, to: State, turn: &Turn<'_>) {
        if to == State::PreparingRebalance {
            self.is_initial = self.state == State::Empty;
        }
        self.state = to;
        self.state_since_ms = Some(turn.now.unix_ms);
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// Whether this is a member, and not one that another has replaced (KIP-345).
    fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(holder) if **holder != *member => {
                    if !planted::is("let-a-replaced-member-go-on") {
                        return Err(ErrorCode::FENCED_INSTANCE_ID);
                    }
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    fn check(&self, who: &Identity) -> Result<(), ErrorCode> {
        self.check_member(&who.member, who.instance.as_deref())?;
        match who.generation == self.generation || planted::is("commit-from-an-old-generation") {
            true => Ok(()),
            false => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// Whether these offsets may be committed. A transaction's may also while the group shares
    /// anew, and by who does not say what generation it is of (KIP-447 came later).
    pub(super) fn check_commit(
        &self,
        who: &Identity,
        transactional: bool,
    ) -> Result<(), ErrorCode> {
        if who.generation < 0 && self.is_empty() {
            // From a consumer that manages its partitions itself, or from an administrator.
            return Ok(());
        }
        if who.generation >= 0 || !who.member.is_empty() || who.instance.is_some() {
            self.check(who)?;
        } else if !transactional && !self.is_empty() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if !transactional && self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    pub(super) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(PROTOCOL_TYPE)
    }

    /// Whether members read this topic, as far as that is known.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        let subscribed = self.subscribed.as_ref().filter(|_| self.uses_consumer_protocol());
        subscribed.is_some_and(|topics| topics.contains(topic))
    }

    pub(super) fn knows_subscription(&self) -> bool {
        self.subscribed.is_some()
    }

    pub(super) fn describe(&self) -> Described {
        let protocol = self.protocol.as_deref().filter(|_| self.state == State::Stable);
        let member = |(id, member): (&Rc<str>, &Member)| DescribedMember {
            member: id.to_string(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.and_then(|p| member.metadata(p)).unwrap_or_default().to_vec(),
            assignment: match protocol {
                Some(_) => member.assignment.clone(),
                None => Vec::new(),
            },
        };
        Described {
            error: ErrorCode::NONE,
            message: None,
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members.iter().map(member).collect(),
        }
    }
}
