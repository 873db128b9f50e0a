//! What takes records away from the front, by age, by size or by request, and what it must have left.

use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::Log;
use ringmain::model::Offset;
use ringmain::rt;

use super::life::{Life, count};

/// Records of one segment may be younger than the next one's by so much.
const DISORDER_MS: i64 = 10;

pub async fn go_on(life: Life, log: Rc<Log>, mut prng: Prng) {
    loop {
        rt::sleep(Duration::from_micros(prng.below(15_000))).await;
        if log.failure().is_some() {
            return;
        }
        if prng.chance(1, 4) {
            delete(&life, &log, &mut prng).await;
        } else {
            retain(&life, &log).await;
        }
    }
}

async fn delete(life: &Life, log: &Log, prng: &mut Prng) {
    let (start, end) = (log.log_start_offset(), log.last_stable_offset());
    if end <= start {
        return;
    }
    let most = if prng.chance(1, 4) { end - start } else { (end - start) / 3 };
    let to = start + prng.below(most as u64 + 1) as Offset;
    give_up(life, to);
    let bytes = log.size_bytes();
    let deleted = log.delete_before(to).await;
    assert!(deleted.is_ok() || is_excused(log, &deleted), "{deleted:?}");
    assert!(log.log_start_offset() >= to);
    if log.size_bytes() < bytes {
        count(&life.outcome.deleted);
    }
}

fn give_up(life: &Life, offset: Offset) {
    let mut truth = life.truth.borrow_mut();
    truth.given_up = truth.given_up.max(offset);
}

fn is_excused(log: &Log, done: &Result<(), ringmain::log::Error>) -> bool {
    let fault = done.as_ref().is_err_and(|error| error.to_string().contains("os error 5"));
    fault || log.failure().is_some()
}

/// Whoever takes records away must have had a reason for the last of them.
async fn retain(life: &Life, log: &Log) {
    let (settings, before) = (log.settings(), log.log_start_offset());
    let size = log.size_bytes();
    // Nobody else gives up anything meanwhile, and the settings are those that hold now.
    life.truth.borrow_mut().is_retaining = true;
    let retained = log.retain().await;
    life.truth.borrow_mut().is_retaining = false;
    assert!(retained.is_ok() || is_excused(log, &retained), "{retained:?}");
    let (start, now_ms) = (log.log_start_offset(), rt::unix_ms());
    if start == before {
        return;
    }
    let limit = now_ms - settings.retention_ms + DISORDER_MS;
    let are_past = || {
        let truth = life.truth.borrow();
        truth.history.records(before..start).all(|(record, _)| record.time < limit)
    };
    let is_old = settings.retention_ms >= 0 && are_past();
    let most = settings.retention_bytes;
    // A cleaning beside it makes segments smaller after it was decided which are too much.
    let left = if settings.compaction.is_some() { size } else { log.size_bytes() };
    let is_too_much = most >= 0 && left as i64 >= most;
    assert!(
        is_old || is_too_much,
        "{before} to {start} is gone, {} of {size} left, {settings:?}",
        log.size_bytes()
    );
    count(if is_old { &life.outcome.aged } else { &life.outcome.outgrown });
    give_up(life, start);
}

/// With nothing else under way, all goes that has had its time, and only that.
pub async fn retain_to_the_last(life: &Life, log: &Log) {
    let settings = log.settings();
    if settings.retention_ms >= 0 {
        rt::sleep(Duration::from_millis(settings.retention_ms as u64 + 20)).await;
    }
    for _ in 0..3 {
        retain(life, log).await;
        log.sync().await.expect("the disk works");
        log.set_high_watermark(log.end_offset());
        rt::sleep(Duration::from_millis(10)).await;
    }
    if settings.retention_ms >= 0 {
        assert_eq!(log.log_start_offset(), log.end_offset(), "all of it is too old");
    }
    if settings.retention_bytes >= 0 {
        let most = settings.retention_bytes as u64 + settings.segment_bytes + 2_000;
        assert!(log.size_bytes() <= most, "{} bytes are left of {most}", log.size_bytes());
    }
}
