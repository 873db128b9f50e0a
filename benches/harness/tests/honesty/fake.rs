//! A broker that answers when it is told to: every request is acknowledged a known time after it came,
//! and once, for a while, nothing happens at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::{ErrorCode, TopicId};
use ringmain::wire::batch::{self, BatchHeader};
use ringmain::wire::frame::{self, RequestHeader};
use ringmain::wire::messages::api_versions::{ApiVersion, ApiVersions, ApiVersionsResponse};
use ringmain::wire::messages::create_topics::{
    CreatableTopicResult, CreateTopics, CreateTopicsResponse,
};
use ringmain::wire::messages::fetch::{
    Fetch, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use ringmain::wire::messages::list_offsets::{
    LATEST, ListOffsets, ListOffsetsPartitionResponse, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use ringmain::wire::messages::metadata::{
    Metadata, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use ringmain::wire::messages::produce::{
    PartitionProduceResponse, Produce, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use ringmain::wire::value::Records;
use ringmain::wire::{Api, Message, Reader, Writer};

const FETCH_BYTES: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Manners {
    /// From the last byte of a produce request to its acknowledgement, when it can be fetched too.
    pub delay: Duration,
    /// So long after the first produce request nothing happens, for so long.
    pub stall: Option<(Duration, Duration)>,
}

/// One partition of one topic.
#[derive(Default)]
struct Log {
    /// With when it can be seen.
    batches: Vec<(Instant, Vec<u8>)>,
    next_offset: i64,
}

struct Shared {
    manners: Manners,
    port: u16,
    first_produce: OnceLock<Instant>,
    log: Mutex<Log>,
}

pub struct Fake {
    pub address: String,
}

impl Fake {
    /// Its threads live until the test's process ends.
    pub fn start(manners: Manners) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let port = address.port();
        let (first_produce, log) = (OnceLock::new(), Mutex::default());
        let shared = Arc::new(Shared { manners, port, first_produce, log });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                thread::spawn(move || serve(&shared, stream));
            }
        });
        Fake { address: address.to_string() }
    }
}

