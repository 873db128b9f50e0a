//! ListTransactions: the transactional ids that this broker, which is one lane, coordinates (KIP-664);
//! by state, producer, how long they have lasted (KIP-994), or a pattern (KIP-1152).

use regex::Regex;

use super::Cx;
use super::reply::Reply;
use crate::cluster::lanes;
use crate::config::limits::{PATTERN_BYTES_MAX, PATTERN_PROGRAM_BYTES_MAX};
use crate::coordinator::txn::{Filter, Listed, State};
use crate::model::error_code::ErrorCode;
use crate::model::{CoreId, LaneId};
use crate::wire::messages::Refuse;
use crate::wire::messages::list_transactions::{
    ListTransactions, ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};

pub async fn handle(cx: &Cx<'_>, request: ListTransactionsRequest<'_>) -> Reply {
    let refuse = |error| {
        cx.reply::<ListTransactions>(&ListTransactions::refusal(&request, cx.version(), error))
    };
    let pattern = match request.transactional_id_pattern.filter(|pattern| !pattern.is_empty()) {
        None => None,
        Some(pattern) => match compile(pattern) {
            Some(pattern) => Some(pattern),
            None => return refuse(ErrorCode::INVALID_REGULAR_EXPRESSION),
        },
    };
    let known = request.state_filters.iter().filter_map(|name| State::of_name(name));
    let mut states: Vec<State> = known.collect();
    let of_name = |name: &&str| State::of_name(name).is_none();
    let unknown_state_filters = request.state_filters.iter().copied().filter(of_name).collect();
    if states.is_empty() && !request.state_filters.is_empty() {
        // No transaction is in a state that nobody knows.
        states.push(State::Dead);
    }
    let filter = Filter {
        states,
        producer_ids: request.producer_id_filters.clone(),
        longer_than_ms: request.duration_filter,
    };
    // Clients ask every broker and put the answers together: each lane tells of its own cores.
    let lane = LaneId(cx.client.lane as u16);
    let image = cx.shard().image();
    let lane_count = image.node(cx.shard().node()).map_or(1, |node| node.lanes.len());
    let is_ours = |core: usize| lanes::lane_of(CoreId(core as u16), lane_count) == lane;
    let listed: Vec<Listed> = match cx.shard().list_transactions(&filter, is_ours).await {
        Ok(listed) => listed,
        Err(code) => return refuse(code),
    };
    let fits = |it: &&Listed| pattern.as_ref().is_none_or(|p| p.is_match(&it.transactional_id));
    let transaction_states = listed.iter().filter(fits).map(|it| TransactionState {
        transactional_id: &it.transactional_id,
        producer_id: it.producer_id,
        transaction_state: it.state.name(),
    });
    let response = ListTransactionsResponse {
        unknown_state_filters,
        transaction_states: transaction_states.collect(),
        ..Default::default()
    };
    cx.reply::<ListTransactions>(&response)
}

/// Of the whole id, as Kafka takes it.
fn compile(pattern: &str) -> Option<Regex> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    let whole = format!("^(?:{pattern})$");
    regex::RegexBuilder::new(&whole).size_limit(PATTERN_PROGRAM_BYTES_MAX).build().ok()
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn a_pattern_stands_for_the_whole_id() {
        let check = |pattern: &str, id: &str, expect: bool| {
            let found = compile(pattern).is_some_and(|pattern| pattern.is_match(id));
            assert_eq!(found, expect, "{pattern} {id}");
        };
        check("a|b", "b", true);
        check("a|b", "ab", false);
        check("t-.*", "t-1", true);
        check("t-.*", "at-1", false);
        check("(", "(", false);
        check(&"(a{1000}){1000}".repeat(10), "a", false);
    }
}
