//! What goes in comes out: bytes, keys, headers, counts and places.

use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use ringmain::base::prng::Prng;
use serde_json::Value;

use crate::broker::Broker;
use crate::command::ringmain;

const ALL: [&str; 3] = ["--from-beginning", "--exit-at-end", "--quiet"];

fn consume<'a>(topic: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["consume", "-t", topic], &ALL[..], more].concat()
}

#[test]
fn any_bytes_come_back_in_every_codec() {
    let broker = Broker::start();
    let mut bytes = vec![0; 1_500_000];
    Prng::new(7).fill(&mut bytes[..700_000]);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let produce = ["produce", "-t", codec, "--codec", codec, "--chunk-bytes", "100k"];
        let ended = broker.run_with(&produce, &bytes);
        assert_eq!(ended.stderr, "wrote 15 records, 1.4 MiB\n");
        ended.printed();
        let back = broker.run(&consume(codec, &["--format", "%v"])).bytes();
        assert!(back == bytes, "{codec}: {} bytes came back", back.len());
    }
    // A record at a time, and no idempotence: the other ways to send.
    for acks in ["0", "1", "all"] {
        let produce = ["produce", "-t", "acks", "-d", r"\x00", "-q", "--acks", acks];
        let more = ["--no-idempotence", "--batch-bytes", "1", "--linger-ms", "0"];
        broker.run_with(&[&produce[..], &more].concat(), b"one\0two\nlines\0").printed();
    }
    // Nobody waits for records that nobody acknowledges.
    let mut back = String::new();
    for _ in 0..100 {
        back = broker.run(&consume("acks", &["-f", r"%v\0"])).printed();
        if back.len() == 42 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(back, "one\0two\nlines\0".repeat(3));
}

#[test]
fn keys_headers_and_nulls_come_back() {
    let broker = Broker::start();
    let lines = "a=1,b\tkey\tvalue\n\tNULL\tNULL\nc=\t\t\n";
    let shape = ["--headers", "-k", r"\t", "--null", "NULL", "-H", "all=yes"];
    broker.run_with(&[&["produce", "-t", "t"], &shape[..]].concat(), lines.as_bytes()).printed();
    let back = broker.run(&consume("t", &["-f", r"%h\t%k\t%v\n", "--null", "NULL"])).printed();
    assert_eq!(back, "all=yes,a=1,b\tkey\tvalue\nall=yes\tNULL\tNULL\nall=yes,c=\t\t\n");
    let lens = broker.run(&consume("t", &["-f", r"%t-%p@%o %K %V\n"])).printed();
    assert_eq!(lens, "t-0@0 3 5\nt-0@1 -1 -1\nt-0@2 0 0\n");

    broker.run_with(&["produce", "-t", "t"], b"\xff\xfe\n").printed();
    let json = broker.run(&consume("t", &["--json"])).printed();
    let json: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&json[0]["key"], &json[0]["value"]), (&"key".into(), &"value".into()));
    assert_eq!(json[0]["headers"][2], serde_json::json!({"key": "b", "value": null}));
    assert_eq!((&json[1]["key"], &json[1]["value"]), (&Value::Null, &Value::Null));
    assert_eq!((&json[3]["value"], &json[3]["value_base64"]), (&Value::Null, &"//4=".into()));
    assert!(json[3]["timestamp"].as_i64() > Some(1_700_000_000_000), "{}", json[3]);

    let fault = broker.run_with(&["produce", "-t", "t", "-k", ":"], b"k:v\nkv\n").refused(1);
    let expect = "record 2 of the input has no key: with --key-separator it is KEY:VALUE; ";
    assert!(fault.starts_with(expect), "{fault}");
}

#[test]
fn keys_decide_the_partition_as_in_the_java_client() {
    let broker = Broker::start();
    broker.run(&["topic", "create", "t", "--partitions", "7"]).printed();
    let words = "21:a\nfoobar:b\n21:c\nabc:d\n";
    broker.run_with(&["produce", "-t", "t", "-k", ":", "-z", "lz4"], words.as_bytes()).printed();
    let back = broker.run(&consume("t", &["-f", r"%p %k %v\n"])).printed();
    let mut back: Vec<&str> = back.lines().collect();
    back.sort_unstable();
    // murmur2 of the keys: -973932308, -790332482, 479470107.
    let place = |hash: i32| (hash & i32::MAX) % 7;
    let [one, two, three] = [-973_932_308, -790_332_482, 479_470_107].map(place);
    let mut expect = [
        format!("{one} 21 a"),
        format!("{one} 21 c"),
        format!("{two} foobar b"),
        format!("{three} abc d"),
    ];
    expect.sort_unstable();
    assert_eq!(back, expect);
}

