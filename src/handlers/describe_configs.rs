//! DescribeConfigs: every setting of a topic or a broker, where it comes from, and what would hold
//! without it.

use super::Cx;
use super::reply::Reply;
use crate::cluster::Lane;
use crate::cluster::controller::{Refusal, Resource};
use crate::config::describe::Described;
use crate::config::{Overrides, Source};
use crate::model::error_code::ErrorCode;
use crate::model::ids::BrokerId;
use crate::model::topic_name;
use crate::wire::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
    DescribeConfigsSynonym,
};

/// Kafka's resource types (ConfigResource.Type).
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
pub const GROUP: i8 = 32;

pub async fn handle(cx: &Cx<'_>, request: DescribeConfigsRequest<'_>) -> Reply {
    let described: Vec<_> =
        request.resources.iter().map(|resource| describe(cx, resource)).collect();
    let results = request.resources.iter().zip(&described).map(|(one, described)| {
        let mut result = DescribeConfigsResult {
            resource_type: one.resource_type,
            resource_name: one.resource_name,
            ..Default::default()
        };
        match described {
            Ok(described) => {
                result.configs =
                    described.iter().map(|described| line(described, &request)).collect();
            }
            Err(refusal) => {
                result.error_code = refusal.code;
                result.error_message = Some(&refusal.message);
            }
        }
        result
    });
    let response = DescribeConfigsResponse { results: results.collect(), ..Default::default() };
    cx.reply::<DescribeConfigs>(&response)
}

/// Whose settings a request names.
pub fn resource(kind: i8, name: &str) -> Result<Resource, Refusal> {
    let invalid = |message: String| Refusal::new(ErrorCode::INVALID_REQUEST, message);
    match kind {
        TOPIC => Ok(Resource::Topic(name.to_owned())),
        BROKER if name.is_empty() => Ok(Resource::AllBrokers),
        BROKER => match name.parse() {
            Ok(id) => Ok(Resource::Broker(BrokerId(id))),
            Err(_) => Err(invalid(format!("a broker's name is its number, not {name:?}"))),
        },
        GROUP => Ok(Resource::Group(name.to_owned())),
        _ => Err(invalid(format!("resources of type {kind} have no settings here"))),
    }
}

fn describe(cx: &Cx<'_>, request: &DescribeConfigsResource<'_>) -> Result<Vec<Described>, Refusal> {
    if request.resource_type == BROKER_LOGGER {
        return Ok(Vec::new());
    }
    let image = cx.shard().image();
    let settings = cx.shard().settings();
    let mut described = match resource(request.resource_type, request.resource_name)? {
        Resource::Topic(name) => match image.topic(&name) {
            Some(topic) => settings.describe_topic(&topic.configs),
            None if topic_name::validate(&name).is_err() => {
                let message = format!("{name:?} is not a topic name");
                return Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
            }
            None => {
                let message = format!("there is no topic {name}");
                return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
            }
        },
        Resource::AllBrokers => settings.describe_cluster(),
        Resource::Group(name) if name.is_empty() => {
            let message = "Group name must not be empty";
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        // As in Kafka, one that is not there has the settings that it would have.
        Resource::Group(name) => {
            settings.describe_group(image.group_configs(&name).unwrap_or(&Overrides::new()))
        }
        Resource::Broker(id) => match image.broker(id) {
            Some((node, lane)) if node.id == cx.shard().node() => {
                let mut described = settings.describe_broker();
                described.extend(listeners(lane));
                described
            }
            _ => {
                let message = format!("there is no broker {id} here");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        },
    };
    // No keys are all keys, however they are not given.
    if let Some(keys) = request.configuration_keys.as_ref().filter(|keys| !keys.is_empty()) {
        described.retain(|one| keys.contains(&one.name));
    }
    Ok(described)
}

/// A lane's addresses under Kafka's names: tools look for them. Set by `ringmain.listen` and
/// `ringmain.advertised.host`, never by themselves.
fn listeners(lane: &Lane) -> impl Iterator<Item = Described> {
    const STRING: i8 = 2;
    let value = format!("PLAINTEXT://{}:{}", lane.host, lane.port);
    ["advertised.listeners", "listeners"].into_iter().map(move |name| Described {
        name,
        value: Some(value.clone()),
        source: Source::StaticBroker,
        type_code: STRING,
        read_only: true,
        synonyms: Vec::new(),
        documentation: "Where clients reach this lane; from ringmain.listen and \
                        ringmain.advertised.host.",
    })
}

fn line<'a>(
    described: &'a Described,
    request: &DescribeConfigsRequest<'_>,
) -> DescribeConfigsResourceResult<'a> {
    let synonyms = described.synonyms.iter().filter(|_| request.include_synonyms);
    DescribeConfigsResourceResult {
        name: described.name,
        value: described.value.as_deref(),
        read_only: described.read_only,
        config_source: described.source as i8,
        is_sensitive: false,
        synonyms: synonyms
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name,
                value: Some(&synonym.value),
                source: synonym.source as i8,
            })
            .collect(),
        config_type: described.type_code,
        documentation: request.include_documentation.then_some(described.documentation),
    }
}
