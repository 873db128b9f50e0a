//! What the rules of one group work with while they decide one thing: the time, the settings, and
//! the outcome that they add to.

use std::convert::Infallible;
use std::rc::Rc;

use super::consumer::Hashes;
use super::request::{Answer, Joined, Synced};
use crate::base::prng::Prng;
use crate::base::time::Instant;
use crate::config::{BrokerConfig, GroupConfig};
use crate::coordinator::timers::Timers;
use crate::coordinator::{Call, Now, Outcome, Record, Rules, batch_bytes};
use crate::model::{ErrorCode, TopicId};

pub(super) type Out = Outcome<Answer, Infallible>;

/// What a look of the clock is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A member's session, or an id that was given out.
    Session(Rc<str>, Rc<str>),
    JoinEnds(Rc<str>),
    SyncEnds(Rc<str>),
    /// What a member of a group of the new protocol has to give up.
    Revocation(Rc<str>, Rc<str>),
    /// A member of such a group that speaks the classic protocol, and has to join again or to ask
    /// for its part.
    Join(Rc<str>, Rc<str>),
    Sync(Rc<str>, Rc<str>),
    /// A group's patterns have to be matched.
    Patterns(Rc<str>),
    /// For offsets that are too old.
    Expiry,
}

pub(super) struct Turn<'a> {
    pub rules: &'a Rules,
    pub now: Now,
    pub random: &'a mut Prng,
    pub alarms: &'a mut Timers<Alarm>,
    pub hashes: &'a mut Hashes,
    /// The version of the view in which topics last came.
    pub newest_topics: u64,
    pub out: Out,
}

impl Turn<'_> {
    pub fn config(&self) -> &BrokerConfig {
        &self.rules.config
    }

    /// What holds for one group of the new protocol.
    pub fn group_config(&self, group: &str) -> GroupConfig {
        GroupConfig::of(self.rules.view.group_configs(group), &self.rules.config)
    }

    /// This many milliseconds from now.
    pub fn after_ms(&self, ms: i32) -> Instant {
        self.now.at + std::time::Duration::from_millis(ms.max(0) as u64)
    }

    pub fn answer(&mut self, call: Call, answer: Answer) {
        self.out.answers.push((call, answer));
    }

    pub fn joined(&mut self, call: Call, joined: Joined) {
        self.answer(call, Answer::Joined(Box::new(joined)));
    }

    pub fn refuse_join(&mut self, call: Call, error: ErrorCode, member: &str) {
        self.joined(call, Joined::refused(error, member));
    }

    pub fn refuse_sync(&mut self, call: Call, error: ErrorCode) {
        self.answer(call, Answer::Synced(Synced::refused(error)));
    }

    /// Takes records that were applied.
    pub fn write(&mut self, records: impl IntoIterator<Item = Record>) {
        self.out.records.extend(records);
    }

    /// Whether these and what is there already go into one batch.
    pub fn fits(&self, records: &[Record]) -> bool {
        batch_bytes(self.out.records.iter().chain(records)) <= self.rules.batch_bytes_max
    }

    /// A new id as Kafka makes them where members have no say in it.
    pub fn uuid(&mut self) -> Rc<str> {
        TopicId::random(self.random).to_string().into()
    }

    /// A new member's id (Kafka: ClassicGroup.generateMemberId).
    pub fn member_id(&mut self, prefix: &str) -> Rc<str> {
        let mut bytes = [0u8; 16];
        self.random.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut id = String::with_capacity(prefix.len() + 37);
        id.push_str(prefix);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 0 | 4 | 6 | 8 | 10) {
                id.push('-');
            }
            let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
            id.push(digit(byte >> 4));
            id.push(digit(byte & 15));
        }
        id.into()
    }
}
