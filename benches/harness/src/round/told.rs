//! What was seen, as the result tells it.

use std::sync::Arc;

use super::Terms;
use super::measure::Measured;
use crate::client::{Client, Job, Running};
use crate::clock;
use crate::driver::Result;
use crate::monitor::Seen;
use crate::result::{Events, Flow, Latencies, Round, Sample};
use crate::tally::{Count, Slot, Tally, Way, Window};
use crate::times;
use crate::warnings;
use crate::workload::Workload;

impl Measured {
    /// The same load again, so that the broker is killed at work.
    pub fn job_again(&self, client: &mut dyn Client) -> Result<Running> {
        let job = Job { catch_up: 0, ..self.job.clone() };
        client.start(&job, &Arc::new(Window::new(1.0)))
    }

    pub fn round(
        self,
        number: u32,
        workload: &Workload,
        terms: &Terms,
        start_up_seconds: Option<f64>,
        ready_after_kill_seconds: Option<f64>,
    ) -> (Round, Tally) {
        let Measured { tally, seen, seconds, slot_seconds, rate, .. } = &self;
        let flow = |way| flow(tally.total(way), *seconds);
        let caught_up = flow(Way::CaughtUp);
        let mut produced = flow(Way::Produced);
        produced.errors = tally.errors;
        let series = series(tally, seen, *slot_seconds, *seconds);
        let events = tally.events.iter().map(|(name, event)| {
            let told = Events {
                count: event.count,
                per_second: event.count as f64 / seconds,
                errors: event.errors,
                latency: times::latency(&event.latency),
            };
            ((*name).to_owned(), told)
        });
        let round = Round {
            number,
            date: clock::rfc3339(self.begin),
            seconds: *seconds,
            open_loop: *rate > 0.0,
            target_rate: *rate,
            produced,
            consumed: flow(Way::Consumed),
            caught_up: (caught_up.records > 0).then_some(caught_up),
            drain_seconds: self.drain_seconds,
            latency: Latencies {
                produce: times::latency(&tally.produce),
                end_to_end: times::latency(&tally.end_to_end),
                fetch: times::latency(&tally.fetch),
            },
            series,
            cost: seen.cost.clone(),
            client: seen.client.clone(),
            start_up_seconds,
            ready_after_kill_seconds,
            events: events.collect(),
            warnings: Vec::new(),
        };
        let warnings = warnings::of(&round, tally, seen, self.missing, workload, terms);
        (Round { warnings, ..round }, self.tally)
    }
}

fn flow(count: Count, seconds: f64) -> Flow {
    Flow {
        records: count.records,
        bytes: count.bytes,
        wire_bytes: count.wire_bytes,
        requests: count.requests,
        errors: 0,
        records_per_second: count.records as f64 / seconds,
        mb_per_second: count.bytes as f64 / seconds / 1e6,
    }
}

fn series(tally: &Tally, seen: &Seen, slot_seconds: f64, seconds: f64) -> Vec<Sample> {
    let sample = |(at, slot): (usize, &Slot)| {
        let end = ((at + 1) as f64 * slot_seconds).min(seconds);
        let lasted = (end - at as f64 * slot_seconds).max(1e-3);
        let count = |way: Way| slot.counts[way as usize];
        let interval = seen.intervals.get(at).cloned().unwrap_or_default();
        Sample {
            at_seconds: end,
            produced_records_per_second: count(Way::Produced).records as f64 / lasted,
            produced_mb_per_second: count(Way::Produced).bytes as f64 / lasted / 1e6,
            consumed_records_per_second: count(Way::Consumed).records as f64 / lasted,
            consumed_mb_per_second: count(Way::Consumed).bytes as f64 / lasted / 1e6,
            caught_up_mb_per_second: count(Way::CaughtUp).bytes as f64 / lasted / 1e6,
            produce: slot.produce.as_ref().and_then(times::points),
            end_to_end: slot.end_to_end.as_ref().and_then(times::points),
            broker_cpus: interval.broker_cpus,
            cores: interval.cores,
            client_cpus: interval.client_cpus,
            resident_bytes: interval.resident_bytes,
        }
    };
    tally.slots.iter().enumerate().map(sample).collect()
}
