//! What a broker serves: the answer to ApiVersions, kept by connection.

use std::collections::BTreeMap;

use crate::wire::message::Api;
use crate::wire::messages::api_versions::ApiVersionsResponse;

#[derive(Clone, Debug, Default)]
pub struct Versions(BTreeMap<i16, (i16, i16)>);

impl Versions {
    pub(super) fn of(response: &ApiVersionsResponse<'_>) -> Versions {
        let line = |api: &crate::wire::messages::api_versions::ApiVersion| {
            (api.api_key, (api.min_version, api.max_version))
        };
        Versions(response.api_keys.iter().map(line).collect())
    }

    /// The broker's lowest and highest version of an API.
    pub fn range(&self, key: i16) -> Option<(i16, i16)> {
        self.0.get(&key).copied()
    }

    /// The highest version that both sides speak and that is not above `most`.
    pub fn common<A: Api>(&self, most: i16) -> Option<i16> {
        let (min, max) = self.range(A::KEY)?;
        let version = max.min(A::MAX).min(most);
        (version >= min.max(A::MIN)).then_some(version)
    }
}
