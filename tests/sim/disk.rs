//! What a disk keeps, loses, tears and refuses.

use std::collections::BTreeSet;
use std::path::Path;

use ringmain::base::buf::{Block, Buf, DeviceSlice};
use ringmain::rt::sim::{
    CrashKind, Delay, DiskOp, DiskOptions, Fault, FaultRule, HostId, Sim, SimOptions,
};
use ringmain::rt::{self, File, file};

use super::{buffered, contents, direct, filled, sim, sim_with};

const PATH: &str = "/data/file";

/// Runs `work` on the host, cuts its power, and returns what is in the file then.
fn after_power_loss<F>(seed: u64, work: impl FnOnce() -> F) -> Option<Vec<u8>>
where
    F: Future<Output = ()> + 'static,
{
    let (sim, host) = sim(seed);
    sim.run(sim.spawn(host, work()));
    sim.crash(host, CrashKind::PowerLoss);
    sim.disk(host).read(Path::new(PATH)).ok()
}

async fn create(len: u64) -> File {
    let file = File::open(Path::new(PATH), direct()).await.expect("open");
    file.allocate(0, len).await.expect("allocate");
    file.sync_data().await.expect("sync");
    file::sync_dir(Path::new("/data")).await.expect("sync");
    file
}

#[test]
fn synced_data_is_never_lost() {
    for seed in 0..1_000 {
        let left = after_power_loss(seed, || async {
            let file = create(64 << 10).await;
            file.write_at(filled(1, 64 << 10), 0).await.expect("write");
            file.sync_data().await.expect("sync");
        });
        assert_eq!(left, Some(vec![1; 64 << 10]), "seed {seed}");
    }
}

#[test]
fn unsynced_data_may_be_lost_kept_or_torn_between_sectors() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let left = after_power_loss(seed, || async {
            let file = create(8192).await;
            file.write_at(filled(1, 8192), 0).await.expect("write");
        });
        let left = left.expect("the file is durable");
        assert_eq!(left.len(), 8192);
        for sector in left.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is atomic");
        }
        match left.iter().filter(|byte| **byte == 1).count() {
            0 => lost += 1,
            8192 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(lost > 10 && kept > 10 && torn > 50, "{lost} lost, {kept} kept, {torn} torn");
}

#[test]
fn of_two_unsynced_writes_to_a_sector_any_may_win() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let left = after_power_loss(seed, || async {
            let file = create(4096).await;
            file.write_at(filled(1, 4096), 0).await.expect("write");
            file.sync_data().await.expect("sync");
            file.write_at(filled(2, 4096), 0).await.expect("write");
            file.write_at(filled(3, 4096), 0).await.expect("write");
        });
        seen.extend(left.expect("durable").chunks(512).map(|sector| sector[0]));
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_write_that_completes_during_a_sync_is_not_covered_by_it() {
    let mut lost = 0;
    for seed in 0..100 {
        let left = after_power_loss(seed, || async {
            let file = create(4096).await;
            let sync = file.sync_data();
            file.write_at(filled(1, 4096), 0).await.expect("write");
            sync.await.expect("sync");
        });
        lost += u32::from(left.expect("durable").contains(&0));
    }
    assert!(lost > 20, "lost {lost} times");
}

#[test]
fn lengths_survive_in_order_once_synced_for_sure() {
    let mut unsynced = BTreeSet::new();
    for seed in 0..200 {
        let left = after_power_loss(seed, || async {
            let file = create(4096).await;
            file.write_at(filled(1, 4096), 4096).await.expect("write");
            file.sync_data().await.expect("sync");
            file.write_at(filled(1, 4096), 8192).await.expect("write");
            file.truncate(6000).await.expect("truncate");
        });
        unsynced.insert(left.expect("durable").len());
    }
    assert_eq!(unsynced, BTreeSet::from([6000, 8192, 12_288]));
}

#[test]
fn what_was_cut_off_and_extended_again_reads_as_zeros() {
    for seed in 0..100 {
        let left = after_power_loss(seed, || async {
            let file = create(8192).await;
            file.write_at(filled(1, 8192), 0).await.expect("write");
            file.sync_data().await.expect("sync");
            file.truncate(4096).await.expect("truncate");
            file.allocate(0, 8192).await.expect("allocate");
            assert_eq!(contents(&file).await[4096..], [0; 4096]);
            file.sync_data().await.expect("sync");
        });
        let left = left.expect("durable");
        assert_eq!((&left[..4096], &left[4096..]), (&[1; 4096][..], &[0; 4096][..]));
    }
}

