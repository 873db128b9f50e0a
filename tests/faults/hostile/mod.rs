//! Clients that mean harm or know no better. Whatever they send: the connection is closed or an
//! error answered within a second, nothing is reserved for what is only announced, and others go on.

mod crowds;
mod deaf;
mod frames;
mod mutations;
mod slow;
mod truncations;

use std::io;
use std::time::{Duration, Instant};

use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::Topic;

/// Within which a bad request must have its answer or its end.
const VERDICT: Duration = Duration::from_secs(1);

/// A broker under attack.
struct Target {
    broker: Broker,
    topic: Topic,
    setup: Setup,
}

impl Target {
    fn new(setup: Setup) -> Target {
        let broker = setup.start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::create(&mut client, "target", 2, &[]);
        let mut target = Target { broker, topic, setup };
        target.assert_serves();
        target
    }

    fn client(&self) -> Client {
        Client::connect(self.broker.address()).expect("a new client is served")
    }

    /// A new client gets what it wants, on every lane, soon.
    fn assert_serves(&mut self) {
        self.broker.assert_sound();
        let began = Instant::now();
        for (partition, place) in (0..).zip(&self.topic.partitions) {
            let mut client = Client::connect(place.address).expect("a new client is served");
            let offset = self.topic.put(&mut client, partition, &[7]);
            let read = self.topic.read_from(&mut client, partition, offset).expect("records");
            assert_eq!(read.first(), Some(&(offset, 7)));
        }
        assert!(began.elapsed() < 3 * VERDICT, "served after {:?}", began.elapsed());
    }

    /// Runs `attack` and yields by how many KiB the broker has grown.
    fn growth_kib(&mut self, attack: impl FnOnce(&Target)) -> u64 {
        let before = self.broker.resident_kib();
        attack(self);
        self.assert_serves();
        self.broker.resident_kib().saturating_sub(before)
    }

    /// Sends these bytes on a connection of their own.
    fn send(&self, bytes: &[u8]) -> Client {
        let mut client = self.client();
        // A broker that has seen enough closes before everything is sent.
        match client.send_bytes(bytes) {
            Ok(()) => {}
            Err(error) if is_end(&error) => {}
            Err(error) => panic!("{error}"),
        }
        client
    }

    fn assert_closes(&self, bytes: &[u8]) {
        let mut client = self.send(bytes);
        assert!(client.is_closed_within(VERDICT), "still open after {bytes:x?}");
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
