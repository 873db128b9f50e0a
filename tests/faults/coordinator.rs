//! The way to whoever coordinates a group or a transactional id, and what a group has committed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestTopic,
};

use crate::client::Client;

pub const GROUP: i8 = 0;
pub const TRANSACTION: i8 = 1;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// A connection to the coordinator; asks until there is one.
pub fn find(bootstrap: SocketAddr, key_type: i8, key: &str) -> io::Result<Client> {
    let began = Instant::now();
    loop {
        let mut client = Client::connect(bootstrap)?;
        let request =
            FindCoordinatorRequest { key_type, coordinator_keys: vec![key], ..Default::default() };
        let answer = client.call::<FindCoordinator>(4, &request)?;
        let body = answer.body();
        let found = &body.coordinators[0];
        if found.error_code == ErrorCode::NONE {
            let host = found.host.parse().map_err(io::Error::other)?;
            return Client::connect(SocketAddr::new(host, found.port as u16));
        }
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(found.error_code.to_string()));
        }
        thread::sleep(PAUSE);
    }
}

/// What the group has committed for these partitions, once no transaction may change it any more;
/// -1 where there is nothing.
pub fn committed(
    coordinator: &mut Client,
    group: &str,
    topic: &str,
    partitions: &[i32],
) -> io::Result<BTreeMap<i32, i64>> {
    let began = Instant::now();
    loop {
        let asked = OffsetFetchRequestTopic { name: topic, partition_indexes: partitions.to_vec() };
        let request = OffsetFetchRequest {
            group_id: group,
            topics: Some(vec![asked]),
            require_stable: true,
            ..Default::default()
        };
        let answer = coordinator.call::<OffsetFetch>(7, &request)?;
        let body = answer.body();
        let found = body.topics.first().map_or(&[][..], |topic| &topic.partitions[..]);
        let codes = found.iter().map(|one| one.error_code);
        let wrong = [body.error_code].into_iter().chain(codes).find(|code| !code.is_none());
        let Some(code) = wrong else {
            return Ok(found
                .iter()
                .map(|one| (one.partition_index, one.committed_offset))
                .collect());
        };
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(code.to_string()));
        }
        thread::sleep(PAUSE);
    }
}
