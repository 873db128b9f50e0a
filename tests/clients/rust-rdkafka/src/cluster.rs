//! The broker under test, and short ways to write to it, read from it and look at what it stored.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

pub type Test = (&'static str, fn(&Cluster));

/// No single step may take longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Cluster {
    bootstrap: String,
    /// The tool which prints the batches of a partition as they are stored.
    stored: String,
    salt: u128,
}

/// One line of `stored`.
pub struct Batch {
    pub records: i32,
    pub codec: String,
    pub producer_id: i64,
    pub sequence: i32,
}

/// Keeps what became of every record, in the order of the delivery reports.
#[derive(Default)]
pub struct Deliveries(pub Mutex<Vec<Result<(i32, i64), RDKafkaErrorCode>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        self.0.lock().unwrap().push(match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => {
                Err(error.rdkafka_error_code().expect("a delivery error has a code"))
            }
        });
    }
}

/// Not the threaded one: with a thread beside `flush` the reports would lose their order.
pub type TestProducer = BaseProducer<Deliveries>;

impl Cluster {
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let salt = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_millis();
        Self { bootstrap: variable("BOOTSTRAP"), stored: variable("STORED"), salt }
    }

    pub fn config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        settings.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        config
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config(&[]).create().expect("an admin client")
    }

    /// A name which no earlier run used.
    pub fn name(&self, name: &str) -> String {
        format!("rust-{name}-{}", self.salt)
    }

    pub fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = self.name(name);
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        topic.config = settings.to_vec();
        let results = block_on(self.admin().create_topics([&topic], &options()));
        assert_eq!(results.expect("an answer to CreateTopics"), [Ok(name.clone())]);
        // Kafka answers before every partition can be written.
        let consumer: BaseConsumer = self.config(&[]).create().expect("a consumer");
        let until = Instant::now() + PATIENCE;
        for partition in 0..partitions {
            while consumer.fetch_watermarks(&name, partition, PATIENCE).is_err() {
                assert!(Instant::now() < until, "{name}-{partition} has no leader");
            }
        }
        name
    }

    /// Idempotent unless told otherwise: a retry while a topic comes into being would change the order.
    pub fn producer(&self, settings: &[(&str, &str)]) -> TestProducer {
        let settings = [&[("enable.idempotence", "true")], settings].concat();
        self.config(&settings).create_with_context(Deliveries::default()).expect("a producer")
    }

    /// A consumer of partitions 0..partitions from `offset` on. It checks every batch's CRC and neither
    /// joins its group nor commits to it.
    pub fn consumer(
        &self,
        topic: &str,
        partitions: i32,
        offset: Offset,
        settings: &[(&str, &str)],
    ) -> BaseConsumer {
        let mut config = self.config(&[
            ("group.id", "assigned-only"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("check.crcs", "true"),
            ("auto.offset.reset", "error"),
        ]);
        settings.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, offset).expect("a valid offset");
        }
        consumer.assign(&assignment).expect("an assignment");
        consumer
    }

    /// Everything in the topic, `count` records exactly: waits for them, then makes sure that no more come.
    pub fn read(&self, topic: &str, partitions: i32, count: usize) -> Vec<OwnedMessage> {
        let consumer = self.consumer(topic, partitions, Offset::Beginning, &[]);
        let records = take(&consumer, count);
        if let Some(more) = consumer.poll(Duration::from_millis(200)) {
            panic!("{count} records expected, then came {more:?}");
        }
        records
    }

    pub fn stored(&self, topic: &str, partition: i32) -> Vec<Batch> {
        let out = Command::new(&self.stored)
            .args([&self.bootstrap, topic, &partition.to_string()])
            .output()
            .expect("`stored` runs");
        assert!(out.status.success(), "stored: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("`stored` prints text");
        let batch = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            Batch {
                records: fields[1].parse().expect("a count"),
                codec: fields[2].to_owned(),
                producer_id: fields[3].parse().expect("a producer id"),
                sequence: fields[5].parse().expect("a sequence"),
            }
        };
        text.lines().map(batch).collect()
    }
}

pub fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

/// The next `count` records, or a panic when an error or the end of patience comes first.
pub fn take(consumer: &BaseConsumer, count: usize) -> Vec<OwnedMessage> {
    let until = Instant::now() + PATIENCE;
    let mut records = Vec::with_capacity(count);
    while records.len() < count {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => records.push(message.detach()),
            Some(Err(error)) => panic!("after {} records of {count}: {error}", records.len()),
            None => assert!(Instant::now() < until, "only {} records of {count}", records.len()),
        }
    }
    records
}

/// Hands a record over, waiting while the client's queue is full.
pub fn send(producer: &TestProducer, mut record: BaseRecord<'_, [u8], [u8]>) {
    loop {
        match producer.send(record) {
            Ok(()) => return producer.poll(Duration::ZERO),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => panic!("send: {error}"),
        }
    }
}

/// Flushes and gives the reports of everything sent since the last time.
pub fn deliveries(producer: &TestProducer) -> Vec<Result<(i32, i64), RDKafkaErrorCode>> {
    producer.flush(PATIENCE).expect("everything is delivered in time");
    std::mem::take(&mut *producer.context().0.lock().unwrap())
}

/// Sends `count` numbered records to the partition; all must be delivered.
pub fn fill(producer: &TestProducer, topic: &str, partition: i32, count: usize) {
    for number in 0..count {
        let value = number.to_string();
        send(producer, BaseRecord::to(topic).partition(partition).payload(value.as_bytes()));
    }
    let reports = deliveries(producer);
    assert_eq!(reports.len(), count);
    assert!(
        reports.iter().all(Result::is_ok),
        "{:?}",
        reports.iter().find(|report| report.is_err())
    );
}

pub fn text(message: &OwnedMessage) -> &str {
    std::str::from_utf8(message.payload().expect("a value")).expect("text")
}

pub fn numbers(records: &[OwnedMessage]) -> Vec<usize> {
    records.iter().map(|record| text(record).parse().expect("a number")).collect()
}
