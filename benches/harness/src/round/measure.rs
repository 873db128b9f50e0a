//! The load, and the measured time within it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::answers::wait_for_answers;
use super::{BACKLOG_SECONDS, PAUSE, Terms};
use crate::broker::Broker;
use crate::client::{Client, Job, Readers, Running};
use crate::clock;
use crate::contestant::Contestant;
use crate::driver::{Nanos, Result};
use crate::monitor::{Metered, Monitor, Seen};
use crate::tally::{Tally, Window};
use crate::workload::Workload;

/// A backlog is drained when no more is left than what is produced in this time.
const DRAIN_SLACK_SECONDS: f64 = 0.1;

/// What was seen.
pub struct Measured {
    pub tally: Tally,
    pub seen: Seen,
    pub begin: Nanos,
    pub seconds: f64,
    pub slot_seconds: f64,
    pub rate: f64,
    pub drain_seconds: Option<f64>,
    pub missing: u64,
    pub job: Job,
}

pub fn measure(
    contestant: &Contestant,
    client: &mut dyn Client,
    workload: &Workload,
    terms: &Terms,
    launched: &Option<Broker>,
    backlog: u64,
) -> Result<Measured> {
    let seconds = terms.seconds.unwrap_or(workload.test_seconds());
    let warm_up = terms.warm_up.unwrap_or(workload.warmup_seconds());
    let rate = terms.rate.unwrap_or(workload.producer_rate);
    let drains = backlog > 0 && workload.catch_up_subscriptions == 0;
    let subscriptions = u64::from(workload.subscriptions_per_topic)
        * u64::from(workload.consumer_per_subscription.min(1));
    let job = Job {
        rate: (workload.producers() > 0).then_some(rate),
        readers: (subscriptions > 0).then_some(if drains { Readers::Drain } else { Readers::Tail }),
        catch_up: if backlog > 0 { workload.catch_up_subscriptions } else { 0 },
        connections_per_second: workload.connections_per_second,
    };
    let window = Arc::new(Window::new(seconds));
    let running = client.start(&job, &window)?;
    // A drain is measured from its first moment.
    wait(&running, running.start + if drains { 0 } else { clock::nanos(warm_up) });
    let begin = if drains { running.start } else { clock::now() };
    if !drains {
        window.end.store(begin + clock::nanos(seconds), Ordering::Relaxed);
    }
    window.begin.store(begin, Ordering::Relaxed);
    let metered = match (launched, contestant.file.pid) {
        (Some(broker), _) => Metered::Launched(broker),
        (None, Some(pid)) => Metered::Pid(pid),
        (None, None) => Metered::Unknown,
    };
    let mut monitor = Monitor::new(metered);
    let slot = clock::nanos(window.slot_seconds());
    let least = begin + clock::nanos(seconds);
    let mut drained_at = None;
    let mut tick = 1;
    while !running.has_failed() {
        let next = begin + slot * tick;
        if drains {
            wait_drained(&running, next, backlog, subscriptions, rate, workload, &mut drained_at);
            let now = clock::now();
            if drained_at.is_some() || now > begin + clock::nanos(BACKLOG_SECONDS) {
                window.end.store(now, Ordering::Relaxed);
                break;
            }
        } else {
            if next > least {
                break;
            }
            wait(&running, next);
        }
        monitor.look();
        tick += 1;
    }
    let end = window.end();
    if !drains {
        wait(&running, end);
    }
    monitor.look();
    let expected =
        (backlog * u64::from(drains) + window.acknowledged.load(Ordering::Relaxed)) * subscriptions;
    wait_for_answers(&running, expected, clock::seconds(begin, end));
    let acknowledged = window.acknowledged.load(Ordering::Relaxed);
    let expected = (backlog * u64::from(drains) + acknowledged) * subscriptions;
    let received = window.received.load(Ordering::Relaxed);
    let tally = running.stop()?;
    Ok(Measured {
        seen: monitor.end(&tally),
        tally,
        begin,
        seconds: clock::seconds(begin, end),
        slot_seconds: window.slot_seconds(),
        rate,
        drain_seconds: drained_at.map(|at| clock::seconds(begin, at)),
        missing: expected.saturating_sub(received),
        job,
    })
}

fn wait(running: &Running, until: Nanos) {
    while clock::now() < until && !running.has_failed() {
        let left = until - clock::now().min(until);
        clock::sleep_until(clock::now() + left.min(PAUSE.as_nanos() as Nanos));
    }
}

fn wait_drained(
    running: &Running,
    until: Nanos,
    backlog: u64,
    subscriptions: u64,
    rate: f64,
    workload: &Workload,
    drained_at: &mut Option<Nanos>,
) {
    let window = &running.window;
    let slack = rate * DRAIN_SLACK_SECONDS;
    let may_stay = (1.0 - workload.backlog_drain_ratio) * backlog as f64 * subscriptions as f64;
    while clock::now() < until && drained_at.is_none() && !running.has_failed() {
        let there = (backlog + window.acknowledged.load(Ordering::Relaxed)) * subscriptions;
        let left = there.saturating_sub(window.received.load(Ordering::Relaxed));
        if left as f64 <= may_stay.max(slack * subscriptions as f64) {
            *drained_at = Some(clock::now());
        }
        clock::sleep_until(clock::now() + 1_000_000);
    }
}
