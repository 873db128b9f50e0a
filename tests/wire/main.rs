//! The wire format against everything we can hold it to: an independent codec, bytes that Kafka's
//! own client wrote, and hostile input.

mod against_oracle;
mod allocation;
mod batches;
mod debug_text;
mod dump;
mod frames;
mod golden;
mod golden_groups;
mod hostile;
mod internal_topics;
mod planted;
mod subject;
mod tree;

/// How many rounds a seeded test runs: a default, or `RINGMAIN_FUZZ_ROUNDS`.
fn rounds(default: u64) -> u64 {
    match std::env::var("RINGMAIN_FUZZ_ROUNDS") {
        Ok(text) => text.parse().expect("RINGMAIN_FUZZ_ROUNDS is a number"),
        Err(_) => default,
    }
}

/// The seed of this run: a fixed one, or `RINGMAIN_SEED`. Printed, so that a failure can be run again.
fn seed() -> u64 {
    let seed = match std::env::var("RINGMAIN_SEED") {
        Ok(text) => text.parse().expect("RINGMAIN_SEED is a number"),
        Err(_) => 0x5eed,
    };
    println!("RINGMAIN_SEED={seed}");
    seed
}
