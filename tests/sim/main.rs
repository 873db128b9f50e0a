//! The simulator's own promises: equal seeds run equally, time is virtual, a disk forgets what was
//! not synced and nothing else, a network splits and resets, a crash ends a host and only that.

mod disk;
mod network;
mod scheduling;
mod stress;

use std::path::Path;

use ringmain::base::buf::{Block, Buf, DeviceSlice};
use ringmain::rt::sim::{HostId, Sim, SimOptions};
use ringmain::rt::{File, OpenOptions};

/// A simulation with one host, which has an empty, durable `/data`.
fn sim(seed: u64) -> (Sim, HostId) {
    sim_with(seed, SimOptions::default())
}

fn sim_with(seed: u64, options: SimOptions) -> (Sim, HostId) {
    let sim = Sim::with_options(seed, options);
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).expect("an empty disk");
    (sim, host)
}

fn direct() -> OpenOptions {
    OpenOptions { read: true, write: true, create: true, direct: true, ..Default::default() }
}

fn buffered() -> OpenOptions {
    OpenOptions { direct: false, ..direct() }
}

/// Aligned memory filled with one byte.
fn filled(byte: u8, len: usize) -> Vec<DeviceSlice> {
    let block = Block::new(Buf::copy_of(&vec![byte; len]));
    vec![DeviceSlice::new(&block, 0..len)]
}

async fn contents(file: &File) -> Vec<u8> {
    let len = file.len().await.expect("a length") as usize;
    let (result, buf) = file.read_at(Buf::with_capacity(len), 0, len).await;
    assert_eq!(result.expect("a read"), len);
    buf.to_vec()
}