#[test]
fn a_file_without_a_durable_entry_may_vanish_with_its_synced_data() {
    let work = |sync_dir: bool| async move {
        let file = File::open(Path::new(PATH), buffered()).await.expect("open");
        file.write_bytes_at(Buf::copy_of(b"here"), 0).await.expect("write");
        file.sync_data().await.expect("sync");
        if sync_dir {
            file::sync_dir(Path::new("/data")).await.expect("sync");
        }
    };
    let left =
        |sync_dir| (0..100).filter_map(move |seed| after_power_loss(seed, || work(sync_dir)));
    assert_eq!(left(true).filter(|bytes| bytes == b"here").count(), 100);
    let kept = left(false).inspect(|bytes| assert_eq!(bytes, b"here")).count();
    assert!((10..90).contains(&kept), "kept {kept} times");
}

/// Writes "old" durably, replaces it by "new", and says what is left of old and new.
fn replaced(seed: u64, sync_new: bool, sync_dir: bool) -> Vec<u8> {
    let left = after_power_loss(seed, || async move {
        file::write_whole(Path::new(PATH), b"old").await.expect("write");
        let beside = Path::new("/data/beside");
        let file = File::open(beside, buffered()).await.expect("open");
        file.write_bytes_at(Buf::copy_of(b"new"), 0).await.expect("write");
        if sync_new {
            file.sync_data().await.expect("sync");
        }
        file::rename(beside, Path::new(PATH)).await.expect("rename");
        if sync_dir {
            file::sync_dir(Path::new("/data")).await.expect("sync");
        }
    });
    left.expect("one of both")
}

