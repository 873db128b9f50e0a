//! ApiVersions: what we speak. From version 5 a client says whom it expects (KIP-1242).

use super::reply::Reply;
use super::spare::spare_vec;
use super::{Cx, SERVED};
use crate::model::error_code::ErrorCode;
use crate::wire::frame;
use crate::wire::messages::Refuse;
use crate::wire::messages::api_versions::{
    ApiVersion, ApiVersions, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey,
    SupportedFeatureKey,
};
use crate::wire::primitives::Writer;

/// Feature levels: name, lowest, highest, in force (Kafka 4: `kafka-features.sh`).
/// metadata.version 30 is 4.3-IV0. transaction.version 2 is KIP-890: producers that know it have an
/// epoch for each transaction, and add no partitions before they write to them. group.version 1 is
/// KIP-848, groups whose partitions the broker shares.
const FEATURES: [(&str, i16, i16, i16); 3] =
    [("group.version", 0, 1, 1), ("metadata.version", 7, 30, 30), ("transaction.version", 0, 2, 2)];

/// Clients know features that begin at level 0.
const LEVEL_ZERO: i16 = 4;

pub async fn handle(cx: &Cx<'_>, request: ApiVersionsRequest<'_>) -> Reply {
    if cx.version() >= 3
        && !is_software(request.client_software_name, request.client_software_version)
    {
        return refuse(cx);
    }
    let image = cx.shard().image();
    if request.cluster_id.is_some() != (request.node_id >= 0) {
        // Both are given or neither is.
        return refuse(cx);
    }
    let elsewhere = request.cluster_id.is_some_and(|expected| {
        expected != image.cluster_id().to_string() || request.node_id != cx.broker_id().0
    });
    let mut response = ApiVersionsResponse {
        api_keys: api_keys(),
        finalized_features_epoch: image.applied() as i64,
        ..Default::default()
    };
    if elsewhere {
        response.error_code = ErrorCode::REBOOTSTRAP_REQUIRED;
    }
    for (name, min_version, max_version, level) in FEATURES {
        // Clients of version 3 cannot read a lowest level of 0, and are not told of it.
        if min_version > 0 || cx.version() >= LEVEL_ZERO {
            response.supported_features.push(SupportedFeatureKey {
                name,
                min_version,
                max_version,
            });
        }
        response.finalized_features.push(FinalizedFeatureKey {
            name,
            max_version_level: level,
            min_version_level: level,
        });
    }
    cx.reply::<ApiVersions>(&response)
}

fn refuse(cx: &Cx<'_>) -> Reply {
    let error_code = ErrorCode::INVALID_REQUEST;
    cx.reply::<ApiVersions>(&ApiVersionsResponse { error_code, ..Default::default() })
}

/// A version that we do not know is answered in the oldest form, with the versions of this very
/// API (KIP-511).
pub fn unsupported(cx: &Cx<'_>) -> Reply {
    let request = ApiVersionsRequest::default();
    let response = ApiVersions::refusal(&request, 0, ErrorCode::UNSUPPORTED_VERSION);
    let mut bytes = spare_vec();
    let mut writer = Writer::new(&mut bytes);
    frame::write_response::<ApiVersions>(&mut writer, 0, cx.kind.correlation_id, &response);
    Reply::Frame(bytes)
}

fn api_keys() -> Vec<ApiVersion> {
    let line = |served: &super::Served| ApiVersion {
        api_key: served.key,
        min_version: served.min,
        max_version: served.max,
    };
    SERVED.iter().map(line).collect()
}

/// Kafka's pattern: letters and digits, within which '-' and '.' may stand.
fn is_software(name: &str, version: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    [name, version].into_iter().all(|text| {
        let bytes = text.as_bytes();
        outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(|&byte| inner(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::is_software;

    #[test]
    fn software_names_follow_kafkas_pattern() {
        assert!(is_software("apache-kafka-java", "4.1.0"));
        assert!(!is_software("", "1"));
        assert!(!is_software("a b", "1"));
        assert!(!is_software("-a", "1"));
    }
}
