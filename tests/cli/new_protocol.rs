//! Groups of the new protocol (KIP-848), as an administrator sees them. Their members are plain
//! requests here, so that a test can let one of them dawdle.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ringmain::model::ErrorCode;
use ringmain::wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest,
};
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::{Api, Message, Reader, Writer, frame};
use serde_json::Value;

use crate::broker::Broker;

fn call<A: Api, T>(
    broker: &Broker,
    version: i16,
    request: &A::Request<'_>,
    see: impl FnOnce(A::Response<'_>) -> T,
) -> T {
    let mut stream = TcpStream::connect(&broker.bootstrap).expect("a broker");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let mut bytes = Vec::new();
    frame::write_request::<A>(&mut Writer::new(&mut bytes), version, 1, Some("test"), request);
    stream.write_all(&bytes).expect("a broker");
    let mut prefix = [0; frame::LENGTH_SIZE];
    stream.read_exact(&mut prefix).expect("an answer");
    bytes.resize(frame::length(prefix, 1 << 20).expect("a frame"), 0);
    stream.read_exact(&mut bytes).expect("an answer");
    let mut reader = Reader::new(&bytes);
    frame::read_response_header::<A>(&mut reader, version).expect("a header");
    see(A::Response::decode(&mut reader, version).expect("an answer"))
}

/// Joins the group, as soon as it has a coordinator; yields the epoch.
fn join(broker: &Broker, member: &str, topics: &[&str]) -> i32 {
    let find =
        FindCoordinatorRequest { key: "g", coordinator_keys: vec!["g"], ..Default::default() };
    call::<FindCoordinator, _>(broker, 3, &find, |_| ());
    let heartbeat = ConsumerGroupHeartbeatRequest {
        group_id: "g",
        member_id: member,
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(topics.to_vec()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    for _ in 0..200 {
        let see = |answer: <ConsumerGroupHeartbeat as Api>::Response<'_>| {
            (answer.error_code, answer.member_epoch)
        };
        match call::<ConsumerGroupHeartbeat, _>(broker, 1, &heartbeat, see) {
            (ErrorCode::NONE, epoch) => return epoch,
            (ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE, _)
            | (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, _) => {
                thread::sleep(Duration::from_millis(50));
            }
            (code, _) => panic!("{member} cannot join: {code}"),
        }
    }
    panic!("the group gets no coordinator")
}

fn described(broker: &Broker) -> Value {
    let text = broker.run(&["group", "describe", "g", "--json"]).printed();
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn groups_of_the_new_protocol_are_described_with_what_is_to_come() {
    let broker = Broker::start();
    broker.run(&["topic", "create", "t", "--partitions", "2"]).printed();
    let first = join(&broker, "one", &["t"]);
    let told = described(&broker);
    assert_eq!((&told["type"], &told["epoch"]), (&"consumer".into(), &first.into()), "{told}");
    assert_eq!((&told["members"][0]["partitions"], &told["state"]), (&2.into(), &"Stable".into()));

    // The first one has not heard yet that it is to give something up.
    join(&broker, "two", &["t"]);
    let told = described(&broker);
    let member = |told: &Value, id: &str| {
        let members = told["members"].as_array().cloned().unwrap_or_default();
        members.into_iter().find(|member| member["member"] == id).expect("a member")
    };
    let reason = &member(&told, "two")["reason"];
    assert_eq!(reason, "it is to have 1 partition, which one still gives up", "{told}");
    let dawdler = member(&told, "one");
    assert_eq!((&dawdler["to_give_up"], &dawdler["epoch"]), (&1.into(), &first.into()), "{told}");
    let text = broker.run(&["group", "describe", "g"]).printed();
    assert!(text.contains("2, 1 to give up"), "{text}");

    join(&broker, "three", &["t"]);
    join(&broker, "four", &["nowhere"]);
    let told = described(&broker);
    assert_eq!(member(&told, "four")["reason"], "there is no topic nowhere", "{told}");
    let listed = broker.run(&["group", "list", "--type", "consumer", "--json"]).printed();
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!((&listed["group"], &listed["type"]), (&"g".into(), &"consumer".into()));
    let none = broker.run(&["group", "list", "--type", "classic"]);
    assert!(none.stderr.contains("no such groups"), "{}", none.stderr);
}
