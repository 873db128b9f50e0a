//! The few calls that prepare a measurement, one at a time over a blocking connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use clap::Args;
use ringmain::model::ErrorCode;
use ringmain::wire::frame;
use ringmain::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::list_offsets::{
    EARLIEST, LATEST, ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ringmain::wire::{Api, Message, Reader, Writer};

const FRAME_MAX: usize = 64 << 20;

#[derive(Args)]
pub struct CreateTopic {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    #[arg(long)]
    topic: String,
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// A setting of the topic; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn create_topic(arguments: &CreateTopic) -> io::Result<()> {
    let mut configs = Vec::new();
    for setting in &arguments.set {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| io::Error::other(format!("{setting} is no KEY=VALUE")))?;
        configs.push(CreatableTopicConfig { name, value: Some(value) });
    }
    let topic = CreatableTopic {
        name: &arguments.topic,
        num_partitions: arguments.partitions,
        replication_factor: 1,
        assignments: Vec::new(),
        configs,
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 60_000,
        ..CreateTopicsRequest::default()
    };
    let mut broker = Broker::connect(&arguments.to)?;
    broker.call::<CreateTopics, _>(5, &request, |response| {
        response.topics.iter().try_for_each(|topic| check("CreateTopics", topic.error_code))
    })??;
    // Kafka answers before the partitions can be used.
    for partition in 0..arguments.partitions {
        let mut tries = 1000;
        while let Err(error) = broker.offsets(&arguments.topic, partition) {
            tries -= 1;
            if tries == 0 {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Waits until a group has a coordinator: asking makes the topic that it needs. There is one broker.
pub fn coordinated(to: &str, group: &str) -> io::Result<()> {
    let request =
        FindCoordinatorRequest { key: group, coordinator_keys: vec![group], ..Default::default() };
    let mut broker = Broker::connect(to)?;
    for _ in 0..1000 {
        let code = broker.call::<FindCoordinator, _>(3, &request, |answer| answer.error_code)?;
        match code {
            ErrorCode::COORDINATOR_NOT_AVAILABLE => thread::sleep(Duration::from_millis(20)),
            code => return check("FindCoordinator", code),
        }
    }
    check("FindCoordinator", ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

pub fn check(what: &str, code: ErrorCode) -> io::Result<()> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(io::Error::other(format!("{what}: {code}"))),
    }
}

pub fn malformed(error: ringmain::wire::Error) -> io::Error {
    io::Error::other(format!("an answer that cannot be read: {error}"))
}

pub fn resolve(to: &str) -> io::Result<SocketAddr> {
    let mut addresses = to.to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::other(format!("{to} has no address")))
}

pub struct Broker(TcpStream);

impl Broker {
    pub fn connect(to: &str) -> io::Result<Broker> {
        let stream = TcpStream::connect(resolve(to)?)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Broker(stream))
    }

    pub fn call<A: Api, T>(
        &mut self,
        version: i16,
        request: &A::Request<'_>,
        see: impl FnOnce(A::Response<'_>) -> T,
    ) -> io::Result<T> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        frame::write_request::<A>(&mut writer, version, 1, Some("measure"), request);
        self.0.write_all(&bytes)?;
        let mut prefix = [0; frame::LENGTH_SIZE];
        self.0.read_exact(&mut prefix)?;
        let len = frame::length(prefix, FRAME_MAX).map_err(malformed)?;
        bytes.resize(len, 0);
        self.0.read_exact(&mut bytes)?;
        let mut reader = Reader::new(&bytes);
        frame::read_response_header::<A>(&mut reader, version).map_err(malformed)?;
        A::Response::decode(&mut reader, version).map(see).map_err(malformed)
    }

    /// For those who go on by themselves.
    pub fn into_stream(self) -> TcpStream {
        self.0
    }

    /// The first offset of a partition, and the one behind its last.
    pub fn offsets(&mut self, topic: &str, partition: i32) -> io::Result<(i64, i64)> {
        let mut found = [0; 2];
        for (timestamp, found) in [EARLIEST, LATEST].into_iter().zip(&mut found) {
            let wanted = ListOffsetsPartition {
                partition_index: partition,
                current_leader_epoch: -1,
                timestamp,
            };
            let topics = vec![ListOffsetsTopic { name: topic, partitions: vec![wanted] }];
            let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
            *found = self.call::<ListOffsets, _>(6, &request, |response| {
                let topic = response.topics.first();
                let Some(answer) = topic.and_then(|topic| topic.partitions.first()) else {
                    return Err(io::Error::other("ListOffsets: an empty answer"));
                };
                check("ListOffsets", answer.error_code).map(|()| answer.offset)
            })??;
        }
        let [first, end] = found;
        Ok((first, end))
    }
}
