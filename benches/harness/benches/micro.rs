//! The pieces of the broker by criterion. Each prints the hash of a fixed number of operations first:
//! the same hash means the same work.

use criterion::{Criterion, criterion_group, criterion_main};
use ringmain_bench::micro::PIECES;

const HASHED: u64 = 100;

fn pieces(criterion: &mut Criterion) {
    for piece in PIECES {
        println!(
            "{}: {}; {HASHED} of them: {:016x}",
            piece.name,
            piece.operation,
            (piece.run)(HASHED).hash
        );
        criterion.bench_function(piece.name, |bencher| {
            bencher.iter_custom(|count| (piece.run)(count).took);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = pieces
}
criterion_main!(benches);
