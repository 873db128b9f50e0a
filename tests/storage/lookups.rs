//! Offsets by time and by epoch, before and after restarts, against a plain list.

use ringmain::base::prng::Prng;
use ringmain::log::{Log, LogSettings, Origin, Records};
use ringmain::model::LeaderEpoch;
use ringmain::wire::compression::Codec;
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::support::{NOW, World};

/// Timestamp and epoch of every offset.
type Plain = Vec<(i64, i32)>;

fn fill(log: &Log, plain: &mut Plain, prng: &mut Prng, count: usize) {
    let mut epoch = plain.last().map_or(0, |(_, epoch)| *epoch);
    for _ in 0..count {
        epoch += i32::from(prng.chance(1, 20));
        let codec = Codec::ALL[prng.below(5) as usize];
        let mut builder = BatchBuilder::new(BatchFields { codec, ..BatchFields::default() });
        for _ in 0..1 + prng.below(5) {
            let time = NOW + plain.len() as i64 * 10 + prng.below(200) as i64 - 100;
            builder.push(time, None, Some(&[7; 500]), &[]);
            plain.push((time, epoch));
        }
        let bytes = builder.finish();
        log.append(Records::Copy(&bytes), LeaderEpoch(epoch), NOW, Origin::Client).unwrap();
    }
}

async fn check(log: &Log, plain: &Plain, prng: &mut Prng) {
    for _ in 0..40 {
        let time = NOW - 150 + prng.below(plain.len() as u64 * 10 + 300) as i64;
        let expected = plain.iter().position(|(at, _)| *at >= time);
        let found = log.offset_for_timestamp(time).await.unwrap();
        let expected = expected.map(|offset| (plain[offset].0, offset as i64));
        assert_eq!(found, expected, "time {time}");
    }
    let largest = plain.iter().map(|(time, _)| *time).max().unwrap();
    let first = plain.iter().position(|(time, _)| *time == largest).unwrap();
    assert_eq!(log.max_timestamp().await.unwrap(), Some((largest, first as i64)));
    for (offset, (_, epoch)) in plain.iter().enumerate() {
        assert_eq!(log.epoch_at(offset as i64), Some(*epoch));
    }
    for epoch in 0..=plain.last().unwrap().1 {
        let last = plain.iter().rposition(|(_, of)| *of <= epoch);
        let expected = last.map(|last| (plain[last].1, last as i64 + 1));
        assert_eq!(log.epoch_end(epoch), expected);
    }
}

#[test]
fn lookups_agree_with_a_plain_list_whatever_happened() {
    for seed in 0..12 {
        World::new(seed).run(move |world| async move {
            let settings = LogSettings {
                segment_bytes: 40_000,
                index_interval_bytes: 1000,
                timestamp_after_max_ms: i64::MAX,
                ..LogSettings::default()
            };
            let mut prng = Prng::new(seed);
            let mut plain = Plain::new();
            let mut log = world.create("t-0", settings).await;
            for _ in 0..4 {
                fill(&log, &mut plain, &mut prng, 60);
                check(&log, &plain, &mut prng).await;
                log.sync().await.unwrap();
                check(&log, &plain, &mut prng).await;
                log = match prng.below(3) {
                    0 => world.reopen(log).await,
                    1 => world.crash_and_open("t-0", settings).await,
                    _ => log,
                };
                check(&log, &plain, &mut prng).await;
            }
            log.close().await.unwrap();
        });
    }
}
