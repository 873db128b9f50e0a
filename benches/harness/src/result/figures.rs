//! The figures of a round by name, and their medians over rounds: what tables and plots compare.

use std::collections::BTreeMap;

use crate::result::{Cell, Latency, Round, Spread};

impl Round {
    /// Every figure that this round has. The names are part of the result's format.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                figures.insert(name.to_owned(), value);
            }
        };
        put("produced_mb_per_second", Some(self.produced.mb_per_second));
        put("produced_records_per_second", Some(self.produced.records_per_second));
        put("consumed_mb_per_second", Some(self.consumed.mb_per_second));
        put("consumed_records_per_second", Some(self.consumed.records_per_second));
        put("caught_up_mb_per_second", self.caught_up.map(|flow| flow.mb_per_second));
        put("drain_seconds", self.drain_seconds);
        let latencies = [
            ("produce", &self.latency.produce),
            ("end_to_end", &self.latency.end_to_end),
            ("fetch", &self.latency.fetch),
        ];
        for (name, latency) in latencies {
            let Some(latency) = latency else { continue };
            for (point, value) in latency.points() {
                put(&format!("{name}_{point}_us"), Some(value));
            }
        }
        if let Some(cost) = &self.cost {
            put("cpu_seconds_per_gb", Some(cost.cpu_seconds_per_gb));
            put("cpu_seconds_per_million_records", Some(cost.cpu_seconds_per_million_records));
            put("broker_cpus", Some(cost.cpu_seconds / self.seconds));
            put("resident_bytes", Some(cost.resident_bytes as f64));
            put("written_per_accepted", Some(cost.written_per_accepted));
        }
        put("client_cpu", self.client.threads.iter().copied().reduce(f64::max));
        put("start_up_seconds", self.start_up_seconds);
        put("ready_after_kill_seconds", self.ready_after_kill_seconds);
        for (name, events) in &self.events {
            put(&format!("{name}_per_second"), Some(events.per_second));
            for (point, value) in events.latency.iter().flat_map(Latency::points) {
                put(&format!("{name}_{point}_us"), Some(value));
            }
        }
        figures
    }
}

impl Latency {
    /// The points that are compared.
    pub fn points(&self) -> [(&'static str, f64); 5] {
        [
            ("p50", self.p50_us),
            ("p99", self.p99_us),
            ("p999", self.p999_us),
            ("p9999", self.p9999_us),
            ("max", self.max_us),
        ]
    }
}

impl Cell {
    /// Works out the summary from the rounds; a figure that some rounds lack is of those that have it.
    pub fn summarise(&mut self) {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, value) in self.rounds.iter().flat_map(Round::figures) {
            values.entry(name).or_default().push(value);
        }
        self.summary = values
            .into_iter()
            .filter_map(|(name, values)| Some((name, Spread::of(values)?)))
            .collect();
    }
}

impl Spread {
    /// `None` of nothing. The median of an even number is the mean of the two in the middle.
    pub fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (&lowest, &highest) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread { median, lowest, highest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some(Spread { median: 3.0, lowest: 3.0, highest: 3.0 }));
        assert_eq!(
            spread(&[9.0, 1.0, 2.0]),
            Some(Spread { median: 2.0, lowest: 1.0, highest: 9.0 })
        );
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, lowest: 1.0, highest: 4.0 }));
    }
}
