//! Latency by percentile, from the histogram in the result.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::result::Latency;

/// Points of the curve for each halving of what is left above.
const POINTS_PER_HALF: u32 = 6;

/// Quantiles and microseconds, ascending. Where the histogram cannot be read, the points that the
/// result names serve.
pub fn curve(latency: &Latency) -> Vec<(f64, f64)> {
    let Some(histogram) = decoded(&latency.histogram).filter(|histogram| !histogram.is_empty())
    else {
        return named(latency);
    };
    let highest = highest_quantile(histogram.len());
    let mut points = vec![(0.0, histogram.min() as f64 / 1e3)];
    for step in histogram.iter_quantiles(POINTS_PER_HALF) {
        let quantile = step.quantile_iterated_to().min(highest);
        let micros = step.value_iterated_to().min(histogram.max()) as f64 / 1e3;
        if points.last().is_some_and(|last| last.0 < quantile) {
            points.push((quantile, micros));
        }
    }
    points
}

/// Where the largest value stands: 1 is infinitely far on a scale of nines, and of a million values
/// none says anything about more than six nines.
pub fn highest_quantile(count: u64) -> f64 {
    1.0 - 1.0 / (count.max(1) as f64)
}

fn decoded(text: &str) -> Option<Histogram<u64>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

fn named(latency: &Latency) -> Vec<(f64, f64)> {
    let points = [
        (0.0, latency.min_us),
        (0.5, latency.p50_us),
        (0.75, latency.p75_us),
        (0.9, latency.p90_us),
        (0.95, latency.p95_us),
        (0.99, latency.p99_us),
        (0.999, latency.p999_us),
        (0.9999, latency.p9999_us),
        (highest_quantile(latency.count), latency.max_us),
    ];
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if kept.last().is_none_or(|last| last.0 < point.0) {
            kept.push(point);
        }
    }
    kept
}
