//! Where the client or the machine was the limit, or the work was not what was asked for: a figure
//! with such a warning says less than it seems to.

use crate::monitor::Seen;
use crate::result::Round;
use crate::round::Terms;
use crate::tally::Tally;
use crate::workload::Workload;

/// Of its CPU, from which on a client measures itself.
pub const CLIENT_BUSY: f64 = 0.5;
/// CPUs of other processes that are too many.
const OTHERS_BUSY: f64 = 0.1;
/// Of the rate that was asked for.
const KEPT_UP: f64 = 0.99;
const LATE_P99_US: f64 = 500.0;
/// Of the time: the broker wanted to run and could not.
const WAITED: f64 = 0.05;

pub fn of(
    round: &Round,
    tally: &Tally,
    seen: &Seen,
    missing: u64,
    workload: &Workload,
    terms: &Terms,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |warning: String| warnings.push(warning);
    if let Some(busiest) = round.client.threads.iter().copied().reduce(f64::max)
        && busiest > CLIENT_BUSY
    {
        let percent = busiest * 100.0;
        warn(format!(
            "the client used {percent:.0} % of a CPU of its own: some of what is told is its own"
        ));
    }
    if let Some(late) = round.client.late.filter(|late| late.p99_us > LATE_P99_US) {
        let (p99, max) = (late.p99_us, late.max_us);
        warn(format!(
            "the client was late with what it could have sent: p99 {p99:.0} us, most {max:.0} us"
        ));
    }
    let shared = terms.place.cpus.iter().any(|cpu| terms.client_cpus.contains(cpu));
    if shared && !terms.place.cpus.is_empty() {
        warn("broker and client share a CPU".into());
    }
    if seen.others_cpus > OTHERS_BUSY {
        let others = seen.others_cpus;
        warn(format!("the machine was not quiet: others used {others:.2} CPUs"));
    }
    if let Some(cost) = &round.cost
        && cost.waited_seconds > WAITED * round.seconds
    {
        let percent = 100.0 * cost.waited_seconds / round.seconds;
        warn(format!(
            "the broker waited for a CPU for {percent:.0} % of the time (over all its threads)"
        ));
    }
    let (reached, wanted) = (round.produced.records_per_second, round.target_rate);
    if round.open_loop && workload.producers() > 0 && reached < KEPT_UP * wanted {
        warn(format!(
            "{reached:.0} of {wanted:.0} records/s were reached: the latency is that of a queue that grows"
        ));
    }
    if tally.unsent > 0 {
        let unsent = tally.unsent;
        warn(format!(
            "{unsent} records had no answer in the end, and are charged with the time until then"
        ));
    }
    if missing > 0 {
        warn(format!(
            "{missing} records that were acknowledged did not arrive at a consumer in time"
        ));
    }
    let errors = tally.errors + tally.events.values().map(|event| event.errors).sum::<u64>();
    if errors > 0 {
        let first = tally.first_error.as_deref().unwrap_or("unknown");
        warn(format!("{errors} errors, the first: {first}"));
    }
    warnings
}
