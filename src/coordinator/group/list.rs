//! ListGroups and DescribeGroups.

use super::request::{Answer, Described, Listed};
use super::{Groups, Kind};
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::PROTOCOL_TYPE;

/// KIP-848's names of the kinds.
const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";
/// The state of a group that does not exist.
const DEAD: &str = "Dead";

impl Groups {
    pub(super) fn list(&self, states: &[String], types: &[String]) -> Answer {
        let takes = |wanted: &[String], is: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(is))
        };
        let listed = self.table.iter().filter_map(|(id, group)| {
            let (state, kind, protocol_type) = match &group.kind {
                Kind::Classic(classic) => {
                    (classic.state.name(), CLASSIC, classic.protocol_type.clone())
                }
                Kind::Consumer(consumer) => {
                    (consumer.state(), CONSUMER, Some(PROTOCOL_TYPE.to_owned()))
                }
            };
            (takes(states, state) && takes(types, kind)).then(|| Listed {
                group: id.to_string(),
                protocol_type: protocol_type.unwrap_or_default(),
                state,
                kind,
            })
        });
        Answer::Listed(listed.collect())
    }

    pub(super) fn describe(&self, id: &str) -> Answer {
        let described = match self.table.get(id).map(|group| &group.kind) {
            Some(Kind::Classic(classic)) => classic.describe(),
            other => {
                let message = match other {
                    None => format!("Group {id} not found."),
                    Some(_) => format!("Group {id} is not a classic group."),
                };
                Described {
                    error: ErrorCode::GROUP_ID_NOT_FOUND,
                    message: Some(message),
                    state: DEAD,
                    ..Described::default()
                }
            }
        };
        Answer::Described(Box::new(described))
    }
}
