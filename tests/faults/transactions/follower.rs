//! Somebody who reads what is committed while everything else happens. Nothing of what was shown may be
//! different later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::reading;
use crate::client::Client;
use crate::topics::Topic;

const PAUSE: Duration = Duration::from_millis(3);
const WAIT_MS: i32 = 20;

pub struct Follower {
    name: String,
    shown: Arc<Mutex<Vec<(i64, u64)>>>,
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Follower {
    pub fn start(topic: &Topic, partition: i32) -> Follower {
        let name = format!("{}-{partition}", topic.name);
        let shown = Arc::<Mutex<Vec<(i64, u64)>>>::default();
        let stopped = Arc::<AtomicBool>::default();
        let (topic, tells, told) = (topic.clone(), shown.clone(), stopped.clone());
        let thread = thread::spawn(move || {
            let (mut client, mut offset) = (None, 0);
            while !told.load(Ordering::Relaxed) {
                if client.is_none() {
                    client = Client::connect(topic.partitions[partition as usize].address).ok();
                }
                let fetched = client
                    .as_mut()
                    .map(|client| reading::fetch(client, &topic, partition, offset, WAIT_MS));
                match fetched {
                    Some(Ok(Ok(found))) => {
                        tells.lock().expect("what was shown").extend(found.records);
                        offset = found.next_offset;
                    }
                    // The broker is away, or only just there.
                    _ => {
                        client = None;
                        thread::sleep(PAUSE);
                    }
                }
            }
        });
        Follower { name, shown, stopped, thread }
    }

    /// `log`: everything that is committed by now.
    pub fn judge(&self, log: &[(i64, u64)]) -> Option<String> {
        let shown = self.shown.lock().expect("what was shown");
        let differs = shown.iter().zip(log).find(|(shown, read)| shown != read);
        match differs {
            Some((shown, read)) => {
                Some(format!("{}: {shown:?} was shown, {read:?} is there", self.name))
            }
            None if shown.len() > log.len() => {
                Some(format!("{}: {:?} was shown and is gone", self.name, shown[log.len()]))
            }
            None => None,
        }
    }

    pub fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("a follower does not panic");
    }
}
