//! From paths to nodes.

use std::io;
use std::path::{Component, Path};
use std::rc::Rc;

use rustix::io::Errno;

use super::directory::{Directory, Node};
use super::{Disk, error};

/// The names along a path; a relative one begins at the root too.
fn names(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

impl Disk {
    fn walk(&self, names: &[String]) -> io::Result<Node> {
        let mut node = Node::Dir(self.root.clone());
        for name in names {
            let Node::Dir(directory) = &node else { return error(Errno::NOTDIR) };
            let Some(next) = directory.get(name) else { return error(Errno::NOENT) };
            node = next;
        }
        Ok(node)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        self.walk(&names(path))
    }

    pub(super) fn find_dir(&self, path: &Path) -> io::Result<Rc<Directory>> {
        match self.find(path)? {
            Node::Dir(directory) => Ok(directory),
            Node::File(_) => error(Errno::NOTDIR),
        }
    }

    /// The directory that holds or would hold `path`, and the name in it.
    pub(super) fn find_parent(&self, path: &Path) -> io::Result<(Rc<Directory>, String)> {
        let mut names = names(path);
        let Some(name) = names.pop() else { return error(Errno::INVAL) };
        match self.walk(&names)? {
            Node::Dir(directory) => Ok((directory, name)),
            Node::File(_) => error(Errno::NOTDIR),
        }
    }

    /// Every directory from the root to `path`: each made by `make` when it is missing.
    pub(super) fn descend(
        &self,
        path: &Path,
        make: impl Fn(&Directory, &str) -> Rc<Directory>,
    ) -> io::Result<Rc<Directory>> {
        let mut directory = self.root.clone();
        for name in names(path) {
            directory = match directory.get(&name) {
                Some(Node::Dir(next)) => next,
                Some(Node::File(_)) => return error(Errno::NOTDIR),
                None => make(&directory, &name),
            };
        }
        Ok(directory)
    }
}
