//! How one power cut treats what was not synced. Drawn once per cut, so that the extremes (all
//! gone, all there, cut off at one moment) happen as often as the mixtures.

use crate::rt::sim::dice::Dice;

pub(super) enum Outage {
    Nothing,
    Everything,
    /// Everything before this change, nothing from it on.
    Until(u64),
    /// Each sector by itself survives with this percentage.
    Some(u32),
}

impl Outage {
    /// `next` is the number that the next change would have had.
    pub(super) fn draw(next: u64, dice: &Dice) -> Outage {
        match dice.below(8) {
            0 => Outage::Nothing,
            1 => Outage::Everything,
            2 | 3 => Outage::Until(next.saturating_sub(dice.below(next.clamp(1, 64)))),
            4 => Outage::Some(90),
            5 => Outage::Some(10),
            _ => Outage::Some(50),
        }
    }

    /// Whether one sector of this change survives.
    pub(super) fn keeps_sector(&self, sequence: u64, dice: &Dice) -> bool {
        match self {
            Outage::Nothing => false,
            Outage::Everything => true,
            Outage::Until(end) => sequence < *end,
            Outage::Some(percent) => dice.percent(*percent),
        }
    }

    /// Of changes that can only survive in order: those before the number returned do.
    pub(super) fn prefix(&self, sequences: impl Iterator<Item = u64>, dice: &Dice) -> u64 {
        match self {
            Outage::Nothing => 0,
            Outage::Everything => u64::MAX,
            Outage::Until(end) => *end,
            Outage::Some(percent) => {
                let sequences: Vec<u64> = sequences.collect();
                if sequences.is_empty() || dice.percent(*percent) {
                    return u64::MAX;
                }
                sequences[dice.index(sequences.len())]
            }
        }
    }
}
