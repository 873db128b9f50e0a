//! `ringmain-bench find-max`: the highest rate at which a workload keeps its latency.

use std::path::PathBuf;

use clap::Args;

use crate::command::options::Options;
use crate::contestant::{Contestant, Work};
use crate::driver::Result;
use crate::result::Round;
use crate::round::{self, Outcome};

#[derive(Args, Clone, Debug)]
pub struct FindMaxArguments {
    /// A workload file; its producerRate is where the search begins
    #[arg(long, value_name = "FILE")]
    workload: PathBuf,
    /// Highest p99 that is good enough
    #[arg(long, value_name = "MS", default_value_t = 10.0)]
    p99_ms: f64,
    /// Which latency
    #[arg(long, value_enum, default_value_t = Of::Produce)]
    of: Of,
    /// How near the answer must be to the truth, as a part of it
    #[arg(long, default_value_t = 0.05)]
    within: f64,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// From due to acknowledged
    Produce,
    /// From due to arrived
    EndToEnd,
}

const RATE_MIN: f64 = 100.0;
/// Steps up and down before the search gives up.
const STEPS_MAX: usize = 40;
const KEPT_UP: f64 = 0.99;

pub fn run(arguments: &FindMaxArguments) -> Result<()> {
    let work = Work::read(&arguments.workload)?;
    println!("{}: highest rate with p99 of {} ms at most", work.workload.name, arguments.p99_ms);
    for contestant in arguments.options.contestants()? {
        let name = contestant.file.name.clone();
        match search(arguments, &work, &contestant)? {
            Some((rate, mb)) => println!("{name}: {rate:.0} records/s, {mb:.1} MB/s"),
            None => println!("{name}: not even {RATE_MIN} records/s, or it cannot do the work"),
        }
    }
    Ok(())
}

/// The highest rate that was seen to be kept, and what it is in MB/s.
fn search(
    arguments: &FindMaxArguments,
    work: &Work,
    contestant: &Contestant,
) -> Result<Option<(f64, f64)>> {
    let first = arguments.options.rate.unwrap_or(work.workload.producer_rate).max(RATE_MIN);
    let mut bounds = Bounds::new(first, arguments.within);
    let mut best = None;
    for number in 0..STEPS_MAX {
        let Some(rate) = bounds.next() else { break };
        let mut terms = arguments.options.terms(contestant, false)?;
        terms.rate = Some(rate);
        let Outcome::Done(done) = round::run(contestant, work, number as u32, &terms)? else {
            return Ok(None);
        };
        let good = keeps(&done.round, arguments);
        let p99 = p99(&done.round, arguments.of);
        println!(
            "  {rate:.0} records/s: p99 {:.3} ms, {}",
            p99 / 1e3,
            if good { "kept" } else { "not kept" }
        );
        done.round.warnings.iter().for_each(|warning| println!("    WARNING: {warning}"));
        if good {
            best = Some((rate, done.round.produced.mb_per_second));
        }
        bounds.learn(rate, good);
        if !good && rate <= RATE_MIN {
            break;
        }
    }
    Ok(best)
}

fn p99(round: &Round, of: Of) -> f64 {
    let latency = match of {
        Of::Produce => &round.latency.produce,
        Of::EndToEnd => &round.latency.end_to_end,
    };
    latency.as_ref().map_or(f64::INFINITY, |latency| latency.p99_us)
}

fn keeps(round: &Round, arguments: &FindMaxArguments) -> bool {
    p99(round, arguments.of) <= arguments.p99_ms * 1e3
        && round.produced.records_per_second >= KEPT_UP * round.target_rate
        && round.produced.errors == 0
}

/// Doubles until it is too much, then halves the gap.
struct Bounds {
    good: Option<f64>,
    bad: Option<f64>,
    first: f64,
    within: f64,
}

impl Bounds {
    fn new(first: f64, within: f64) -> Bounds {
        Bounds { good: None, bad: None, first, within }
    }

    fn next(&self) -> Option<f64> {
        match (self.good, self.bad) {
            (None, None) => Some(self.first),
            (Some(good), None) => Some(good * 2.0),
            (None, Some(bad)) => Some((bad / 2.0).max(RATE_MIN)),
            (Some(good), Some(bad)) if bad / good > 1.0 + self.within => Some((good * bad).sqrt()),
            (Some(_), Some(_)) => None,
        }
    }

    fn learn(&mut self, rate: f64, good: bool) {
        match good {
            true => self.good = Some(self.good.map_or(rate, |before| before.max(rate))),
            false => self.bad = Some(self.bad.map_or(rate, |before| before.min(rate))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_found_from_both_sides() {
        let check = |first: f64, truth: f64| {
            let mut bounds = Bounds::new(first, 0.05);
            let mut steps = 0;
            while let Some(rate) = bounds.next() {
                bounds.learn(rate, rate <= truth);
                steps += 1;
                assert!(steps < STEPS_MAX);
            }
            let found = bounds.good.expect("some rate is kept");
            assert!(found <= truth && found * 1.05 >= truth, "{found} of {truth}");
        };
        check(1_000.0, 123_456.0);
        check(1_000_000.0, 777.0);
        check(500.0, 500.0);
    }
}
