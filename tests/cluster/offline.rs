//! Partitions that a failed disk took offline are counted, and nothing else is: whoever looks after a
//! broker alarms on that.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::rt;
use ringmain::rt::sim::{DiskOp, Fault, FaultRule, Sim};

use crate::broker::Broker;
use crate::guide::Guide;
use crate::history::{History, Promise};
use crate::producer::Producer;
use crate::seeds::seeds;

/// Writes to three partitions of a broker whose disk may fail once, stops and starts it: how many are
/// counted as offline at the first end, and at the second.
fn counted(seed: u64, fault: Option<(DiskOp, &str)>, starts_well: bool) -> [u64; 2] {
    let sim = Sim::new(seed);
    let broker = Broker::new(&sim, 1 + seed as usize % 3, &[]);
    let guide = Guide { bootstrap: broker.bootstrap(&sim) };
    let clients = sim.add_host("clients");
    sim.run(async {
        broker.start(&sim);
        sim.spawn(clients, async move { guide.create("orders", 3, &[]).await }).await;
        let inject = || {
            if let Some((op, path)) = fault {
                sim.disk(broker.host).inject(FaultRule::new(op, Fault::Eio).on(path));
            }
        };
        if starts_well {
            inject();
        }
        for partition in 0..3 {
            let producer = Producer {
                guide,
                history: Rc::<History>::default(),
                topic: "orders".to_owned(),
                partition,
                writer: 0,
                promise: Promise::Written,
                records: 20,
                in_flight_max: 1,
                value_bytes_max: 1000,
                random: Prng::new(seed),
            };
            // The one that is offline is never done with.
            let writing = sim.spawn(clients, producer.run());
            rt::timeout(Duration::from_secs(5), writing).await;
        }
        let mut ends = [0; 2];
        for end in &mut ends {
            broker.counted.take();
            broker.stop(&sim).await;
            *end = broker.counted.take().offline;
            if !starts_well {
                inject();
            }
            broker.start(&sim);
            let reached = sim.spawn(clients, async move { guide.topics().await }).await;
            assert!(reached.contains_key("orders"));
        }
        ends
    })
}

#[test]
fn partitions_that_are_offline_are_counted() {
    for seed in seeds(6) {
        assert_eq!(counted(seed, None, true), [0, 0], "seed {seed}: closed in order");
        for op in [DiskOp::Write, DiskOp::Sync] {
            let ends = counted(seed, Some((op, "orders-1/")), true);
            assert_eq!(ends, [1, 0], "seed {seed}: {op:?} failed, then started again");
        }
        let ends = counted(seed, Some((DiskOp::Open, "orders-2/")), false);
        assert_eq!(ends, [0, 1], "seed {seed}: it could not be opened");
    }
}
