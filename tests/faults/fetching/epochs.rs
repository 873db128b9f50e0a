//! Leader epochs: readers that believe in an old leader or in one that is still to come are told so,
//! and learn where an epoch ended.

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition};
use ringmain::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ringmain::wire::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};

use super::VERSION;
use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::{LATEST, Topic, from};

/// A partition whose leader has changed: epoch 0 wrote offsets 0 to 2, epoch 1 offsets 3 to 4.
struct Moved {
    _broker: Broker,
    client: Client,
    topic: Topic,
    partition: i32,
}

impl Moved {
    /// Two cores, then one: what was on the second moves.
    fn new(name: &str) -> Moved {
        let setup = Setup::new(name);
        let broker = setup.start();
        let lane = broker.cores[1].broker;
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::create(&mut client, "moved", 2, &[]);
        let on_second = |place: &crate::topics::Place| place.broker == lane;
        let partition = topic.partitions.iter().position(on_second).expect("one on each") as i32;
        topic.put(&mut client, partition, &[1, 2, 3]);
        broker.stop();
        let broker = setup.cores(1).start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::describe(&mut client, "moved");
        assert_eq!(topic.partitions[partition as usize].epoch, 1);
        topic.put(&mut client, partition, &[4, 5]);
        Moved { _broker: broker, client, topic, partition }
    }

    fn end_of(&mut self, current: i32, epoch: i32) -> (ErrorCode, i32, i64) {
        let partition = OffsetForLeaderPartition {
            partition: self.partition,
            current_leader_epoch: current,
            leader_epoch: epoch,
        };
        let topic = OffsetForLeaderTopic { topic: &self.topic.name, partitions: vec![partition] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let answer = self.client.call::<OffsetForLeaderEpoch>(4, &request).expect("an answer");
        let end = answer.body().topics[0].partitions[0].clone();
        (end.error_code, end.leader_epoch, end.end_offset)
    }
}

const FENCED: ErrorCode = ErrorCode::FENCED_LEADER_EPOCH;
const AHEAD: ErrorCode = ErrorCode::UNKNOWN_LEADER_EPOCH;

/// What a reader that believes in this epoch is told.
const BELIEFS: [(i32, ErrorCode); 4] =
    [(-1, ErrorCode::NONE), (0, FENCED), (1, ErrorCode::NONE), (2, AHEAD)];

#[test]
fn readers_with_the_wrong_epoch_are_told() {
    let mut moved = Moved::new("beliefs");
    for (current_leader_epoch, expect) in BELIEFS {
        let wanted = FetchPartition { current_leader_epoch, ..from(moved.partition, 0) };
        let topic = moved.topic.clone();
        let request = topic.fetch_request(VERSION, wanted);
        let answer = moved.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let data = answer.body().responses[0].partitions[0].clone();
        assert_eq!(data.error_code, expect, "Fetch {current_leader_epoch}");
        assert_eq!(data.records.is_empty(), expect != ErrorCode::NONE);

        let partition = ListOffsetsPartition {
            partition_index: moved.partition,
            current_leader_epoch,
            timestamp: LATEST,
        };
        let asked = ListOffsetsTopic { name: &topic.name, partitions: vec![partition] };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
        let answer = moved.client.call::<ListOffsets>(7, &request).expect("an answer");
        let part = answer.body().topics[0].partitions[0].clone();
        assert_eq!(part.error_code, expect, "ListOffsets {current_leader_epoch}");
        if expect == ErrorCode::NONE {
            assert_eq!((part.offset, part.leader_epoch), (5, 1));
        }
        assert_eq!(moved.end_of(current_leader_epoch, 1).0, expect);
    }
}

#[test]
fn epochs_end_where_the_next_begins() {
    let mut moved = Moved::new("ends");
    assert_eq!(moved.end_of(1, 0), (ErrorCode::NONE, 0, 3));
    assert_eq!(moved.end_of(1, 1), (ErrorCode::NONE, 1, 5));
    // Nobody has led at that epoch yet.
    assert_eq!(moved.end_of(1, 2), (ErrorCode::NONE, -1, -1));
    assert_eq!(moved.end_of(-1, 7), (ErrorCode::NONE, -1, -1));
}

/// KIP-595: a reader whose last record lies behind the end of its epoch has read what is no more.
#[test]
fn a_reader_that_parted_from_the_log_is_told_where() {
    let mut moved = Moved::new("parted");
    let mut check = |offset: i64, last_fetched_epoch: i32, expect: Option<(i32, i64)>| {
        let wanted = FetchPartition { last_fetched_epoch, ..from(moved.partition, offset) };
        let topic = moved.topic.clone();
        let request = topic.fetch_request(VERSION, wanted);
        let answer = moved.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let data = answer.body().responses[0].partitions[0].clone();
        let diverging = (data.diverging_epoch.epoch, data.diverging_epoch.end_offset);
        assert_eq!(data.error_code, ErrorCode::NONE);
        assert_eq!(diverging, expect.unwrap_or((-1, -1)), "{offset} {last_fetched_epoch}");
        assert_eq!(data.records.is_empty(), expect.is_some());
    };
    check(3, 0, None);
    check(4, 1, None);
    check(2, 0, None);
    // Offsets 3 and 4 were never written at epoch 0.
    check(4, 0, Some((0, 3)));
    check(5, 0, Some((0, 3)));
    // Nobody can have read what an epoch to come has written.
    let wanted = FetchPartition { last_fetched_epoch: 2, ..from(moved.partition, 4) };
    let topic = moved.topic.clone();
    let request = topic.fetch_request(VERSION, wanted);
    let answer = moved.client.call::<Fetch>(VERSION, &request).expect("an answer");
    let data = answer.body().responses[0].partitions[0].clone();
    assert_eq!(data.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}