#[test]
fn reading_begins_and_ends_where_it_is_told() {
    let broker = Broker::start();
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    let produce = ["produce", "-t", "t", "--batch-bytes", "150"];
    broker.run_with(&produce, lines.as_bytes()).printed();
    let check = |args: &[&str], expect: &[i32]| {
        let command = [&["consume", "-t", "t", "-q", "-f", "%v "], args].concat();
        let text = broker.run(&command).printed();
        let seen: Vec<i32> =
            text.split_whitespace().map(|word| word.parse().expect("one")).collect();
        assert_eq!(seen, expect, "{args:?}");
    };
    check(&["--from-beginning", "-c", "3"], &[0, 1, 2]);
    check(&["-o", "42", "-c", "2"], &[42, 43]);
    check(&["-o", "97", "-e"], &[97, 98, 99]);
    check(&["-o", "-2", "-e"], &[98, 99]);
    check(&["-o", "-200", "-c", "1"], &[0]);
    check(&["-o", "latest", "-e"], &[]);
    check(&["-o", "100", "-e"], &[]);
    check(&["-o", "@0", "-c", "1"], &[0]);
    check(&["-o", "@9999999999999", "-e"], &[]);
    check(&["-p", "0", "-o", "earliest", "-c", "1", "--no-fetch-sessions"], &[0]);
    check(&["-o", "99", "-e", "--isolation", "read_committed"], &[99]);
    let outside = broker.run(&["consume", "-t", "t", "-o", "101"]).refused(1);
    let expect = "offset 101 lies outside t-0, which holds offsets 0 to 99; choose another with \
                  --offset, or a partition with --partition";
    assert_eq!(outside, expect);
    let nowhere = broker.run(&["consume", "-t", "t", "-p", "1"]).refused(1);
    assert_eq!(nowhere, "topic t has no partition 1: it has only 0");
    let nowhere = broker.run_with(&["produce", "-t", "t", "-p", "5"], b"x\n").refused(1);
    assert_eq!(nowhere, "topic t has no partition 5: it has only 0");
    let large = ["produce", "-t", "t", "--chunk-bytes", "2m"];
    let large = broker.run_with(&large, &[7; 2 << 20]).refused(1);
    assert!(large.contains("MESSAGE_TOO_LARGE") && large.contains("max.message.bytes"), "{large}");
}

#[test]
fn records_are_there_as_they_are_written() {
    let broker = Broker::start();
    broker.run(&["topic", "create", "t", "--partitions", "2"]).printed();
    let mut writer = broker.begin(&["produce", "-t", "t"]);
    let reader = broker.begin(&["consume", "-t", "t", "-c", "2", "--from-beginning", "-q"]);
    writer.write(b"first\n");
    let seen = ["consume", "-t", "t", "-c", "1", "--from-beginning", "-q"];
    assert_eq!(broker.run(&seen).printed(), "first\n");
    writer.write(b"second\nunfinished");
    let seen = reader.end().printed();
    assert_eq!(seen.lines().count(), 2, "{seen}");
    let ended = writer.interrupt();
    // What has no end is no record yet.
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), "wrote 2 records, 11 B\n"));
    let reader = broker.begin(&["consume", "-t", "t", "--from-beginning"]);
    reader.speaks();
    let ended = reader.interrupt();
    assert_eq!(ended.code, Some(130));
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let broker = Broker::start();
    let lines = "a line of some length\n".repeat(50_000);
    broker.run_with(&["produce", "-t", "t", "-q", "-z", "zstd"], lines.as_bytes()).printed();
    let bootstrap = ["--bootstrap", &broker.bootstrap];
    for args in [&["consume", "-t", "t", "--from-beginning"][..], &["topic", "describe"]] {
        let mut child = ringmain(&[args, &bootstrap].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        let mut some = [0; 4];
        if args[0] == "consume" {
            child.stdout.as_mut().expect("piped").read_exact(&mut some).expect("some bytes");
        }
        drop(child.stdout.take());
        let status = crate::command::wait(&mut child, "consume");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}
