//! Which protocol the members share by: one that all of them know, and that most of them like best.

use std::collections::BTreeSet;

use super::{Classic, State};
use crate::coordinator::group::request::Protocols;
use crate::wire::consumer_protocol::{PROTOCOL_TYPE, Subscription};
use crate::wire::versioned::Versioned;

impl Classic {
    /// Whether somebody with these protocols may join.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &Protocols) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| self.all_know(name))
    }

    fn all_know(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.metadata(protocol).is_some())
    }

    /// Equals are decided by the first in the order of their names. `None`: they have none in
    /// common, or there is nobody.
    pub(super) fn vote(&self) -> Option<String> {
        let candidate = |name: &str| self.all_know(name);
        let mut votes: Vec<(usize, &str)> = Vec::new();
        for member in self.members.values() {
            let first = member.protocols.iter().map(|(name, _)| name.as_str());
            let Some(choice) = first.into_iter().find(|name| candidate(name)) else { continue };
            match votes.iter_mut().find(|(_, name)| *name == choice) {
                Some((count, _)) => *count += 1,
                None => votes.push((1, choice)),
            }
        }
        votes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        votes.first().map(|(_, name)| (*name).to_owned())
    }

    /// The topics that the members of a consumer group read. What cannot be read makes it unknown.
    pub(super) fn learn_subscription(&mut self) {
        self.subscribed = self.subscription();
    }

    fn subscription(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some(PROTOCOL_TYPE) {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(protocol)?;
            let subscription = Subscription::decode_newer(metadata).ok()?;
            topics.extend(subscription.topics.into_iter().map(str::to_owned));
        }
        Some(topics)
    }
}
