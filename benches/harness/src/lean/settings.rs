//! The settings of Kafka's clients as far as the lean client has them, under their names and with
//! their defaults.

use ringmain::wire::compression::Codec;

use crate::clock;
use crate::driver::Nanos;
use crate::properties::Properties;

/// Of a producer.
#[derive(Clone, Debug)]
pub struct ProducerSettings {
    pub acks: i16,
    pub linger: Nanos,
    pub batch_bytes: usize,
    pub request_bytes_max: usize,
    pub in_flight_max: usize,
    pub codec: Codec,
    pub idempotent: bool,
    /// Each producer adds its number.
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: i32,
    pub timeout_ms: i32,
}

/// Of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    pub fetch_bytes_max: i32,
    pub partition_bytes_max: i32,
    pub fetch_bytes_min: i32,
    pub wait_ms_max: i32,
    pub isolation_level: i8,
    /// Members of a group by KIP-848; partitions are dealt out by the client without.
    pub member: bool,
    /// Between commits of a member's offsets.
    pub commit_interval: Option<Nanos>,
}

fn acks(text: &str) -> Result<i16, String> {
    match text {
        "all" | "-1" => Ok(-1),
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err(format!("acks={text} is neither all nor 1 nor 0")),
    }
}

impl ProducerSettings {
    pub fn of(properties: &Properties) -> Result<ProducerSettings, String> {
        let codec = properties.get("compression.type").unwrap_or("none");
        let codec = Codec::from_name(codec)
            .ok_or_else(|| format!("compression.type={codec} is no codec"))?;
        let transactional_id = properties.get("transactional.id").map(str::to_owned);
        let acks = acks(properties.get("acks").unwrap_or("all"))?;
        // Kafka's producers are idempotent by default; here whoever wants it says so, so that
        // workloads with and without can be told apart.
        let idempotent = properties.flag("enable.idempotence", transactional_id.is_some())?;
        if idempotent && acks != -1 {
            return Err("enable.idempotence needs acks=all".into());
        }
        let linger_ms: f64 = properties.number("linger.ms", 0.0)?;
        Ok(ProducerSettings {
            acks,
            linger: clock::nanos(linger_ms / 1000.0),
            batch_bytes: properties.number("batch.size", 16_384)?,
            request_bytes_max: properties.number("max.request.size", 1 << 20)?,
            in_flight_max: properties
                .number("max.in.flight.requests.per.connection", 5usize)?
                .clamp(1, if idempotent { 5 } else { 1000 }),
            codec,
            idempotent,
            transactional_id,
            transaction_timeout_ms: properties.number("transaction.timeout.ms", 60_000)?,
            timeout_ms: properties.number("request.timeout.ms", 30_000)?,
        })
    }
}

impl ConsumerSettings {
    pub fn of(properties: &Properties) -> Result<ConsumerSettings, String> {
        let isolation = properties.get("isolation.level").unwrap_or("read_uncommitted");
        let isolation_level = match isolation {
            "read_uncommitted" => 0,
            "read_committed" => 1,
            _ => return Err(format!("isolation.level={isolation} does not exist")),
        };
        let member = match properties.get("group.protocol") {
            None => false,
            Some("consumer") => true,
            Some(other) => {
                return Err(format!(
                    "group.protocol={other}: the lean client joins groups by the protocol \
                     'consumer' only; --client librdkafka joins by both"
                ));
            }
        };
        let commit = properties.flag("enable.auto.commit", member)?;
        let interval_ms: f64 = properties.number("auto.commit.interval.ms", 5000.0)?;
        Ok(ConsumerSettings {
            fetch_bytes_max: properties.number("fetch.max.bytes", 50 << 20)?,
            partition_bytes_max: properties.number("max.partition.fetch.bytes", 1 << 20)?,
            fetch_bytes_min: properties.number("fetch.min.bytes", 1)?,
            wait_ms_max: properties.number("fetch.max.wait.ms", 500)?,
            isolation_level,
            member,
            commit_interval: (member && commit).then(|| clock::nanos(interval_ms / 1000.0)),
        })
    }
}
