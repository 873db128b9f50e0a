//! The settings of a broker: its own, declared here, and for each topic setting the default for
//! topics that say nothing, derived from the topic's declaration.
//!
//! Names are Kafka's where Kafka has the setting and begin with `ringmain.` where it has not.

use std::sync::LazyLock;

use super::choice::MigrationPolicy;
use super::limits::{
    CONNECTIONS_PER_CORE_MAX, CORES_MAX, DATA_DIRS_MAX, FETCH_BYTES_MAX, FETCH_SESSIONS_MAX,
    FRAME_BYTES_MAX, HOST_BYTES_MAX, LANES_MAX, MEMORY_PER_CORE_BYTES_MIN, NODE_ID_MAX,
    PARTITIONS_PER_TOPIC_MAX, PRODUCER_IDS_PER_PARTITION_MAX, RACK_BYTES_MAX,
    REPLICAS_PER_PARTITION_MAX, REQUESTS_IN_FLIGHT_MEMORY_PERCENT,
};
use super::property::properties;
use super::value::Value;
use super::{BrokerSettings, Effect, Fallback, Invalid, Kind, Property, Range, Table, topic};

/// Where the broker listens: host and base port, to which each lane adds its number. Port 0 lets
/// the kernel choose one for each lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub host: String,
    pub port: u16,
}

impl Value for Listen {
    fn from_text(text: &str) -> Option<Listen> {
        let (host, port) = text.rsplit_once(':')?;
        // Nothing but an IPv6 address in brackets holds further colons.
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|address| address.contains(':'))?,
            None if host.contains(':') => return None,
            None => host,
        };
        if !valid_host(host) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Listen { host: host.to_owned(), port: port.parse().ok()? })
    }
}

fn valid_host(host: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte))
}

/// Which CPUs carry data cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    All,
    /// CPU numbers as the system counts them, in the order given, none twice.
    List(Vec<u16>),
}

impl Value for Cores {
    fn from_text(text: &str) -> Option<Cores> {
        if text == "all" {
            return Some(Cores::All);
        }
        let mut list = Vec::new();
        for item in text.split(',') {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u16>().ok()?);
            if first > last || last >= CORES_MAX {
                return None;
            }
            for cpu in first..=last {
                if list.contains(&cpu) {
                    return None;
                }
                list.push(cpu);
            }
        }
        Some(Cores::List(list))
    }
}

/// How many lanes the host presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneCount {
    /// One a core, up to eight: some clients run a thread for each broker.
    Auto,
    /// As many, but never more than there are cores.
    UpTo(u16),
}

impl Value for LaneCount {
    fn from_text(text: &str) -> Option<LaneCount> {
        match text {
            "auto" => Some(LaneCount::Auto),
            _ => {
                let count = text.parse().ok().filter(|count| (1..=LANES_MAX).contains(count))?;
                Some(LaneCount::UpTo(count))
            }
        }
    }
}

fn shaped<T: Value>(text: &str) -> bool {
    T::from_text(text).is_some()
}

