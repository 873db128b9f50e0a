//! A data directory on two devices: everything on a sound one, and one partition, `broken-0`, alone
//! on a device of its own to which something can be done.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tools::{Device, FileSystem, Mounted, Ram, run, text};
use crate::broker::Setup;
use crate::checker::{Logs, check};
use crate::client::Client;
use crate::history::Recorder;
use crate::topics::Topic;

pub const BROKEN: &str = "broken";
pub const SOUND: &str = "sound";
/// The least that xfs takes is 300.
const MIB: u64 = 320;

pub struct Split {
    pub setup: Setup,
    pub broken: Topic,
    pub sound: Topic,
    pub recorder: Recorder,
    kind: FileSystem,
    /// Layers so far, and the one that lies over the file now.
    layers: u32,
    layer: Option<String>,
    // In the order in which they must go.
    partition: Option<Mounted>,
    device: Device,
    _data: Mounted,
    ram: Ram,
}

impl Split {
    pub fn new(setup: &Setup, kind: FileSystem, configs: &[(&str, &str)]) -> Split {
        let ram = Ram::mount(&setup.scratch().join("ram"), 2048);
        let sound = ram.path().join("sound");
        kind.format(&sound, 2 * MIB);
        let data = Mounted::new(&sound, kind, &ram.path().join("on-sound"));
        let data = data.unwrap_or_else(|error| panic!("{error}"));
        let image = ram.path().join("image");
        kind.format(&image, MIB);
        let file = text(&image);
        let layers = [
            format!("driver=file,node-name=file,filename={file},cache.no-flush=on"),
            "driver=raw,node-name=top,file=file".to_owned(),
        ];
        let device = Device::new(&ram.path().join("device"), MIB << 20, &layers);
        let setup = setup.clone().on_data(&data.path().join("data"));
        let broker = setup.start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        let broken = Topic::create(&mut client, BROKEN, 1, configs);
        let sound = Topic::create(&mut client, SOUND, 1, configs);
        broker.stop();
        let recorder = Recorder::new();
        let mut split = Split {
            setup,
            broken,
            sound,
            recorder,
            kind,
            layers: 0,
            layer: None,
            partition: None,
            device,
            _data: data,
            ram,
        };
        split.move_over();
        split
    }

    /// The directory of `broken-0`.
    pub fn directory(&self) -> PathBuf {
        self.setup.data().join("broken-0")
    }

    fn move_over(&mut self) {
        let directory = self.directory();
        let aside = self.ram.path().join("aside");
        self.partition = Mounted::new(self.device.path(), self.kind, &aside).ok();
        assert!(self.partition.is_some(), "the device cannot be mounted");
        let _ = fs::remove_dir(aside.join("lost+found"));
        run("cp", &["-a", &format!("{}/.", text(&directory)), text(&aside)]);
        run("sync", &["-f", text(&aside)]);
        self.mount();
    }

    /// Mounts the device anew, as after an error of which the file system does not recover.
    pub fn mount(&mut self) {
        self.partition.take();
        let mounted = Mounted::new(self.device.path(), self.kind, &self.directory());
        self.partition = Some(mounted.unwrap_or_else(|error| panic!("{error}")));
    }

    /// Puts another layer between the device and its file; without one the device is sound.
    pub fn put(&mut self, layer: Option<Value>) {
        let old = self.layer.take();
        if let Some(mut layer) = layer {
            self.layers += 1;
            let name = format!("layer-{}", self.layers);
            layer["node-name"] = json!(name);
            self.device.order("blockdev-add", layer);
            self.layer = Some(name);
        }
        let file = self.layer.as_deref().unwrap_or("file");
        let top = json!({ "driver": "raw", "node-name": "top", "file": file });
        self.device.order("blockdev-reopen", json!({ "options": [top] }));
        if let Some(old) = old {
            self.device.order("blockdev-del", json!({ "node-name": old }));
        }
    }

    /// Lets the device do no more than so many operations a second.
    pub fn throttle(&mut self, iops: u32) {
        let limits = json!({ "iops-total": iops, "iops-total-max": iops });
        let group = json!({ "qom-type": "throttle-group", "id": "slow", "limits": limits });
        self.device.order("object-add", group);
        self.put(Some(json!({ "driver": "throttle", "throttle-group": "slow", "file": "file" })));
    }

    /// Lets nothing of a file, and of the device, be in the kernel's memory.
    pub fn forget(&self, file: &Path) {
        for path in [file, self.device.path()] {
            let path = format!("of={}", text(path));
            run(
                "dd",
                &[&path, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"],
            );
        }
    }

    /// Everything that is wrong with what the partitions hold by now.
    pub fn judge(&self, client: &mut Client) -> Vec<String> {
        let mut logs = Logs::new();
        for topic in [&self.broken, &self.sound] {
            match topic.try_read_all(client, 0).expect("an answer") {
                Ok(log) => drop(logs.insert((topic.name.clone(), 0), log)),
                Err(error) => return vec![format!("{} cannot be read: {error}", topic.name)],
            }
        }
        let anomalies = check(&self.recorder.history(), &logs);
        anomalies.iter().map(|anomaly| format!("{anomaly:?}")).collect()
    }
}
