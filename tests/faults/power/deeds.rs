//! What is done beside producing and consuming while a device is recorded, each thing once and by
//! one thread: topics come and go, records are deleted, keys get new values.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::TopicId;
use ringmain::model::error_code::ErrorCode;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::Fetch;
use ringmain::wire::record::{BatchBuilder, BatchFields, RecordReader};
use ringmain::wire::value::Records;

use crate::client::Client;
use crate::topics::{EARLIEST, LATEST, Topic, from, now_ms};

const PAUSE: Duration = Duration::from_millis(10);
const KEYS: u64 = 12;

/// When something was asked for and when it was acknowledged, as counts of the device's log.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub asked: u64,
    /// `None`: the answer did not come.
    pub told: Option<u64>,
}

impl When {
    pub fn is_told(&self, count: u64) -> bool {
        self.told.is_some_and(|told| told <= count)
    }
}

/// Settings and their values.
pub type Configs = Vec<(String, String)>;

#[derive(Clone, Debug)]
pub enum Deed {
    Made {
        name: String,
        configs: Configs,
        when: When,
    },
    /// Told after a topic was made: what it is.
    Is {
        name: String,
        id: TopicId,
    },
    Removed {
        name: String,
        when: When,
    },
    /// Deleted records of `trimmed-0` below this offset.
    Trimmed {
        offset: i64,
        when: When,
    },
    /// A new value of a key; `offset` is `None` where it is not known where it lies.
    Put {
        topic: String,
        key: u64,
        value: u64,
        offset: Option<i64>,
        when: When,
    },
}

/// Who does them.
pub struct Doer {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Where they are written down.
#[derive(Clone)]
pub struct Diary {
    counter: Arc<dyn Fn() -> u64 + Send + Sync>,
    deeds: Arc<Mutex<Vec<Deed>>>,
}

impl Diary {
    pub fn new(counter: impl Fn() -> u64 + Send + Sync + 'static) -> Diary {
        Diary { counter: Arc::new(counter), deeds: Arc::default() }
    }

    pub fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().expect("deeds").clone()
    }

    pub fn write(&self, deed: Deed) {
        self.deeds.lock().expect("deeds").push(deed);
    }

    /// Does something and says when.
    pub fn time<T>(&self, act: impl FnOnce() -> io::Result<T>) -> (When, io::Result<T>) {
        let asked = (self.counter)();
        let result = act();
        let told = result.is_ok().then(|| (self.counter)());
        (When { asked, told }, result)
    }

    /// Makes a topic and notes what it is.
    pub fn make(
        &self,
        client: &mut Client,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> io::Result<Topic> {
        let make = || sure(Topic::try_make(client, name, partitions, configs)?);
        let (when, made) = self.time(make);
        let own = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let configs = configs.iter().map(own).collect();
        self.write(Deed::Made { name: name.to_owned(), configs, when });
        made?;
        let topic = Topic::find(client, name)?.expect("it was made");
        self.write(Deed::Is { name: name.to_owned(), id: topic.id });
        Ok(topic)
    }
}

fn put(client: &mut Client, topic: &Topic, batch: &[u8]) -> io::Result<i64> {
    let (error, offset) = topic.produce(client, 0, batch)?;
    sure(error)?;
    Ok(offset)
}

fn sure(error: ErrorCode) -> io::Result<()> {
    assert_eq!(error, ErrorCode::NONE, "refused");
    Ok(())
}

/// Goes on, over any number of connections, until it is told to stop.
fn go_on(
    address: SocketAddr,
    mut work: impl FnMut(&mut Client) -> io::Result<()> + Send + 'static,
) -> Doer {
    let stopped = Arc::new(AtomicBool::new(false));
    let told = stopped.clone();
    let thread = thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            let Ok(mut client) = Client::connect(address) else {
                thread::sleep(PAUSE);
                continue;
            };
            while !told.load(Ordering::Relaxed) && work(&mut client).is_ok() {
                thread::sleep(PAUSE);
            }
        }
    });
    Doer { stopped, thread }
}

impl Doer {
    pub fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("a doer does not panic");
    }
}