properties! {
    /// What one broker process obeys.
    #[derive(Clone, Debug, PartialEq)]
    pub struct BrokerConfig;
    fn own_properties;
    read {
        /// This host's number. Its lanes are brokers node.id * 1000, node.id * 1000 + 1, ...
        "node.id" as node_id: i32, Kind::int(0, NODE_ID_MAX) => "1", Restart, High;
        /// Where this host stands; all its lanes share it.
        "broker.rack" as broker_rack: Option<String>,
            Kind::Text { valid: |text| text.len() <= RACK_BYTES_MAX, expected: "at most 255 bytes" },
            Restart, Medium;
        /// Directories of the partitions, best each on a disk of its own; at most 64. New partitions
        /// go where most space is free, and where the fewest are among those with about as much. The
        /// first one keeps the metadata log.
        "log.dirs" as log_dirs: Vec<String>, Kind::ListOf(&[]) => "data", Restart, High;
        /// Bytes that must stay free where the data lies: with less, records are refused (clients
        /// try again) until there is more, while reads, deletions and retention go on. -1 is a
        /// twentieth of the file system, at most 1 GiB; 0 fills it to the end.
        "ringmain.disk.free.min.bytes" as disk_free_min_bytes: i64, Kind::long_from(-1)
            => "-1", Online, High;
        /// Address and base port: lane l listens on the port plus l. With port 0 the system
        /// chooses. The first lane's port is the one to give to clients.
        "ringmain.listen" as listen: Listen,
            Kind::Text { valid: shaped::<Listen>, expected: "host:port, or [IPv6 address]:port" }
            => "127.0.0.1:9092", Restart, High;
        /// The host name under which clients reach this host. Unset: the host of ringmain.listen,
        /// or `localhost` when that is a wildcard address.
        "ringmain.advertised.host" as advertised_host: Option<String>,
            Kind::Text { valid: valid_host, expected: "a host name or an address" }, Restart, High;
        /// The CPUs that carry data cores: `all`, or a list as `0-3,6`.
        "ringmain.cores" as cores: Cores,
            Kind::Text { valid: shaped::<Cores>, expected: "all, or CPUs as 0-3,6" }
            => "all", Restart, High;
        /// How many brokers this host presents to clients, each with a port of its own, so that a
        /// client reaches the core that owns a partition directly. `auto` is one for each core, at
        /// most 8. 1 is the classic single address, for proxies and firewalls. Never more than
        /// there are cores.
        "ringmain.lanes" as lanes: LaneCount,
            Kind::Text { valid: shaped::<LaneCount>, expected: "auto, or 1 to 64" }
            => "auto", Restart, High;
        /// Bytes of memory that one core may hold for requests in flight and the tails of its logs.
        "ringmain.memory.per.core.bytes" as memory_per_core_bytes: i64,
            Kind::long(MEMORY_PER_CORE_BYTES_MIN as i64, 1 << 40)
            => "536870912", Restart, High;
        /// Bytes of deleted segments' files that one core keeps to write them again, in each of
        /// log.dirs (ringmain.segment.recycle).
        "ringmain.recycle.per.core.bytes" as recycle_per_core_bytes: i64, Kind::long(0, 1 << 50)
            => "4294967296", Restart, Medium;
        /// Partitions of a new topic which does not say how many.
        "num.partitions" as num_partitions: i32, Kind::int(1, PARTITIONS_PER_TOPIC_MAX as i32)
            => "1", Online, Medium;
        /// Replicas of a new topic which does not say how many.
        "default.replication.factor" as default_replication_factor: i32,
            Kind::int(1, REPLICAS_PER_PARTITION_MAX as i32) => "1", Online, Medium;
        /// Whether asking for an unknown topic creates it, where the client allows that.
        "auto.create.topics.enable" as auto_create_topics_enable: bool, Kind::Bool
            => "true", Online, High;
        /// Whether topics can be deleted.
        "delete.topic.enable" as delete_topic_enable: bool, Kind::Bool
            => "true", Online, High;
        /// Milliseconds between two looks for segments that retention removes.
        "log.retention.check.interval.ms" as log_retention_check_interval_ms: i64,
            Kind::long_from(1) => "300000", Online, Medium;
        /// Whether compacted topics are compacted. Switching it off ends a cleaning under way.
        "log.cleaner.enable" as log_cleaner_enable: bool, Kind::Bool
            => "true", Online, Medium;
        /// Milliseconds which the cleaner rests when it found nothing to do.
        "log.cleaner.backoff.ms" as log_cleaner_backoff_ms: i64, Kind::long_from(0)
            => "15000", Online, Medium;
        /// Bytes of the tables in which the cleaners of all cores keep what they know of keys, 24 a
        /// key. Where one is full, the rest of the log waits for the next cleaning.
        "log.cleaner.dedupe.buffer.size" as log_cleaner_dedupe_buffer_size: i64,
            Kind::long(1 << 20, 1 << 40) => "134217728", Online, Medium;
        /// How full such a table may get.
        "log.cleaner.io.buffer.load.factor" as log_cleaner_io_buffer_load_factor: f64,
            Kind::Double { min: 0.0, max: 1.0 } => "0.9", Online, Medium;
        /// Bytes that the cleaners of all cores together read and write in a second, at most.
        "log.cleaner.io.max.bytes.per.second" as log_cleaner_io_max_bytes_per_second: f64,
            Kind::Double { min: 0.0, max: f64::MAX } => "1.7976931348623157E308", Online, Medium;
        /// Bytes that partitions on their way to another of log.dirs copy in a second, of all cores
        /// together. It may change while they are under way; 0 lets them wait.
        "replica.alter.log.dirs.io.max.bytes.per.second" as alter_log_dirs_bytes_per_second: i64,
            Kind::long_from(0) => "9223372036854775807", Online, Medium;
        /// Bytes of the largest request; a connection that announces more is closed.
        "socket.request.max.bytes" as socket_request_max_bytes: i32,
            Kind::int(1, FRAME_BYTES_MAX as i32) => "104857600", Restart, Medium;
        /// Bytes of a socket's receive buffer. Accepted for Kafka's tools; the system tunes each
        /// connection.
        "socket.receive.buffer.bytes" as socket_receive_buffer_bytes: i32, Kind::int_from(-1)
            => "102400", Restart, High;
        /// Bytes of a socket's send buffer. Accepted for Kafka's tools; the system tunes each
        /// connection.
        "socket.send.buffer.bytes" as socket_send_buffer_bytes: i32, Kind::int_from(-1)
            => "102400", Restart, High;
        /// Connections that wait to be accepted.
        "socket.listen.backlog.size" as socket_listen_backlog_size: i32, Kind::int_from(1)
            => "1024", Restart, Medium;
        /// Connections of the whole broker; beyond, new ones are closed at once. Each core bears
        /// at most 20000, whatever is set here.
        "max.connections" as max_connections: i32, Kind::int_from(0)
            => "2147483647", Online, Medium;
        /// Milliseconds after which a silent connection is closed; -1 is never.
        "connections.max.idle.ms" as connections_max_idle_ms: i64, Kind::long_from(-1)
            => "600000", Online, Medium;
        /// Milliseconds after which a partition forgets an idempotent producer that is silent.
        "producer.id.expiration.ms" as producer_id_expiration_ms: i32, Kind::int_from(1)
            => "86400000", Online, Low;
        /// Milliseconds between two looks for producers to forget.
        "producer.id.expiration.check.interval.ms" as producer_id_expiration_check_interval_ms: i32,
            Kind::int_from(1) => "600000", Restart, Low;
        /// Idempotent producers that one partition remembers at most; the longest silent one gives
        /// way.
        "ringmain.producer.ids.per.partition.max" as producer_ids_per_partition_max: i32,
            Kind::int(1, PRODUCER_IDS_PER_PARTITION_MAX as i32) => "10000", Online, Low;
        /// The longest time-out of a transaction, in milliseconds, that a producer may ask for.
        "transaction.max.timeout.ms" as transaction_max_timeout_ms: i32, Kind::int_from(1)
            => "900000", Restart, High;
        /// Milliseconds after which a transactional id is forgotten with which nothing was done.
        "transactional.id.expiration.ms" as transactional_id_expiration_ms: i32, Kind::int_from(1)
            => "604800000", Restart, High;
        /// Milliseconds between two looks for transactions that ran out of time.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms"
            as transaction_abort_timed_out_interval_ms: i32, Kind::int_from(1)
            => "10000", Restart, Low;
        /// Milliseconds between two looks for transactional ids to forget.
        "transaction.remove.expired.transaction.cleanup.interval.ms"
            as transaction_remove_expired_interval_ms: i32, Kind::int_from(1)
            => "3600000", Restart, Low;
        /// Whether records of a transaction are only taken while the transaction is under way
        /// (KIP-890).
        "transaction.partition.verification.enable" as transaction_partition_verification: bool,
            Kind::Bool => "true", Online, Low;
        /// Milliseconds before a partition is added to a transaction again, when the one before has
        /// not ended yet.
        "add.partitions.to.txn.retry.backoff.ms" as add_partitions_retry_backoff_ms: i32,
            Kind::int_from(1) => "20", Restart, Low;
        /// Milliseconds for which that is done, at most, before the producer is told to try again.
        "add.partitions.to.txn.retry.backoff.max.ms" as add_partitions_retry_backoff_max_ms: i32,
            Kind::int_from(0) => "100", Restart, High;
        /// Partitions of `__transaction_state`, when it is made.
        "transaction.state.log.num.partitions" as transaction_state_log_num_partitions: i32,
            Kind::int(1, PARTITIONS_PER_TOPIC_MAX as i32) => "50", Restart, High;
        /// Replicas of `__transaction_state`, when it is made: no more than there are hosts.
        "transaction.state.log.replication.factor" as transaction_state_log_replication_factor: i32,
            Kind::int(1, REPLICAS_PER_PARTITION_MAX as i32) => "3", Restart, High;
        /// `min.insync.replicas` of `__transaction_state`, when it is made.
        "transaction.state.log.min.isr" as transaction_state_log_min_isr: i32,
            Kind::int_from(1) => "2", Restart, High;
        /// `segment.bytes` of `__transaction_state`, when it is made.
        "transaction.state.log.segment.bytes" as transaction_state_log_segment_bytes: i32,
            Kind::int_from(1 << 20) => "104857600", Restart, High;
        /// Fetch sessions that the broker remembers (KIP-227).
        "max.incremental.fetch.session.cache.slots" as fetch_session_slots: i32,
            Kind::int(0, FETCH_SESSIONS_MAX as i32) => "1000", Restart, Medium;
        /// Bytes of the largest answer to a fetch, but for a first batch that is larger.
        "fetch.max.bytes" as fetch_max_bytes: i32, Kind::int(1024, FETCH_BYTES_MAX as i32)
            => "57671680", Restart, Medium;
        /// Partitions of the topic that keeps what consumer groups commit, when it is made.
        "offsets.topic.num.partitions" as offsets_topic_num_partitions: i32,
            Kind::int(1, PARTITIONS_PER_TOPIC_MAX as i32) => "50", Restart, High;
        /// Replicas of that topic; one for each host where there are fewer.
        "offsets.topic.replication.factor" as offsets_topic_replication_factor: i32,
            Kind::int(1, REPLICAS_PER_PARTITION_MAX as i32)
            => "3", Restart, High;
        /// Bytes of that topic's segments.
        "offsets.topic.segment.bytes" as offsets_topic_segment_bytes: i32,
            Kind::int_from(1 << 20) => "104857600", Restart, High;
        /// Minutes for which the offsets of a group without members are kept, and those of topics
        /// to which a group is no longer subscribed.
        "offsets.retention.minutes" as offsets_retention_minutes: i32, Kind::int_from(1)
            => "10080", Restart, High;
        /// Milliseconds between two looks for offsets that are too old.
        "offsets.retention.check.interval.ms" as offsets_retention_check_interval_ms: i64,
            Kind::long_from(1) => "600000", Restart, High;
        /// Bytes of the text that a consumer may leave with an offset.
        "offset.metadata.max.bytes" as offset_metadata_max_bytes: i32, Kind::int_from(0)
            => "4096", Restart, High;
        /// Milliseconds of the shortest session that a member of a group may ask for.
        "group.min.session.timeout.ms" as group_min_session_timeout_ms: i32, Kind::int_from(0)
            => "6000", Restart, Medium;
        /// Milliseconds of the longest session.
        "group.max.session.timeout.ms" as group_max_session_timeout_ms: i32, Kind::int_from(0)
            => "1800000", Restart, Medium;
        /// Milliseconds which a group that had no members waits for more of them.
        "group.initial.rebalance.delay.ms" as group_initial_rebalance_delay_ms: i32,
            Kind::int_from(0) => "3000", Restart, Medium;
        /// Members of one group.
        "group.max.size" as group_max_size: i32, Kind::int_from(1)
            => "2147483647", Restart, Medium;
        /// Milliseconds without a heartbeat after which a member of a consumer group of the new
        /// protocol (KIP-848) is taken for dead; groups may have their own
        /// (`consumer.session.timeout.ms`).
        "group.consumer.session.timeout.ms" as group_consumer_session_timeout_ms: i32,
            Kind::int_from(1) => "45000", Restart, Medium;
        /// The shortest of these times that can be set for one group.
        "group.consumer.min.session.timeout.ms" as group_consumer_min_session_timeout_ms: i32,
            Kind::int_from(1) => "45000", Restart, Medium;
        /// The longest.
        "group.consumer.max.session.timeout.ms" as group_consumer_max_session_timeout_ms: i32,
            Kind::int_from(1) => "60000", Restart, Medium;
        /// Milliseconds between two heartbeats of a member of such a group, as the broker tells it;
        /// groups may have their own (`consumer.heartbeat.interval.ms`).
        "group.consumer.heartbeat.interval.ms" as group_consumer_heartbeat_interval_ms: i32,
            Kind::int_from(1) => "5000", Restart, Medium;
        /// The shortest interval that can be set for one group.
        "group.consumer.min.heartbeat.interval.ms" as group_consumer_min_heartbeat_interval_ms: i32,
            Kind::int_from(1) => "5000", Restart, Medium;
        /// The longest.
        "group.consumer.max.heartbeat.interval.ms" as group_consumer_max_heartbeat_interval_ms: i32,
            Kind::int_from(1) => "15000", Restart, Medium;
        /// Members of one group of the new protocol.
        "group.consumer.max.size" as group_consumer_max_size: i32, Kind::int_from(1)
            => "2147483647", Restart, Medium;
        /// How partitions can be shared among the members of such a group; the first one is taken
        /// where no member asks for one. `uniform` shares all partitions evenly, `range` keeps
        /// those of topics with as many partitions together.
        "group.consumer.assignors" as group_consumer_assignors: Vec<String>,
            Kind::ListOf(&["uniform", "range"]) => "uniform,range", Restart, Medium;
        /// Whether a group may go over from one protocol to the other while it has members:
        /// `upgrade` to the new one when the first member joins that speaks it, `downgrade` when the
        /// last one leaves, both (`bidirectional`), or neither (`disabled`).
        "group.consumer.migration.policy" as group_consumer_migration_policy: MigrationPolicy,
            Kind::OneOf(MigrationPolicy::NAMES) => "bidirectional", Restart, Medium;
        /// Milliseconds between two times that partitions are shared anew in one group; what changes
        /// meanwhile is taken together. Groups may have their own (`consumer.assignment.interval.ms`).
        "group.consumer.assignment.interval.ms" as group_consumer_assignment_interval_ms: i32,
            Kind::int_from(0) => "1000", Restart, Medium;
        /// The shortest of these times that can be set for one group.
        "group.consumer.min.assignment.interval.ms" as group_consumer_min_assignment_interval_ms:
            i32, Kind::int_from(0) => "0", Restart, Medium;
        /// The longest.
        "group.consumer.max.assignment.interval.ms" as group_consumer_max_assignment_interval_ms:
            i32, Kind::int_from(0) => "15000", Restart, Medium;
        /// Milliseconds after which the patterns of a group are matched again though no topic came.
        "group.consumer.regex.refresh.interval.ms" as group_consumer_regex_refresh_interval_ms: i32,
            Kind::int_from(10_000) => "600000", Restart, Medium;
        /// Partitions in one answer to DescribeTopicPartitions.
        "max.request.partition.size.limit" as max_request_partition_size_limit: i32,
            Kind::int_from(1) => "2000", Online, Medium;
    }
    accepted {
        /// Whether the partitions of groups of the new protocol are shared out beside the heartbeats.
        /// Accepted for Kafka's tools; the core that owns a group does it at once.
        "group.consumer.assignor.offload.enable": Kind::Bool => "true", Restart, Medium;
        /// Bytes read at a time when transactions are loaded. Accepted for Kafka's tools.
        "transaction.state.log.load.buffer.size": Kind::int_from(1) => "5242880", Restart, High;
        /// Whether transactions without a time-out (KIP-939) are allowed. Accepted for Kafka's
        /// tools; no version of the protocol that is spoken here can ask for one.
        "transaction.two.phase.commit.enable": Kind::Bool => "false", Restart, Low;
        /// Threads that clean. Accepted for Kafka's tools; each core has its one cleaner, in a small
        /// share of its time.
        "log.cleaner.threads": Kind::int_from(0) => "1", Online, Medium;
        /// Bytes of the cleaners' buffers. Accepted for Kafka's tools; they are as large as needed.
        "log.cleaner.io.buffer.size": Kind::int_from(0) => "524288", Online, Medium;
    }
}

