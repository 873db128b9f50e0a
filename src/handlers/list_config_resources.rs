//! ListConfigResources: what has settings (KIP-1142): topics, brokers, and the groups that have any.

use super::Cx;
use super::describe_configs::{BROKER, GROUP, TOPIC};
use super::reply::Reply;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::list_config_resources::{
    ConfigResource, ListConfigResources, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

/// Resources of clients' metrics, of which this broker has none.
const CLIENT_METRICS: i8 = 16;
const BROKER_LOGGER: i8 = 8;

pub async fn handle(cx: &Cx<'_>, request: ListConfigResourcesRequest) -> Reply {
    let image = cx.shard().image();
    let every = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let types: &[i8] = match cx.version() {
        // Version 0 is the old ListClientMetricsResources.
        0 => &[CLIENT_METRICS],
        _ if request.resource_types.is_empty() => &every,
        _ => &request.resource_types,
    };
    let mut response = ListConfigResourcesResponse::default();
    let brokers: Vec<String> = image.brokers().map(|(_, lane)| lane.broker.to_string()).collect();
    for &resource_type in types {
        let resource = |resource_name| ConfigResource { resource_name, resource_type };
        match resource_type {
            TOPIC => response.config_resources.extend(image.topics().map(|t| resource(&t.name))),
            BROKER | BROKER_LOGGER => {
                response.config_resources.extend(brokers.iter().map(|name| resource(name)));
            }
            GROUP => response.config_resources.extend(image.groups_with_configs().map(resource)),
            CLIENT_METRICS => {}
            _ => {
                let refused = ListConfigResourcesResponse {
                    error_code: ErrorCode::UNSUPPORTED_VERSION,
                    ..Default::default()
                };
                return cx.reply::<ListConfigResources>(&refused);
            }
        }
    }
    cx.reply::<ListConfigResources>(&response)
}
