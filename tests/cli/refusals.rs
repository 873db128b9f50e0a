//! What cannot be done is told in one line, and what to do about it.

use std::fs;
use std::net::TcpListener;

use crate::broker::{Broker, Dir};
use crate::command::{run, run_with};

fn serve(data: &str, listen: &str) -> String {
    run(&["serve", "--data", data, "--listen", listen]).refused(1)
}

#[test]
fn a_broker_that_cannot_start_says_why() {
    let broker = Broker::start();
    let data = broker.data.path();
    let told = serve(data, "127.0.0.1:0");
    assert_eq!(
        told,
        format!("{data} is in use by another broker: stop it, or choose another with --data")
    );

    let other = Dir::new();
    let told = serve(other.path(), &broker.bootstrap);
    assert!(told.contains(&broker.bootstrap) && told.contains("in use"), "{told}");

    let newer = Dir::new();
    fs::create_dir_all(newer.0.join(".ringmain")).expect("a directory");
    fs::write(newer.0.join(".ringmain/format"), "999\n").expect("a file");
    let (told, newer) = (serve(newer.path(), "127.0.0.1:0"), newer.path());
    assert!(told.starts_with(&format!("{newer} was written by a newer Ringmain (layout 999")));
    assert!(told.ends_with("upgrade, or choose another with --data"), "{told}");

    let told = serve("/proc/nowhere", "127.0.0.1:0");
    assert!(told.starts_with("/proc/nowhere cannot be used for data"), "{told}");
    let told = run(&["serve", "--data", data, "--set", "no.such.thing=1"]).refused(1);
    assert!(told.contains("no.such.thing"), "{told}");
}

#[test]
fn a_broker_that_is_not_there_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let address = free.to_string();
    let expect = format!(
        "{address} cannot be reached: nothing listens there (`ringmain serve` starts a broker, \
         --bootstrap HOST:PORT names another)"
    );
    for command in [&["topic", "list"][..], &["produce", "-t", "x"], &["consume", "-t", "x"]] {
        let told = run(&[command, &["--bootstrap", &address]].concat()).refused(1);
        assert_eq!(told, expect, "{command:?}");
    }
    let told = run(&["topic", "list", "--bootstrap", "no.such.host.invalid:1"]).refused(1);
    assert!(told.contains("cannot be reached: the name has no address"), "{told}");

    // Something that listens and does not speak Kafka's protocol.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        use std::io::Write;
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let told = run(&["topic", "list", "--bootstrap", &address]).refused(1);
    assert!(told.contains("does not follow Kafka's protocol"), "{told}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let told = run_with(&["produce", "-t", "x", "-f", "/no/such/file"], b"").refused(1);
    assert_eq!(told, "--file /no/such/file: No such file or directory");
    let told = run(&["produce", "-t", "x", "-f", "/"]).refused(1);
    assert_eq!(told, "--file /: this is a directory");
}
