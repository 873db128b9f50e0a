//! From one core to another and back: what a forwarded request pays.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use ringmain::rt;
use ringmain::rt::glommio::{Layout, run_cores};

use super::{Done, Hash};

const BOUND: usize = 1024;

/// One message under way at a time.
pub fn hop(count: u64) -> Done {
    let seats = rt::mesh::<u64>(2, BOUND).expect("seats of a mesh");
    let seats: Vec<_> = seats.into_iter().map(Some).collect();
    let seats = Arc::new(Mutex::new(seats));
    let (tell, told) = mpsc::channel();
    let cores = run_cores(&Layout::unpinned(2), move |core| {
        let seat = seats.lock().expect("no core panics here")[core].take();
        let tell = tell.clone();
        async move {
            let port = seat.expect("one seat a core").join().await;
            let (_, receiver) = port.take_receivers().remove(0);
            if core == 1 {
                for _ in 0..count {
                    let number = receiver.receive().await.expect("the other core is there");
                    port.send(0, number.wrapping_mul(3));
                }
                // Leave only when the other has everything.
                receiver.receive().await;
                return;
            }
            let mut hash = Hash::default();
            let began = Instant::now();
            for number in 0..count {
                port.send(1, number);
                hash.number(receiver.receive().await.expect("the other core is there"));
            }
            let done = Done { took: began.elapsed(), hash: hash.finish() };
            port.send(1, 0);
            // Whoever asked is waiting below.
            let _ = tell.send(done);
        }
    })
    .expect("two cores start");
    let done = told.recv().expect("core 0 told");
    for result in cores.join() {
        result.expect("a core ends well");
    }
    done
}
