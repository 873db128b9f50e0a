//! One broker of a comparison: its file, and how it is brought up and spoken to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::driven::Driven;
use crate::driver::Result;
use crate::driver_file::DriverFile;
use crate::drivers;
use crate::lean::plan::Lean;
use crate::lean::settings::{ConsumerSettings, ProducerSettings};
use crate::payload::Payloads;
use crate::properties::Properties;
use crate::workload::{Durability, Workload};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KafkaClient {
    /// Our own, made to use little itself
    Lean,
    /// The library that most clients are made of
    Librdkafka,
}

pub struct Contestant {
    pub file: DriverFile,
    pub path: PathBuf,
}

/// A workload file.
pub struct Work {
    pub workload: Workload,
    pub path: PathBuf,
}

impl Work {
    pub fn read(path: &Path) -> Result<Work> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let workload =
            Workload::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Work { workload, path: path.to_owned() })
    }
}

impl Contestant {
    pub fn read(path: &Path) -> Result<Contestant> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let file =
            DriverFile::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Contestant { file, path: path.to_owned() })
    }

    /// The project's directory: above the file, the first that holds a Cargo.toml and a `benches`.
    pub fn root(&self) -> PathBuf {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let holds = |dir: &&Path| dir.join("Cargo.toml").is_file() && dir.join("benches").is_dir();
        let found = path.ancestors().skip(1).find(holds).map(Path::to_owned);
        found.or_else(|| std::env::current_dir().ok()).unwrap_or_else(|| PathBuf::from("."))
    }

    pub fn speaks_kafka(&self) -> bool {
        matches!(self.file.driver_name().as_str(), "kafka" | "redpanda" | "ringmain" | "")
    }

    /// Why the workload's durability cannot be had here; `None` when it can.
    pub fn lacks_durability(&self, workload: &Workload) -> Option<String> {
        let wanted = workload.durability?;
        let offered = &self.file.durability;
        match offered.is_empty() || offered.contains_key(&wanted) {
            true => None,
            false => {
                let names: Vec<_> = offered.keys().map(|level| level.name()).collect();
                Some(format!("does not offer '{}', only {}", wanted.name(), names.join(", ")))
            }
        }
    }

    /// A client for one round; `port` of a broker that the harness started. The second part is a
    /// warning.
    pub fn client(
        &self,
        work: &Work,
        port: Option<u16>,
        kafka: KafkaClient,
        cpus: &[usize],
    ) -> Result<(Box<dyn Client>, Option<String>)> {
        let workload = &work.workload;
        let (payloads, warning) = Payloads::of(workload, Some(&work.path))?;
        if !self.speaks_kafka() || kafka == KafkaClient::Librdkafka {
            let name = match self.speaks_kafka() {
                true => "librdkafka".to_owned(),
                false => self.file.driver_name(),
            };
            let open = drivers::find(&name).ok_or_else(|| {
                format!("there is no driver '{name}' in this build: --features {name}")
            })?;
            let connection = drivers::Connection { file: &self.file, workload, port };
            let driver = open(&connection)?;
            let driven = Driven::new(name, driver, workload.clone(), payloads, cpus.to_vec());
            return Ok((Box::new(driven), warning));
        }
        let of = |file: &str, own: &str| Properties::of(&[&self.file.common_config, file, own]);
        let producer = of(&self.file.producer_config, &workload.producer_config)?;
        let consumer = of(&self.file.consumer_config, &workload.consumer_config)?;
        let bootstrap = self.bootstrap(port)?;
        let lean = Lean {
            bootstrap,
            workload: workload.clone(),
            payloads,
            producer: ProducerSettings::of(&producer)?,
            consumer: ConsumerSettings::of(&consumer)?,
            configs: self.topic_configs(workload)?,
            replication: if port.is_some() { 1 } else { self.file.replication_factor.unwrap_or(1) },
            cpus: cpus.to_vec(),
            topics: Vec::new(),
        };
        Ok((Box::new(lean), warning))
    }

    pub fn bootstrap(&self, port: Option<u16>) -> Result<String> {
        if let Some(port) = port {
            return Ok(format!("127.0.0.1:{port}"));
        }
        let common = Properties::of(&[&self.file.common_config])?;
        let servers = common.get("bootstrap.servers").ok_or("no bootstrap.servers, no launch")?;
        Ok(servers.split(',').next().unwrap_or(servers).to_owned())
    }

    /// Of topics, by durability.
    pub fn topic_configs(
        &self,
        workload: &Workload,
    ) -> Result<BTreeMap<Option<Durability>, Properties>> {
        let of =
            |level: &str| Properties::of(&[&self.file.topic_config, level, &workload.topic_config]);
        let mut configs = BTreeMap::from([(None, of("")?)]);
        for (&level, lines) in &self.file.durability {
            configs.insert(Some(level), of(lines)?);
        }
        Ok(configs)
    }
}