/// Every broker setting.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut properties = own_properties();
    for property in topic::TABLE.iter() {
        for (at, fallback) in property.fallbacks.iter().enumerate() {
            properties.push(derived(property, *fallback, at + 1 == property.fallbacks.len()));
        }
    }
    Table::new(properties)
});

/// The broker setting behind a topic setting. Of several only the last has a default, so that each
/// one before it counts as soon as it is set.
fn derived(topic: &Property, fallback: Fallback, last: bool) -> Property {
    let Fallback { name, unit } = fallback;
    let in_unit = |range: Range| Range {
        // Rounded into the range; what is negative has a meaning of its own in any unit.
        min: if range.min < 0 { range.min } else { (range.min + unit - 1) / unit },
        max: (range.max / unit).min(i64::from(i32::MAX)),
        also: range.also,
    };
    let (kind, default) = match (topic.kind, &topic.default) {
        (kind, default) if unit == 1 => (kind, default.clone()),
        (Kind::Long(range), Some(default)) => {
            let default = default.parse::<i64>().expect("a default is of its kind");
            assert_eq!(default % unit, 0, "{name}: the default is no whole number of its unit");
            (Kind::Int(in_unit(range)), Some((default / unit).to_string().into()))
        }
        _ => panic!("{name}: only long settings with a default have units"),
    };
    let unit_of_doc = match unit {
        1 => "",
        60_000 => ", in minutes",
        3_600_000 => ", in hours",
        _ => panic!("{name}: a unit without a name"),
    };
    Property {
        name,
        kind,
        default: default.filter(|_| last),
        effect: Effect::Online,
        importance: topic.importance,
        fallbacks: &[],
        doc: format!("`{}` of topics that do not set it{unit_of_doc}. {}", topic.name, topic.doc)
            .into(),
    }
}

