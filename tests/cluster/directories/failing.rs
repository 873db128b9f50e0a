//! A directory fails, or is not there, and takes nothing along that lies elsewhere.

use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule};
use ringmain::wire::messages::list_offsets::LATEST;

use super::{PATIENCE, TOPIC, World, split};
use crate::seeds::seeds;

#[test]
fn a_directory_that_fails_takes_only_its_partitions_offline() {
    for seed in seeds(20) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            split(&world).await;
            let disk = world.sim.disk(world.broker.host);
            for op in [DiskOp::Open, DiskOp::Write, DiskOp::Sync, DiskOp::Read, DiskOp::Rename] {
                disk.inject(FaultRule::new(op, Fault::Eio).on("/more/").always());
            }
            let writing = world.produce(1, 11, 10);
            world.produce(0, 10, 40).await;
            loop {
                let told = world.describe(1).await;
                if told["/more"].error == ErrorCode::KAFKA_STORAGE_ERROR {
                    assert_eq!(told["/more"].partitions, []);
                    break;
                }
                rt::sleep(Duration::from_millis(50)).await;
            }
            let refused = Some(ErrorCode::KAFKA_STORAGE_ERROR);
            assert_eq!(world.move_to(0, "/more").await, refused, "seed {seed}");
            assert_eq!(world.move_to(1, "/data").await, refused, "seed {seed}");
            assert_eq!(world.leaderless().await, [1], "seed {seed}");
            // Neither a kill nor a start beside the failing disk makes it anew elsewhere.
            world.sim.crash(world.broker.host, CrashKind::ProcessKill);
            world.broker.start(&world.sim);
            world.produce(0, 20, 20).await;
            assert_eq!(world.homes_of(1), ["/more"], "seed {seed}");
            assert_eq!(world.leaderless().await, [1], "seed {seed}");
            disk.clear_faults();
            world.sim.crash(world.broker.host, CrashKind::ProcessKill);
            world.broker.start(&world.sim);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            world.conclude(2).await;
        });
    }
}

#[test]
fn what_lies_in_a_directory_that_is_not_there_is_never_made_anew() {
    for seed in seeds(10) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            split(&world).await;
            world.broker.stop(&world.sim).await;
            *world.broker.directories.borrow_mut() = vec!["/data"];
            world.broker.start(&world.sim);
            let writing = world.produce(1, 11, 10);
            world.produce(0, 10, 10).await;
            rt::sleep(Duration::from_secs(5)).await;
            assert_eq!(world.homes_of(1), ["/more"], "seed {seed}");
            assert_eq!(world.leaderless().await, [1], "seed {seed}");
            world.broker.stop(&world.sim).await;
            // The metadata log is where it was, whichever comes first.
            *world.broker.directories.borrow_mut() = vec!["/more", "/data"];
            world.broker.start(&world.sim);
            assert!(rt::timeout(PATIENCE, writing).await.is_some(), "seed {seed}: it is stuck");
            world.conclude(2).await;
            let guide = world.guide;
            let counting = async move { guide.offset(TOPIC, LATEST).await };
            assert_eq!(world.sim.spawn(world.clients, counting).await, 50, "seed {seed}");
            // Without the one that keeps it there is no start.
            world.broker.stop(&world.sim).await;
            *world.broker.directories.borrow_mut() = vec!["/more"];
            world.broker.start(&world.sim);
            world.sim.ended(world.broker.host).await;
            let told = world.broker.failure.take().unwrap_or_default();
            assert!(told.contains("whose metadata log is not here"), "{told}");
        });
    }
}
