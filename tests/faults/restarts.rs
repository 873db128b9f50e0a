//! Stopped or killed, and started again with the same or other cores: the data stays, partitions
//! stay where they are while their core exists, and move with a raised epoch when it does not.

use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::{Place, Topic};

const PARTITIONS: i32 = 6;

struct Written {
    topic: Topic,
    logs: Vec<Vec<(i64, u64)>>,
}

impl Written {
    fn new(broker: &Broker) -> Written {
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::create(&mut client, "kept", PARTITIONS, &[]);
        Written { topic, logs: vec![Vec::new(); PARTITIONS as usize] }
    }

    fn describe(&self, broker: &Broker) -> Vec<Place> {
        let mut client = Client::connect(broker.address()).expect("a connection");
        let topic = Topic::describe(&mut client, &self.topic.name);
        assert_eq!(topic.id, self.topic.id);
        topic.partitions
    }

    /// Appends to every partition.
    fn write(&mut self, broker: &Broker) {
        let mut client = Client::connect(broker.address()).expect("a connection");
        for (partition, log) in (0..).zip(&mut self.logs) {
            let first = log.len() as u64;
            let values: Vec<u64> =
                (first..first + 5).map(|at| at << 8 | partition as u64).collect();
            let offset = self.topic.put(&mut client, partition, &values);
            log.extend((offset..).zip(values));
        }
    }

    /// Everything that was ever written is there, and nothing else.
    fn check(&self, broker: &Broker) {
        let mut client = Client::connect(broker.address()).expect("a connection");
        for (partition, log) in (0..).zip(&self.logs) {
            let read = self.topic.read_all(&mut client, partition).expect("the log");
            assert_eq!(read, *log, "partition {partition}");
        }
    }
}

fn end(broker: Broker, in_order: bool) {
    if in_order { broker.stop() } else { broker.kill() }
}

fn check(name: &str, in_order: bool) {
    let two = Setup::new(name);
    let one = two.clone().cores(1);
    let broker = two.start();
    let mut written = Written::new(&broker);
    written.write(&broker);
    let first = written.describe(&broker);
    let lanes = [broker.cores[0].broker, broker.cores[1].broker];
    end(broker, in_order);

    // Unchanged: everything stays.
    let broker = two.start();
    written.check(&broker);
    assert_eq!(written.describe(&broker), first);
    written.write(&broker);
    end(broker, in_order);

    // The second core is gone: what it owned moves, with a raised epoch; the rest does not.
    let broker = one.start();
    written.check(&broker);
    let alone = written.describe(&broker);
    for (before, after) in first.iter().zip(&alone) {
        let moved = before.broker == lanes[1];
        assert_eq!(after.broker, lanes[0]);
        assert_eq!(after.epoch, before.epoch + i32::from(moved));
    }
    written.write(&broker);
    end(broker, in_order);

    // It is back: nothing moves, what is new goes there.
    let broker = two.start();
    written.check(&broker);
    assert_eq!(written.describe(&broker), alone);
    written.write(&broker);
    written.check(&broker);
    let mut client = Client::connect(broker.address()).expect("a connection");
    let new = Topic::create(&mut client, "new", 4, &[]);
    assert!(new.partitions.iter().all(|place| place.broker == lanes[1]), "{:?}", new.partitions);
    end(broker, in_order);
    let broker = one.start();
    written.check(&broker);
    assert_eq!(written.describe(&broker), alone);
    broker.stop();
}

#[test]
fn cores_come_and_go_between_stops() {
    check("cores-stopped", true);
}

#[test]
fn cores_come_and_go_between_kills() {
    check("cores-killed", false);
}

#[test]
fn two_brokers_do_not_share_a_directory() {
    let setup = Setup::new("shared-directory");
    let broker = setup.start();
    let Err(reason) = setup.on_other_ports().try_start() else { panic!("both serve") };
    assert!(reason.contains("in use by another broker"), "{reason}");
    broker.stop();
    setup.start().stop();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = Setup::new("taken");
    let broker = first.start();
    let Err(reason) = first.on_other_directory("taken-too").try_start() else {
        panic!("both serve")
    };
    let address = broker.address().to_string();
    assert!(reason.contains(&address) && reason.contains("in use"), "{reason}");
    broker.stop();
}
