//! What is written is what Kafka 4.4 writes, byte for byte; and what it wrote is read. The bytes here are
//! those of a Java consumer that joined a new group there.

use super::beats::Reader;
use super::*;

const TOPIC: &str = "golden.topic";
const TOPIC_ID: &str = "174006479ad449faa79cfa6b2e073aa7";
const MEMBER: &str = "F4obw9ExSNm_KKLrrHcZnA";
const UNIX_MS: u64 = 0x01_a2_2c_c5_38_d3;
/// Keys and values in the order in which they were written.
const WRITTEN: [(&str, &str); 5] = [
    (
        "00050006676f6c64656e001646346f6277394578534e6d5f4b4b4c727248635a6e41",
        "0000000012636f6e73756d65722d676f6c64656e2d310b2f3132372e302e302e31020d676f6c64656e2e746f7\
         0696301000493e00001000100",
    ),
    ("00030006676f6c64656e", "0000000000020100086b2a4eff91683041"),
    (
        "00070006676f6c64656e001646346f6277394578534e6d5f4b4b4c727248635a6e41",
        "000002174006479ad449faa79cfa6b2e073aa7040000000000000001000000020000",
    ),
    ("00060006676f6c64656e", "000000000002010008000001a22cc538d3"),
    (
        "00080006676f6c64656e001646346f6277394578534e6d5f4b4b4c727248635a6e41",
        "000000000002000000000002174006479ad449faa79cfa6b2e073aa70400000000000000010000000201000d0\
         40000000200000002000000020100",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn room() -> Room {
    let mut room = Room::quick();
    room.now_ms = UNIX_MS - 1_700_000_000_000;
    room.view.name(TOPIC, bytes(TOPIC_ID).try_into().unwrap(), 3);
    room.groups.obey(Room::rules(&room.settings, &room.view));
    room
}

fn written(room: &Room) -> Vec<Record> {
    let record = |written: &Written| match written {
        Written::Record(record, None) => record.clone(),
        _ => panic!("part of a transaction"),
    };
    room.log.iter().map(record).collect()
}

#[test]
fn a_join_writes_kafkas_bytes() {
    let mut room = room();
    let mut beat = Reader::new(MEMBER, &[TOPIC]).joins();
    beat.client_id = "consumer-golden-1".to_owned();
    beat.rebalance_timeout_ms = 300_000;
    let call = room.ask_of("golden", Ask::Beat(Box::new(beat)));
    assert_eq!(code(room.answer(call).expect("an answer")), ErrorCode::NONE);
    let expect: Vec<Record> = WRITTEN
        .iter()
        .map(|(key, value)| Record { key: bytes(key), value: Some(bytes(value)) })
        .collect();
    assert_eq!(written(&room), expect);
}

#[test]
fn a_group_that_kafka_wrote_goes_on() {
    let mut room = room();
    for (key, value) in WRITTEN {
        let record = Record { key: bytes(key), value: Some(bytes(value)) };
        room.log.push(Written::Record(record, None));
    }
    room.reload();
    let count = room.log.len();
    let mut one = Reader::new(MEMBER, &[TOPIC]);
    one.epoch = 2;
    let mut beat = one.beat();
    beat.client_id = "consumer-golden-1".to_owned();
    let call = room.ask_of("golden", Ask::Beat(Box::new(beat)));
    match room.answer(call) {
        Some(Answer::Beaten(beaten)) => {
            assert_eq!((beaten.error, beaten.epoch), (ErrorCode::NONE, 2), "{beaten:?}");
        }
        other => panic!("not beaten: {other:?}"),
    }
    // The hash of its topics is the one that is found here.
    assert_eq!(room.log.len(), count);
}
