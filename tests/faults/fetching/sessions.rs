//! Fetch sessions (KIP-227): what was asked for is remembered, only news is told.

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest, ForgottenTopic};

use super::{Field, VERSION, parts};
use crate::broker::Setup;
use crate::client::{Answer, Client};
use crate::topics::from;

const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;

/// A client's side of a session.
struct Session<'a> {
    field: &'a mut Field,
    id: i32,
    epoch: i32,
}

impl<'a> Session<'a> {
    fn open(field: &'a mut Field, partitions: Vec<FetchPartition>) -> Session<'a> {
        let mut session = Session { field, id: 0, epoch: 0 };
        let answer = session.fetch(partitions, &[]);
        session.id = answer.body().session_id;
        assert_ne!(session.id, 0, "no session");
        session
    }

    /// The next fetch of the session: what changes in it, and which partitions leave it.
    fn fetch(&mut self, changed: Vec<FetchPartition>, forgotten: &[i32]) -> Answer<Fetch> {
        let topic = self.field.topic.clone();
        let mut request = request(self.id, self.epoch);
        if !changed.is_empty() {
            request.topics = vec![topic.fetch_topic(VERSION, changed)];
        }
        if !forgotten.is_empty() {
            request.forgotten_topics_data = vec![ForgottenTopic {
                topic: &topic.name,
                partitions: forgotten.to_vec(),
                ..Default::default()
            }];
        }
        self.epoch += 1;
        self.field.client.call::<Fetch>(VERSION, &request).expect("an answer")
    }

    /// Partitions that the next fetch tells of, and whether with records.
    fn news(&mut self, changed: Vec<FetchPartition>, forgotten: &[i32]) -> Vec<(i32, bool)> {
        let answer = self.fetch(changed, forgotten);
        assert_eq!(answer.body().session_id, self.id);
        parts(&answer).iter().map(|&(partition, _, bytes)| (partition, bytes > 0)).collect()
    }
}

fn request<'a>(session_id: i32, session_epoch: i32) -> FetchRequest<'a> {
    FetchRequest {
        session_id,
        session_epoch,
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 64 << 20,
        ..Default::default()
    }
}

/// The error that a request without any partition gets.
fn error(client: &mut Client, version: i16, id: i32, epoch: i32) -> ErrorCode {
    let answer = client.call::<Fetch>(version, &request(id, epoch)).expect("an answer");
    answer.body().error_code
}

#[test]
fn a_session_tells_only_news() {
    let mut field = Field::new("news", 4);
    let all = (0..4).map(|partition| from(partition, 0)).collect();
    let mut session = Session::open(&mut field, all);
    assert_eq!(session.news(vec![], &[]), []);
    session.field.put(2, &[1]);
    assert_eq!(session.news(vec![], &[]), [(2, true)]);
    // Not asked for from another offset: it comes again.
    assert_eq!(session.news(vec![], &[]), [(2, true)]);
    assert_eq!(session.news(vec![from(2, 1)], &[]), []);
    session.field.put(0, &[1]);
    session.field.put(2, &[2]);
    let mut both = session.news(vec![], &[]);
    both.sort_unstable();
    assert_eq!(both, [(0, true), (2, true)]);
    // What leaves the session is not told of.
    assert_eq!(session.news(vec![from(2, 2)], &[0]), []);
    session.field.put(0, &[2]);
    assert_eq!(session.news(vec![], &[]), []);
    // What joins it is.
    assert_eq!(session.news(vec![from(0, 1)], &[]), [(0, true)]);
}

/// Asked from its end a partition without news still tells of a high watermark that has moved.
#[test]
fn a_moved_high_watermark_is_news() {
    let mut field = Field::new("moved", 1);
    field.put(0, &[1]);
    let mut session = Session::open(&mut field, vec![from(0, 0)]);
    assert_eq!(session.news(vec![from(0, 1)], &[]), []);
    session.field.put(0, &[2]);
    let tiny = FetchPartition { partition_max_bytes: 0, ..from(0, 2) };
    assert_eq!(session.news(vec![tiny], &[]), [(0, false)]);
    assert_eq!(session.news(vec![], &[]), []);
}

#[test]
fn a_session_repeats_errors_until_they_are_gone() {
    let mut field = Field::new("repeated", 1);
    let mut session = Session::open(&mut field, vec![from(0, 0), from(5, 0)]);
    for _ in 0..3 {
        let answer = session.fetch(vec![], &[]);
        assert_eq!(parts(&answer), [(5, UNKNOWN, 0)]);
    }
    assert_eq!(session.news(vec![], &[5]), []);
}

/// The partition that was served goes to the end, so that none starves.
#[test]
fn partitions_of_a_session_take_turns() {
    let mut field = Field::new("turns", 3);
    for partition in 0..3 {
        for value in 0..20 {
            field.put(partition, &[value]);
        }
    }
    let small =
        |partition, offset| FetchPartition { partition_max_bytes: 1, ..from(partition, offset) };
    let mut request = request(0, 0);
    request.max_bytes = 1;
    let topic = field.topic.clone();
    request.topics = vec![topic.fetch_topic(VERSION, (0..3).map(|p| small(p, 0)).collect())];
    let mut served = [0i64; 3];
    for epoch in 0..18 {
        let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let with_records: Vec<i32> =
            parts(&answer).iter().filter(|part| part.2 > 0).map(|part| part.0).collect();
        assert_eq!(with_records.len(), 1, "one batch at a time");
        let partition = with_records[0] as usize;
        served[partition] += 1;
        request.session_id = answer.body().session_id;
        request.session_epoch = epoch + 1;
        let next = small(partition as i32, served[partition]);
        request.topics = vec![topic.fetch_topic(VERSION, vec![next])];
    }
    assert_eq!(served, [6, 6, 6]);
}

#[test]
fn wrong_ids_epochs_and_kinds_are_refused() {
    let mut field = Field::new("refused", 1);
    let not_found = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
    let wrong_epoch = ErrorCode::INVALID_FETCH_SESSION_EPOCH;
    assert_eq!(error(&mut field.client, VERSION, 4711, 1), not_found);
    assert_eq!(error(&mut field.client, VERSION, -1, 1), not_found);
    assert_eq!(error(&mut field.client, VERSION, 0, 1), not_found);
    let mut session = Session::open(&mut field, vec![from(0, 0)]);
    let id = session.id;
    let client = &mut session.field.client;
    for epoch in [2, 99, i32::MAX, -2, i32::MIN] {
        assert_eq!(error(client, VERSION, id, epoch), wrong_epoch, "{epoch}");
    }
    // By topic ids a session by names is not the same session.
    assert_eq!(error(client, 13, id, 1), ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
    // None of this has hurt it.
    assert_eq!(session.news(vec![], &[]), []);
    // Nor has somebody else's connection.
    let address = session.field.topic.partitions[0].address;
    let mut other = Client::connect(address).expect("a connection");
    assert_eq!(error(&mut other, VERSION, id, 2), ErrorCode::NONE);
    // Closed, it is gone.
    assert_eq!(error(&mut other, VERSION, id, -1), ErrorCode::NONE);
    assert_eq!(error(&mut other, VERSION, id, 3), not_found);
}

#[test]
fn sessions_have_a_bound() {
    let setup = Setup::new("bound").set("max.incremental.fetch.session.cache.slots", "3");
    let mut field = Field::with(setup, 1);
    let topic = field.topic.clone();
    let mut open = || {
        let mut request = request(0, 0);
        request.topics = vec![topic.fetch_topic(VERSION, vec![from(0, 0)])];
        let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
        assert_eq!(parts(&answer).len(), 1);
        answer.body().session_id
    };
    let ids: Vec<i32> = (0..5).map(|_| open()).collect();
    assert!(ids[..3].iter().all(|&id| id != 0), "{ids:?}");
    // Beyond it a fetch is answered all the same, only in full.
    assert_eq!(ids[3..], [0, 0]);
    // A session that is closed makes room.
    assert_eq!(error(&mut field.client.clone(), VERSION, ids[0], -1), ErrorCode::NONE);
    let mut request = request(0, 0);
    request.topics = vec![topic.fetch_topic(VERSION, vec![from(0, 0)])];
    let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
    assert_ne!(answer.body().session_id, 0);
}

#[test]
fn sessions_by_topic_id_work_alike() {
    let mut field = Field::new("by-id", 2);
    let topic = field.topic.clone();
    let mut request = request(0, 0);
    request.topics = vec![topic.fetch_topic(17, vec![from(0, 0), from(1, 0)])];
    let answer = field.client.call::<Fetch>(17, &request).expect("an answer");
    assert_eq!(parts(&answer).len(), 2);
    request.session_id = answer.body().session_id;
    request.session_epoch = 1;
    request.topics = Vec::new();
    field.put(1, &[9]);
    let answer = field.client.call::<Fetch>(17, &request).expect("an answer");
    assert_eq!(answer.body().responses[0].topic_id, topic.id);
    let found: Vec<i32> = parts(&answer).iter().map(|part| part.0).collect();
    assert_eq!(found, [1]);
}
