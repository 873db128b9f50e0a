//! Which plots a workload has, and what each of them shows.

use super::bars;
use super::curve::{curve, highest_quantile};
use super::number::Unit;
use super::plot::{Axis, Plot, Series, Size, Stroke};
use super::rows::{Better, Row};
use super::scale::Scale;
use crate::result::{Cell, Host, Latencies, Latency, Points, Round, Sample, WorkloadResult};

/// A picture, by a name that tells it from the workload's others.
pub struct Picture {
    pub name: String,
    /// What to know when looking at it.
    pub caption: String,
    pub svg: String,
    /// Half as wide as the others.
    pub small: bool,
}

type Of = (&'static str, &'static str, fn(&Latencies) -> &Option<Latency>);

const LATENCIES: [Of; 3] = [
    ("produce", "Produce latency", |all| &all.produce),
    ("end-to-end", "End-to-end latency", |all| &all.end_to_end),
    ("fetch", "Fetch latency", |all| &all.fetch),
];

/// All of a workload's pictures. `style` makes each one complete by itself.
pub fn pictures(host: &Host, result: &WorkloadResult, style: Option<&str>) -> Vec<Picture> {
    let mut found = Vec::new();
    let mut add = |name: &str, caption: &str, plot: Plot| {
        if !plot.is_empty() {
            let small = plot.size.width < Size::WIDE.width;
            let svg = plot.svg(style);
            found.push(Picture { name: name.into(), caption: caption.into(), svg, small });
        }
    };
    for (name, title, of) in LATENCIES {
        add(
            &format!("percentiles-{name}"),
            "All rounds together; each nine to the right is ten times rarer.",
            percentiles(result, title, of),
        );
    }
    let over_time = "The round in the middle by its p99; the others lie faintly behind it.";
    add("over-time-produce", over_time, over_time_of(result, "Produce p99", |s| s.produce));
    add(
        "over-time-end-to-end",
        over_time,
        over_time_of(result, "End-to-end p99", |s| s.end_to_end),
    );
    add(
        "throughput-over-time",
        "The round in the middle; the others lie faintly behind it.",
        flow(result),
    );
    add("throughput-p99", "One dot for each round; right and low is good.", throughput_p99(result));
    for (name, title, row) in costs() {
        if let Some(svg) = bars::svg(result, &row, title, style) {
            let caption = "The median of the rounds, with the lowest and the highest.".into();
            found.push(Picture { name: name.into(), caption, svg, small: true });
        }
    }
    for (at, cell) in result.cells.iter().enumerate() {
        let plot = cores(host, at, cell);
        if !plot.is_empty() {
            let name = format!("cores-{}", slug(&cell.broker));
            let caption =
                "Every CPU of the host, whoever used it, and the broker's process.".into();
            found.push(Picture { name, caption, svg: plot.svg(style), small: true });
        }
    }
    found
}

