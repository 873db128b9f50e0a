//! Who coordinates a group or a transactional id.

use std::rc::Rc;

use crate::client::{Cluster, Connection, Endpoint, Error, Result, Scope};
use crate::model::{BrokerId, ErrorCode};
use crate::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};

/// Several keys in one request, from here on.
const SEVERAL_COORDINATORS: i16 = 4;

/// What has a coordinator; Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinated {
    Group = 0,
    Transaction = 1,
}

/// The broker that coordinates a group.
pub async fn coordinator(cluster: &Cluster, group: &str) -> Result<(BrokerId, Rc<Connection>)> {
    let (id, _) = find_coordinator(cluster, group, Coordinated::Group).await?;
    Ok((id, cluster.broker(id).await?))
}

/// The broker that coordinates this, and where it listens. Its connection is the cluster's to give.
pub async fn find_coordinator(
    cluster: &Cluster,
    key: &str,
    kind: Coordinated,
) -> Result<(BrokerId, Endpoint)> {
    cluster.metadata(Scope::None).await?;
    let connection = cluster.any().await?;
    let version = connection.version::<FindCoordinator>()?;
    let request = FindCoordinatorRequest { key, key_type: kind as i8, coordinator_keys: vec![key] };
    let answer = connection.send::<FindCoordinator>(version, &request).answer().await?;
    let response = answer.decode()?;
    let (id, host, port, code, message) = match response.coordinators.first() {
        Some(found) if version >= SEVERAL_COORDINATORS => {
            (found.node_id, found.host, found.port, found.error_code, found.error_message)
        }
        _ => {
            let (code, message) = (response.error_code, response.error_message);
            (response.node_id, response.host, response.port, code, message)
        }
    };
    if code != ErrorCode::NONE {
        let what = match kind {
            Coordinated::Group => "group",
            Coordinated::Transaction => "transactional id",
        };
        return Err(Error::refused(format!("{what} {key}"), code, message));
    }
    let port = u16::try_from(port).map_err(|_| Error::Malformed {
        peer: connection.peer().to_string(),
        reason: format!("{port} is no port"),
    })?;
    Ok((BrokerId(id), Endpoint { host: host.to_owned(), port }))
}
