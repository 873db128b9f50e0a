//! When a core sleeps, what wakes it, and who comes first while it is awake.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use ringmain::rt::glommio::{Layout, run_cores};
use ringmain::rt::{self, core_stats};

#[cfg(feature = "planted-bugs")]
use crate::fails_with;
use crate::on_core;

/// What a lost wake-up costs a test before it fails: nothing else wakes the core.
const PATIENCE: Duration = Duration::from_secs(20);

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs it on a thread of its own; false: it hangs, and is left alone.
fn ends(work: impl FnOnce() + Send + 'static) -> bool {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        work();
        // The test may have given up.
        let _ = done.send(());
    });
    is_done.recv_timeout(PATIENCE).is_ok()
}

#[test]
fn an_idle_core_sleeps() {
    let (sleeps, used) = on_core(|| async {
        let (sleeps, used) = (core_stats().sleeps, cpu_time());
        rt::sleep(Duration::from_millis(500)).await;
        (core_stats().sleeps - sleeps, cpu_time() - used)
    });
    assert!(sleeps <= 2, "it woke {sleeps} times");
    assert!(used < Duration::from_millis(5), "it used {used:?}");
}

/// Each message finds the other core asleep, falling asleep or awake, as chance will have it.
#[test]
fn no_message_between_cores_is_slept_over() {
    const TRIPS: u64 = 30_000;
    let whole = ends(|| {
        let seats = rt::mesh::<u64>(2, 4).expect("seats").into_iter().map(Some).collect();
        let seats: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(seats));
        let cores = run_cores(&Layout::unpinned(2), move |core| {
            let seat = seats.lock().expect("seats")[core].take().expect("one seat a core");
            async move {
                let port = seat.join().await;
                let (_, receiver) = port.take_receivers().remove(0);
                for number in 0..TRIPS {
                    if core == 0 {
                        port.send(1, number);
                        assert_eq!(receiver.receive().await, Some(number));
                    } else {
                        let number = receiver.receive().await.expect("the peer is there");
                        // Sometimes the other one is asleep already.
                        for _ in 0..number % 5 {
                            rt::yield_now().await;
                        }
                        port.send(0, number);
                    }
                }
            }
        });
        cores.expect("cores").join().into_iter().for_each(|core| core.expect("its end"));
    });
    assert!(whole, "a core sleeps over a message");
}

#[test]
fn no_item_from_another_thread_is_slept_over() {
    const ITEMS: u64 = 20_000;
    let whole = ends(|| {
        on_core(|| async {
            let (sender, inbox) = rt::inbox(4).expect("an inbox");
            let thread = std::thread::spawn(move || {
                for mut item in 0..ITEMS {
                    while let Err(back) = sender.try_send(item) {
                        item = back;
                        std::thread::yield_now();
                    }
                }
            });
            for item in 0..ITEMS {
                assert_eq!(inbox.receive().await, item);
            }
            thread.join().expect("the thread");
            for number in 0..2_000 {
                assert_eq!(rt::blocking(move || number).await, number);
            }
        });
    });
    assert!(whole, "a core sleeps over an item");
}

/// The other core left without a word: a receiver learns it, and a sender waits for nobody.
#[test]
fn who_is_left_alone_is_told() {
    let whole = ends(|| {
        let seats = rt::mesh::<u64>(2, 2).expect("seats").into_iter().map(Some).collect();
        let seats: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(seats));
        let cores = run_cores(&Layout::unpinned(2), move |core| {
            let seat = seats.lock().expect("seats")[core].take().expect("one seat a core");
            async move {
                let port = seat.join().await;
                let (_, receiver) = port.take_receivers().remove(0);
                if core == 0 {
                    port.send(1, 7);
                    return;
                }
                assert_eq!(receiver.receive().await, Some(7));
                assert_eq!(receiver.receive().await, None);
                (0..10).for_each(|number| port.send(0, number));
                rt::yield_now().await;
            }
        });
        cores.expect("cores").join().into_iter().for_each(|core| core.expect("its end"));
    });
    assert!(whole, "a core waits for one that left");
}

/// The part of a core's time that a task in the background takes beside another that always has work.
#[test]
fn the_background_leaves_others_their_share() {
    let share = on_core(|| async {
        let work = |most: Duration| {
            let begun = Instant::now();
            while begun.elapsed() < most {
                std::hint::spin_loop();
            }
            begun.elapsed()
        };
        let used = std::rc::Rc::new(std::cell::Cell::new(Duration::ZERO));
        let counted = used.clone();
        let background = rt::spawn_background(async move {
            loop {
                counted.set(counted.get() + work(Duration::from_micros(200)));
                rt::yield_now().await;
            }
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            work(Duration::from_micros(20));
            rt::yield_now().await;
        }
        let busy = used.replace(Duration::ZERO).as_secs_f64() / begun.elapsed().as_secs_f64();
        // And alone it has everything.
        let begun = Instant::now();
        rt::sleep(Duration::from_millis(200)).await;
        let alone = used.get().as_secs_f64() / begun.elapsed().as_secs_f64();
        drop(background);
        (busy, alone)
    });
    let (busy, alone) = share;
    assert!(busy > 0.005 && busy < 0.1, "beside others it takes {busy:.3} of the time");
    assert!(alone > 0.5, "alone it takes only {alone:.3}");
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_message_slept_over_is_found() {
    let why =
        fails_with("sleep::no_message_between_cores_is_slept_over", "sleep-without-a-last-look");
    assert!(why.contains("sleeps over a message"), "{why}");
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_greedy_background_is_found() {
    let why = fails_with("sleep::the_background_leaves_others_their_share", "no-share-for-others");
    assert!(why.contains("beside others it takes"), "{why}");
}
