//! Every record that a real Kafka 4.4 wrote into its internal topics while groups of both protocols
//! and transactions came and went (`scripts/internal-topics`).

use std::collections::BTreeSet;

use ringmain::wire::consumer_protocol::Subscription;
use ringmain::wire::internal::consumer_group_member_metadata::ConsumerGroupMemberMetadataValue;
use ringmain::wire::internal::offset_commit::OffsetCommitValue;
use ringmain::wire::internal::transaction_log::{TransactionLogKey, TransactionLogValue};
use ringmain::wire::internal::{GroupRecord, Key};
use ringmain::wire::versioned::{Fault, Versioned, version_of};

struct Written {
    topic: String,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn written() -> Vec<Written> {
    let lines = include_str!("../fixtures/kafka-4.4/internal-topics.tsv").lines();
    let record = |line: &str| {
        let [topic, key, value] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("no record: {line}");
        };
        let value = (value != "-").then(|| bytes(value));
        Written { topic: topic.into(), key: bytes(key), value }
    };
    lines.map(record).collect()
}

/// Reads key and value, and writes them again.
fn through(topic: &str, key: &[u8], value: Option<&[u8]>) -> Result<Written, Fault> {
    let (mut key_out, mut value_out) = (Vec::new(), Vec::new());
    let version = value.map_or(0, |value| version_of(value).unwrap_or(-1));
    let live = if topic == "__transaction_state" {
        TransactionLogKey::decode(key)?.encode_key(&mut key_out);
        let value = value.map(TransactionLogValue::decode).transpose()?;
        value.inspect(|value| value.encode(version, &mut value_out)).is_some()
    } else {
        let record = GroupRecord::decode(key, value)?;
        record.encode_key(&mut key_out);
        record.encode_value(version, &mut value_out)
    };
    Ok(Written { topic: topic.into(), key: key_out, value: live.then_some(value_out) })
}

#[test]
fn what_kafka_wrote_is_read_and_written_the_same() {
    let mut kinds = BTreeSet::new();
    for Written { topic, key, value } in written() {
        let again = through(&topic, &key, value.as_deref())
            .unwrap_or_else(|fault| panic!("{topic} {key:x?} {value:x?}: {fault}"));
        assert_eq!(again.key, key);
        assert_eq!(again.value, value, "{topic} {key:x?}");
        let version = value.map(|value| version_of(&value).expect("a version"));
        kinds.insert((topic == "__transaction_state", version_of(&key).expect("a type"), version));
    }
    // Every type of record, and the tombstones of those that Kafka deletes.
    let groups = [
        (1, None),
        (1, Some(4)),
        (2, None),
        (2, Some(3)),
        (3, None),
        (3, Some(0)),
        (4, None),
        (5, None),
        (5, Some(0)),
        (6, None),
        (6, Some(0)),
        (7, None),
        (7, Some(0)),
        (8, None),
        (8, Some(0)),
        (16, None),
        (16, Some(0)),
    ];
    let groups = groups.map(|(key_type, version)| (false, key_type, version));
    assert!(kinds.iter().copied().eq(groups.into_iter().chain([(true, 0, Some(1))])), "{kinds:?}");
}

#[test]
fn cut_off_records_are_errors() {
    for Written { topic, key, value } in written() {
        for len in 0..key.len() {
            assert!(through(&topic, &key[..len], value.as_deref()).is_err());
        }
        let value = value.unwrap_or_default();
        for len in 0..value.len() {
            assert!(through(&topic, &key, Some(&value[..len])).is_err());
        }
        for padded in [[&key[..], &[0]].concat(), [&key[..], &[1, 2, 3]].concat()] {
            assert!(through(&topic, &padded, None).is_err(), "bytes behind the key");
        }
    }
}

#[test]
fn members_say_what_they_subscribe_to_in_either_protocol() {
    let (mut classic, mut modern, mut subscriptions) = (0, 0, 0);
    let written = written();
    for Written { key, value, .. } in &written {
        match GroupRecord::decode(key, value.as_deref()) {
            Ok(GroupRecord::Member(_, Some(member))) => match &member.classic_member_metadata {
                Some(metadata) => {
                    classic += 1;
                    for protocol in &metadata.supported_protocols {
                        let subscription = Subscription::decode(protocol.metadata).expect("good");
                        assert_eq!(subscription.topics, member.subscribed_topic_names);
                        assert_eq!(
                            subscription.rack_id,
                            member.rack_id.filter(|rack| !rack.is_empty())
                        );
                    }
                }
                None => modern += 1,
            },
            Ok(GroupRecord::Group(key, Some(group))) => {
                for member in &group.members {
                    let subscription = Subscription::decode(member.subscription).expect("good");
                    assert_eq!(subscription.topics[0], "events", "{}", key.group);
                    subscriptions += 1;
                }
            }
            _ => {}
        }
    }
    assert!(classic > 0 && modern > 0 && subscriptions > 0);
}

