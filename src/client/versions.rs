//! What a broker serves: the answer to ApiVersions, kept by connection.

use std::collections::BTreeMap;

use crate::wire::message::Api;
use crate::wire::messages::api_versions::ApiVersionsResponse;

/// The feature that says which protocol transactions follow (KIP-890).
const TRANSACTION_VERSION: &str = "transaction.version";

#[derive(Clone, Debug, Default)]
pub struct Versions {
    ranges: BTreeMap<i16, (i16, i16)>,
    transaction_version: i16,
}

impl Versions {
    pub(super) fn of(response: &ApiVersionsResponse<'_>) -> Versions {
        let line = |api: &crate::wire::messages::api_versions::ApiVersion| {
            (api.api_key, (api.min_version, api.max_version))
        };
        let mut features = response.finalized_features.iter();
        let transactions = features.find(|feature| feature.name == TRANSACTION_VERSION);
        Versions {
            ranges: response.api_keys.iter().map(line).collect(),
            transaction_version: transactions.map_or(0, |feature| feature.max_version_level),
        }
    }

    /// The level of the feature `transaction.version` that is in force; 0 where there is none.
    pub fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// The broker's lowest and highest version of an API.
    pub fn range(&self, key: i16) -> Option<(i16, i16)> {
        self.ranges.get(&key).copied()
    }

    /// The highest version that both sides speak and that is not above `most`.
    pub fn common<A: Api>(&self, most: i16) -> Option<i16> {
        let (min, max) = self.range(A::KEY)?;
        let version = max.min(A::MAX).min(most);
        (version >= min.max(A::MIN)).then_some(version)
    }
}
