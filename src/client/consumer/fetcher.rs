//! One leader's task: fetches what it leads, again and again, and asks for news when it is told that
//! it should ask elsewhere.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::fetched::{Arrival, Fetched};
use super::session::{Place, Plan, Session};
use super::{Event, Shared};
use crate::base::time::Instant;
use crate::client::{Answer, Backoff, Error, Result, list_offsets};
use crate::model::{BrokerId, ErrorCode, Offset};
use crate::rt;
use crate::wire::messages::fetch::{
    Fetch, FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, PartitionData,
};
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};
use crate::wire::value::Records;

/// Stands in for the leader while no partition has one.
pub const NOBODY: BrokerId = BrokerId(-1);

/// The first version that names topics by id.
const VERSION_OF_IDS: i16 = 13;

/// Runs until the consumer fails or is dropped.
pub async fn run(shared: Rc<Shared>, leader: BrokerId) {
    let mut session = Session::new(shared.options.sessions);
    let mut backoff = Backoff::new(shared.routes.cluster.options());
    let mut trouble_since: Option<Instant> = None;
    while shared.failure.borrow().is_none() {
        let wanted = shared.wanted(leader);
        let full = shared.queued_bytes.get() >= shared.options.queue_bytes_max;
        if full || wanted.is_empty() {
            shared.changed.wait().await;
            continue;
        }
        let started = rt::now();
        let error = match fetch(&shared, leader, &wanted, &mut session).await {
            Ok(None) => {
                backoff.reset();
                trouble_since = None;
                continue;
            }
            Ok(Some(error)) => error,
            Err(error) => {
                // Nobody knows what the broker remembers now.
                session.reset();
                error
            }
        };
        let since = *trouble_since.get_or_insert(started);
        let patience = shared.routes.cluster.options().retry_for;
        if !error.is_retriable() || rt::now().since(since) > patience {
            return shared.fail(error);
        }
        if since == started && !is_forgotten(&error) {
            shared.push(Event::Trouble(error));
        }
        backoff.pause().await;
        // A failure to ask is trouble of the next attempt.
        let _ = shared.routes.refresh(started).await;
        shared.changed.raise();
        shared.arrived.raise();
    }
}

/// The session alone is lost, which is nobody's trouble.
fn is_forgotten(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH)
    )
}

impl Shared {
    /// What is to be read from this leader. Partitions without one are given to whoever asks, so
    /// that somebody notices when they get one.
    fn wanted(&self, leader: BrokerId) -> BTreeMap<i32, Place> {
        let mut wanted = BTreeMap::new();
        for (&index, cursor) in self.cursors.borrow().iter() {
            let led = self.routes.leader(index);
            let (by, epoch) = led.map_or((NOBODY, -1), |(by, epoch)| (by, epoch.0));
            if by == leader && !cursor.is_done() {
                wanted.insert(index, Place { offset: cursor.offset, leader_epoch: epoch });
            }
        }
        wanted
    }
}

