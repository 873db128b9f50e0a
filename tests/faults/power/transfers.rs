//! Transactions over several partitions while a device is recorded: a commit that was acknowledged is on it whole,
//! and of any other nothing is shown or all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::base::prng::Prng;

use super::deeds::When;
use crate::client::Client;
use crate::topics::Topic;
use crate::transactions::reading;
use crate::transactions::session::{Level, Session, Told};

/// The topic; it is not judged with the others, whose every record is to be seen.
pub const PAIRED: &str = "paired";
const PARTITIONS: i32 = 3;
const PAUSE: Duration = Duration::from_millis(10);
const TIMEOUT_MS: i32 = 60_000;
/// Producers; each has its own id, the same in every load.
const IDS: [&str; 2] = ["transfers-old", "transfers-new"];

/// One transaction.
#[derive(Clone, Debug)]
struct Transfer {
    value: u64,
    places: Vec<i32>,
    /// When the commit was asked for and acknowledged; `None`: it never was.
    commit: Option<When>,
}

#[derive(Clone)]
pub struct Transfers {
    counter: Arc<dyn Fn() -> u64 + Send + Sync>,
    all: Arc<Mutex<Vec<Transfer>>>,
}

/// Who makes them.
pub struct Mover {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Mover {
    pub fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("a mover does not panic");
    }
}

impl Transfers {
    pub fn new(counter: impl Fn() -> u64 + Send + Sync + 'static) -> Transfers {
        Transfers { counter: Arc::new(counter), all: Arc::default() }
    }

    pub fn make(client: &mut Client) -> Topic {
        let configs = [("segment.bytes", "1048576"), ("ringmain.durability", "synced")];
        Topic::create(client, PAIRED, PARTITIONS, &configs)
    }

    pub fn count_committed(&self) -> usize {
        let all = self.all.lock().expect("transfers");
        all.iter().filter(|it| it.commit.is_some_and(|when| when.told.is_some())).count()
    }

    /// One mover for each id, on whatever connections there are.
    pub fn start(&self, address: SocketAddr, topic: &Topic, seed: u64) -> Vec<Mover> {
        let mover = |(id, level): (&'static str, Level)| {
            let stopped = Arc::<AtomicBool>::default();
            let (transfers, topic, told) = (self.clone(), topic.clone(), stopped.clone());
            let mut dice = Prng::new(seed ^ level as u64);
            let thread = thread::spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    let mut session = Session::new(address, id, level, TIMEOUT_MS);
                    let mut lives = session.begin().is_ok();
                    while lives && !told.load(Ordering::Relaxed) {
                        lives = transfers.transfer(&mut session, &topic, &mut dice).is_ok();
                        thread::sleep(Duration::from_micros(dice.below(8_000)));
                    }
                    thread::sleep(PAUSE);
                }
            });
            Mover { stopped, thread }
        };
        IDS.into_iter().zip([Level::Old, Level::New]).map(mover).collect()
    }

    fn transfer(&self, session: &mut Session, topic: &Topic, dice: &mut Prng) -> Told<()> {
        let mut places: Vec<i32> = (0..PARTITIONS).collect();
        places.remove(dice.below(PARTITIONS as u64) as usize);
        let value = {
            let mut all = self.all.lock().expect("transfers");
            let value = all.len() as u64;
            all.push(Transfer { value, places: places.clone(), commit: None });
            value
        };
        session.add(&topic.name, &places)?;
        for &partition in &places {
            session.write(topic, partition, &[value])?;
        }
        let commit = dice.chance(4, 5);
        if commit {
            self.tell(value, When { asked: (self.counter)(), told: None });
        }
        session.end(commit)?;
        if commit {
            let mut when = self.all.lock().expect("transfers")[value as usize].commit;
            if let Some(when) = &mut when {
                when.told = Some((self.counter)());
                self.tell(value, *when);
            }
        }
        Ok(())
    }

    fn tell(&self, value: u64, when: When) {
        self.all.lock().expect("transfers")[value as usize].commit = Some(when);
    }

    /// Everything that is wrong with what is shown on a device that lost its power after `count` entries.
    pub fn judge(&self, count: u64, address: SocketAddr) -> Vec<String> {
        let all = self.all.lock().expect("transfers").clone();
        let mut client = Client::connect(address).expect("a connection");
        let is_told = |it: &Transfer| it.commit.is_some_and(|when| when.is_told(count));
        let Some(topic) = Topic::find(&mut client, PAIRED).expect("metadata") else {
            let lost = all.iter().any(is_told);
            return lost.then(|| format!("topic {PAIRED} is lost")).into_iter().collect();
        };
        // Whoever begins under an id again waits until what was under way has ended.
        for (id, level) in IDS.into_iter().zip([Level::Old, Level::New]) {
            if let Err(trouble) = Session::new(address, id, level, TIMEOUT_MS).begin() {
                return vec![format!("transactional id {id}: {trouble:?}")];
            }
        }
        let mut times: BTreeMap<(i32, u64), u32> = BTreeMap::new();
        let mut wrong = Vec::new();
        for partition in 0..PARTITIONS {
            let read = reading::settled(&mut client, &topic, partition, Duration::from_secs(10));
            match read {
                Ok(log) => {
                    for (_, value) in log {
                        *times.entry((partition, value)).or_default() += 1;
                    }
                }
                Err(stuck) => wrong.push(stuck),
            }
        }
        for it in &all {
            let seen = |&place: &i32| times.get(&(place, it.value)).copied().unwrap_or(0);
            let seen: Vec<u32> = it.places.iter().map(seen).collect();
            let whole = seen.iter().all(|&times| times == 1);
            let nothing = seen.iter().all(|&times| times == 0);
            let may_be = it.commit.is_some_and(|when| when.asked <= count);
            let fits = (whole && may_be) || (nothing && !is_told(it));
            if !fits {
                wrong.push(format!("transaction {}, {:?}: seen {seen:?}", it.value, it.commit));
            }
        }
        wrong
    }
}
