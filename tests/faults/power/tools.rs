//! What the operating system's tools do for these tests: mounts, loop devices, a qemu block device.
//! Everything that is made goes with its owner, in the reverse order.

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for a device to come or to be free.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a tool to its end and yields what it said.
pub fn try_run(tool: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(tool).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{tool}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

pub fn run(tool: &str, args: &[&str]) -> String {
    try_run(tool, args).unwrap_or_else(|error| panic!("{error}"))
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A file system in memory, for images that are written over and over.
pub struct Ram(PathBuf);

impl Ram {
    pub fn mount(at: &Path, mib: u64) -> Ram {
        fs::create_dir_all(at).expect("a directory");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", text(at)]);
        Ram(at.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

/// Who held a file a moment ago may need a moment to let go.
fn unmount(at: &Path) {
    let began = Instant::now();
    while let Err(error) = try_run("umount", &[text(at)]) {
        if began.elapsed() > PATIENCE {
            eprintln!("{error}: left for later");
            let _ = try_run("umount", &["--lazy", text(at)]);
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
        }
    }

    /// Makes an image with an empty file system.
    pub fn format(self, image: &Path, mib: u64) {
        let file = fs::File::create(image).expect("an image");
        file.set_len(mib << 20).expect("room");
        match self {
            FileSystem::Ext4 => run("mkfs.ext4", &["-q", "-F", "-b", "4096", text(image)]),
            FileSystem::Xfs => run("mkfs.xfs", &["-q", "-f", text(image)]),
        };
    }
}

/// A mounted image.
pub struct Mounted {
    at: PathBuf,
    loop_device: String,
}

impl Mounted {
    pub fn new(image: &Path, kind: FileSystem, at: &Path) -> Result<Mounted, String> {
        fs::create_dir_all(at).expect("a directory");
        let loop_device = try_run("losetup", &["--find", "--show", text(image)])?;
        let mut mounted = Mounted { at: PathBuf::new(), loop_device };
        let options = match kind {
            FileSystem::Ext4 => "noatime",
            FileSystem::Xfs => "noatime,nouuid",
        };
        let device = &mounted.loop_device;
        try_run("mount", &["-t", kind.name(), "-o", options, device, text(at)])?;
        mounted.at = at.to_owned();
        Ok(mounted)
    }

    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.at != Path::new("") {
            unmount(&self.at);
        }
        if let Err(error) = try_run("losetup", &["--detach", &self.loop_device]) {
            eprintln!("{error}");
        }
    }
}

/// A block device made by qemu-storage-daemon out of layers, seen as the file `export`.
pub struct Device {
    daemon: Child,
    export: PathBuf,
    control: RefCell<BufReader<UnixStream>>,
}

impl Device {
    /// `layers`: block drivers as `--blockdev` takes them, the last one called `top`.
    pub fn new(export: &Path, bytes: u64, layers: &[String]) -> Device {
        fs::write(export, b"").expect("a file to mount on");
        // The name of a socket is short; that of a directory of the build need not be.
        let socket = std::env::temp_dir().join(format!("qsd-{}-{}", process::id(), next_number()));
        let mut command = Command::new("qemu-storage-daemon");
        for layer in layers {
            command.args(["--blockdev", layer]);
        }
        let place = format!("socket,id=control,path={},server=on,wait=off", text(&socket));
        command.args(["--chardev", &place, "--monitor", "chardev=control"]);
        let mount = format!("type=fuse,id=e,node-name=top,writable=on,mountpoint={}", text(export));
        command.args(["--export", &mount]).stdin(Stdio::null());
        let daemon = command.spawn().expect("qemu-storage-daemon runs");
        let began = Instant::now();
        while fs::metadata(export).map_or(0, |found| found.len()) != bytes {
            assert!(began.elapsed() < PATIENCE, "the block device did not come");
            thread::sleep(Duration::from_millis(5));
        }
        let control = UnixStream::connect(&socket).expect("qemu-storage-daemon listens");
        fs::remove_file(&socket).expect("the socket's name");
        let control = RefCell::new(BufReader::new(control));
        let device = Device { daemon, export: export.to_owned(), control };
        device.hear();
        device.order("qmp_capabilities", json!({}));
        device
    }

    pub fn path(&self) -> &Path {
        &self.export
    }

    /// Tells the daemon to do something (QMP), and waits until it has.
    pub fn order(&self, what: &str, how: Value) {
        let order = json!({ "execute": what, "arguments": how });
        let mut control = self.control.borrow_mut();
        writeln!(control.get_mut(), "{order}").expect("the daemon hears");
        drop(control);
        loop {
            let said = self.hear();
            assert!(said.get("error").is_none(), "{what}: {said}");
            if said.get("return").is_some() {
                return;
            }
        }
    }

    fn hear(&self) -> Value {
        let mut line = String::new();
        self.control.borrow_mut().read_line(&mut line).expect("the daemon answers");
        serde_json::from_str(&line).expect("an object")
    }
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Drop for Device {
    fn drop(&mut self) {
        unmount(&self.export);
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Copies an image, holes as holes.
pub fn copy_sparse(from: &Path, to: &Path) {
    run("cp", &["--sparse=always", text(from), text(to)]);
}

/// An exact read at a position of a file.
pub fn read_at(file: &fs::File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}
