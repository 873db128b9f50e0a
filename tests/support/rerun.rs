//! This very test binary again, with one bug planted in it: the test that exists for the bug must fail.
//! Each bug gets a process of its own, because it is chosen once.

use std::process::Command;

/// One test with one bug and these seeds; true when it passed.
pub fn passes(bug: &str, test: &str, seeds: &str) -> bool {
    let binary = std::env::current_exe().expect("this test");
    let output = Command::new(binary)
        .args([test, "--exact"])
        .env("RINGMAIN_PLANTED", bug)
        .env("RINGMAIN_SEEDS", seeds)
        // Reading the symbols of a test that is to fail takes longer than the test.
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{test} is no test of this binary");
    output.status.success()
}
