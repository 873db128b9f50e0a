//! The broker's own client library, through the same mishaps: what its producer was told to write is
//! there once and in order, and a consumer that went through everything has seen exactly that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::client::consumer::{Consumer, ConsumerOptions, Event, Start};
use ringmain::client::producer::{NewRecord, Producer, ProducerOptions};
use ringmain::client::{Cluster, Endpoint, Isolation, Options};
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Sim};
use ringmain::wire::compression::Codec;

use crate::broker::Broker;
use crate::guide::Guide;
use crate::mishap::{Mishap, befall, options};
use crate::seeds::seeds;

const TOPIC: &str = "orders";

/// Numbers by partition, in the order of their offsets.
type Content = BTreeMap<i32, Vec<u32>>;

async fn connect(bootstrap: std::net::SocketAddr) -> Rc<Cluster> {
    let endpoint = Endpoint { host: bootstrap.ip().to_string(), port: bootstrap.port() };
    let patient = Duration::from_secs(1000);
    let options = Options { retry_for: patient, ..Options::default() };
    loop {
        match Cluster::connect(vec![endpoint.clone()], options.clone()).await {
            Ok(cluster) => return Rc::new(cluster),
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
        rt::sleep(Duration::from_millis(20)).await;
    }
}

async fn write(bootstrap: std::net::SocketAddr, records: u32, mut random: Prng) {
    let cluster = connect(bootstrap).await;
    let options = ProducerOptions {
        codec: Codec::ALL[random.below(5) as usize],
        batch_bytes: 100 << random.below(8),
        linger: Duration::from_micros(random.below(5_000)),
        buffer_bytes: 1000 << random.below(6),
        delivery_timeout: Duration::from_secs(1000),
        ..Default::default()
    };
    let open = async || Producer::open(cluster.clone(), TOPIC, options.clone()).await;
    let producer = cluster.retry(open).await.expect("a producer");
    let partitions = producer.partitions() as u64;
    for number in 0..records {
        let text = format!("{number} {}", "x".repeat(random.below(100) as usize));
        let key = random.below(5).to_string();
        let record = NewRecord {
            timestamp: rt::unix_ms(),
            key: random.chance(1, 2).then_some(key.as_bytes()),
            value: Some(text.as_bytes()),
            partition: random.chance(1, 3).then(|| random.below(partitions) as i32),
            ..Default::default()
        };
        producer.send(&record).await.expect("a record on its way");
        if random.chance(1, 30) {
            producer.flush().await.expect("acknowledgements");
        }
        if random.chance(1, 10) {
            rt::sleep(Duration::from_micros(random.below(30_000))).await;
        }
    }
    producer.flush().await.expect("acknowledgements");
    assert_eq!(producer.written().records, u64::from(records));
}

/// Reads until it has seen `count` records, or all that is there for `None`.
async fn read(
    bootstrap: std::net::SocketAddr,
    count: Option<u32>,
    mut random: Prng,
    content: Rc<RefCell<Content>>,
) {
    let cluster = connect(bootstrap).await;
    let topic = cluster.retry(async || cluster.topic(TOPIC, false).await).await.expect("a topic");
    let mut starts = Vec::new();
    for partition in &topic.partitions {
        let end = match count {
            Some(_) => None,
            None => {
                let asked = [(partition.index, -1)];
                let ends = cluster
                    .retry(async || {
                        let topic = cluster.topic(TOPIC, false).await?;
                        let level = Isolation::ReadUncommitted;
                        ringmain::client::list_offsets(&cluster, TOPIC, &topic, &asked, level).await
                    })
                    .await;
                Some(ends.expect("the end")[&partition.index].offset)
            }
        };
        starts.push(Start { partition: partition.index, offset: 0, end });
    }
    let options = ConsumerOptions {
        partition_bytes_max: 1 << random.below(20),
        queue_bytes_max: 1 << random.below(20),
        sessions: random.chance(1, 2),
        ..Default::default()
    };
    let consumer = Consumer::new(cluster, TOPIC, topic, &starts, options);
    let mut seen = 0;
    while count != Some(seen) {
        let fetched = match consumer.next().await.expect("a consumer that goes on") {
            Event::Records(fetched) => fetched,
            Event::End => break,
            Event::Trouble(_) => continue,
            event @ Event::Skipped { .. } => panic!("{event:?}"),
        };
        let mut content = content.borrow_mut();
        let numbers = content.entry(fetched.partition).or_default();
        for batch in fetched.batches() {
            for record in batch.expect("a batch").records() {
                let record = record.expect("a record");
                assert_eq!(record.offset, numbers.len() as i64, "offsets without gaps");
                let text = std::str::from_utf8(record.value.expect("a value")).expect("text");
                let number = text.split(' ').next().expect("a number");
                numbers.push(number.parse().expect("a number"));
                seen += 1;
            }
        }
    }
}

fn run(seed: u64, mishap: Mishap) {
    let mut random = Prng::new(seed ^ 0xc11e);
    let sim = Sim::with_options(seed, options(&mut random));
    let broker = Broker::new(&sim, 1 + random.below(3) as usize, &[]);
    let bootstrap = broker.bootstrap(&sim);
    let guide = Guide { bootstrap };
    let clients = sim.add_host("clients");
    let records = 50 + random.below(300) as u32;
    let partitions = 1 + random.below(4) as i32;
    let (live, last) = (Rc::<RefCell<Content>>::default(), Rc::<RefCell<Content>>::default());
    sim.run(async {
        broker.start(&sim);
        let create = async move { guide.create(TOPIC, partitions, &[]).await };
        sim.spawn(clients, create).await;
        let writer = sim.spawn(clients, write(bootstrap, records, Prng::new(random.next_u64())));
        let reading = read(bootstrap, Some(records), Prng::new(random.next_u64()), live.clone());
        let reader = sim.spawn(clients, reading);
        for _ in 0..if mishap == Mishap::Nothing { 0 } else { 1 + random.below(4) } {
            rt::sleep(Duration::from_micros(random.below(400_000))).await;
            befall(&sim, &broker, mishap, &mut random, |_| {}).await;
        }
        let patience = Duration::from_secs(1200);
        let ended = rt::timeout(patience, async {
            writer.await;
            reader.await;
        });
        assert!(ended.await.is_some(), "seed {seed}: they do not get through");
        let reading = read(bootstrap, None, Prng::new(random.next_u64()), last.clone());
        let ended = rt::timeout(patience, sim.spawn(clients, reading));
        assert!(ended.await.is_some(), "seed {seed}: the end is not reached");
    });
    assert_eq!(live, last, "seed {seed}: one saw what the other did not");
    let mut all = Vec::new();
    for (partition, numbers) in live.borrow().iter() {
        assert!(numbers.is_sorted(), "seed {seed}: partition {partition} is out of order");
        all.extend_from_slice(numbers);
    }
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(0..records), "seed {seed}: not every record once");
}

#[test]
fn our_client_writes_once_and_reads_all_when_nothing_happens() {
    for seed in seeds(20) {
        run(seed, Mishap::Nothing);
    }
}

#[test]
fn our_client_writes_once_and_reads_all_whatever_happens() {
    for seed in seeds(60) {
        run(seed, Mishap::Any);
    }
}

#[test]
fn our_client_writes_once_and_reads_all_when_the_process_is_killed() {
    for seed in seeds(40) {
        run(seed, Mishap::Crash(CrashKind::ProcessKill));
    }
}
