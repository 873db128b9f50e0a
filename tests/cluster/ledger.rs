//! What the members of a group claim and what they were told, and whether it fits together.

use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Ledger {
    /// Who was given a partition in a generation.
    owners: RefCell<BTreeMap<(i32, i32), String>>,
    /// The last commit that was acknowledged: its generation and offset.
    commits: RefCell<BTreeMap<i32, (i32, i64)>>,
    faults: RefCell<Vec<String>>,
}

impl Ledger {
    fn fault(&self, fault: String) {
        self.faults.borrow_mut().push(fault);
    }

    /// A member was told that a partition is its own.
    pub fn given(&self, generation: i32, partition: i32, member: &str) {
        let mut owners = self.owners.borrow_mut();
        let owner = owners.entry((generation, partition)).or_insert_with(|| member.to_owned());
        if owner != member {
            let fault = format!("{partition} is {owner}'s and {member}'s in {generation}");
            self.faults.borrow_mut().push(fault);
        }
    }

    /// What was committed before anybody asks now.
    pub fn acknowledged(&self, partition: i32) -> i64 {
        self.commits.borrow().get(&partition).map_or(-1, |&(_, offset)| offset)
    }

    /// Somebody asked where to go on, when `least` was acknowledged.
    pub fn found(&self, partition: i32, offset: i64, least: i64) {
        if offset < least {
            self.fault(format!("{partition} went back from {least} to {offset}"));
        }
    }

    pub fn committed(&self, generation: i32, partition: i32, offset: i64) {
        let mut commits = self.commits.borrow_mut();
        let last = commits.entry(partition).or_insert((generation, offset));
        if generation < last.0 {
            let fault = format!("{partition}: {generation} committed {offset} after {last:?}");
            self.faults.borrow_mut().push(fault);
        }
        *last = (generation, offset);
    }

    pub fn conclude(&self, seed: u64) {
        let faults = self.faults.borrow();
        assert!(faults.is_empty(), "seed {seed}:\n{}", faults.join("\n"));
        assert!(!self.commits.borrow().is_empty(), "seed {seed}: nothing was committed");
    }
}
