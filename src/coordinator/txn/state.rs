//! The states of a transaction, with Kafka's numbers and names.

/// Kafka: TransactionState. `Dead` and `PrepareEpochFence` are never written: an expired id is a
/// tombstone at once, and fencing a producer and preparing the abort are one step here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
    Dead,
    PrepareEpochFence,
}

impl State {
    const ALL: [State; 8] = [
        State::Empty,
        State::Ongoing,
        State::PrepareCommit,
        State::PrepareAbort,
        State::CompleteCommit,
        State::CompleteAbort,
        State::Dead,
        State::PrepareEpochFence,
    ];

    /// As in the log.
    pub fn number(self) -> i8 {
        self as i8
    }

    pub fn of_number(number: i8) -> Option<State> {
        State::ALL.get(usize::try_from(number).ok()?).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
            State::Dead => "Dead",
            State::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    pub fn of_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The outcome is decided, and its markers are being written.
    pub fn is_ending(self) -> bool {
        matches!(self, State::PrepareCommit | State::PrepareAbort)
    }

    /// No transaction is under way; the id may expire.
    pub fn is_idle(self) -> bool {
        matches!(self, State::Empty | State::CompleteCommit | State::CompleteAbort)
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn numbers_and_names_are_kafkas() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.number(), number as i8);
            assert_eq!(State::of_number(number as i8), Some(state));
            assert_eq!(State::of_name(state.name()), Some(state));
        }
        assert_eq!(State::of_number(8), None);
        assert_eq!(State::of_number(-1), None);
        assert_eq!(State::of_name("empty"), None);
    }
}
