//! Partitions move between directories while clients are at work and everything crashes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::rt::sim::CrashKind;

use super::{HOMES, PATIENCE, Told, World, describe, request_move, split};
use crate::guide::Guide;
use crate::mishap::{Mishap, befall};
use crate::seeds::seeds;

/// Sends a partition to and fro, for ever; sometimes before it has arrived. Counts how often it came to
/// another place.
async fn keep_moving(guide: Guide, partition: i32, mut random: Prng, moved: Rc<Cell<u32>>) {
    let mut last = None;
    loop {
        let home = HOMES[random.below(2) as usize];
        request_move(guide, partition, home).await;
        rt::sleep(Duration::from_micros(random.below(400_000))).await;
        let told = describe(guide, partition).await;
        let has_it = |told: &Told| told.partitions.contains(&(partition, false));
        let now = told.into_iter().find(|(_, told)| has_it(told)).map(|(home, _)| home);
        if now.is_some() && last.is_some() && now != last {
            moved.set(moved.get() + 1);
        }
        last = now.or(last);
    }
}

/// Yields how often partitions came to another directory.
fn run(seed: u64, mishap: Mishap) -> u32 {
    let moved = Rc::new(Cell::new(0));
    let world = World::new(seed, &["log.segment.delete.delay.ms=100"]);
    world.sim.run(async {
        world.broker.start(&world.sim);
        let partitions = 1 + world.random.borrow_mut().below(3) as i32;
        let segments = [("segment.bytes", "1048576"), ("segment.index.bytes", "48")];
        world.create(partitions, &segments).await;
        let mut writing = Vec::new();
        for partition in 0..partitions {
            for writer in 0..2 {
                writing.push(world.produce(partition, (partition * 2 + writer) as u32, 120));
            }
            let guide = world.guide;
            let random = Prng::new(world.random.borrow_mut().next_u64());
            world
                .sim
                .spawn(world.clients, keep_moving(guide, partition, random, moved.clone()))
                .detach();
            let follower = world.consumer(partition, 1 << 14);
            world.sim.spawn(world.clients, follower.follow()).detach();
        }
        let mishaps =
            if mishap == Mishap::Nothing { 0 } else { 1 + world.random.borrow_mut().below(5) };
        let mut random = Prng::new(world.random.borrow_mut().next_u64());
        for _ in 0..mishaps {
            rt::sleep(Duration::from_micros(random.below(300_000))).await;
            befall(&world.sim, &world.broker, mishap, &mut random, drop).await;
        }
        let ended = rt::timeout(PATIENCE, async {
            for writer in writing {
                writer.await;
            }
        });
        let failure = &world.broker.failure;
        assert!(ended.await.is_some(), "seed {seed}: it is stuck: {:?}", failure.borrow());
        rt::sleep(Duration::from_secs(1)).await;
        world.conclude(partitions).await;
        world.broker.stop(&world.sim).await;
        for partition in 0..partitions {
            let homes = world.homes_of(partition);
            assert_eq!(homes.len(), 1, "seed {seed}: {partition} lies in {homes:?}");
        }
        world.broker.start(&world.sim);
        world.conclude(partitions).await;
    });
    moved.get()
}

/// Runs every seed; they must have moved something.
fn run_all(count: u64, mishap: Mishap) {
    let seeds = seeds(count);
    let (mut runs, mut moved) = (0, 0);
    for seed in seeds {
        runs += 1;
        moved += run(seed, mishap);
    }
    assert!(moved >= runs, "{moved} moves in {runs} runs: nothing was tried");
}

#[test]
fn partitions_move_while_clients_are_at_work() {
    run_all(10, Mishap::Nothing);
}

#[test]
fn nothing_is_lost_when_a_move_is_killed() {
    run_all(15, Mishap::Crash(CrashKind::ProcessKill));
}

#[test]
fn nothing_is_lost_when_the_power_fails_in_a_move() {
    run_all(30, Mishap::Crash(CrashKind::PowerLoss));
}

#[test]
fn nothing_is_lost_when_the_disk_fails_or_fills_up_in_a_move() {
    run_all(20, Mishap::Any);
}

#[test]
fn moves_are_refused_as_kafka_refuses_them() {
    let world = World::new(4, &[]);
    world.sim.run(async {
        world.broker.start(&world.sim);
        split(&world).await;
        assert_eq!(world.move_to(0, "/elsewhere").await, Some(ErrorCode::LOG_DIR_NOT_FOUND));
        assert_eq!(world.move_to(0, "/data").await, Some(ErrorCode::NONE), "where it is");
        let disk = world.sim.disk(world.broker.host);
        let capacity = disk.capacity();
        disk.set_capacity(disk.used() + 1000);
        let full = Some(ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(world.move_to(0, "/more").await, full, "no room");
        disk.set_capacity(capacity);
        assert_eq!(world.move_to(0, "/more").await, Some(ErrorCode::NONE));
        world.arrived(0, "/more").await;
        world.conclude(2).await;
    });
}