/// Fetches once. Yields what is wrong with a partition, if anything is; the others came all the same.
async fn fetch(
    shared: &Shared,
    leader: BrokerId,
    wanted: &BTreeMap<i32, Place>,
    session: &mut Session,
) -> Result<Option<Error>> {
    if leader == NOBODY {
        let subject = shared.routes.subject(*wanted.keys().next().expect("something is wanted"));
        return Err(Error::NoLeader { subject });
    }
    let connection = shared.routes.cluster.broker(leader).await?;
    let id = shared.routes.topic().id;
    let most = if id.is_nil() { VERSION_OF_IDS - 1 } else { i16::MAX };
    let version = connection.version_at_most::<Fetch>(most)?;
    let answer = {
        let options = &shared.options;
        let Plan { session_id, epoch, changed, forgotten } = session.plan(wanted);
        let name = shared.routes.name.as_str();
        let partition = |(index, place): (i32, Place)| FetchPartition {
            partition: index,
            current_leader_epoch: place.leader_epoch,
            fetch_offset: place.offset,
            partition_max_bytes: options.partition_bytes_max,
            ..Default::default()
        };
        let partitions: Vec<_> = changed.into_iter().map(partition).collect();
        let topic = FetchTopic { topic: name, topic_id: id, partitions };
        let gone = ForgottenTopic { topic: name, topic_id: id, partitions: forgotten };
        let request = FetchRequest {
            max_wait_ms: i32::try_from(options.wait_max.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: options.fetch_bytes_max,
            isolation_level: options.isolation.level(),
            session_id,
            session_epoch: epoch,
            topics: if topic.partitions.is_empty() { Vec::new() } else { vec![topic] },
            forgotten_topics_data: if gone.partitions.is_empty() { Vec::new() } else { vec![gone] },
            ..Default::default()
        };
        connection.send::<Fetch>(version, &request).allow(options.wait_max)
    };
    let answer = answer.answer().await?;
    take(shared, &answer, wanted, session).await
}

/// Queues what came and moves the cursors.
async fn take(
    shared: &Shared,
    answer: &Answer<Fetch>,
    wanted: &BTreeMap<i32, Place>,
    session: &mut Session,
) -> Result<Option<Error>> {
    let response = answer.decode()?;
    if !response.error_code.is_none() {
        return Err(Error::refused("a fetch", response.error_code, None));
    }
    session.answered(response.session_id);
    let mut trouble = None;
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        let index = partition.partition_index;
        let Some(place) = wanted.get(&index) else { continue };
        match partition.error_code {
            ErrorCode::NONE => queue(shared, answer, partition, place.offset)?,
            ErrorCode::OFFSET_OUT_OF_RANGE => skip(shared, index, place.offset).await?,
            code => trouble = Some(Error::refused(shared.routes.subject(index), code, None)),
        }
    }
    Ok(trouble)
}

fn queue(
    shared: &Shared,
    answer: &Answer<Fetch>,
    partition: &PartitionData<'_>,
    start: Offset,
) -> Result<()> {
    let Records::Bytes(records) = partition.records else { return Ok(()) };
    if records.is_empty() {
        return Ok(());
    }
    let index = partition.partition_index;
    let end = shared.cursors.borrow().get(&index).and_then(|cursor| cursor.end);
    let (fetched, next) = Fetched::new(Arrival {
        partition: index,
        subject: shared.routes.subject(index),
        start,
        end,
        high_watermark: partition.high_watermark,
        records: answer.share(records),
        aborted: partition.aborted_transactions.as_deref().unwrap_or_default(),
        isolation: shared.options.isolation,
    })?;
    shared.move_to(index, next);
    shared.push(Event::Records(fetched));
    Ok(())
}

/// The offset is gone: goes on with the oldest record that is still there.
async fn skip(shared: &Shared, index: i32, from: Offset) -> Result<()> {
    let (routes, isolation) = (&shared.routes, shared.options.isolation);
    let topic = routes.topic().clone();
    let ask = async |time| {
        let found =
            list_offsets(&routes.cluster, &routes.name, &topic, &[(index, time)], isolation).await;
        found.map(|found| found[&index].offset)
    };
    let (earliest, latest) = (ask(EARLIEST).await?, ask(LATEST).await?);
    if from >= earliest {
        let said = format!("offset {from} lies outside the log, which ends at {latest}");
        let subject = routes.subject(index);
        return Err(Error::refused(subject, ErrorCode::OFFSET_OUT_OF_RANGE, Some(&said)));
    }
    shared.move_to(index, earliest);
    shared.push(Event::Skipped { partition: index, from, to: earliest });
    Ok(())
}

impl Shared {
    fn move_to(&self, index: i32, offset: Offset) {
        if let Some(cursor) = self.cursors.borrow_mut().get_mut(&index) {
            cursor.offset = offset;
        }
        // Perhaps that was the end.
        self.arrived.raise();
    }
}
