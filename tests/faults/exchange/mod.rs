//! The files are Kafka's: Kafka's tools read what Ringmain wrote, Kafka serves it, Ringmain serves
//! what Kafka wrote, in the same directory, and each goes on where the other stopped.
//!
//! With a real Kafka (`scripts/kafka`), so only by `scripts/kafka-exchange`.

mod content;
pub mod groups;
mod kafka;
mod ours;
mod reading;
mod theirs;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use content::{Last, find, go_on_in_sequence, write, write_more};
use reading::{assert_same, read_all};

use crate::client::Client;
use crate::topics::Topic;

/// Ringmain's own tool finds nothing wrong with any file of a closed directory.
fn verify(data: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    let output = command.args(["log", "verify"]).arg(data).output().expect("the tool runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{error}");
}

/// What was written to a directory, as the broker that was there last read it.
struct Written {
    topics: Vec<Topic>,
    lasts: Vec<Last>,
    lines: Vec<Vec<String>>,
    /// What groups have committed, and how often.
    offsets: groups::Offsets,
    round: i64,
}

impl Written {
    fn new(address: SocketAddr) -> Written {
        let mut client = Client::connect(address).expect("a connection");
        let (topics, lasts) = write(&mut client);
        let lines = read_all(&mut client, &topics);
        groups::join(address);
        let offsets = groups::commit(address, &topics, 0);
        Written { topics, lasts, lines, offsets, round: 0 }
    }

    /// Another broker, or the same again, has opened the directory: all of it is there, under the
    /// same ids and at no lower epochs, and this broker goes on in all of it.
    fn check(&mut self, address: SocketAddr) {
        self.check_what_is_there(address);
        self.go_on(address);
    }

    /// This topic is not looked at any more.
    fn forget(&mut self, name: &str) {
        self.topics.retain(|topic| topic.name != name);
        self.lines.retain(|lines| !lines[0].starts_with(&format!("{name}-")));
    }

    /// The next broker may begin at any leader epochs.
    fn forget_epochs(&mut self) {
        let places = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        places.for_each(|place| place.epoch = 0);
    }

    fn check_what_is_there(&mut self, address: SocketAddr) {
        let mut client = Client::connect(address).expect("a connection");
        let before = std::mem::take(&mut self.topics);
        for there in before {
            let here = find(&mut client, &there.name);
            assert_eq!((here.id, here.partitions.len()), (there.id, there.partitions.len()));
            for (here, there) in here.partitions.iter().zip(&there.partitions) {
                assert!(here.epoch >= there.epoch, "epoch {} after {}", here.epoch, there.epoch);
            }
            self.topics.push(here);
        }
        assert_same(&read_all(&mut client, &self.topics), &self.lines);
        let lines: usize = self.lines.iter().map(Vec::len).sum();
        println!("{lines} lines about {} partitions are the same", self.lines.len());
        groups::check(address, &self.offsets);
    }

    fn go_on(&mut self, address: SocketAddr) {
        let mut client = Client::connect(address).expect("a connection");
        go_on_in_sequence(&mut client, &mut self.lasts);
        write_more(&mut client, &self.topics, &mut self.lasts);
        self.lines = read_all(&mut client, &self.topics);
        self.round += 1;
        self.offsets.extend(groups::commit(address, &self.topics, self.round));
    }
}
