//! Tasks, time, and telling one run from another.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringmain::base::oneshot::oneshot;
use ringmain::rt::sim::{CrashKind, Sim, SimOptions, TaskOrder};
use ringmain::rt::{self, inbox};

use super::sim;

fn racing_tasks(seed: u64, order: TaskOrder) -> (u64, Vec<u32>) {
    let sim = Sim::with_options(seed, SimOptions { task_order: order, ..Default::default() });
    let host = sim.add_host("broker");
    let finished = Rc::new(RefCell::new(Vec::new()));
    for number in 0..8 {
        let finished = finished.clone();
        let body = async move {
            for _ in 0..number % 3 {
                rt::yield_now().await;
            }
            finished.borrow_mut().push(number);
        };
        sim.spawn(host, body).detach();
    }
    sim.run(rt::sleep(Duration::from_secs(1)));
    (sim.trace_hash(), finished.take())
}

#[test]
fn equal_seeds_run_equally_and_others_do_not() {
    let mut orders = Vec::new();
    for seed in 0..50 {
        let first = racing_tasks(seed, TaskOrder::Any);
        assert_eq!(first, racing_tasks(seed, TaskOrder::Any), "seed {seed}");
        assert_eq!(first.1.len(), 8);
        orders.push(first);
    }
    orders.sort();
    orders.dedup_by_key(|(hash, _)| *hash);
    assert_eq!(orders.len(), 50, "two seeds with one trace");
    orders.sort_by(|a, b| a.1.cmp(&b.1));
    orders.dedup_by(|a, b| a.1 == b.1);
    assert!(orders.len() > 25, "only {} orders", orders.len());
}

#[test]
fn first_come_first_served_is_that() {
    for seed in 0..20 {
        let (_, order) = racing_tasks(seed, TaskOrder::Fifo);
        assert_eq!(order, [0, 3, 6, 1, 4, 7, 2, 5], "seed {seed}");
    }
}

#[test]
fn what_waits_is_polled_for_no_reason_only_where_that_is_wanted() {
    let polls_of_a_waiting_task = |ppm| {
        let options = SimOptions { idle_polls_ppm: ppm, ..Default::default() };
        let sim = Sim::with_options(1, options);
        let host = sim.add_host("broker");
        let polls = Rc::new(Cell::new(0));
        let counter = polls.clone();
        let waiting = poll_fn(move |_| {
            counter.set(counter.get() + 1);
            Poll::<()>::Pending
        });
        sim.spawn(host, waiting).detach();
        sim.run(async {
            for _ in 0..1000 {
                rt::yield_now().await;
            }
        });
        polls.get()
    };
    assert_eq!(polls_of_a_waiting_task(0), 1);
    assert!((50..200).contains(&polls_of_a_waiting_task(100_000)));
}

#[test]
fn timers_end_in_order_and_not_early() {
    for seed in 0..50 {
        let (sim, host) = sim(seed);
        let ended = Rc::new(RefCell::new(Vec::new()));
        for ms in [40, 10, 30, 20, 50] {
            let ended = ended.clone();
            let body = async move {
                let before = rt::now();
                rt::sleep(Duration::from_millis(ms)).await;
                assert!(rt::now().since(before) >= Duration::from_millis(ms));
                ended.borrow_mut().push(ms);
            };
            sim.spawn(host, body).detach();
        }
        sim.run(rt::sleep(Duration::from_secs(3600)));
        assert_eq!(ended.take(), [10, 20, 30, 40, 50]);
        assert!(sim.steps() < 100, "an hour of sleep is one jump");
    }
}

#[test]
fn a_timeout_ends_what_takes_too_long() {
    let sim = Sim::new(1);
    let short = Duration::from_millis(5);
    let (late, early) = sim.run(async {
        let late = rt::timeout(short, rt::sleep(Duration::from_millis(6))).await;
        let early = rt::timeout(short, rt::sleep(Duration::from_millis(4))).await;
        (late, early)
    });
    assert_eq!((late, early), (None, Some(())));
    assert!(sim.elapsed() < Duration::from_millis(10));
}