#[test]
fn a_rename_may_be_taken_back_until_its_directory_is_synced() {
    let unsynced: BTreeSet<_> = (0..100).map(|seed| replaced(seed, true, false)).collect();
    assert_eq!(unsynced, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
    let synced: BTreeSet<_> = (0..1_000).map(|seed| replaced(seed, true, true)).collect();
    assert_eq!(synced, BTreeSet::from([b"new".to_vec()]));
}

#[test]
fn a_rename_may_overtake_the_data_of_its_file() {
    let seen: BTreeSet<_> = (0..100).map(|seed| replaced(seed, false, true)).collect();
    assert!(seen.contains(b"new".as_slice()));
    assert!(seen.contains(b"".as_slice()) || seen.contains(b"\0\0\0".as_slice()), "{seen:?}");
    assert!(!seen.contains(b"old".as_slice()));
}

#[test]
fn a_file_moved_to_another_directory_is_in_exactly_one_of_them() {
    let mut moved = 0;
    for seed in 0..200 {
        let (sim, host) = sim(seed);
        let disk = sim.disk(host);
        let (from, to) = (Path::new("/data/a/file"), Path::new("/data/b/file"));
        for dir in [from, to] {
            disk.install_dir(dir.parent().expect("a directory")).expect("made");
        }
        disk.install_file(from, b"content").expect("made");
        sim.run(sim.spawn(host, async move {
            file::rename(from, to).await.expect("rename");
            for other in ["/data/a/x", "/data/b/x"] {
                File::open(Path::new(other), buffered()).await.expect("open");
            }
            if seed % 2 == 0 {
                file::sync_dir(Path::new("/data/b")).await.expect("sync");
            }
        }));
        sim.crash(host, CrashKind::PowerLoss);
        let places = [from, to].map(|path| disk.read(path).ok());
        match places {
            [Some(content), None] if seed % 2 == 1 => assert_eq!(content, b"content"),
            [None, Some(content)] => {
                moved += 1;
                assert_eq!(content, b"content");
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!((110..190).contains(&moved), "moved {moved} times");
}

#[test]
fn a_removal_may_be_taken_back_until_its_directory_is_synced() {
    let work = |sync: bool| async move {
        create(4096).await;
        file::remove_file(Path::new(PATH)).await.expect("remove");
        if sync {
            file::sync_dir(Path::new("/data")).await.expect("sync");
        }
    };
    let back = |sync| (0..100).filter_map(move |s| after_power_loss(s, || work(sync))).count();
    assert_eq!(back(true), 0);
    assert!((10..90).contains(&back(false)));
}

#[test]
fn killing_the_process_keeps_what_completed_and_any_part_of_the_rest() {
    let (mut none, mut part, mut all) = (0, 0, 0);
    for seed in 0..200 {
        let (sim, host) = sim(seed);
        let task = sim.spawn(host, async {
            let file = create(16 << 10).await;
            file.write_at(filled(1, 4096), 0).await.expect("write");
            let _pending = file.write_at(filled(2, 8192), 4096);
            std::future::pending::<()>().await;
        });
        sim.run(async {
            while sim.disk(host).read(Path::new(PATH)).is_ok_and(|b| b.starts_with(&[1])).eq(&false)
            {
                rt::sleep(std::time::Duration::from_micros(1)).await;
            }
        });
        sim.crash(host, CrashKind::ProcessKill);
        drop(task);
        let left = sim.disk(host).read(Path::new(PATH)).expect("durable");
        assert_eq!(left[..4096], [1; 4096]);
        match left.iter().filter(|byte| **byte == 2).count() {
            0 => none += 1,
            8192 => all += 1,
            _ => part += 1,
        }
    }
    assert!(none > 20 && part > 20 && all > 20, "{none} none, {part} part, {all} all");
}

#[test]
fn what_a_killed_process_left_unsynced_a_power_cut_can_still_take() {
    let mut lost = 0;
    for seed in 0..100 {
        let (sim, host) = sim(seed);
        sim.run(sim.spawn(host, async {
            let file = create(4096).await;
            file.write_at(filled(1, 4096), 0).await.expect("write");
        }));
        let disk = sim.disk(host);
        sim.crash(host, CrashKind::ProcessKill);
        assert_eq!(disk.read(Path::new(PATH)).expect("there"), [1; 4096]);
        sim.crash(host, CrashKind::PowerLoss);
        lost += u32::from(disk.read(Path::new(PATH)).expect("there").contains(&0));
    }
    assert!(lost > 30, "lost {lost} times");
}

#[test]
fn concurrent_writes_complete_in_any_order() {
    let mut firsts = BTreeSet::new();
    for seed in 0..50 {
        let (sim, host) = sim(seed);
        let first = sim.run(sim.spawn(host, async {
            let file = create(16 << 10).await;
            let mut pending: Vec<_> =
                (0..4).map(|i| file.write_at(filled(1, 4096), i * 4096)).collect();
            std::future::poll_fn(|cx| {
                for (index, write) in pending.iter_mut().enumerate() {
                    if std::pin::Pin::new(write).poll(cx).is_ready() {
                        return std::task::Poll::Ready(index);
                    }
                }
                std::task::Poll::Pending
            })
            .await
        }));
        firsts.insert(first);
    }
    assert_eq!(firsts.len(), 4);
}

#[test]
fn memory_that_changes_while_it_is_written_may_go_either_way() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let (sim, host) = sim(seed);
        let bytes = sim.run(sim.spawn(host, async {
            let file = create(4096).await;
            let block = Block::new(Buf::with_capacity(4096));
            block.zero_to(4096);
            let write = file.write_at(vec![DeviceSlice::new(&block, 0..4096)], 0);
            block.append(&[1; 4096]);
            write.await.expect("write");
            contents(&file).await
        }));
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(bytes.iter().filter(|byte| **byte == 1).count() / 512);
    }
    assert!(seen.len() > 3, "{seen:?}");
}

fn with_rule<T: 'static, F>(rule: FaultRule, work: impl FnOnce() -> F) -> (Sim, HostId, T)
where
    F: Future<Output = T> + 'static,
{
    let (sim, host) = sim(9);
    sim.disk(host).inject(rule);
    let output = sim.run(sim.spawn(host, work()));
    (sim, host, output)
}

#[test]
fn the_nth_operation_fails_as_told() {
    let work = || async {
        let file = create(16 << 10).await;
        let mut results = Vec::new();
        for i in 0..4 {
            results
                .push(file.write_at(filled(1, 4096), i * 4096).await.map_err(|e| e.raw_os_error()));
        }
        results
    };
    let rule = |fault| FaultRule::new(DiskOp::Write, fault).on("file").after(2);
    let (.., results) = with_rule(rule(Fault::Eio), work);
    assert_eq!(results, [Ok(()), Ok(()), Err(Some(libc::EIO)), Ok(())]);
    let (.., results) = with_rule(rule(Fault::Enospc).times(2), work);
    assert_eq!(results, [Ok(()), Ok(()), Err(Some(libc::ENOSPC)), Err(Some(libc::ENOSPC))]);
    let (.., results) = with_rule(rule(Fault::Eio).on("elsewhere").always(), work);
    assert_eq!(results, [Ok(()); 4]);
}

/// How often bytes were lost whose first sync failed and whose second one did not.
fn lost_after_failed_sync(options: &SimOptions, open: rt::OpenOptions) -> u32 {
    let mut lost = 0;
    for seed in 0..50 {
        let (sim, host) = sim_with(seed, options.clone());
        sim.disk(host).inject(FaultRule::new(DiskOp::Sync, Fault::Eio).after(1));
        sim.run(sim.spawn(host, async move {
            create(8192).await;
            let file = File::open(Path::new(PATH), open).await.expect("open");
            if open.direct {
                file.write_at(filled(1, 8192), 0).await.expect("write");
            } else {
                file.write_bytes_at(Buf::copy_of(&[1; 8192]), 0).await.expect("write");
            }
            assert!(file.sync_data().await.is_err());
            file.sync_data().await.expect("nothing seems dirty");
            assert_eq!(contents(&file).await, [1; 8192], "whoever reads still sees it");
        }));
        sim.crash(host, CrashKind::PowerLoss);
        lost += u32::from(sim.disk(host).read(Path::new(PATH)).expect("there").contains(&0));
    }
    lost
}

#[test]
fn after_a_failed_sync_the_next_one_lies() {
    let mut options = SimOptions::default();
    assert!(lost_after_failed_sync(&options, buffered()) > 40);
    assert_eq!(lost_after_failed_sync(&options, direct()), 0);
    options.disk.failed_sync_loses_direct = true;
    assert!(lost_after_failed_sync(&options, direct()) > 40);
}

#[test]
fn a_lying_sync_keeps_nothing() {
    let rule = FaultRule::new(DiskOp::Sync, Fault::Lie).after(1).always();
    let mut lost = 0;
    for _ in 0..1 {
        let (sim, host, ()) = with_rule(rule.clone(), || async {
            let file = create(1 << 20).await;
            file.write_at(filled(1, 1 << 20), 0).await.expect("write");
            file.sync_data().await.expect("it says so");
        });
        assert!(sim.disk(host).unsynced_changes(Path::new(PATH)).expect("there") > 0);
        lost += 1;
    }
    assert_eq!(lost, 1);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = DiskOptions { capacity: 64 << 10, ..Default::default() };
    let (sim, host) = sim_with(1, SimOptions { disk, ..Default::default() });
    sim.run(sim.spawn(host, async {
        let root = Path::new("/data");
        let file = create(32 << 10).await;
        assert_eq!(file::disk_space(root).await.expect("space"), (32 << 10, 64 << 10));
        let full = file.allocate(0, 128 << 10).await.expect_err("too much");
        assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
        let full = file.write_at(filled(1, 64 << 10), 32 << 10).await.expect_err("too much");
        assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
        file.write_at(filled(1, 32 << 10), 0).await.expect("overwriting needs no space");
        drop(file);
        assert_eq!(file::disk_space(root).await.expect("space").0, 0);
        file::remove_file(Path::new(PATH)).await.expect("remove");
        assert_eq!(file::disk_space(root).await.expect("space").0, 64 << 10);
    }));
    assert_eq!(sim.disk(host).used(), 0);
}

#[test]
fn an_unlinked_file_lives_until_it_is_closed() {
    let (sim, host) = sim(1);
    let disk = sim.disk(host);
    sim.run(sim.spawn(host, async move {
        let file = create(8192).await;
        file::remove_file(Path::new(PATH)).await.expect("remove");
        assert_eq!(contents(&file).await, [0; 8192]);
        assert_eq!(disk.used(), 8192);
        drop(file);
        assert_eq!(disk.used(), 0);
    }));
}

#[test]
fn direct_files_want_alignment() {
    let (sim, host) = sim(1);
    sim.run(sim.spawn(host, async {
        let file = create(8192).await;
        let odd = file.write_at(filled(1, 4096), 512).await.expect_err("unaligned");
        assert_eq!(odd.raw_os_error(), Some(libc::EINVAL));
        let (odd, buf) = file.read_at(Buf::with_capacity(4096), 0, 100).await;
        assert_eq!(odd.expect_err("unaligned").raw_os_error(), Some(libc::EINVAL));
        let odd = file.write_bytes_at(Buf::copy_of(b"x"), 0).await.expect_err("unaligned");
        assert_eq!(odd.raw_os_error(), Some(libc::EINVAL));
        let (short, _) = file.read_at(buf, 4096, 4096).await;
        assert_eq!(short.expect("read"), 4096);
    }));
}

#[test]
fn rot_and_misdirection_change_what_is_read() {
    let (sim, host) = sim(1);
    let path = Path::new(PATH);
    sim.run(sim.spawn(host, async {
        let file = create(64 << 10).await;
        file.write_at(filled(1, 64 << 10), 0).await.expect("write");
        file.sync_data().await.expect("sync");
    }));
    sim.disk(host).rot(path, 777, 3).expect("inside");
    sim.crash(host, CrashKind::PowerLoss);
    assert_eq!(sim.disk(host).read(path).expect("there")[777], 1 ^ 8);
    sim.disk(host).inject(FaultRule::new(DiskOp::Write, Fault::Misdirect));
    sim.run(sim.spawn(host, async {
        let file = File::open(Path::new(PATH), direct()).await.expect("open");
        file.write_at(filled(7, 4096), 32 << 10).await.expect("write");
        let bytes = contents(&file).await;
        let at = bytes.iter().position(|byte| *byte == 7).expect("somewhere");
        assert_ne!(at, 32 << 10);
    }));
}

#[test]
fn the_usual_errors_are_the_usual_ones() {
    let (sim, host) = sim(1);
    sim.run(sim.spawn(host, async {
        use std::io::ErrorKind::*;
        let missing = Path::new("/data/missing");
        let kind = |result: std::io::Result<()>| result.expect_err("an error").kind();
        let opened = File::open(missing, Default::default()).await;
        assert_eq!(kind(opened.map(drop)), NotFound);
        let opened = File::open(Path::new("/none/file"), buffered()).await;
        assert_eq!(kind(opened.map(drop)), NotFound);
        create(4096).await;
        let again = rt::OpenOptions { create_new: true, ..buffered() };
        let opened = File::open(Path::new(PATH), again).await;
        assert_eq!(kind(opened.map(drop)), AlreadyExists);
        assert_eq!(kind(file::remove_file(missing).await), NotFound);
        assert_eq!(kind(file::rename(missing, Path::new(PATH)).await), NotFound);
        assert_eq!(kind(file::list_dir(missing).await.map(drop)), NotFound);
        assert_eq!(kind(file::read_whole(Path::new("/data")).await.map(drop)), IsADirectory);
        assert!(!file::exists(missing).await.expect("an answer"));
        file::create_dir_all(Path::new("/data/a/b")).await.expect("made");
        file::create_dir_all(Path::new("/data/a/b")).await.expect("made before");
        let names: Vec<_> = file::list_dir(Path::new("/data")).await.expect("a list");
        let names: Vec<_> = names.iter().map(|entry| (&entry.name[..], entry.is_dir)).collect();
        assert_eq!(names, [("a", true), ("file", false)]);
        file::remove_dir_all(Path::new("/data/a")).await.expect("removed");
        assert!(!file::exists(Path::new("/data/a/b")).await.expect("an answer"));
    }));
}

#[test]
fn a_slow_disk_is_slow() {
    let write = Delay::between_us(50_000, 50_000);
    let disk = DiskOptions { write, ..Default::default() };
    let (sim, host) = sim_with(1, SimOptions { disk, ..Default::default() });
    sim.disk(host)
        .inject(FaultRule::new(DiskOp::Sync, Fault::Stall(std::time::Duration::from_millis(500))));
    sim.run(sim.spawn(host, async {
        let file = create(4096).await;
        file.write_at(filled(1, 4096), 0).await.expect("write");
    }));
    assert!(sim.elapsed() >= std::time::Duration::from_millis(550));
}
