//! A classic group goes over to the new protocol when a member joins that speaks it: who is there goes on,
//! with what it has, until it is asked to join anew (KIP-848, online migration).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::member::{ClassicPart, Held, Member};
use super::plan::Refusal;
use super::{Consumer, record};
use crate::coordinator::group::assign::Assignment;
use crate::coordinator::group::classic::{Classic, Moving};
use crate::coordinator::group::turn::Turn;
use crate::coordinator::{Record, View};
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::{self, Subscription};
use crate::wire::internal::GroupRecord;
use crate::wire::versioned::Versioned;

/// The group as it will be, and the records that make it.
pub(in crate::coordinator::group) fn upgraded(
    id: &Rc<str>,
    classic: &Classic,
    turn: &mut Turn<'_>,
) -> Result<(Consumer, Vec<Record>), Refusal> {
    let refuse = |why: String| {
        let message = format!("Cannot upgrade classic group {id} to consumer group because {why}.");
        Err(Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, message))
    };
    if !turn.config().group_consumer_migration_policy.may_upgrade() {
        return refuse("online upgrade is disabled".into());
    }
    if !classic.uses_consumer_protocol() {
        return refuse("the group does not use the consumer embedded protocol".into());
    }
    if classic.len() > turn.config().group_consumer_max_size as usize {
        return refuse("the group size exceeds the consumer group maximum size".into());
    }
    let generation = classic.generation;
    let mut members: Vec<(Rc<str>, Member)> = Vec::with_capacity(classic.len());
    for moving in classic.moving() {
        let id = moving.id.clone();
        match moved(moving, generation, &*turn.rules.view) {
            Ok(member) => members.push((id, member)),
            Err(Unfit::Malformed) => {
                return refuse("the embedded consumer protocol is malformed".into());
            }
            Err(Unfit::HasUserData) => {
                return refuse(
                    "an unsupported custom assignor is in use. Please refer to the documentation \
                     or switch to a default assignor before re-attempting the upgrade"
                        .into(),
                );
            }
        }
    }
    let names: BTreeSet<Rc<str>> =
        members.iter().flat_map(|(_, member)| member.names.iter().cloned()).collect();
    let hash = turn.hashes.of_group(names.iter(), &*turn.rules.view);
    let mut records = Vec::with_capacity(3 * members.len() + 2);
    records.extend(members.iter().map(|(member_id, member)| record::member(id, member_id, member)));
    records.push(record::epoch(id, generation, hash));
    let target = |(member_id, member): &(Rc<str>, Member)| {
        let partitions = |held: &BTreeMap<i32, i32>| held.keys().copied().collect();
        let target: Assignment =
            member.assigned.iter().map(|(&topic, held)| (topic, partitions(held))).collect();
        record::target(id, member_id, &target)
    };
    records.extend(members.iter().map(target));
    // Nothing was shared by the broker yet, so that it may at once.
    records.push(record::assignment_epoch(id, generation, 0));
    records
        .extend(members.iter().map(|(member_id, member)| record::current(id, member_id, member)));
    let mut group = Consumer::new(id.clone());
    for Record { key, value } in &records {
        let record = GroupRecord::decode(key, value.as_deref()).expect("it was just written");
        group.apply(&record);
    }
    Ok((group, records))
}

enum Unfit {
    Malformed,
    /// What a client's own assignor keeps there would be lost.
    HasUserData,
}

fn moved(moving: Moving<'_>, generation: i32, view: &dyn View) -> Result<Member, Unfit> {
    let mut assigned = Held::new();
    if !moving.assignment.is_empty() {
        let assignment = consumer_protocol::Assignment::decode_newer(moving.assignment);
        let assignment = assignment.map_err(|_| Unfit::Malformed)?;
        if assignment.user_data.is_some_and(|bytes| !bytes.is_empty()) {
            return Err(Unfit::HasUserData);
        }
        for topic in assignment.assigned_partitions {
            if let Some(facts) = view.topic(topic.topic) {
                let since = |&partition: &i32| (partition, generation);
                assigned.insert(facts.id, topic.partitions.iter().map(since).collect());
            }
        }
    }
    let subscription = Subscription::decode_newer(moving.metadata).map_err(|_| Unfit::Malformed)?;
    let mut member = Member {
        instance: moving.instance.map(Rc::from),
        rack: subscription.rack_id.filter(|rack| !rack.is_empty()).map(Rc::from),
        rebalance_timeout_ms: moving.rebalance_timeout_ms,
        epoch: generation,
        previous_epoch: generation,
        assigned: Rc::new(assigned),
        classic: Some(Rc::new(ClassicPart {
            session_timeout_ms: moving.session_timeout_ms,
            protocols: moving.protocols.to_vec(),
        })),
        ..Member::default()
    };
    member.come_from(moving.client_id, moving.client_host);
    member.subscribe(subscription.topics.iter().copied());
    Ok(member)
}
