//! How long answers are waited for when nothing more is sent.

use std::sync::atomic::Ordering;

use super::PAUSE;
use crate::client::Running;
use crate::clock;

/// After the end, as long as some come: this, and as long as was measured, up to a bound.
const GRACE_SECONDS: f64 = 5.0;
const GRACE_MORE_SECONDS_MAX: f64 = 25.0;
/// The same, when none come any more.
const SILENCE_SECONDS: f64 = 5.0;

/// Until everything that was due has been answered and arrived, or nothing comes any more.
pub fn wait_for_answers(running: &Running, received: u64, seconds: f64) {
    let window = &running.window;
    let total =
        || window.acknowledged.load(Ordering::Relaxed) + window.received.load(Ordering::Relaxed);
    let give_up = clock::now() + clock::nanos(GRACE_SECONDS + seconds.min(GRACE_MORE_SECONDS_MAX));
    let (mut last, mut since) = (total(), clock::now());
    while !running.has_failed() && clock::now() < give_up {
        let arrived = window.received.load(Ordering::Relaxed) >= received;
        if running.is_finished() && arrived {
            return;
        }
        if total() != last {
            (last, since) = (total(), clock::now());
        }
        if clock::now() > since + clock::nanos(SILENCE_SECONDS) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
