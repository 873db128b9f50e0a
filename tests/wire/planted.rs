//! Requests that are written down wrongly, each in one way: the comparison must notice.

use kafka_protocol::messages as oracle;
use ringmain::base::prng::Prng;

use crate::against_oracle::{check, check_nulls};
use crate::subject::{Subject, request};
use crate::tree::Style;

/// One module per request: OffsetForLeaderEpoch's, as the arguments have it.
macro_rules! plant {
    ($($name:ident $flexible:literal { $($request:tt)* } { $($partition:tt)* })*) => {$(
        mod $name {
            use ringmain::message;

            message! {
                api Planted = 23, versions 2-4, flexible $flexible+;
                request Request<'a> { $($request)* }
                response Response { throttle_time_ms: i32, 2+; }
                struct Topic<'a> {
                    topic: &'a str, 0+;
                    partitions: Vec<Partition>, 0+;
                }
                struct Partition { $($partition)* }
            }
        }
    )*};
}

plant! {
    right 4 {
        replica_id: i32, 3+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }

    fields_exchanged 4 {
        replica_id: i32, 3+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        leader_epoch: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
    }

    begins_too_late 4 {
        replica_id: i32, 4+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }

    ends_too_early 4 {
        replica_id: i32, 3+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2-3, default -1;
        leader_epoch: i32, 0+;
    }

    flexible_too_early 3 {
        replica_id: i32, 3+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }

    too_narrow 4 {
        replica_id: i32, 3+, default -2;
        topics: Vec<Topic<'a>>, 0+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i16, 0+;
    }

    null_where_none_is 4 {
        replica_id: i32, 3+, default -2;
        topics: Option<Vec<Topic<'a>>>, 0+, null 4+;
    } {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }
}

/// ApiVersions' answer, for what tagged fields can have wrong.
macro_rules! plant_tags {
    ($($name:ident { $($tagged:tt)* })*) => {$(
        mod $name {
            use ringmain::message;
            use ringmain::model::ErrorCode;
            use ringmain::wire::messages::api_versions::{
                ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
            };

            message! {
                api Planted = 18, versions 0-4, flexible 3+;
                request Request<'a> {
                    error_code: ErrorCode, 0+;
                    api_keys: Vec<ApiVersion>, 0+;
                    throttle_time_ms: i32, 1+;
                    supported_features: Vec<SupportedFeatureKey<'a>>, 3+, tag 0;
                    $($tagged)*
                }
                response Response { throttle_time_ms: i32, 2+; }
            }
        }
    )*};
}

plant_tags! {
    right_tags {
        finalized_features_epoch: i64, 3+, tag 1, default -1;
        finalized_features: Vec<FinalizedFeatureKey<'a>>, 3+, tag 2;
        zk_migration_ready: bool, 3+, tag 3;
    }

    tags_exchanged {
        finalized_features: Vec<FinalizedFeatureKey<'a>>, 3+, tag 1;
        finalized_features_epoch: i64, 3+, tag 2, default -1;
        zk_migration_ready: bool, 3+, tag 3;
    }

    wrong_default {
        finalized_features_epoch: i64, 3+, tag 1;
        finalized_features: Vec<FinalizedFeatureKey<'a>>, 3+, tag 2;
        zk_migration_ready: bool, 3+, tag 3;
    }

    wrong_tag {
        finalized_features_epoch: i64, 3+, tag 1, default -1;
        finalized_features: Vec<FinalizedFeatureKey<'a>>, 3+, tag 2;
        zk_migration_ready: bool, 3+, tag 4;
    }
}

/// InitProducerId's request, its id never null.
mod null_missing {
    use ringmain::message;

    message! {
        api Planted = 22, versions 0-5, flexible 2+;
        request Request<'a> {
            transactional_id: &'a str, 0+;
            transaction_timeout_ms: i32, 0+;
            producer_id: i64, 3+, default -1;
            producer_epoch: i16, 3+, default -1;
        }
        response Response { throttle_time_ms: i32, 2+; }
    }
}

/// The first thing that the comparison finds, in any version.
fn find(subject: &Subject) -> Option<String> {
    let mut prng = Prng::new(1);
    for version in subject.common_versions() {
        for _ in 0..30 {
            let seed = prng.next_u64();
            let found = check(subject, version, seed, Style::Random)
                .and_then(|()| check_nulls(subject, version, seed));
            if let Err(error) = found {
                return Some(error);
            }
        }
    }
    None
}

#[test]
fn every_planted_fault_is_found() {
    macro_rules! subjects {
        ($oracle:ident: $($name:ident)*) => {
            [$((stringify!($name), request::<$name::Planted, oracle::$oracle>())),*]
        };
    }
    for (name, subject) in subjects!(OffsetForLeaderEpochRequest: right)
        .into_iter()
        .chain(subjects!(ApiVersionsResponse: right_tags))
    {
        assert_eq!(find(&subject), None, "{name}");
    }
    let wrong = subjects!(OffsetForLeaderEpochRequest:
        fields_exchanged begins_too_late ends_too_early flexible_too_early too_narrow
        null_where_none_is);
    let wrong = wrong
        .into_iter()
        .chain(subjects!(ApiVersionsResponse: tags_exchanged wrong_default wrong_tag))
        .chain(subjects!(InitProducerIdRequest: null_missing));
    for (name, subject) in wrong {
        let found = find(&subject).unwrap_or_else(|| panic!("{name} was not noticed"));
        println!("{name}: {}", found.chars().take(100).collect::<String>());
    }
}
