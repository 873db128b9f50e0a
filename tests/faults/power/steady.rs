//! A producer that goes on whatever it is answered: one batch after the other, each sent once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;

use crate::client::Client;
use crate::history::{Event, Recorder};
use crate::topics::{Sequence, Topic, batch};

/// Between two batches.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Told {
    stopped: AtomicBool,
    acknowledged: AtomicU64,
    refused: Mutex<Vec<ErrorCode>>,
    waits: Mutex<Vec<Duration>>,
}

pub struct Steady {
    told: Arc<Told>,
    thread: JoinHandle<()>,
}

impl Steady {
    /// `number` tells this producer from all others of the history.
    pub fn start(topic: &Topic, number: u32, ballast: usize, recorder: &Recorder) -> Steady {
        let (topic, recorder) = (topic.clone(), recorder.clone());
        let told = Arc::new(Told::default());
        let tells = told.clone();
        let thread = thread::spawn(move || {
            let mut client = None;
            let mut value = u64::from(number) << 32;
            while !tells.stopped.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                if client.is_none() {
                    client = Client::connect(topic.partitions[0].address).ok();
                }
                let Some(connected) = &mut client else { continue };
                let values = vec![value, value + 1];
                value += 2;
                let key = (topic.name.clone(), 0);
                let bytes = batch(Sequence::NONE, &values, ballast);
                recorder.record(number, Event::Sent { key: key.clone(), values: values.clone() });
                let began = Instant::now();
                match topic.produce(connected, 0, &bytes) {
                    Ok((ErrorCode::NONE, offset)) => {
                        recorder.record(number, Event::Acknowledged { key, offset, values });
                        tells.acknowledged.fetch_add(1, Ordering::Relaxed);
                        tells.waits.lock().expect("waits").push(began.elapsed());
                    }
                    Ok((error, _)) => tells.refused.lock().expect("refusals").push(error),
                    Err(_) => client = None,
                }
            }
        });
        Steady { told, thread }
    }

    /// Batches.
    pub fn acknowledged(&self) -> u64 {
        self.told.acknowledged.load(Ordering::Relaxed)
    }

    pub fn refused(&self) -> Vec<ErrorCode> {
        self.told.refused.lock().expect("refusals").clone()
    }

    /// How long each acknowledgement took, since the last time that somebody asked.
    pub fn waits(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.told.waits.lock().expect("waits"))
    }

    pub fn stop(self) {
        self.told.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("a producer does not panic");
    }
}

/// Waits until something is so; false when it is not in time.
pub fn comes(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