#[test]
fn an_absent_and_an_empty_classic_member_differ() {
    let absent =
        ConsumerGroupMemberMetadataValue { classic_member_metadata: None, ..Default::default() };
    let mut bytes = Vec::new();
    absent.encode(0, &mut bytes);
    assert!(bytes.ends_with(&[1, 0, 1, 0]), "null within a tag is a zero: {bytes:x?}");
    assert_eq!(ConsumerGroupMemberMetadataValue::decode(&bytes), Ok(absent));
}

#[test]
fn what_is_not_known_is_named() {
    let fault = GroupRecord::decode(&[0, 11, 0, 1, b'g'], None).expect_err("a share group");
    assert_eq!(fault, Fault::KeyType(11));
    let key = [0, 3, 0, 1, b'g'];
    let fault = GroupRecord::decode(&key, Some(&[0, 1, 0, 0, 0, 1, 0])).expect_err("a version");
    assert_eq!(fault.to_string(), "ConsumerGroupMetadataValue version 1 is not known");
    let fault = GroupRecord::decode(&key, Some(&[0, 0, 0, 0])).expect_err("cut off");
    assert_eq!(
        fault.to_string(),
        "ConsumerGroupMetadataValue: the message ends too early (at byte 2)",
    );
    let fault = TransactionLogKey::decode(&[0, 1, 0, 0]).expect_err("another type");
    assert_eq!(fault, Fault::Version { name: "TransactionLogKey", version: 1 });
}

#[test]
fn a_later_subscription_is_read_as_the_latest_known() {
    let known = Subscription { topics: vec!["events"], rack_id: Some("r"), ..Default::default() };
    let mut bytes = Vec::new();
    known.encode(3, &mut bytes);
    bytes[1] = 4;
    bytes.extend(b"what version 4 adds");
    assert_eq!(Subscription::decode_newer(&bytes), Ok(known));
    assert!(Subscription::decode(&bytes).is_err());
    assert!(Subscription::decode_newer(&[0xff, 0xff, 0, 0, 0, 0]).is_err());
}

/// Values of real records that go through a struct unchanged, and those that do not.
fn tally<'a, T: Versioned<'a>>(written: &'a [Written], key_type: i16) -> (usize, usize) {
    let of_type = |record: &&Written| {
        record.topic == "__consumer_offsets" && version_of(&record.key) == Ok(key_type)
    };
    let (mut same, mut other) = (0, 0);
    for value in written.iter().filter(of_type).filter_map(|record| record.value.as_deref()) {
        let mut again = Vec::new();
        if let Ok(read) = T::decode(value) {
            read.encode(version_of(value).expect("a version"), &mut again);
        }
        *if again == value { &mut same } else { &mut other } += 1;
    }
    (same, other)
}

/// Records that are written down wrongly, each in one way.
mod planted {
    use ringmain::model::ids::TopicId;
    use ringmain::versioned;

    versioned! {
        data TypeTooNarrow<'a>, versions 0-4, flexible 4+ {
            offset: i64, 0+;
            leader_epoch: i16, 3+;
            metadata: &'a str, 0+;
            commit_timestamp: i64, 0+;
            topic_id: TopicId, 4+, tag 0;
        }
    }
    versioned! {
        data FlexibleTooLate<'a>, versions 0-4 {
            offset: i64, 0+;
            leader_epoch: i32, 3+;
            metadata: &'a str, 0+;
            commit_timestamp: i64, 0+;
        }
    }
    versioned! {
        data TagUnknown<'a>, versions 0-4, flexible 4+ {
            offset: i64, 0+;
            leader_epoch: i32, 3+;
            metadata: &'a str, 0+;
            commit_timestamp: i64, 0+;
            topic_id: TopicId, 4+, tag 1;
        }
    }
    versioned! {
        data NotInVersion4<'a>, versions 0-3 { metadata: &'a str, 0+; }
    }
}

#[test]
fn every_planted_fault_is_found() {
    let written = written();
    let (same, other) = tally::<OffsetCommitValue<'_>>(&written, 1);
    assert!(same > 0 && other == 0);
    assert_eq!(tally::<planted::TypeTooNarrow<'_>>(&written, 1), (0, same));
    assert_eq!(tally::<planted::FlexibleTooLate<'_>>(&written, 1), (0, same));
    assert_eq!(tally::<planted::TagUnknown<'_>>(&written, 1), (0, same));
    assert_eq!(tally::<planted::NotInVersion4<'_>>(&written, 1), (0, same));
}
