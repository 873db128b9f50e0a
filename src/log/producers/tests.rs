//! The rules of the table, each by a case or against a plain model.

use super::*;
use crate::base::prng::Prng;

const MOST: usize = 100;

fn claim(epoch: i16, base_sequence: i32, count: i32) -> Claim {
    Claim {
        producer_id: 1,
        epoch,
        base_sequence,
        last_sequence: sequence_after(base_sequence, count - 1),
        transactional: false,
    }
}

fn batch(claim: &Claim, base_offset: Offset, count: i32) -> Remembered {
    Remembered {
        last_sequence: claim.last_sequence,
        last_offset: base_offset + i64::from(count) - 1,
        offset_delta: count - 1,
        timestamp: 1000 + base_offset,
    }
}

fn append(producers: &mut Producers, claim: Claim, base_offset: Offset, count: i32) {
    assert_eq!(producers.check(&claim, Origin::Client, MOST), Ok(Verdict::Append));
    producers.apply(&claim, batch(&claim, base_offset, count));
}

#[test]
fn gaps_zombies_and_new_epochs() {
    let mut producers = Producers::default();
    // KIP-360: nothing is known, so any sequence begins.
    append(&mut producers, claim(3, 40, 10), 0, 10);
    append(&mut producers, claim(3, 50, 10), 10, 10);
    let check = |producers: &Producers, claim| producers.check(&claim, Origin::Client, MOST);
    assert_eq!(check(&producers, claim(3, 70, 10)), Err(Refusal::OutOfOrder));
    assert_eq!(check(&producers, claim(3, 50, 5)), Err(Refusal::OutOfOrder));
    assert_eq!(check(&producers, claim(2, 60, 10)), Err(Refusal::StaleEpoch));
    assert_eq!(check(&producers, claim(4, 60, 10)), Err(Refusal::OutOfOrder));
    append(&mut producers, claim(4, 0, 10), 20, 10);
    assert_eq!(check(&producers, claim(3, 50, 10)), Err(Refusal::StaleEpoch));
    // A coordinator has no sequences, and a leader is believed.
    assert_eq!(producers.check(&claim(4, -1, 1), Origin::Coordinator, MOST), Ok(Verdict::Append));
    assert_eq!(producers.check(&claim(0, 7, 1), Origin::Leader, MOST), Ok(Verdict::Append));
    let other = Claim { producer_id: 2, ..claim(0, 0, 1) };
    assert_eq!(producers.check(&other, Origin::Client, 1), Err(Refusal::TooMany));
}

/// Any of the last five batches sent again gets its first answer; anything else never appends
/// twice. Compared with a plain list of all that was appended.
#[test]
fn the_window_agrees_with_a_list_of_all_batches() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut producers = Producers::default();
        let mut all: Vec<(Claim, Remembered)> = Vec::new();
        let mut next_sequence = if prng.chance(1, 2) { 0 } else { i32::MAX - 20 };
        let mut next_offset = 0;
        for _ in 0..60 {
            if !all.is_empty() && prng.chance(1, 2) {
                let back = prng.below(all.len().min(9) as u64) as usize;
                let (again, first) = all[all.len() - 1 - back];
                let verdict = producers.check(&again, Origin::Client, MOST);
                if back < WINDOW {
                    assert_eq!(verdict, Ok(Verdict::Duplicate(first)), "seed {seed}");
                } else {
                    assert_eq!(verdict, Err(Refusal::OutOfOrder), "seed {seed}");
                }
                continue;
            }
            let count = 1 + prng.below(9) as i32;
            let new = claim(0, next_sequence, count);
            append(&mut producers, new, next_offset, count);
            all.push((new, batch(&new, next_offset, count)));
            next_sequence = sequence_after(next_sequence, count);
            next_offset += i64::from(count) + prng.below(3) as i64;
            if prng.chance(1, 5) {
                producers = decode(&encode(&producers)).expect("what we wrote");
            }
        }
    }
}

fn marker(epoch: i16, commit: bool, txn_version: i16) -> Marker {
    Marker { producer_id: 1, epoch, coordinator_epoch: 0, commit, timestamp: 5, txn_version }
}

#[test]
fn transactions_hold_the_last_stable_offset() {
    let mut producers = Producers::default();
    let first = Claim { transactional: true, ..claim(0, 0, 5) };
    let second = Claim { producer_id: 2, transactional: true, ..claim(0, 0, 5) };
    append(&mut producers, first, 10, 5);
    append(&mut producers, second, 15, 5);
    assert_eq!(producers.first_unstable_offset(), Some(10));
    let plain = claim(0, 5, 1);
    assert_eq!(producers.check(&plain, Origin::Client, MOST), Err(Refusal::TransactionOpen));

    let stale = marker(0, true, 2);
    assert_eq!(producers.check_marker(&stale, Origin::Coordinator), Err(Refusal::StaleEpoch));
    let abort = marker(1, false, 2);
    assert_eq!(producers.check_marker(&abort, Origin::Coordinator), Ok(()));
    let ended = producers.apply_marker(&abort, 20).expect("it was open");
    assert_eq!((ended.first_offset, ended.last_stable_offset, ended.aborted), (10, 15, true));
    // The same marker again is let through and ends nothing.
    assert_eq!(producers.check_marker(&abort, Origin::Coordinator), Ok(()));
    assert_eq!(producers.apply_marker(&abort, 21), None);

    assert_eq!(producers.first_unstable_offset(), Some(10));
    producers.on_high_watermark(20);
    assert_eq!(producers.first_unstable_offset(), Some(10));
    producers.on_high_watermark(21);
    assert_eq!(producers.first_unstable_offset(), Some(15));
    assert_eq!(producers.oldest_open(), Some((15, 2)));

    let read = decode(&encode(&producers)).expect("what we wrote");
    assert_eq!(read.first_unstable_offset(), Some(15));
    // Open transactions do not expire; the producer that ended its own does.
    assert_eq!(producers.expire(1_000_000, 1000), 1);
    assert_eq!(producers.len(), 1);
}

