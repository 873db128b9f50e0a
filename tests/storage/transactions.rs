//! Transactions on one partition: what readers may see, what is aborted, what a restart knows.

use ringmain::log::producers::Refusal;
use ringmain::log::{AppendError, Log, LogSettings, Origin, Records};
use ringmain::model::LeaderEpoch;
use ringmain::rt::file;
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::support::{NOW, World, batch_of};

const EPOCH: LeaderEpoch = LeaderEpoch(0);

fn data(producer_id: i64, epoch: i16, base_sequence: i32, count: usize) -> Vec<u8> {
    let fields = BatchFields {
        producer_id,
        producer_epoch: epoch,
        base_sequence,
        transactional: true,
        ..BatchFields::default()
    };
    batch_of(fields, count, 20)
}

fn marker(producer_id: i64, epoch: i16, commit: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        producer_id,
        producer_epoch: epoch,
        transactional: true,
        control: true,
        ..BatchFields::default()
    });
    let key = [0, 0, 0, u8::from(commit)];
    builder.push(NOW, Some(&key), Some(&[0, 0, 0, 0, 0, 7]), &[]);
    builder.finish()
}

#[test]
fn readers_stop_at_open_transactions_and_learn_which_were_aborted() {
    World::new(1).run(|world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        let append = |bytes: Vec<u8>| {
            log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap().base_offset
        };
        let end = |bytes: Vec<u8>| log.append_marker(&bytes, EPOCH, NOW, 2).unwrap().base_offset;
        assert_eq!(append(data(1, 0, 0, 3)), 0);
        assert_eq!(append(data(2, 0, 0, 2)), 3);
        assert_eq!(append(data(1, 0, 3, 1)), 5);
        log.set_high_watermark(6);
        assert_eq!(log.last_stable_offset(), 0);
        assert_eq!(end(marker(1, 1, false)), 6);
        assert_eq!(log.last_stable_offset(), 0);
        log.set_high_watermark(7);
        assert_eq!(log.last_stable_offset(), 3);
        assert_eq!(log.aborted_transactions(0, 7), [(1, 0)]);
        assert_eq!(end(marker(2, 1, true)), 7);
        log.set_high_watermark(8);
        assert_eq!(log.last_stable_offset(), 8);
        assert_eq!(log.aborted_transactions(4, 8), [(1, 0)]);
        assert_eq!(log.aborted_transactions(7, 8), []);

        // One is left open; the others are known by file after a roll and a restart.
        assert_eq!(append(data(3, 0, 0, 2)), 8);
        log.roll(NOW);
        assert_eq!(append(data(3, 0, 2, 1)), 10);
        let log = world.reopen(log).await;
        assert_eq!(log.recovered().scanned_bytes, 0);
        log.set_high_watermark(11);
        assert_eq!(log.last_stable_offset(), 8);
        assert_eq!(log.aborted_transactions(0, 11), [(1, 0)]);
        assert_eq!(log.producers().get(3).and_then(|p| p.txn_first_offset), Some(8));

        // And so they are after a crash.
        let ended = log.append_marker(&marker(3, 1, false), EPOCH, NOW, 2).unwrap();
        assert_eq!(ended.base_offset, 11);
        log.sync().await.unwrap();
        let log = world.crash_and_open("t-0", LogSettings::default()).await;
        log.set_high_watermark(12);
        assert_eq!(log.last_stable_offset(), 12);
        assert_eq!(log.aborted_transactions(0, 12), [(1, 0), (3, 8)]);
        log.close().await.unwrap();
    });
}

/// The power fails while an index is on the disk already and the end of its log is not: a marker of
/// which only the index tells has never been there, and the transaction may end otherwise.
#[test]
fn an_index_that_outlived_its_marker_hides_nothing_that_is_committed() {
    World::new(3).run(|world| async move {
        let first = "/data/t-0/00000000000000000000.log".as_ref();
        let log = world.create("t-0", LogSettings::default()).await;
        let append = |log: &Log, bytes: Vec<u8>| {
            log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap()
        };
        append(&log, data(1, 0, 0, 3));
        world.keep(log.checkpoint().await.unwrap());
        let on_disk = world.disk().read(first).unwrap();
        log.append_marker(&marker(1, 1, false), EPOCH, NOW, 2).unwrap();
        log.checkpoint().await.unwrap();
        drop(log);
        world.disk().install_file(first, &on_disk).unwrap();

        let log = world.crash_and_open("t-0", LogSettings::default()).await;
        assert_eq!(log.end_offset(), 3, "the marker is gone");
        log.append_marker(&marker(1, 1, true), EPOCH, NOW, 2).unwrap();
        append(&log, data(2, 0, 0, 2));
        log.roll(NOW);
        append(&log, data(2, 0, 2, 1));
        let log = world.reopen(log).await;
        assert_eq!(log.aborted_transactions(0, log.end_offset()), []);
        log.close().await.unwrap();
    });
}

/// Markers that a recovery reads once more are below a watermark that it knows: they were decided.
#[test]
fn the_last_stable_offset_is_not_stuck_at_a_marker_that_was_read_again() {
    World::new(4).run(|world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        log.append(Records::Copy(&data(1, 0, 0, 3)), EPOCH, NOW, Origin::Client).unwrap();
        log.append_marker(&marker(1, 1, false), EPOCH, NOW, 2).unwrap();
        log.append(Records::Copy(&data(2, 0, 0, 2)), EPOCH, NOW, Origin::Client).unwrap();
        log.append_marker(&marker(2, 1, true), EPOCH, NOW, 2).unwrap();
        log.roll(NOW);
        log.append(
            Records::Copy(&batch_of(BatchFields::default(), 1, 9)),
            EPOCH,
            NOW,
            Origin::Client,
        )
        .unwrap();
        log.sync().await.unwrap();
        log.set_high_watermark(8);
        world.keep(log.checkpoint().await.unwrap());
        drop(log);
        // Its index is gone: the first segment is read as a whole.
        let index = "/data/t-0/00000000000000000000.index".as_ref();
        file::remove_file(index).await.unwrap();
        let log = world.crash_and_open("t-0", LogSettings::default()).await;
        assert_eq!(log.recovered().rebuilt_indexes, 1);
        log.set_high_watermark(log.end_offset());
        assert_eq!((log.end_offset(), log.last_stable_offset()), (8, 8));
        log.close().await.unwrap();
    });
}

#[test]
fn zombies_are_refused() {
    World::new(2).run(|world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        let append = |bytes: &[u8]| log.append(Records::Copy(bytes), EPOCH, NOW, Origin::Client);
        append(&data(1, 0, 0, 3)).unwrap();
        log.append_marker(&marker(1, 1, true), EPOCH, NOW, 2).unwrap();
        let late = append(&data(1, 0, 3, 1));
        assert!(matches!(late, Err(AppendError::Producer(Refusal::StaleEpoch))), "{late:?}");
        let twice = log.append_marker(&marker(1, 0, true), EPOCH, NOW, 2);
        assert!(matches!(twice, Err(AppendError::Producer(Refusal::StaleEpoch))), "{twice:?}");
        let client = append(&marker(1, 1, true));
        assert!(client.is_err(), "{client:?}");
        append(&data(1, 1, 0, 1)).unwrap();
        log.close().await.unwrap();
    });
}