/// A name for files and anchors.
pub fn slug(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = name.chars().map(letter).collect();
    slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn costs() -> [(&'static str, &'static str, Row); 3] {
    let row = |figure: &str, unit| Row {
        figure: figure.into(),
        name: String::new(),
        unit,
        better: Better::Lower,
    };
    [
        ("cpu-per-gb", "Broker CPU seconds per GB", row("cpu_seconds_per_gb", Unit::Plain)),
        (
            "cpu-per-million",
            "Broker CPU seconds per million records",
            row("cpu_seconds_per_million_records", Unit::Plain),
        ),
        ("memory", "Resident memory, highest", row("resident_bytes", Unit::Bytes)),
    ]
}

fn series(at: usize, cell: &Cell) -> Series {
    let name = cell.broker.clone();
    Series {
        name,
        stroke: Stroke::Broker(at),
        line: Vec::new(),
        faint: Vec::new(),
        dots: Vec::new(),
    }
}

fn micros(title: &str, values: impl Iterator<Item = f64>) -> Axis {
    Axis { scale: Scale::log(values), unit: Unit::Micros, title: title.into() }
}

fn seconds(result: &WorkloadResult) -> Axis {
    let samples = result.cells.iter().flat_map(|cell| &cell.rounds).flat_map(|round| &round.series);
    let scale = Scale::linear(samples.map(|sample| sample.at_seconds));
    Axis { scale, unit: Unit::Plain, title: "seconds".into() }
}

fn percentiles(
    result: &WorkloadResult,
    title: &str,
    of: fn(&Latencies) -> &Option<Latency>,
) -> Plot {
    let mut lines = Vec::new();
    let mut highest = 0.0f64;
    for (at, cell) in result.cells.iter().enumerate() {
        let Some(latency) = of(&cell.latency) else { continue };
        highest = highest.max(highest_quantile(latency.count));
        lines.push(Series { line: curve(latency), ..series(at, cell) });
    }
    let values = lines.iter().flat_map(|series| &series.line).map(|&(_, value)| value);
    Plot {
        title: title.into(),
        y: micros("log scale", values),
        x: Axis { scale: Scale::nines(highest), unit: Unit::Plain, title: "percentile".into() },
        series: lines,
        size: Size::WIDE,
    }
}

/// Where the rounds are split by a figure of theirs: the middle one, and the others.
fn middle(cell: &Cell, figure: fn(&Round) -> f64) -> Option<(&Round, Vec<&Round>)> {
    let mut rounds: Vec<&Round> = cell.rounds.iter().collect();
    rounds.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    if rounds.is_empty() {
        return None;
    }
    let middle = rounds.remove((rounds.len() - 1) / 2);
    Some((middle, rounds))
}

fn over_time(
    result: &WorkloadResult,
    figure: fn(&Round) -> f64,
    value: impl Fn(&Sample) -> Option<f64>,
) -> Vec<Series> {
    let line = |round: &Round| -> Vec<(f64, f64)> {
        let point = |sample: &Sample| Some((sample.at_seconds, value(sample)?));
        round.series.iter().filter_map(point).collect()
    };
    let cells = result.cells.iter().enumerate();
    cells
        .filter_map(|(at, cell)| {
            let (middle, others) = middle(cell, figure)?;
            let faint = others.into_iter().map(line).collect();
            Some(Series { line: line(middle), faint, ..series(at, cell) })
        })
        .collect()
}

fn values(series: &[Series]) -> impl Iterator<Item = f64> {
    series
        .iter()
        .flat_map(|each| each.faint.iter().chain([&each.line]))
        .flatten()
        .map(|point| point.1)
}

fn over_time_of(result: &WorkloadResult, title: &str, of: fn(&Sample) -> Option<Points>) -> Plot {
    let series = over_time(result, p99, |sample| of(sample).map(|points| points.p99_us));
    Plot {
        title: format!("{title} over time"),
        x: seconds(result),
        y: micros("log scale", values(&series)),
        series,
        size: Size::WIDE,
    }
}

/// What is produced, or what is consumed where that is the work.
fn flow(result: &WorkloadResult) -> Plot {
    let rounds = || result.cells.iter().flat_map(|cell| &cell.rounds);
    let caught_up = rounds().any(|round| round.caught_up.is_some());
    let drained = rounds().any(|round| round.drain_seconds.is_some());
    let paced = result.workload.producer_rate > 0.0;
    type Flow = (&'static str, fn(&Sample) -> f64, fn(&Round) -> f64);
    let (title, of, figure): Flow = match () {
        () if caught_up && !drained => (
            "Caught up over time",
            |sample| sample.caught_up_mb_per_second,
            |round| round.caught_up.map_or(0.0, |flow| flow.mb_per_second),
        ),
        () if drained => (
            "Consumed over time",
            |sample| sample.consumed_mb_per_second,
            |round| round.consumed.mb_per_second,
        ),
        () => (
            "Produced over time",
            |sample| sample.produced_mb_per_second,
            |round| round.produced.mb_per_second,
        ),
    };
    // At a given rate the line of everybody who keeps up is flat, and says nothing.
    let series = match paced && !caught_up && !drained {
        true => Vec::new(),
        false => over_time(result, figure, |sample| Some(of(sample))),
    };
    Plot {
        title: title.into(),
        x: seconds(result),
        y: Axis {
            scale: Scale::linear(values(&series)),
            unit: Unit::MbPerSecond,
            title: "MB/s".into(),
        },
        series,
        size: Size::WIDE,
    }
}

/// The 99th percentile of a round: to the consumer where there is one.
fn p99(round: &Round) -> f64 {
    let latency = round.latency.end_to_end.as_ref().or(round.latency.produce.as_ref());
    latency.map_or(0.0, |latency| latency.p99_us)
}

fn throughput_p99(result: &WorkloadResult) -> Plot {
    let mut all = Vec::new();
    for (at, cell) in result.cells.iter().enumerate() {
        let mut dots = Vec::new();
        for round in cell.rounds.iter().filter(|round| p99(round) > 0.0) {
            let (rate, p99) = (round.produced.mb_per_second, p99(round));
            let title = format!(
                "{}, round {}: {} MB/s at a p99 of {}",
                cell.broker,
                round.number + 1,
                Unit::MbPerSecond.text(rate),
                Unit::Micros.text(p99)
            );
            dots.push((rate, p99, title));
        }
        all.push(Series { dots, ..series(at, cell) });
    }
    let dots = || all.iter().flat_map(|series| &series.dots);
    let end_to_end = result.cells.iter().any(|cell| cell.latency.end_to_end.is_some());
    Plot {
        title: "Throughput against p99".into(),
        x: Axis {
            scale: Scale::linear(dots().map(|dot| dot.0)),
            unit: Unit::MbPerSecond,
            title: "produced, MB/s".into(),
        },
        y: micros(
            if end_to_end { "end-to-end p99" } else { "produce p99" },
            dots().map(|dot| dot.1),
        ),
        series: all,
        size: Size::WIDE,
    }
}

/// More CPUs than this are drawn without their names.
const CPUS_NAMED: usize = 4;

fn cores(host: &Host, at: usize, cell: &Cell) -> Plot {
    let mut all = Vec::new();
    let mut until = 0.0f64;
    if let Some((round, _)) =
        middle(cell, |round| round.cost.as_ref().map_or(0.0, |c| c.cpu_seconds))
    {
        let count = round.series.iter().map(|sample| sample.cores.len()).max().unwrap_or(0);
        until = round.series.last().map_or(0.0, |sample| sample.at_seconds);
        for cpu in 0..count {
            let point = |sample: &Sample| Some((sample.at_seconds, *sample.cores.get(cpu)?));
            let line: Vec<_> = round.series.iter().filter_map(point).collect();
            let stroke =
                if host.broker_cpus.contains(&cpu) { Stroke::Plain } else { Stroke::Muted };
            match count <= CPUS_NAMED {
                true => all.push(Series {
                    name: format!("CPU {cpu}"),
                    stroke,
                    line,
                    ..series(at, cell)
                }),
                false => all.push(Series { stroke, faint: vec![line], ..series(at, cell) }),
            }
        }
        let point = |sample: &Sample| Some((sample.at_seconds, sample.broker_cpus?));
        let line: Vec<_> = round.series.iter().filter_map(point).collect();
        all.push(Series { name: "broker".into(), line, ..series(at, cell) });
    }
    let most = values(&all).fold(1.0, f64::max);
    Plot {
        title: format!("{}: CPUs in use", cell.broker),
        x: Axis {
            scale: Scale::linear([until].into_iter()),
            unit: Unit::Plain,
            title: "seconds".into(),
        },
        y: Axis {
            scale: Scale::linear([most].into_iter()),
            unit: Unit::Part,
            title: String::new(),
        },
        series: all,
        size: Size::SMALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        assert_eq!(slug("1 topic / 16 partitions, 1 KiB"), "1-topic-16-partitions-1-kib");
        assert_eq!(slug("../x"), "x");
    }

    #[test]
    fn the_middle_round_is_neither_the_best_nor_the_worst() {
        let round = |seconds| Round { seconds, ..Round::default() };
        let cell = Cell { rounds: [9.0, 1.0, 5.0].map(round).into(), ..Cell::default() };
        let (middle, others) = middle(&cell, |round| round.seconds).unwrap();
        assert_eq!((middle.seconds, others.len()), (5.0, 2));
    }
}
