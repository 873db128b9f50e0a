//! What several commands are told.

use std::path::PathBuf;

use clap::Args;

use crate::broker::Place;
use crate::contestant::{Contestant, KafkaClient};
use crate::driver::Result;
use crate::round::Terms;

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A driver file of a broker; several take turns in each round
    #[arg(long, value_name = "FILE", required = true)]
    pub broker: Vec<PathBuf>,
    /// CPUs that a started broker may use
    #[arg(long, value_name = "LIST", default_value = "0", value_parser = cpus)]
    pub broker_cpus: Cpus,
    /// CPUs of the client, each with a pinned thread
    #[arg(long, value_name = "LIST", default_value = "1", value_parser = cpus)]
    pub client_cpus: Cpus,
    /// What speaks Kafka's protocol
    #[arg(long, value_enum, default_value_t = KafkaClient::Lean)]
    pub client: KafkaClient,
    /// Where the brokers' data lies while they run; it decides which disk is measured
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub dir: PathBuf,
    /// Records a second, instead of the workload's producerRate
    #[arg(long)]
    pub rate: Option<f64>,
    /// GB of backlog, instead of the workload's, where it has one
    #[arg(long, value_name = "GB")]
    pub backlog: Option<f64>,
    /// Seconds measured, instead of the workload's
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds before that, instead of the workload's
    #[arg(long, value_name = "SECONDS")]
    pub warm_up: Option<f64>,
}

/// Numbers of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

/// `0,2-3`.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let number = |text: &str| {
            text.trim().parse::<usize>().map_err(|_| format!("{text:?} is no number of a CPU"))
        };
        match part.split_once('-') {
            None => cpus.push(number(part)?),
            Some((first, last)) => cpus.extend(number(first)?..=number(last)?),
        }
    }
    match cpus.is_empty() {
        true => Err("no CPU".into()),
        false => Ok(Cpus(cpus)),
    }
}

impl Options {
    pub fn contestants(&self) -> Result<Vec<Contestant>> {
        self.broker.iter().map(|path| Contestant::read(path)).collect()
    }

    /// For one broker; `kill` also measures how it comes back.
    pub fn terms(&self, contestant: &Contestant, kill: bool) -> Result<Terms> {
        std::fs::create_dir_all(&self.dir)?;
        let dir = self.dir.canonicalize()?;
        let name: String = contestant
            .file
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        Ok(Terms {
            place: Place {
                dir: dir.join(name),
                cpus: self.broker_cpus.0.clone(),
                root: contestant.root(),
                durability: None,
            },
            client_cpus: self.client_cpus.0.clone(),
            client: self.client,
            kill,
            rate: self.rate,
            backlog_gb: self.backlog,
            seconds: self.seconds,
            warm_up: self.warm_up,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus("0,2-4"), Ok(Cpus(vec![0, 2, 3, 4])));
        assert_eq!(cpus("1"), Ok(Cpus(vec![1])));
        assert!(cpus("a").is_err() && cpus("").is_err());
    }
}
