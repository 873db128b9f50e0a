//! Axes: where on them a value stands, and which values are named.

use super::number::{Unit, digits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Linear,
    Log,
    /// Of quantiles: each nine is as far from the next as that from the one after.
    Nines,
}

#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub kind: Kind,
    pub low: f64,
    pub high: f64,
}

impl Scale {
    /// From 0 to a round number above all values.
    pub fn linear(values: impl Iterator<Item = f64>) -> Scale {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let step = step_for(most);
        let high = if most > 0.0 { (most / step).ceil() * step } else { 1.0 };
        Scale { kind: Kind::Linear, low: 0.0, high }
    }

    /// Between round numbers around all values that are more than 0.
    pub fn log(values: impl Iterator<Item = f64>) -> Scale {
        let bounds = (f64::INFINITY, 0.0f64);
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = values.fold(bounds, |(a, b), value| (a.min(value), b.max(value)));
        if most == 0.0 {
            return Scale { kind: Kind::Log, low: 1.0, high: 10.0 };
        }
        let low = round_below(least);
        let high = -round_below(-most);
        Scale { kind: Kind::Log, low, high: if high > low { high } else { low * 10.0 } }
    }

    /// From the least to the quantile given, of which there is one value.
    pub fn nines(highest: f64) -> Scale {
        Scale { kind: Kind::Nines, low: 0.0, high: highest.clamp(0.99, 0.999_999_9) }
    }

    /// Where it stands, 0 at the low end and 1 at the high one.
    pub fn at(&self, value: f64) -> f64 {
        let (low, high) = (self.along(self.low), self.along(self.high));
        ((self.along(value.clamp(self.low, self.high)) - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn along(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => value,
            Kind::Log => value.log10(),
            Kind::Nines => -(1.0 - value).log10(),
        }
    }

    /// The values that are named.
    pub fn ticks(&self) -> Vec<f64> {
        match self.kind {
            Kind::Linear => {
                let step = step_for(self.high);
                let count = (self.high / step).round() as usize;
                (0..=count).map(|at| at as f64 * step).collect()
            }
            Kind::Log => {
                let decades = self.high.log10() - self.low.log10();
                let each: &[f64] = match decades {
                    d if d <= 1.4 => &[1.0, 2.0, 5.0],
                    d if d <= 2.4 => &[1.0, 3.0],
                    _ => &[1.0],
                };
                let first = self.low.log10().floor() as i32;
                let last = self.high.log10().ceil() as i32;
                (first..=last)
                    .flat_map(|decade| each.iter().map(move |part| part * 10f64.powi(decade)))
                    .filter(|value| within(*value, self.low, self.high))
                    .collect()
            }
            Kind::Nines => [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999]
                .into_iter()
                .filter(|value| *value <= self.high)
                .collect(),
        }
    }

    /// How a tick is named.
    pub fn name(&self, value: f64, unit: Unit) -> String {
        match (self.kind, unit) {
            (Kind::Nines, _) => {
                // 99.999 in binary is not quite that.
                let percent = (value * 1e8).round() / 1e6;
                format!("{percent} %")
            }
            (_, Unit::Rate | Unit::MbPerSecond | Unit::Plain) => trimmed(&digits(value)),
            _ => {
                let text = unit.text(value);
                match text.split_once(' ') {
                    Some((number, unit)) => format!("{} {unit}", trimmed(number)),
                    None => text,
                }
            }
        }
    }
}

fn within(value: f64, low: f64, high: f64) -> bool {
    value >= low * (1.0 - 1e-9) && value <= high * (1.0 + 1e-9)
}

/// Without the noughts behind the point, which say nothing of a round number.
fn trimmed(number: &str) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    }
}

/// 1, 2 or 5 of a power of ten, so that about five of them reach the value.
fn step_for(most: f64) -> f64 {
    if most <= 0.0 {
        return 0.2;
    }
    let rough = most / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    let part = [1.0, 2.0, 5.0, 10.0].into_iter().find(|part| part * decade >= rough * 0.999);
    part.unwrap_or(10.0) * decade
}

/// The next of 1, 2, 5 of a power of ten that is not more; of what is below 0, the mirror image.
fn round_below(value: f64) -> f64 {
    let size = value.abs();
    let decade = 10f64.powf((size.log10() + 1e-9).floor());
    let parts = [1.0, 2.0, 5.0, 10.0];
    let tolerance = 1e-9;
    let found = if value > 0.0 {
        parts.into_iter().rev().find(|part| part * decade <= size * (1.0 + tolerance))
    } else {
        parts.into_iter().find(|part| part * decade >= size * (1.0 - tolerance))
    };
    found.unwrap_or(1.0) * decade * value.signum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scale: Scale, unit: Unit) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| scale.name(tick, unit)).collect()
    }

    #[test]
    fn round_numbers_are_named() {
        let linear = Scale::linear([3.0, 47.0].into_iter());
        assert_eq!(names(linear, Unit::Plain), ["0", "10", "20", "30", "40", "50"]);
        let log = Scale::log([230.0, 1.7e6].into_iter());
        assert_eq!((log.low, log.high), (200.0, 2e6));
        assert_eq!(names(log, Unit::Micros), ["1 ms", "10 ms", "100 ms", "1 s"]);
        let narrow = Scale::log([1.1, 9.0].into_iter());
        assert_eq!(names(narrow, Unit::Plain), ["1", "2", "5", "10"]);
        let nines = Scale::nines(0.99995);
        assert_eq!(names(nines, Unit::Plain), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn nines_stand_at_equal_distances() {
        let nines = Scale::nines(0.99999);
        let [a, b, c] = [0.9, 0.99, 0.999].map(|q| nines.at(q));
        assert!((b - a - (c - b)).abs() < 1e-9, "{a} {b} {c}");
        assert_eq!((nines.at(0.0), nines.at(0.99999)), (0.0, 1.0));
        // What lies outside stands at the edge.
        assert_eq!(nines.at(1.0), 1.0);
    }

    #[test]
    fn nothing_has_axes_too() {
        assert_eq!(Scale::linear([].into_iter()).high, 1.0);
        let log = Scale::log([0.0, f64::NAN].into_iter());
        assert!(log.ticks().len() > 1);
        let one = Scale::log([100.0].into_iter());
        assert!(one.low <= 100.0 && one.high > one.low);
    }
}
