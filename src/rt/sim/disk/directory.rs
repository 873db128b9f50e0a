//! A directory: its entries as programs see them, those on stable media, and the changes between,
//! which a power cut lets through up to some point in their order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::node::FileNode;

#[derive(Clone)]
pub(super) enum Node {
    File(Rc<FileNode>),
    Dir(Rc<Directory>),
}

pub(super) struct Directory {
    pub(super) id: u64,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    live: BTreeMap<String, Node>,
    stable: BTreeMap<String, Node>,
    unsynced: Vec<Change>,
}

/// One entry leaves, one comes, or both at once: a rename is never seen in halves.
pub(super) struct Change {
    pub(super) sequence: u64,
    pub(super) leaves: Option<String>,
    pub(super) comes: Option<(String, Node)>,
    /// The other directory of a rename from one to another: both halves survive or none.
    pub(super) twin: Option<Weak<Directory>>,
}

impl Change {
    pub(super) fn comes(sequence: u64, name: &str, node: Node) -> Change {
        let comes = Some((name.to_owned(), node));
        Change { sequence, leaves: None, comes, twin: None }
    }

    pub(super) fn leaves(sequence: u64, name: &str) -> Change {
        Change { sequence, leaves: Some(name.to_owned()), comes: None, twin: None }
    }

    fn apply(&self, entries: &mut BTreeMap<String, Node>) {
        if let Some(name) = &self.leaves {
            entries.remove(name);
        }
        if let Some((name, node)) = &self.comes {
            entries.insert(name.clone(), node.clone());
        }
    }
}

impl Directory {
    pub(super) fn new(id: u64) -> Rc<Directory> {
        Rc::new(Directory { id, state: RefCell::default() })
    }

    pub(super) fn get(&self, name: &str) -> Option<Node> {
        self.state.borrow().live.get(name).cloned()
    }

    pub(super) fn entries(&self) -> Vec<(String, Node)> {
        let state = self.state.borrow();
        state.live.iter().map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.borrow().live.is_empty()
    }

    pub(super) fn change(&self, change: Change) {
        let mut state = self.state.borrow_mut();
        change.apply(&mut state.live);
        state.unsynced.push(change);
    }

    /// Makes every change before `until` durable, and of renames the other half too.
    pub(super) fn settle(&self, until: u64) {
        let settled: Vec<Change> = {
            let state = &mut *self.state.borrow_mut();
            let settled: Vec<Change> =
                state.unsynced.extract_if(.., |change| change.sequence < until).collect();
            for change in &settled {
                change.apply(&mut state.stable);
            }
            settled
        };
        for change in settled {
            if let Some(twin) = change.twin.and_then(|twin| twin.upgrade()) {
                twin.settle(change.sequence + 1);
            }
        }
    }

    pub(super) fn sequences(&self) -> Vec<u64> {
        self.state.borrow().unsynced.iter().map(|change| change.sequence).collect()
    }

    /// The renames under way to or from other directories: sequence and the other's number.
    pub(super) fn twins(&self) -> Vec<(u64, u64)> {
        let state = self.state.borrow();
        let twin = |change: &Change| {
            let other = change.twin.as_ref()?.upgrade()?;
            Some((change.sequence, other.id))
        };
        state.unsynced.iter().filter_map(twin).collect()
    }

    /// Every node that this directory names or might name after a power cut.
    pub(super) fn reachable(&self) -> Vec<Node> {
        let state = self.state.borrow();
        let coming = state.unsynced.iter().filter_map(|change| change.comes.as_ref());
        state
            .live
            .values()
            .chain(state.stable.values())
            .chain(coming.map(|(_, node)| node))
            .cloned()
            .collect()
    }

    /// Leaves the stable entries, changed by what came before `until`.
    pub(super) fn lose_power(&self, until: u64) {
        self.settle_alone(until);
        let state = &mut *self.state.borrow_mut();
        state.unsynced.clear();
        state.live = state.stable.clone();
    }

    fn settle_alone(&self, until: u64) {
        let state = &mut *self.state.borrow_mut();
        for change in state.unsynced.extract_if(.., |change| change.sequence < until) {
            change.apply(&mut state.stable);
        }
    }
}
