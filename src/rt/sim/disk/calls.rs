//! Operations on paths, and what tests do to a disk from outside.

use std::io;
use std::path::Path;
use std::rc::Rc;

use rustix::io::Errno;

use super::directory::{Change, Directory, Node};
use super::fault::{DiskOp, Fault, FaultRule};
use super::node::FileNode;
use super::{Disk, error};
use crate::rt::file::Entry;
use crate::rt::sim::core::Core;

/// The paths of one operation, as its effect takes them along.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Disk {
    /// Runs a metadata operation after its delay, or fails it.
    async fn metadata<T: 'static>(
        self: &Rc<Disk>,
        core: &Core,
        op: Option<DiskOp>,
        path: &Path,
        effect: impl FnOnce(&Disk) -> io::Result<T> + 'static,
    ) -> io::Result<T> {
        let (fault, stall) = op.map(|op| self.fault(op, &text(path))).unwrap_or_default();
        let delay = self.dice.delay(&self.options.metadata) + stall;
        self.begin(core, delay, move |disk, _| match fault {
            None => effect(disk),
            Some(Fault::Enospc) => error(Errno::NOSPC),
            Some(_) => error(Errno::IO),
        })
        .await
    }

    pub(in crate::rt::sim) async fn create_dir_all(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<()> {
        let owned = path.to_owned();
        let effect = move |disk: &Disk| disk.make_dirs(&owned);
        self.metadata(core, None, path, effect).await
    }

    pub(in crate::rt::sim) async fn rename(
        self: &Rc<Disk>,
        core: &Core,
        from: &Path,
        to: &Path,
    ) -> io::Result<()> {
        let (source, target) = (from.to_owned(), to.to_owned());
        let effect = move |disk: &Disk| disk.move_entry(&source, &target);
        self.metadata(core, Some(DiskOp::Rename), from, effect).await
    }

    pub(in crate::rt::sim) async fn remove_file(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<()> {
        let owned = path.to_owned();
        let effect = move |disk: &Disk| {
            let (parent, name) = disk.find_parent(&owned)?;
            match parent.get(&name) {
                None => error(Errno::NOENT),
                Some(Node::Dir(_)) => error(Errno::ISDIR),
                Some(Node::File(file)) => {
                    parent.change(Change::leaves(disk.next(), &name));
                    disk.unlink(&file);
                    Ok(())
                }
            }
        };
        self.metadata(core, Some(DiskOp::Remove), path, effect).await
    }

    pub(in crate::rt::sim) async fn remove_dir_all(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<()> {
        let owned = path.to_owned();
        let effect = move |disk: &Disk| {
            let (parent, name) = disk.find_parent(&owned)?;
            let directory = disk.find_dir(&owned)?;
            disk.empty(&directory);
            parent.change(Change::leaves(disk.next(), &name));
            Ok(())
        };
        self.metadata(core, Some(DiskOp::Remove), path, effect).await
    }

    pub(in crate::rt::sim) async fn list_dir(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<Vec<Entry>> {
        let owned = path.to_owned();
        self.metadata(core, None, path, move |disk| disk.list(&owned)).await
    }

    pub(in crate::rt::sim) async fn sync_dir(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<()> {
        let (fault, stall) = self.fault(DiskOp::SyncDir, &text(path));
        let delay = self.dice.delay(&self.options.sync) + stall;
        let until = self.sequence.get();
        let directory = self.find_dir(path);
        self.begin(core, delay, move |_, _| {
            match fault {
                None => directory?.settle(until),
                Some(Fault::Lie) => {}
                Some(_) => return error(Errno::IO),
            }
            Ok(())
        })
        .await
    }

    pub(in crate::rt::sim) async fn read_whole(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<Vec<u8>> {
        let owned = path.to_owned();
        self.metadata(core, Some(DiskOp::Read), path, move |disk| disk.read(&owned)).await
    }

    pub(in crate::rt::sim) async fn exists(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<bool> {
        let owned = path.to_owned();
        self.metadata(core, None, path, move |disk| Ok(disk.find(&owned).is_ok())).await
    }

    pub(in crate::rt::sim) async fn disk_space(
        self: &Rc<Disk>,
        core: &Core,
        path: &Path,
    ) -> io::Result<(u64, u64)> {
        let owned = path.to_owned();
        let effect = move |disk: &Disk| {
            disk.find(&owned)?;
            let total = disk.capacity.get();
            Ok((total.saturating_sub(disk.used.get()), total))
        };
        self.metadata(core, None, path, effect).await
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        self.descend(path, |parent, name| {
            let directory = Directory::new(self.next());
            parent.change(Change::comes(self.next(), name, Node::Dir(directory.clone())));
            directory
        })?;
        Ok(())
    }

    fn move_entry(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, old_name) = self.find_parent(from)?;
        let (target, new_name) = self.find_parent(to)?;
        let Some(node) = source.get(&old_name) else { return error(Errno::NOENT) };
        if to != from && to.starts_with(from) {
            return error(Errno::INVAL);
        }
        let same = Rc::ptr_eq(&source, &target);
        if same && old_name == new_name {
            return Ok(());
        }
        match (&node, target.get(&new_name)) {
            (_, None) => {}
            (Node::File(_), Some(Node::File(replaced))) => self.unlink(&replaced),
            (Node::Dir(_), Some(Node::Dir(replaced))) if replaced.is_empty() => {}
            (Node::Dir(_), Some(Node::Dir(_))) => return error(Errno::NOTEMPTY),
            (Node::File(_), Some(Node::Dir(_))) => return error(Errno::ISDIR),
            (Node::Dir(_), Some(Node::File(_))) => return error(Errno::NOTDIR),
        }
        let sequence = self.next();
        let mut comes = Change::comes(sequence, &new_name, node);
        if same {
            comes.leaves = Some(old_name);
        } else {
            let mut leaves = Change::leaves(sequence, &old_name);
            leaves.twin = Some(Rc::downgrade(&target));
            comes.twin = Some(Rc::downgrade(&source));
            source.change(leaves);
        }
        target.change(comes);
        Ok(())
    }

    fn empty(&self, directory: &Directory) {
        for (name, node) in directory.entries() {
            match &node {
                Node::Dir(inner) => self.empty(inner),
                Node::File(file) => self.unlink(file),
            }
            directory.change(Change::leaves(self.next(), &name));
        }
    }

    /// Opens or creates, as the flags say.
    pub(super) fn open_node(
        &self,
        path: &Path,
        options: crate::rt::OpenOptions,
    ) -> io::Result<Rc<FileNode>> {
        let (parent, name) = self.find_parent(path)?;
        let file = match parent.get(&name) {
            Some(Node::Dir(_)) => return error(Errno::ISDIR),
            Some(Node::File(_)) if options.create_new => return error(Errno::EXIST),
            Some(Node::File(file)) => file,
            None if options.create || options.create_new => self.create(&parent, &name),
            None => return error(Errno::NOENT),
        };
        if options.truncate && file.len() > 0 {
            self.free(file.set_len(self.next(), 0));
        }
        Ok(file)
    }

    fn create(&self, parent: &Directory, name: &str) -> Rc<FileNode> {
        let file = FileNode::new(self.next());
        file.links.set(1);
        parent.change(Change::comes(self.next(), name, Node::File(file.clone())));
        file
    }

    fn unlink(&self, file: &FileNode) {
        file.links.set(file.links.get().saturating_sub(1));
        self.release(file);
    }
}

/// What a test does to a disk from outside, at once and without a host's taking part.
impl Disk {
    /// Adds a fault; the first rule that hits an operation decides.
    pub fn inject(&self, rule: FaultRule) {
        self.rules.borrow_mut().push(rule);
    }

    pub fn clear_faults(&self) {
        self.rules.borrow_mut().clear();
    }

    /// Changes the size of the file system, in bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.capacity.set(bytes);
    }

    /// The size of the file system, in bytes.
    pub fn capacity(&self) -> u64 {
        self.capacity.get()
    }

    /// Bytes of space in use.
    pub fn used(&self) -> u64 {
        self.used.get()
    }

    /// Makes a directory and its parents, durably.
    pub fn install_dir(&self, path: &Path) -> io::Result<()> {
        self.descend(path, |parent, name| {
            let directory = Directory::new(self.next());
            parent.change(Change::comes(self.next(), name, Node::Dir(directory.clone())));
            parent.settle(self.sequence.get());
            directory
        })?;
        Ok(())
    }

    /// Makes or replaces a file, durably.
    pub fn install_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.find_parent(path)?;
        if let Some(Node::File(old)) = parent.get(&name) {
            self.unlink(&old);
        }
        let file = self.create(&parent, &name);
        self.claim(&file, 0, bytes.len() as u64);
        file.write(self.next(), true, 0, bytes);
        file.settle(self.sequence.get());
        parent.settle(self.sequence.get());
        Ok(())
    }

    /// What a program would read now.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.find_file(path)?;
        let mut bytes = vec![0; file.len() as usize];
        file.read(0, &mut bytes);
        Ok(bytes)
    }

    /// The entries of a directory as a program sees them now.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let entry = |(name, node)| match node {
            Node::Dir(_) => Entry { name, is_dir: true, len: 0 },
            Node::File(file) => Entry { name, is_dir: false, len: file.len() },
        };
        Ok(self.find_dir(path)?.entries().into_iter().map(entry).collect())
    }

    /// Bit rot: flips a bit of a file on the media.
    pub fn rot(&self, path: &Path, pos: u64, bit: u8) -> io::Result<()> {
        let file = self.find_file(path)?;
        if pos >= file.len() {
            return error(Errno::INVAL);
        }
        file.flip(pos, bit);
        Ok(())
    }

    /// Changes of a file that a power cut might undo now.
    pub fn unsynced_changes(&self, path: &Path) -> io::Result<usize> {
        Ok(self.find_file(path)?.unsynced())
    }

    fn find_file(&self, path: &Path) -> io::Result<Rc<FileNode>> {
        match self.find(path)? {
            Node::File(file) => Ok(file),
            Node::Dir(_) => error(Errno::ISDIR),
        }
    }
}
