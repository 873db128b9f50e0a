//! Moves are no quicker than replica.alter.log.dirs.io.max.bytes.per.second lets them be.

use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::rt;

use super::World;
use crate::seeds::seeds;

/// Asks for the move until that is answered.
async fn begin(world: &World, partition: i32, home: &'static str) {
    let mut answer = None;
    while answer.is_none() {
        answer = world.move_to(partition, home).await;
    }
    assert_eq!(answer, Some(ErrorCode::NONE));
}

/// How long, in seconds of the simulation, it takes to move all partitions there.
async fn move_all(world: &World, partitions: i32, home: &'static str) -> f64 {
    let began = rt::now();
    for partition in 0..partitions {
        begin(world, partition, home).await;
    }
    for partition in 0..partitions {
        world.arrived(partition, home).await;
    }
    rt::now().since(began).as_secs_f64()
}

#[test]
fn moves_are_no_quicker_than_they_may_be() {
    const LIMIT: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
    for seed in seeds(8) {
        let world = World::new(seed, &[]);
        world.sim.run(async {
            world.broker.start(&world.sim);
            world.create(3, &[]).await;
            move_all(&world, 3, "/data").await;
            let writing = (0..3).map(|partition| world.write_bulk(partition, 100));
            for writing in writing.collect::<Vec<_>>() {
                writing.await;
            }
            // Closed files are as long as their logs.
            world.broker.stop(&world.sim).await;
            let bytes = world.bytes_of(3);
            world.broker.start(&world.sim);
            assert!(bytes > 5_000_000, "{bytes} bytes prove little");
            let at_ease = move_all(&world, 3, "/more").await;
            world.set(LIMIT, "1000000").await;
            let limited = move_all(&world, 3, "/data").await;
            // Of all cores together; what is missing at the end is taken at once.
            let due = (bytes as f64 - 3.0 * 1_048_576.0) / 1e6;
            assert!(limited > due, "seed {seed}: {limited} s for {bytes} bytes");
            assert!(
                limited < 2.0 * due + at_ease + 5.0,
                "seed {seed}: {limited} s instead of {due}"
            );
            // What waits obeys at once when it may be quicker.
            world.set(LIMIT, "1").await;
            begin(&world, 0, "/more").await;
            rt::sleep(Duration::from_secs(60)).await;
            assert_eq!(world.homes_of(0), ["/data"], "seed {seed}");
            world.set(LIMIT, "9223372036854775807").await;
            let freed = rt::timeout(Duration::from_secs(20), world.arrived(0, "/more")).await;
            assert!(freed.is_some(), "seed {seed}: it still waits");
            // Nor does an end in order wait for it.
            world.set(LIMIT, "0").await;
            begin(&world, 1, "/more").await;
            rt::sleep(Duration::from_secs(1)).await;
            let stopped = rt::timeout(Duration::from_secs(20), world.broker.stop(&world.sim)).await;
            assert!(stopped.is_some(), "seed {seed}: it does not stop");
            world.broker.start(&world.sim);
            assert_eq!(world.homes_of(1), ["/data"], "seed {seed}");
            world.conclude(3).await;
        });
    }
}
