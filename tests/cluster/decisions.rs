//! What the metadata log decided stays decided, whatever crashes: topics that were said to exist or
//! to be gone, topics that were seen, ids that were given out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::TopicId;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::sim::Sim;
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};

use crate::broker::Broker;
use crate::caller::Caller;
use crate::guide::{Guide, is_passing};
use crate::mishap::{Mishap, befall, options};
use crate::seeds::{each, seeds};

/// What clients know.
#[derive(Default)]
struct Known {
    /// Said to exist, or seen.
    existing: BTreeMap<String, Option<TopicId>>,
    /// Asked to be deleted, and whether that was confirmed.
    deleted: BTreeMap<String, bool>,
    producer_ids: BTreeSet<i64>,
}

type Shared = Rc<RefCell<Known>>;

/// Creates topics one after the other and deletes some of them again.
async fn decide(guide: Guide, known: Shared, number: u32, mut random: Prng) {
    for count in 0..12 {
        let name = format!("topic-{number}-{count}");
        guide.create(&name, 1 + random.below(3) as i32, &[]).await;
        known.borrow_mut().existing.entry(name.clone()).or_default();
        if random.chance(1, 3) {
            known.borrow_mut().deleted.insert(name.clone(), false);
            guide.delete_topic(&name).await;
            known.borrow_mut().deleted.insert(name, true);
        }
        rt::sleep(Duration::from_micros(random.below(20_000))).await;
    }
}

async fn take_ids(guide: Guide, known: Shared, mut random: Prng) {
    for _ in 0..40 {
        if let Ok(mut caller) = Caller::connect(guide.bootstrap).await {
            for _ in 0..random.below(4) {
                let request = InitProducerIdRequest::default();
                let read = |answer: <InitProducerId as ringmain::wire::Api>::Response<'_>| {
                    (answer.error_code, answer.producer_id)
                };
                match caller.call::<InitProducerId, _>(4, &request, read).await {
                    Ok((ErrorCode::NONE, id)) => {
                        assert!(known.borrow_mut().producer_ids.insert(id), "id {id} given twice");
                    }
                    Ok((error, _)) => {
                        assert!(is_passing(error), "no producer id: {error:?}");
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        rt::sleep(Duration::from_micros(random.below(20_000))).await;
    }
}

/// Looks at the topics all the time.
async fn watch(guide: Guide, known: Shared) {
    loop {
        see(guide, &known).await;
        rt::sleep(Duration::from_millis(10)).await;
    }
}

async fn see(guide: Guide, known: &Shared) {
    let before: Vec<String> = known.borrow().existing.keys().cloned().collect();
    let gone: Vec<String> =
        known.borrow().deleted.iter().filter(|(_, done)| **done).map(|(n, _)| n.clone()).collect();
    let topics = guide.topics().await;
    let known = &mut *known.borrow_mut();
    for name in before {
        let there = topics.contains_key(&name) || known.deleted.contains_key(&name);
        assert!(there, "{name} existed and is gone");
    }
    for name in gone {
        assert!(!topics.contains_key(&name), "{name} was deleted and is back");
    }
    for (name, id) in topics {
        let seen = known.existing.entry(name.clone()).or_default();
        assert!(seen.is_none_or(|seen| seen == id), "{name} changed its id");
        *seen = Some(id);
    }
}

/// Yields the trace.
fn run(seed: u64) -> u64 {
    let mut random = Prng::new(seed ^ 0xdec1de);
    let sim = Sim::with_options(seed, options(&mut random));
    let broker = Broker::new(&sim, 1 + random.below(3) as usize, &[]);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    let known = Shared::default();
    sim.run(async {
        broker.start(&sim);
        let mut tasks = Vec::new();
        for number in 0..3 {
            let fork = |salt: u64| Prng::new(seed ^ u64::from(number) << 32 ^ salt << 48);
            tasks.push(sim.spawn(clients, decide(guide, known.clone(), number, fork(1))));
            tasks.push(sim.spawn(clients, take_ids(guide, known.clone(), fork(2))));
        }
        sim.spawn(clients, watch(guide, known.clone())).detach();
        for _ in 0..1 + random.below(5) {
            rt::sleep(Duration::from_micros(random.below(200_000))).await;
            befall(&sim, &broker, Mishap::Any, &mut random, drop).await;
        }
        let ended = rt::timeout(Duration::from_secs(600), async {
            for task in tasks {
                task.await;
            }
            let look = {
                let known = known.clone();
                async move { see(guide, &known).await }
            };
            sim.spawn(clients, look).await;
        });
        assert!(ended.await.is_some(), "seed {seed}: {:?}", broker.failure.borrow());
    });
    assert!(known.borrow().existing.len() >= 36);
    sim.trace_hash()
}

#[test]
fn decisions_survive_crashes() {
    each(seeds(30), run);
}