impl BrokerConfig {
    /// What holds on a broker with these settings.
    pub fn resolve(settings: &BrokerSettings) -> BrokerConfig {
        BrokerConfig::read_with(|name| {
            let property = TABLE.get(name).expect("declared here");
            settings.value(property).map(|value| value.into_owned())
        })
    }

    /// Checks what each setting alone cannot tell.
    pub(super) fn validate_together(&self) -> Result<(), Invalid> {
        let frame = i64::from(self.socket_request_max_bytes);
        let share = self.memory_per_core_bytes / 100 * REQUESTS_IN_FLIGHT_MEMORY_PERCENT as i64;
        if frame > share {
            return Err(Invalid::Together(format!(
                "socket.request.max.bytes ({frame}) is more than the requests in flight of a core \
                 may hold: {REQUESTS_IN_FLIGHT_MEMORY_PERCENT} percent of \
                 ringmain.memory.per.core.bytes ({})",
                self.memory_per_core_bytes
            )));
        }
        self.validate_group_times()?;
        let dirs = &self.log_dirs;
        let twice = (1..dirs.len()).find(|&at| dirs[..at].contains(&dirs[at]));
        match twice {
            Some(at) => Err(Invalid::Together(format!("log.dirs names {} twice", dirs[at]))),
            None if dirs.is_empty() => Err(Invalid::Together("log.dirs names no directory".into())),
            None if dirs.len() > DATA_DIRS_MAX => Err(Invalid::Together(format!(
                "log.dirs names {} directories, {DATA_DIRS_MAX} are the most",
                dirs.len()
            ))),
            None => Ok(()),
        }
    }

