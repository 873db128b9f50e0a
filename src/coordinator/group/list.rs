//! ListGroups and DescribeGroups.

use super::request::{Answer, Described, Listed};
use super::{Groups, Kind};
use crate::model::ErrorCode;

/// KIP-848's name of this kind.
const CLASSIC: &str = "classic";
/// The state of a group that does not exist.
const DEAD: &str = "Dead";

impl Groups {
    pub(super) fn list(&self, states: &[String], types: &[String]) -> Answer {
        let takes = |wanted: &[String], is: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(is))
        };
        let listed = self.table.iter().filter_map(|(id, group)| {
            let Kind::Classic(classic) = &group.kind;
            let state = classic.state.name();
            (takes(states, state) && takes(types, CLASSIC)).then(|| Listed {
                group: id.to_string(),
                protocol_type: classic.protocol_type.clone().unwrap_or_default(),
                state,
                kind: CLASSIC,
            })
        });
        Answer::Listed(listed.collect())
    }

    pub(super) fn describe(&self, id: &str) -> Answer {
        let described = match self.table.get(id).map(|group| &group.kind) {
            Some(Kind::Classic(classic)) => classic.describe(),
            None => Described {
                error: ErrorCode::GROUP_ID_NOT_FOUND,
                state: DEAD,
                ..Described::default()
            },
        };
        Answer::Described(Box::new(described))
    }
}
