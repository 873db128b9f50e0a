//! Small files that are replaced as a whole (checkpoints, snapshots, `partition.metadata`): what was said
//! to be there is there after the power was lost, and never half of it.

use std::path::Path;

use ringmain::rt::file;
use ringmain::rt::sim::{CrashKind, Sim};

use crate::seeds::seeds;

#[test]
fn what_replaced_a_small_file_survives_the_power() {
    let path = Path::new("/data/checkpoint");
    for seed in seeds(100) {
        let sim = Sim::new(seed);
        let host = sim.add_host("broker");
        let disk = sim.disk(host);
        disk.install_dir(Path::new("/data")).unwrap();
        disk.install_file(path, b"old").unwrap();
        sim.run(async {
            let replace = async move { file::write_whole(path, &[7; 2000]).await };
            sim.spawn(host, replace).await.expect("the disk works");
            sim.crash(host, CrashKind::PowerLoss);
        });
        assert_eq!(disk.read(path).unwrap(), [7; 2000], "seed {seed}");
    }
}
