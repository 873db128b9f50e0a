//! Latency over time as HdrHistogram's interval log (.hlog), for every tool that reads it. Values are
//! nanoseconds; the tags are `produce` and `end_to_end`.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::clock;
use crate::driver::Nanos;
use crate::tally::Tally;

/// Makes the largest value of an interval readable: milliseconds.
const MAX_SCALE: f64 = 1e6;

pub fn write(
    dir: &Path,
    workload: &str,
    broker: &str,
    round: u32,
    tally: &Tally,
    begin: Nanos,
    slot_seconds: f64,
) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    };
    let name = format!("{}.{}.{round}.hlog", plain(workload), plain(broker));
    let mut out = BufWriter::new(File::create(dir.join(name))?);
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_nanos(begin);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("latency in nanoseconds, from when records were due (ringmain-bench)")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(MAX_SCALE)
        .begin_log_with(&mut out, &mut serializer)?;
    let slot = Duration::from_nanos(clock::nanos(slot_seconds));
    for (at, of_slot) in tally.slots.iter().enumerate() {
        let from = slot * at as u32;
        let mut put = |name: &str, times: &Option<Histogram<u32>>| -> io::Result<()> {
            let Some(times) = times else { return Ok(()) };
            let tag = Tag::new(name).ok_or_else(|| io::Error::other("a tag of our own"))?;
            log.write_histogram(times, from, slot, Some(tag))
                .map_err(|error| io::Error::other(format!("{error:?}")))
        };
        put("produce", &of_slot.produce)?;
        put("end_to_end", &of_slot.end_to_end)?;
    }
    Ok(())
}