    /// What is set for all groups lies between what may be set for one, and nobody is taken for
    /// dead before the next heartbeat.
    fn validate_group_times(&self) -> Result<(), Invalid> {
        let session = ("session.timeout.ms", self.group_consumer_session_timeout_ms);
        let heartbeat = ("heartbeat.interval.ms", self.group_consumer_heartbeat_interval_ms);
        let sharing = ("assignment.interval.ms", self.group_consumer_assignment_interval_ms);
        let bounds = [
            (
                session,
                self.group_consumer_min_session_timeout_ms,
                self.group_consumer_max_session_timeout_ms,
            ),
            (
                heartbeat,
                self.group_consumer_min_heartbeat_interval_ms,
                self.group_consumer_max_heartbeat_interval_ms,
            ),
            (
                sharing,
                self.group_consumer_min_assignment_interval_ms,
                self.group_consumer_max_assignment_interval_ms,
            ),
        ];
        for ((name, value), min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(Invalid::Together(format!(
                    "group.consumer.{name} ({value}) must lie between group.consumer.min.{name} \
                     ({min}) and group.consumer.max.{name} ({max})"
                )));
            }
        }
        if heartbeat.1 >= session.1 {
            return Err(Invalid::Together(format!(
                "group.consumer.heartbeat.interval.ms ({}) must be less than \
                 group.consumer.session.timeout.ms ({})",
                heartbeat.1, session.1
            )));
        }
        Ok(())
    }

    /// The host name that clients are told.
    pub fn advertised_host(&self) -> &str {
        match (&self.advertised_host, self.listen.host.as_str()) {
            (Some(host), _) => host,
            (None, "0.0.0.0" | "::") => "localhost",
            (None, host) => host,
        }
    }

    /// Connections that one of `cores` may bear.
    pub fn connections_per_core(&self, cores: usize) -> usize {
        let share = usize::try_from(self.max_connections).unwrap_or(0).div_ceil(cores.max(1));
        share.min(CONNECTIONS_PER_CORE_MAX)
    }
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig::resolve(&BrokerSettings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_cores_and_lanes_are_read() {
        let listen = |text: &str| Listen::from_text(text).map(|l| (l.host, l.port));
        assert_eq!(listen("localhost:9092"), Some(("localhost".into(), 9092)));
        assert_eq!(listen("[::1]:0"), Some(("::1".into(), 0)));
        for bad in ["9092", "h:", ":1", "h:65536", "::1:9092", "[h]:1", "h:+1", "a b:1", "[::1]"] {
            assert_eq!(listen(bad), None, "{bad}");
        }
        let cores = |text: &str| Cores::from_text(text);
        assert_eq!(cores("all"), Some(Cores::All));
        assert_eq!(cores("0-2, 6"), Some(Cores::List(vec![0, 1, 2, 6])));
        for bad in ["", "3-1", "0,0", "0-65535", "x", "0--1", "1,"] {
            assert_eq!(cores(bad), None, "{bad}");
        }
        let lanes = |text: &str| LaneCount::from_text(text);
        assert_eq!(lanes("auto"), Some(LaneCount::Auto));
        assert_eq!(lanes("64"), Some(LaneCount::UpTo(64)));
        assert_eq!((lanes("0"), lanes("65")), (None, None));
    }

    #[test]
    fn broker_defaults_of_topic_settings_are_kafkas() {
        let check = |name: &str, default: Option<&str>, expected: &str| {
            let property = TABLE.get(name).expect(name);
            assert_eq!(property.default.as_deref(), default, "{name}");
            assert_eq!(property.kind.to_string(), expected, "{name}");
        };
        check("log.retention.ms", None, "a whole number from -1");
        check("log.retention.minutes", None, "a whole number from -1");
        check("log.retention.hours", Some("168"), "a whole number from -1");
        check("log.roll.hours", Some("168"), "a whole number from 1");
        check("log.roll.jitter.hours", Some("0"), "a whole number from 0");
        check("log.segment.bytes", Some("1073741824"), "a whole number from 1048576");
    }

    #[test]
    fn the_advertised_host_is_one_that_can_be_reached() {
        let check = |listen: &str, advertised: Option<&str>, expect: &str| {
            let mut config = BrokerConfig {
                advertised_host: advertised.map(str::to_owned),
                ..BrokerConfig::default()
            };
            config.listen = Listen::from_text(listen).expect(listen);
            assert_eq!(config.advertised_host(), expect);
        };
        check("10.0.0.1:1", None, "10.0.0.1");
        check("0.0.0.0:1", None, "localhost");
        check("[::]:1", None, "localhost");
        check("0.0.0.0:1", Some("kafka.example"), "kafka.example");
    }
}
