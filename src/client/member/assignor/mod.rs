//! How the leader of a classic group shares partitions out: by Kafka's rules, so that members of any
//! client meet. Pure.

mod range;
mod sticky;

use std::collections::BTreeMap;

use crate::wire::consumer_protocol::Subscription;
use crate::wire::versioned::Versioned;

/// Partitions by topic and number.
pub type Place = (String, i32);

/// By member id.
pub type Assignments = BTreeMap<String, Vec<Place>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Neighbours of each topic together.
    Range,
    /// As even as can be, and as before where that allows it; members keep reading meanwhile
    /// (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    pub const ALL: [Assignor; 2] = [Assignor::Range, Assignor::CooperativeSticky];

    /// As it stands in JoinGroup.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    pub fn from_name(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares out the partitions of topics, given by their number.
    pub fn assign(self, members: &[Wish], partitions: &BTreeMap<String, usize>) -> Assignments {
        match self {
            Assignor::Range => range::assign(members, partitions),
            Assignor::CooperativeSticky => sticky::assign(members, partitions),
        }
    }
}

/// What a member said when it joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub member: String,
    pub instance: Option<String>,
    pub topics: Vec<String>,
    /// What it reads, and since which generation.
    pub owned: Vec<Place>,
    pub generation: i32,
}

impl Wish {
    /// Reads a member's metadata; what cannot be read wishes for nothing.
    pub fn of(member: &str, instance: Option<&str>, metadata: &[u8]) -> Wish {
        let (member, instance) = (member.to_owned(), instance.map(str::to_owned));
        let Ok(told) = Subscription::decode_newer(metadata) else {
            return Wish { member, instance, generation: -1, ..Wish::default() };
        };
        // Before version 2 the sticky assignor put the generation into the data of users.
        let generation = match told.user_data.and_then(|data| data.first_chunk()) {
            Some(bytes) if told.generation_id < 0 => i32::from_be_bytes(*bytes),
            _ => told.generation_id,
        };
        let owned = told.owned_partitions.iter().flat_map(|topic| {
            topic.partitions.iter().map(|&index| (topic.topic.to_owned(), index))
        });
        Wish {
            member,
            instance,
            topics: told.topics.iter().map(|&topic| topic.to_owned()).collect(),
            owned: owned.collect(),
            generation,
        }
    }

    /// The order of members: static ones first, by the names that stay.
    fn order(&self) -> (bool, &str, &str) {
        let instance = self.instance.as_deref();
        (instance.is_none(), instance.unwrap_or_default(), &self.member)
    }
}