/// Makes topics with one record each, and removes some of them.
pub fn topics(address: SocketAddr, diary: Diary, names: &'static str) -> Doer {
    let mut number = 0;
    let mut kept: Vec<Topic> = Vec::new();
    go_on(address, move |client| {
        number += 1;
        let topic =
            diary.make(client, &format!("{names}-{number}"), 1, &[("segment.bytes", "7654321")])?;
        let (when, put) = diary.time(|| put(client, &topic, &keyed(0, number, 0)));
        let (name, offset) = (topic.name.clone(), put.as_ref().ok().copied());
        diary.write(Deed::Put { topic: name, key: 0, value: number, offset, when });
        put?;
        kept.push(topic);
        if number % 3 == 0 {
            let topic = kept.swap_remove(number as usize % kept.len());
            let (when, removed) = diary.time(|| sure(topic.try_delete(client)?));
            diary.write(Deed::Removed { name: topic.name, when });
            removed?;
        }
        Ok(())
    })
}

/// Deletes the older half of what `trimmed-0` holds, again and again.
pub fn trims(address: SocketAddr, diary: Diary, topic: Topic) -> Doer {
    go_on(address, move |client| {
        thread::sleep(10 * PAUSE);
        let start = topic.offset_at(client, 0, EARLIEST)?;
        let end = topic.offset_at(client, 0, LATEST)?;
        let offset = start + (end - start) / 2;
        let (when, trimmed) = diary.time(|| {
            let (error, start) = topic.trim(client, 0, offset)?;
            sure(error)?;
            assert_eq!(start, offset);
            Ok(())
        });
        diary.write(Deed::Trimmed { offset, when });
        trimmed
    })
}

/// Gives the keys of `keyed-0` new values, in records large enough that segments fill.
pub fn puts(address: SocketAddr, diary: Diary, topic: Topic, seed: u64) -> Doer {
    let mut dice = Prng::new(seed);
    let mut value = seed << 32;
    go_on(address, move |client| {
        value += 1;
        let key = dice.below(KEYS);
        let batch = keyed(key, value, 40_000);
        let (when, put) = diary.time(|| put(client, &topic, &batch));
        let offset = put.as_ref().ok().copied();
        let name = topic.name.clone();
        diary.write(Deed::Put { topic: name, key, value, offset, when });
        put.map(drop)
    })
}

fn keyed(key: u64, value: u64, ballast: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields::default());
    let mut bytes = vec![0; 8 + ballast];
    bytes[..8].copy_from_slice(&value.to_be_bytes());
    builder.push(now_ms(), Some(&key.to_be_bytes()), Some(&bytes), &[]);
    builder.finish()
}

/// Everything of a compacted partition: offset, key, value.
pub fn read_keyed(topic: &Topic, client: &mut Client) -> io::Result<Vec<(i64, u64, u64)>> {
    let version = 12;
    let (mut position, mut found) = (topic.offset_at(client, 0, EARLIEST)?, Vec::new());
    let end = topic.offset_at(client, 0, LATEST)?;
    while position < end {
        let request = topic.fetch_request(version, from(0, position));
        let answer = client.call::<Fetch>(version, &request)?;
        let body = answer.body();
        let data = &body.responses[0].partitions[0];
        assert_eq!(data.error_code, ErrorCode::NONE, "{} at {position}", topic.name);
        let Records::Bytes(bytes) = data.records else { panic!("nothing at {position} of {end}") };
        let before = position;
        for batch in Batches::new(bytes) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("a good checksum");
            for record in RecordReader::new(batch.payload(), batch.header.record_count()) {
                let record = record.expect("a good record");
                let number = |bytes: Option<&[u8]>| {
                    u64::from_be_bytes(*bytes.and_then(|b| b.first_chunk()).expect("a number"))
                };
                let offset = batch.header.base_offset() + i64::from(record.offset_delta);
                found.push((offset, number(record.key), number(record.value)));
            }
            position = batch.header.next_offset();
        }
        assert!(position > before, "nothing at {position} of {end}");
    }
    Ok(found)
}