#[test]
fn a_dropped_task_is_cancelled_a_detached_one_is_not() {
    let sim = Sim::new(2);
    let runs = Rc::new(Cell::new(0));
    let count = |runs: Rc<Cell<u32>>| async move {
        rt::sleep(Duration::from_millis(1)).await;
        runs.set(runs.get() + 1);
        runs.get()
    };
    sim.run(async {
        drop(rt::spawn(count(runs.clone())));
        rt::spawn(count(runs.clone())).detach();
        rt::sleep(Duration::from_millis(2)).await;
        assert_eq!(runs.get(), 1);
        assert_eq!(rt::spawn(count(runs.clone())).await, 2);
    });
}

#[test]
#[should_panic(expected = "seed 77: deadlock")]
fn a_deadlock_is_found() {
    let (sim, host) = sim(77);
    sim.spawn(host, std::future::pending::<()>()).detach();
    let (_sender, receiver) = oneshot::<()>();
    sim.run(receiver);
}

#[test]
#[should_panic(expected = "seed 78: more than 1000 steps")]
fn a_simulation_that_never_ends_is_found() {
    let sim = Sim::with_options(78, SimOptions { steps_max: 1000, ..Default::default() });
    sim.run(async {
        loop {
            rt::sleep(Duration::from_millis(1)).await;
        }
    })
}

#[test]
fn a_crash_ends_the_tasks_of_its_host_only() {
    let (sim, host) = sim(3);
    let other = sim.add_host("other");
    let beats = [const { Cell::new(0) }; 2].map(Rc::new);
    for (index, at) in [host, other].into_iter().enumerate() {
        let beats = beats[index].clone();
        let main = move |_| {
            let beats = beats.clone();
            async move {
                loop {
                    rt::sleep(Duration::from_millis(1)).await;
                    beats.set(beats.get() + 1);
                }
            }
        };
        sim.start(at, 1, main);
    }
    sim.run(async {
        rt::sleep(Duration::from_micros(5_500)).await;
        sim.crash(host, CrashKind::ProcessKill);
        sim.ended(host).await;
        rt::sleep(Duration::from_millis(5)).await;
    });
    assert_eq!(beats.each_ref().map(|beats| beats.get()), [5, 10]);
}

#[test]
fn a_process_ends_when_all_its_cores_have() {
    let (sim, host) = sim(4);
    let alive = Rc::new(());
    let held = alive.clone();
    sim.start(host, 3, move |core| {
        let held = held.clone();
        async move {
            rt::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            })
            .detach();
            rt::sleep(Duration::from_millis(core as u64)).await;
        }
    });
    sim.run(async {
        sim.ended(host).await;
        rt::yield_now().await;
    });
    assert!(sim.elapsed() >= Duration::from_millis(2));
    assert_eq!(Rc::strong_count(&alive), 1, "a stray task outlived its process");
}

#[test]
fn an_inbox_wakes_its_reader() {
    let sim = Sim::new(5);
    let (sender, receiver) = inbox(2).expect("an inbox");
    let sum = sim.run(async {
        rt::spawn(async move {
            for item in 1..=4 {
                rt::sleep(Duration::from_millis(1)).await;
                sender.try_send(item).expect("room");
            }
        })
        .detach();
        let mut sum = 0;
        for _ in 0..4 {
            sum += receiver.receive().await;
        }
        sum
    });
    assert_eq!(sum, 10);
}

#[test]
fn the_wall_clock_can_jump() {
    let (sim, host) = sim(6);
    let before = sim.run(sim.spawn(host, async { rt::unix_ms() }));
    sim.set_clock_offset(host, -7_200_000);
    let after = sim.run(sim.spawn(host, async { rt::unix_ms() }));
    assert!((-7_200_000..-7_199_000).contains(&(after - before)));
}
