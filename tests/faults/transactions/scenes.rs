//! What becomes of a transaction: each actor plays one scene with a transactional id of its own, whatever
//! happens to the broker meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::end_txn::EndTxn;

use super::known::{End, Ledger};
use super::session::{Level, PAUSE, Session, Told, Trouble};
use super::{ACTORS, PARTITIONS, TIMEOUT_MS};
use crate::broker::Broker;
use crate::coordinator::{TRANSACTION, find};
use crate::topics::Topic;

/// Attempts to end a transaction while the broker goes and comes.
const ATTEMPTS: u32 = 200;

type Scene = fn(&mut Actor) -> Told<()>;

const SCENES: [(&str, Scene); 6] = [
    ("ordinary", Actor::ordinary),
    ("end lost", Actor::end_lost),
    ("end late", Actor::end_late),
    ("replaced", Actor::replaced),
    ("left open", Actor::left_open),
    ("too slow", Actor::too_slow),
];

pub struct Actor {
    scene: &'static str,
    topic: Topic,
    bootstrap: SocketAddr,
    session: Session,
    ledger: Arc<Ledger>,
    dice: Prng,
}

impl Actor {
    /// Some that play now.
    pub fn cast(
        topic: &Topic,
        broker: &Broker,
        ledger: &Arc<Ledger>,
        round: u64,
        dice: &mut Prng,
    ) -> Vec<JoinHandle<()>> {
        let actor = |number: u64| {
            let (scene, play) = SCENES[dice.below(SCENES.len() as u64) as usize];
            // In the old protocol an end that comes late meets the next transaction: that is its flaw.
            let is_old = scene != "end late" && dice.chance(1, 2);
            let level = if is_old { Level::Old } else { Level::New };
            // Ids are used again, now and then while a transaction is open under them.
            let id = format!("actor-{}-{number}", round % 3);
            let bootstrap = broker.address();
            let mut actor = Actor {
                scene,
                topic: topic.clone(),
                bootstrap,
                session: Session::new(bootstrap, &id, level, TIMEOUT_MS),
                ledger: ledger.clone(),
                dice: Prng::new(dice.next_u64()),
            };
            thread::spawn(move || {
                // Whatever it says: what is known of the transactions is in the ledger.
                let _ = play(&mut actor);
            })
        };
        (0..ACTORS).map(actor).collect()
    }

    /// Writes a transaction to some partitions; its number.
    fn write(&mut self) -> Told<usize> {
        let number = self.ledger.begin(self.scene);
        let mut places: Vec<i32> = (0..PARTITIONS).collect();
        places.retain(|_| self.dice.chance(2, 3));
        if places.is_empty() {
            places.push(0);
        }
        self.session.add(&self.topic.name, &places)?;
        for partition in places {
            for _ in 0..1 + self.dice.below(2) {
                let count = 1 + self.dice.below(3);
                let values = self.ledger.values(number, partition, count);
                self.session.write(&self.topic, partition, &values)?;
            }
        }
        Ok(number)
    }

    /// Ends it; asks again whenever the answer does not come.
    fn end(&mut self, number: usize, commit: bool) -> Told<()> {
        if commit {
            self.ledger.tell(number, End::Unknown);
        }
        let mut asked = 0;
        loop {
            asked += 1;
            match self.session.end(commit) {
                Ok(()) => {
                    let end = if commit { End::Committed } else { End::Aborted };
                    self.ledger.tell(number, end);
                    return Ok(());
                }
                Err(Trouble::Connection) if asked < ATTEMPTS => {
                    self.session.hang_up();
                    thread::sleep(PAUSE);
                }
                Err(trouble) => {
                    // The first answer there is: nothing was decided before it.
                    if asked == 1 && matches!(trouble, Trouble::Said(_)) {
                        self.ledger.tell(number, End::Aborted);
                    }
                    return Err(trouble);
                }
            }
        }
    }

    fn ordinary(&mut self) -> Told<()> {
        self.session.begin()?;
        for _ in 0..1 + self.dice.below(6) {
            let number = self.write()?;
            let commit = self.dice.chance(3, 4);
            self.end(number, commit)?;
        }
        Ok(())
    }

    /// Nobody hears the answer; then it is asked again, or somebody else begins.
    fn end_lost(&mut self) -> Told<()> {
        self.session.begin()?;
        for _ in 0..1 + self.dice.below(3) {
            let number = self.write()?;
            self.ledger.tell(number, End::Unknown);
            self.session.send_end(true)?;
            thread::sleep(Duration::from_millis(self.dice.below(20)));
            self.session.hang_up();
            if self.dice.chance(1, 2) {
                self.end(number, true)?;
            } else {
                self.session.begin()?;
            }
        }
        Ok(())
    }

    /// The end of a transaction arrives when the next one is under way, and must not end that.
    fn end_late(&mut self) -> Told<()> {
        self.session.begin()?;
        for _ in 0..1 + self.dice.below(3) {
            let first = self.write()?;
            let late = self.session.end_frame(true);
            self.end(first, false)?;
            let second = self.write()?;
            let code = self.ask_raw(&late)?;
            if code == ErrorCode::NONE {
                let what = format!("{}: an end that was late ended something", self.session.id);
                self.ledger.must_not(what);
            }
            let commit = self.dice.chance(1, 2);
            self.end(second, commit)?;
        }
        Ok(())
    }

    fn ask_raw(&self, frame: &[u8]) -> Told<ErrorCode> {
        let mut client = find(self.bootstrap, TRANSACTION, &self.session.id)?;
        client.send_bytes(frame)?;
        Ok(client.receive::<EndTxn>(5)?.body().error_code)
    }

    /// A second producer takes the id over, and the first one goes on as if nothing had happened.
    fn replaced(&mut self) -> Told<()> {
        self.session.begin()?;
        let first = self.write()?;
        let mut second = self.session.double();
        second.begin()?;
        std::mem::swap(&mut self.session, &mut second);
        let mut zombie = second;
        let own = self.write()?;
        if self.dice.chance(1, 2) {
            let values = self.ledger.values(first, 0, 1);
            if zombie.write(&self.topic, 0, &values).is_ok() {
                self.ledger.must_not(format!("{}: a zombie wrote", zombie.id));
            }
        }
        if zombie.end(true).is_ok() {
            self.ledger.must_not(format!("{}: a zombie committed", zombie.id));
        }
        let commit = self.dice.chance(3, 4);
        self.end(own, commit)
    }

    /// Nobody ends it but the coordinator.
    fn left_open(&mut self) -> Told<()> {
        self.session.begin()?;
        self.write()?;
        self.session.hang_up();
        Ok(())
    }

    /// It comes back when its time is up, and all that it asks is refused.
    fn too_slow(&mut self) -> Told<()> {
        self.session.begin()?;
        let number = self.write()?;
        // The coordinator looks now and then, and its clock may have begun with a restart.
        thread::sleep(Duration::from_millis(TIMEOUT_MS as u64 + self.dice.below(600)));
        if self.dice.chance(1, 2) {
            // It may still be in time.
            let values = self.ledger.values(number, 0, 1);
            self.session.add(&self.topic.name, &[0])?;
            self.session.write(&self.topic, 0, &values)?;
        }
        self.end(number, true)
    }
}