/// Answers leave in the order of the requests, each at its time.
fn serve(shared: &Arc<Shared>, mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket");
    let mut out = stream.try_clone().expect("a socket");
    let (send, answers) = mpsc::channel::<(Instant, Vec<u8>)>();
    let of_writer = shared.clone();
    thread::spawn(move || {
        for (at, bytes) in answers {
            sleep_until(at);
            of_writer.stall();
            if out.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let mut prefix = [0; 4];
    while stream.read_exact(&mut prefix).is_ok() {
        let mut bytes = vec![0; i32::from_be_bytes(prefix) as usize];
        if stream.read_exact(&mut bytes).is_err() {
            return;
        }
        shared.stall();
        let answer = shared.answer(&bytes, Instant::now());
        if send.send(answer).is_err() {
            return;
        }
    }
}

fn sleep_until(at: Instant) {
    // The kernel wakes late: what is left is waited for awake.
    thread::sleep(at.saturating_duration_since(Instant::now()).saturating_sub(SPIN));
    while Instant::now() < at {
        std::hint::spin_loop();
    }
}

const PAUSE: Duration = Duration::from_micros(200);
const SPIN: Duration = Duration::from_micros(100);

impl Shared {
    fn stall(&self) {
        let (Some((after, length)), Some(&first)) = (self.manners.stall, self.first_produce.get())
        else {
            return;
        };
        let begin = first + after;
        if Instant::now() >= begin {
            sleep_until(begin + length);
        }
    }

    fn answer(&self, bytes: &[u8], now: Instant) -> (Instant, Vec<u8>) {
        let mut reader = Reader::new(bytes);
        let header = RequestHeader::decode(&mut reader).expect("a header");
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        let (version, id) = (header.version, header.correlation_id);
        let mut at = now;
        match header.api_key {
            ApiVersions::KEY => {
                let api =
                    |(api_key, max_version)| ApiVersion { api_key, min_version: 0, max_version };
                let keys = [
                    (Produce::KEY, 9),
                    (Fetch::KEY, 12),
                    (ListOffsets::KEY, 6),
                    (Metadata::KEY, 12),
                    (ApiVersions::KEY, 3),
                    (CreateTopics::KEY, 5),
                ];
                let api_keys = keys.into_iter().map(api).collect();
                let body = ApiVersionsResponse { api_keys, ..Default::default() };
                frame::write_response::<ApiVersions>(&mut writer, version, id, &body);
            }
            CreateTopics::KEY => {
                let request = read::<CreateTopics>(&mut reader, version);
                let topic = |name| CreatableTopicResult { name, ..Default::default() };
                let topics = request.topics.iter().map(|made| topic(made.name)).collect();
                let body = CreateTopicsResponse { topics, ..Default::default() };
                frame::write_response::<CreateTopics>(&mut writer, version, id, &body);
            }
            Metadata::KEY => {
                let request = read::<Metadata>(&mut reader, version);
                let broker = MetadataResponseBroker {
                    node_id: 1,
                    host: "127.0.0.1",
                    port: i32::from(self.port),
                    rack: None,
                };
                let partition = MetadataResponsePartition { leader_id: 1, ..Default::default() };
                let topics = request.topics.iter().flatten().map(|topic| MetadataResponseTopic {
                    name: topic.name,
                    topic_id: TopicId([1; 16]),
                    partitions: vec![partition.clone()],
                    ..Default::default()
                });
                let body = MetadataResponse {
                    brokers: vec![broker],
                    topics: topics.collect(),
                    ..Default::default()
                };
                frame::write_response::<Metadata>(&mut writer, version, id, &body);
            }
            ListOffsets::KEY => {
                let request = read::<ListOffsets>(&mut reader, version);
                let asked = &request.topics[0];
                let end = self.log.lock().expect("the log").next_offset;
                let offset = if asked.partitions[0].timestamp == LATEST { end } else { 0 };
                let partitions =
                    vec![ListOffsetsPartitionResponse { offset, ..Default::default() }];
                let topics = vec![ListOffsetsTopicResponse { name: asked.name, partitions }];
                let body = ListOffsetsResponse { topics, ..Default::default() };
                frame::write_response::<ListOffsets>(&mut writer, version, id, &body);
            }
            Produce::KEY => {
                let request = read::<Produce>(&mut reader, version);
                at = now + self.manners.delay;
                self.first_produce.get_or_init(|| now);
                self.produce(&mut writer, version, id, &request, at);
            }
            Fetch::KEY => {
                let request = read::<Fetch>(&mut reader, version);
                self.fetch(&mut writer, version, id, &request);
            }
            key => panic!("an API that nobody should ask for: {key}"),
        }
        (at, out)
    }

    fn produce(
        &self,
        writer: &mut Writer<'_>,
        version: i16,
        id: i32,
        request: &ProduceRequest<'_>,
        at: Instant,
    ) {
        let topic = &request.topic_data[0];
        let mut records = topic.partition_data[0].records.expect("records").to_vec();
        batch::validate(&records).expect("a batch that a broker takes");
        let mut log = self.log.lock().expect("the log");
        let base_offset = log.next_offset;
        batch::stamp(&mut records, base_offset, 0);
        log.next_offset = BatchHeader::peek(&records).expect("a header").next_offset();
        log.batches.push((at, records));
        drop(log);
        let part = PartitionProduceResponse { base_offset, ..Default::default() };
        let topic = TopicProduceResponse {
            name: topic.name,
            partition_responses: vec![part],
            ..Default::default()
        };
        let body = ProduceResponse { responses: vec![topic], ..Default::default() };
        frame::write_response::<Produce>(writer, version, id, &body);
    }

    /// Waits for something to be seen, as long as the request allows.
    fn fetch(&self, writer: &mut Writer<'_>, version: i16, id: i32, request: &FetchRequest<'_>) {
        let topic = &request.topics[0];
        let offset = topic.partitions[0].fetch_offset;
        let deadline = Instant::now() + Duration::from_millis(request.max_wait_ms as u64);
        let mut found = Vec::new();
        let mut end = 0;
        loop {
            let now = Instant::now();
            let log = self.log.lock().expect("the log");
            let first = log.batches.partition_point(|(_, batch)| {
                BatchHeader::peek(batch).expect("a header").next_offset() <= offset
            });
            let mut next = None;
            for (seen_at, batch) in &log.batches[first..] {
                if *seen_at > now || found.len() > FETCH_BYTES {
                    next = Some(*seen_at);
                    break;
                }
                found.extend_from_slice(batch);
                end = BatchHeader::peek(batch).expect("a header").next_offset();
            }
            drop(log);
            if !found.is_empty() || now >= deadline {
                break;
            }
            match next {
                Some(next) => sleep_until(next.min(deadline)),
                None => thread::sleep(PAUSE),
            }
            self.stall();
        }
        let part = PartitionData {
            error_code: ErrorCode::NONE,
            high_watermark: end,
            last_stable_offset: end,
            records: Records::Bytes(&found),
            ..Default::default()
        };
        let topic = FetchableTopicResponse {
            topic: topic.topic,
            partitions: vec![part],
            ..Default::default()
        };
        let body = FetchResponse { responses: vec![topic], ..Default::default() };
        frame::write_response::<Fetch>(writer, version, id, &body);
    }
}

fn read<'a, A: Api>(reader: &mut Reader<'a>, version: i16) -> A::Request<'a> {
    A::Request::decode(reader, version).expect("a request")
}