#[test]
fn a_damaged_snapshot_is_refused_wherever_it_is_damaged() {
    let mut producers = Producers::default();
    for number in 0..8 {
        append(&mut producers, claim(0, number * 3, 3), i64::from(number) * 3, 3);
    }
    producers.apply_marker(&Marker { producer_id: 9, ..marker(0, true, 0) }, 50);
    let good = encode(&producers);
    assert_eq!(decode(&good), Ok(producers));
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(decode(&bad).is_err(), "byte {at} bit {bit}");
        }
        assert!(decode(&good[..at]).is_err(), "cut at {at}");
    }
}

/// Kafka's file: no windows behind the entries.
#[test]
fn a_snapshot_without_windows_is_read() {
    let mut producers = Producers::default();
    append(&mut producers, claim(0, 0, 3), 0, 3);
    append(&mut producers, claim(0, 3, 3), 3, 3);
    let mut bytes = encode(&producers);
    bytes.truncate(10 + 46);
    let crc = crc32c::crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    let read = decode(&bytes).expect("Kafka's form");
    assert_eq!(read.get(1).map(|producer| producer.window().len()), Some(1));
    assert_eq!(read.get(1).and_then(Producer::last), producers.get(1).and_then(Producer::last));
}

#[test]
fn the_first_batch_of_a_transaction_needs_a_guard_that_no_marker_took_away() {
    let mut producers = Producers::default();
    let mut verifications = Verifications::default();
    let of = |epoch, sequence| Claim { transactional: true, ..claim(epoch, sequence, 5) };
    let check = |producers: &Producers, verifications: &Verifications, claim: Claim, guard| {
        producers.check_verified(&claim, MOST, verifications, guard)
    };
    let first = of(0, 0);
    assert_eq!(producers.needs_verification(&first), Ok(true));
    let unasked = check(&producers, &verifications, first, None);
    assert_eq!(unasked, Err(Refusal::NotVerified));
    let guard = verifications.begin(&first, false, 0, MOST).expect("there is room");
    // Another request of the same producer asks meanwhile, and arrives first.
    let second = of(0, 5);
    assert_eq!(verifications.begin(&second, false, 0, MOST), Ok(guard));
    let early = check(&producers, &verifications, second, Some(guard));
    assert_eq!(early, Err(Refusal::OutOfOrder));
    // A marker in between: the answer that is on its way counts no more.
    verifications.appended(1, 0, true);
    let late = check(&producers, &verifications, first, Some(guard));
    assert_eq!(late, Err(Refusal::NotVerified));
    let guard = verifications.begin(&first, false, 0, MOST).expect("there is room");
    assert_eq!(check(&producers, &verifications, first, Some(guard)), Ok(Verdict::Append));
    producers.apply(&first, batch(&first, 0, 5));
    verifications.appended(1, 0, false);
    assert!(verifications.is_empty());
    // Under way: no guard is needed, nor for a batch that comes again.
    assert_eq!(producers.needs_verification(&second), Ok(false));
    assert_eq!(check(&producers, &verifications, second, None), Ok(Verdict::Append));
    let again = Ok(Verdict::Duplicate(batch(&first, 0, 5)));
    assert_eq!(check(&producers, &verifications, first, None), again);
    producers.apply_marker(&marker(1, true, 2), 5);
    assert_eq!(producers.needs_verification(&second), Err(Refusal::StaleEpoch));
    let late = check(&producers, &verifications, second, Some(guard));
    assert_eq!(late, Err(Refusal::StaleEpoch));
}

#[test]
fn a_producer_with_an_epoch_for_each_transaction_begins_at_sequence_0() {
    let producers = Producers::default();
    let mut verifications = Verifications::default();
    for (raises_epoch, expect) in [(true, Err(Refusal::OutOfOrder)), (false, Ok(Verdict::Append))] {
        let begun = Claim { transactional: true, ..claim(0, 7, 5) };
        let guard = verifications.begin(&begun, raises_epoch, 0, MOST).expect("there is room");
        let verdict = producers.check_verified(&begun, MOST, &verifications, Some(guard));
        assert_eq!(verdict, expect);
        verifications.appended(1, 0, false);
    }
    // The marker of the transaction before has the epoch of the next one, which has begun.
    let next = Claim { transactional: true, ..claim(3, 0, 5) };
    let guard = verifications.begin(&next, true, 0, MOST).expect("there is room");
    verifications.appended(1, 3, true);
    assert!(verifications.holds(1, Some(guard)));
    verifications.appended(1, 4, true);
    assert!(!verifications.holds(1, Some(guard)));
    assert_eq!(verifications.begin(&next, true, 0, 0), Err(Refusal::TooMany));
}

#[test]
fn the_last_epoch_of_all_may_be_ended_though_it_cannot_be_raised() {
    let mut producers = Producers::default();
    let last = Claim { transactional: true, ..claim(i16::MAX, 0, 5) };
    append(&mut producers, last, 0, 5);
    let abort = marker(i16::MAX, false, 2);
    assert_eq!(producers.check_marker(&abort, Origin::Coordinator), Ok(()));
}
