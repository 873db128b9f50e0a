//! ApiVersions: what we speak. The first thing a client asks, so an answer must be readable by one
//! that knows none of our versions: its header is never flexible, and an unknown version is answered
//! in version 0 with UNSUPPORTED_VERSION (KIP-511). Version 5 says whom the client expects (KIP-1242).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::message::Api;
use crate::wire::messages::Refuse;

message! {
    api ApiVersions = 18, versions 0-5, flexible 3+;

    request ApiVersionsRequest<'a> {
        client_software_name: &'a str, 3+;
        client_software_version: &'a str, 3+;
        cluster_id: Option<&'a str>, 5+, null 5+;
        node_id: i32, 5+, default -1;
    }

    response ApiVersionsResponse<'a> {
        error_code: ErrorCode, 0+;
        api_keys: Vec<ApiVersion>, 0+;
        throttle_time_ms: i32, 1+;
        supported_features: Vec<SupportedFeatureKey<'a>>, 3+, tag 0;
        finalized_features_epoch: i64, 3+, tag 1, default -1;
        finalized_features: Vec<FinalizedFeatureKey<'a>>, 3+, tag 2;
        zk_migration_ready: bool, 3+, tag 3;
    }

    struct ApiVersion {
        api_key: i16, 0+;
        min_version: i16, 0+;
        max_version: i16, 0+;
    }

    struct SupportedFeatureKey<'a> {
        name: &'a str, 3+;
        min_version: i16, 3+;
        max_version: i16, 3+;
    }

    struct FinalizedFeatureKey<'a> {
        name: &'a str, 3+;
        max_version_level: i16, 3+;
        min_version_level: i16, 3+;
    }
}

impl<'a> Refuse<'a> for ApiVersions {
    /// With UNSUPPORTED_VERSION the answer names the versions of this very API, so that the client
    /// can ask again (KIP-511).
    fn refusal(
        _request: &ApiVersionsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ApiVersionsResponse<'a> {
        let own = ApiVersion {
            api_key: ApiVersions::KEY,
            min_version: ApiVersions::MIN,
            max_version: ApiVersions::MAX,
        };
        let api_keys = if error == ErrorCode::UNSUPPORTED_VERSION { vec![own] } else { Vec::new() };
        ApiVersionsResponse { error_code: error, api_keys, ..Default::default() }
    }
}
