//! Two producers that believe an id to be theirs, on a disk that is slow to sync: the end of one transaction, the
//! beginning of the next and its end are safe at the same moment. Each end must be carried out.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{Delay, Sim};

use super::TOPIC;
use super::outcome::Outcomes;
use super::producer::{Level, Producer, Trouble};
use crate::broker::Broker;
use crate::guide::Guide;
use crate::mishap::options;
use crate::seeds::seeds;

const ID: &str = "rivals";
const ROUNDS: u32 = 25;
/// Longer than anything may take, but for waiting for an end that nobody carries out.
const PATIENCE: Duration = Duration::from_secs(20);

const SETTINGS: [&str; 2] =
    ["transaction.state.log.num.partitions=1", "ringmain.durability=synced"];

fn run(seed: u64) {
    let mut random = Prng::new(seed ^ 0x41fa1);
    let mut options = options(&mut random);
    options.net.reset_ppm = 0;
    options.net.delay = Delay::between_us(20, 200);
    options.disk.sync = Delay::between_us(20_000, 60_000);
    let sim = Sim::with_options(seed, options);
    let broker = Broker::new(&sim, 1 + random.below(2) as usize, &SETTINGS);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let producer = |random: &mut Prng| Producer {
        guide,
        outcomes: Rc::new(Outcomes::default()),
        topic: TOPIC,
        partitions: 1,
        transactional_id: ID.to_owned(),
        // Whoever waits for the time-out has waited too long.
        timeout_ms: 600_000,
        level: Level::Old,
        transactions: 0,
        random: Prng::new(random.next_u64()),
        trouble_one_in: None,
    };
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create(TOPIC, 1, &[]).await }).await;
        // Somebody keeps the coordinator's log busy, so that what is decided meanwhile is written together.
        let mut noise = producer(&mut random);
        noise.transactional_id = "noise".to_owned();
        let noise = sim.spawn(clients, async move {
            let mut coordinator = noise.coordinator().await.expect("a coordinator");
            loop {
                noise.begin(&mut coordinator).await.expect("nobody is in the way");
            }
        });
        for round in 0..ROUNDS {
            let mut one = producer(&mut random);
            let mut other = producer(&mut random);
            let committed = sim.spawn(clients, async move {
                let mut coordinator = one.coordinator().await?;
                let mut identity = one.begin(&mut coordinator).await?;
                one.add(&mut coordinator, &identity, &[0]).await?;
                one.write(&mut identity, 0, round).await?;
                one.end(&mut coordinator, &mut identity, true).await?;
                Ok::<_, Trouble>((one, coordinator, identity))
            });
            let (one, mut coordinator, identity) = committed.await.expect("nobody is in the way");
            // The next one at once, while somebody takes the id over.
            let first =
                sim.spawn(clients, async move { one.add(&mut coordinator, &identity, &[0]).await });
            let wait = Duration::from_micros(random.below(80_000));
            let second = sim.spawn(clients, async move {
                rt::sleep(wait).await;
                let mut coordinator = other.coordinator().await?;
                other.begin(&mut coordinator).await.map(drop)
            });
            // Either may be fenced by the other.
            let ended = rt::timeout(PATIENCE, async {
                let _ = first.await;
                let _ = second.await;
                // Nobody else is there, and so it must be possible to begin.
                let mut last = producer(&mut random);
                let begun = sim.spawn(clients, async move {
                    let mut coordinator = last.coordinator().await?;
                    last.begin(&mut coordinator).await.map(drop)
                });
                begun.await.expect("nobody is in the way");
            });
            assert!(ended.await.is_some(), "seed {seed}: round {round}: an end is not carried out");
        }
        drop(noise);
    });
}

#[test]
fn an_end_that_follows_another_closely_is_carried_out() {
    for seed in seeds(10) {
        run(seed);
    }
}
