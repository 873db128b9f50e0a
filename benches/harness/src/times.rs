//! Latency as it is kept (HDR histograms of nanoseconds) and as it is told.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};

use crate::driver::Nanos;
use crate::result::{Latency, Points};

/// What is told apart at the lower end; three digits above.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

pub fn histogram<C: Counter>() -> Histogram<C> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("constant bounds")
}

fn us(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// `None` of nothing.
pub fn latency(times: &Histogram<u64>) -> Option<Latency> {
    if times.is_empty() {
        return None;
    }
    let at = |quantile| us(times.value_at_quantile(quantile));
    Some(Latency {
        count: times.len(),
        min_us: us(times.min()),
        mean_us: times.mean() / 1000.0,
        p50_us: at(0.5),
        p75_us: at(0.75),
        p90_us: at(0.9),
        p95_us: at(0.95),
        p99_us: at(0.99),
        p999_us: at(0.999),
        p9999_us: at(0.9999),
        max_us: us(times.max()),
        histogram: to_text(times),
    })
}

pub fn points<C: Counter>(times: &Histogram<C>) -> Option<Points> {
    if times.is_empty() {
        return None;
    }
    let at = |quantile| us(times.value_at_quantile(quantile));
    Some(Points { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999), max_us: us(times.max()) })
}

/// V2, deflated, base64: what every HdrHistogram reads.
pub fn to_text(times: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(times, &mut bytes).expect("writing to memory");
    STANDARD.encode(bytes)
}

pub fn from_text(text: &str) -> io::Result<Histogram<u64>> {
    let bytes = STANDARD.decode(text).map_err(io::Error::other)?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(io::Error::other)
}

/// Charges records that nobody waited for any longer: `count` of them, due evenly between `first`
/// and `last`, for at least as long as they have waited.
pub fn charge(times: &mut Histogram<u64>, first: Nanos, last: Nanos, count: u64, now: Nanos) {
    let steps = count.min(10_000);
    for step in 0..steps {
        let due =
            first + (last.saturating_sub(first) as u128 * step as u128 / steps as u128) as u64;
        let of_step = count / steps + u64::from(step < count % steps);
        let waited = now.saturating_sub(due).min(HIGHEST);
        times.record_n(waited, of_step).expect("within the bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_comes_back_from_its_text() {
        let mut times = histogram::<u64>();
        (1..=1000).for_each(|ms| times.record(ms * 1_000_000).expect("within the bounds"));
        let told = latency(&times).expect("not empty");
        assert!((told.p50_us / 500_000.0 - 1.0).abs() < 0.002, "{told:?}");
        let again = from_text(&told.histogram).expect("our own text");
        assert_eq!(again.value_at_quantile(0.99), times.value_at_quantile(0.99));
        assert_eq!(again.len(), 1000);
    }

    #[test]
    fn what_was_never_sent_is_charged_from_its_due_time() {
        let mut times = histogram::<u64>();
        charge(&mut times, 1_000_000_000, 2_000_000_000, 100_001, 3_000_000_000);
        assert_eq!(times.len(), 100_001);
        assert!(times.max() >= 1_990_000_000 && times.min() >= 990_000_000);
    }
}
