//! Whether a heartbeat says what it has to, and comes from who it says it does.

use super::Consumer;
use super::member::{Held, Member};
use super::plan::Refusal;
use crate::base::planted;
use crate::config::BrokerConfig;
use crate::config::limits::{CONSUMER_GROUP_BATCHES_MAX, PATTERN_BYTES_MAX};
use crate::coordinator::group::request::{Beat, Owned};
use crate::coordinator::group::turn::Turn;
use crate::model::ErrorCode;

/// A member's epochs that mean something else.
pub(super) const JOINS: i32 = 0;
pub(super) const LEAVES: i32 = -1;
pub(super) const LEAVES_FOR_A_WHILE: i32 = -2;

/// What can be told without looking at the group (Kafka:
/// GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid).
pub(in crate::coordinator::group) fn check_fields(
    group: &str,
    beat: &Beat,
    config: &BrokerConfig,
) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    let is_blank = |text: &str| text.trim().is_empty();
    let is_blank_if_given = |text: &Option<String>| text.as_deref().is_some_and(is_blank);
    if (beat.chooses_id || beat.epoch > 0 || beat.epoch == LEAVES) && is_blank(&beat.member) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(group) {
        return invalid("GroupId can't be empty.");
    }
    if is_blank_if_given(&beat.instance) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank_if_given(&beat.rack) {
        return invalid("RackId can't be empty.");
    }
    match beat.epoch {
        JOINS if beat.rebalance_timeout_ms == -1 => {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        JOINS if beat.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        JOINS if beat.names.is_none() && beat.pattern.is_none() => {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
                 (re-)joining.",
            );
        }
        LEAVES_FOR_A_WHILE if beat.instance.is_none() => {
            return invalid("InstanceId can't be null.");
        }
        ..LEAVES_FOR_A_WHILE => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    let assignors = &config.group_consumer_assignors;
    if let Some(assignor) = beat.assignor.as_ref().filter(|name| !assignors.contains(name)) {
        let message = format!(
            "ServerAssignor {assignor} is not supported. Supported assignors: {}.",
            assignors.join(", ")
        );
        return Err(Refusal::new(ErrorCode::UNSUPPORTED_ASSIGNOR, message));
    }
    if beat.pattern.as_ref().is_some_and(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        let message = format!("SubscribedTopicRegex is longer than {PATTERN_BYTES_MAX} bytes.");
        return Err(Refusal::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message));
    }
    Ok(())
}

impl Consumer {
    /// Whether there is room for this member, if it is a new one.
    pub(super) fn check_room(
        &self,
        member: &str,
        instance: Option<&str>,
        turn: &Turn<'_>,
    ) -> Result<(), Refusal> {
        let is_known = instance.is_some_and(|instance| self.instances.contains_key(instance))
            || self.members.contains_key(member);
        let most = turn.config().group_consumer_max_size;
        if is_known || self.members.len() < most as usize {
            return Ok(());
        }
        let message =
            format!("The consumer group has reached its maximum capacity of {most} members.");
        Err(Refusal::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message))
    }

    /// Whether what members subscribe to still fits into memory with what this one does.
    pub(super) fn check_bytes(
        &self,
        id: &str,
        updated: &Member,
        turn: &Turn<'_>,
    ) -> Result<(), Refusal> {
        let own = self.members.get(id).map_or(0, Member::bytes);
        let bytes = self.bytes.saturating_sub(own) + updated.bytes();
        if bytes <= CONSUMER_GROUP_BATCHES_MAX * turn.rules.batch_bytes_max {
            return Ok(());
        }
        let message = "The members of the consumer group subscribe to more than it can keep.";
        Err(Refusal::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message))
    }

    pub(super) fn unknown(&self, member: &str) -> Refusal {
        let message = format!("Member {member} is not a member of group {}.", self.id);
        Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
    }
}

impl Member {
    /// Whether a member of this epoch goes on from here. One epoch behind, it may not have heard
    /// the last answer, if it has nothing that is not its own.
    pub(super) fn check_epoch(&self, epoch: i32, owned: Option<&Owned>) -> Result<(), Refusal> {
        let fenced = |which: &str| {
            let message = format!(
                "The consumer group member has a {which} member epoch ({epoch}) than the one \
                 known by the group coordinator ({}). The member must abandon all its partitions \
                 and rejoin.",
                self.epoch
            );
            Err(Refusal::new(ErrorCode::FENCED_MEMBER_EPOCH, message))
        };
        if epoch == JOINS || epoch == self.epoch {
            return Ok(());
        }
        if epoch > self.epoch {
            return fenced("greater");
        }
        let has_not_heard = epoch == self.previous_epoch
            && owned.is_some_and(|owned| is_part_of(owned, &self.assigned));
        match has_not_heard || planted::is("take-any-epoch-of-a-member") {
            true => Ok(()),
            false => fenced("smaller"),
        }
    }
}

fn is_part_of(owned: &Owned, held: &Held) -> bool {
    owned.iter().all(|(topic, partitions)| {
        held.get(topic).is_some_and(|held| partitions.iter().all(|one| held.contains_key(one)))
    })
}

/// Another member has this instance id.
pub(super) fn fenced_instance(member: &str, instance: &str, holder: &str) -> Refusal {
    let message = format!(
        "Static member {member} with instance id {instance} was fenced by member {holder}."
    );
    Refusal::new(ErrorCode::FENCED_INSTANCE_ID, message)
}

pub(super) fn unknown_instance(instance: &str) -> Refusal {
    Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance} is unknown."))
}
