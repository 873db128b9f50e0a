//! Transactions one after the other, by several producers at once: each writes a batch to every
//! partition of its own and commits.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use ringmain::client::{Cluster, Options, Transactor};
use ringmain::rt;
use ringmain::rt::glommio::{Layout, run_cores};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::yardstick::gauge::{Gauge, GaugeArguments};
use crate::yardstick::pin;

#[derive(Args, Clone)]
pub struct Transactions {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// A topic with as many partitions as producers
    #[arg(long, default_value = "load")]
    topic: String,
    #[arg(long, default_value_t = 8)]
    producers: usize,
    /// Records of a transaction, in one batch
    #[arg(long, default_value_t = 100)]
    records: i32,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    #[command(flatten)]
    gauge: GaugeArguments,
}

/// What the core tells: how long a transaction took, or what is wrong.
type Told = Result<Duration, String>;

pub fn run(arguments: &Transactions) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    let (tell, told) = mpsc::channel::<Told>();
    let of_core = arguments.clone();
    let _cores = run_cores(&Layout::unpinned(1), move |_| {
        let (arguments, tell) = (of_core.clone(), tell.clone());
        async move {
            if let Err(error) = produce(&arguments, &tell).await {
                // Whoever listens may have gone.
                let _ = tell.send(Err(error.to_string()));
            }
        }
    })?;
    let mut gauge = Gauge::new(&arguments.gauge);
    let bytes = arguments.records as u64 * arguments.record_bytes as u64;
    while !gauge.is_over(Instant::now())? {
        match told.recv_timeout(Duration::from_millis(50)) {
            Ok(Ok(took)) => {
                gauge.took(took);
                gauge.count(1, arguments.records as u64, bytes);
            }
            Ok(Err(error)) => return Err(io::Error::other(error)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    gauge.report("transactions")
}

async fn produce(
    arguments: &Transactions,
    tell: &mpsc::Sender<Told>,
) -> ringmain::client::Result<()> {
    let endpoint = arguments.to.parse().expect("an address");
    let cluster = Rc::new(Cluster::connect(vec![endpoint], Options::default()).await?);
    let tasks: Vec<rt::Task<()>> = (0..arguments.producers)
        .map(|number| {
            let (cluster, arguments, tell) = (cluster.clone(), arguments.clone(), tell.clone());
            rt::spawn(async move {
                if let Err(error) = transactions(cluster, &arguments, number, &tell).await {
                    let _ = tell.send(Err(error.to_string()));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    Ok(())
}

async fn transactions(
    cluster: Rc<Cluster>,
    arguments: &Transactions,
    number: usize,
    tell: &mpsc::Sender<Told>,
) -> ringmain::client::Result<()> {
    let fields = BatchFields {
        transactional: true,
        producer_id: 0,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFields::default()
    };
    let mut builder = BatchBuilder::new(fields);
    let value = vec![b'v'; arguments.record_bytes];
    for _ in 0..arguments.records {
        builder.push(rt::unix_ms(), None, Some(&value), &[]);
    }
    let batch = builder.finish();
    let topic = cluster.topic(&arguments.topic, false).await?;
    let timeout = Duration::from_secs(60);
    let mut transactor = Transactor::open(cluster, &format!("measure-{number}"), timeout).await?;
    let place = topic.partitions[number % topic.partitions.len()].index;
    loop {
        let began = Instant::now();
        let batches = BTreeMap::from([(place, VecDeque::from([batch.clone()]))]);
        transactor.write(&arguments.topic, &topic, batches).await?;
        transactor.commit().await?;
        if tell.send(Ok(began.elapsed())).is_err() {
            return Ok(());
        }
    }
}
