//! The figures that tables show: what each is called, how it is written, and which end of it is good.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::number::Unit;
use crate::result::{Cell, Spread, WorkloadResult};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
    /// Depends on what was asked for.
    Neither,
}

/// A row of a workload's table: one figure of `Round::figures`, one column for each broker.
#[derive(Clone, Debug)]
pub struct Row {
    pub figure: String,
    pub name: String,
    pub unit: Unit,
    pub better: Better,
}

/// Rows that belong together.
pub struct Group {
    pub name: String,
    pub rows: Vec<Row>,
}

type Known = (&'static str, &'static str, Unit, Better);

const THROUGHPUT: &[Known] = &[
    ("produced_mb_per_second", "produced", Unit::MbPerSecond, Better::Higher),
    ("produced_records_per_second", "produced, records/s", Unit::Rate, Better::Higher),
    ("consumed_mb_per_second", "consumed", Unit::MbPerSecond, Better::Higher),
    ("consumed_records_per_second", "consumed, records/s", Unit::Rate, Better::Higher),
    ("caught_up_mb_per_second", "caught up", Unit::MbPerSecond, Better::Higher),
    ("drain_seconds", "backlog drained in", Unit::Seconds, Better::Lower),
];

const COST: &[Known] = &[
    ("cpu_seconds_per_gb", "CPU seconds per GB", Unit::Plain, Better::Lower),
    (
        "cpu_seconds_per_million_records",
        "CPU seconds per million records",
        Unit::Plain,
        Better::Lower,
    ),
    ("broker_cpus", "CPUs in use", Unit::Plain, Better::Neither),
    ("resident_bytes", "resident memory, highest", Unit::Bytes, Better::Lower),
    ("written_per_accepted", "bytes written per byte accepted", Unit::Plain, Better::Lower),
];

const LIFE: &[Known] = &[
    ("start_up_seconds", "start to first acknowledged record", Unit::Seconds, Better::Lower),
    ("ready_after_kill_seconds", "the same after kill -9", Unit::Seconds, Better::Lower),
];

const CLIENT: &[Known] =
    &[("client_cpu", "busiest client thread, of its CPU", Unit::Part, Better::Neither)];

const POINTS: [(&str, &str); 5] =
    [("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("p9999", "p99.99"), ("max", "max")];

/// The groups of which any broker has a figure, in the order of reading.
pub fn groups(result: &WorkloadResult) -> Vec<Group> {
    let mut left: BTreeSet<&str> = figures(result);
    let mut groups = Vec::new();
    let mut add = |name: &str, rows: Vec<Row>, left: &mut BTreeSet<&str>| {
        let mut rows = rows;
        rows.retain(|row| left.remove(row.figure.as_str()));
        if !rows.is_empty() {
            groups.push(Group { name: name.to_owned(), rows });
        }
    };
    // At a given rate more is not better: everybody who keeps up has it.
    let keeps_rate = result.workload.producer_rate > 0.0;
    let mut throughput = known(THROUGHPUT);
    for row in throughput.iter_mut().filter(|row| keeps_rate && !row.figure.starts_with("caught")) {
        if row.better == Better::Higher {
            row.better = Better::Neither;
        }
    }
    add("Throughput", throughput, &mut left);
    add("Produce latency", latency("produce"), &mut left);
    add("End-to-end latency", latency("end_to_end"), &mut left);
    add("Fetch latency", latency("fetch"), &mut left);
    let cost = known(COST);
    let life = known(LIFE);
    let client = known(CLIENT);
    let fixed: BTreeSet<String> =
        [&cost, &life, &client].into_iter().flatten().map(|row| row.figure.clone()).collect();
    // Whatever else the workload counts: commits, connections.
    let events: BTreeSet<String> = left
        .iter()
        .filter(|figure| !fixed.contains(**figure))
        .map(|figure| event(figure).0.to_owned())
        .collect();
    for name in events {
        let rate = format!("{name}_per_second");
        let mut rows = vec![Row {
            figure: rate,
            name: "per second".into(),
            unit: Unit::Rate,
            better: Better::Neither,
        }];
        rows.extend(latency(&name));
        add(&capital(&name.replace('_', " ")), rows, &mut left);
    }
    add("Cost", cost, &mut left);
    add("Start", life, &mut left);
    add("Client", client, &mut left);
    groups
}

fn figures(result: &WorkloadResult) -> BTreeSet<&str> {
    result.cells.iter().flat_map(|cell| cell.summary.keys()).map(String::as_str).collect()
}

fn known(rows: &[Known]) -> Vec<Row> {
    let row = |&(figure, name, unit, better): &Known| Row {
        figure: figure.into(),
        name: name.into(),
        unit,
        better,
    };
    rows.iter().map(row).collect()
}

fn latency(name: &str) -> Vec<Row> {
    let row = |(point, shown): (&str, &str)| Row {
        figure: format!("{name}_{point}_us"),
        name: shown.to_owned(),
        unit: Unit::Micros,
        better: Better::Lower,
    };
    POINTS.into_iter().map(row).collect()
}

/// What is counted, from the name of one of its figures.
fn event(figure: &str) -> (&str, &str) {
    if let Some(name) = figure.strip_suffix("_per_second") {
        return (name, "per_second");
    }
    let of_time = figure.strip_suffix("_us").and_then(|figure| figure.rsplit_once('_'));
    of_time.unwrap_or((figure, ""))
}

pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

impl Row {
    pub fn value<'a>(&self, cell: &'a Cell) -> Option<&'a Spread> {
        cell.summary.get(&self.figure)
    }

    pub fn title(&self) -> String {
        match self.unit.suffix() {
            "" => self.name.clone(),
            suffix => format!("{}, {suffix}", self.name),
        }
    }

    /// The column that is best, if it is so in every round: where the rounds of two overlap,
    /// nobody is ahead.
    pub fn best(&self, cells: &[Cell]) -> Option<usize> {
        let lower = match self.better {
            Better::Lower => true,
            Better::Higher => false,
            Better::Neither => return None,
        };
        let order = |a: f64, b: f64| if lower { a.total_cmp(&b) } else { b.total_cmp(&a) };
        let worst = |spread: &Spread| if lower { spread.highest } else { spread.lowest };
        let best = |spread: &Spread| if lower { spread.lowest } else { spread.highest };
        let mut found: Vec<(usize, &Spread)> = cells
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| Some((at, self.value(cell)?)))
            .collect();
        found.sort_by(|a, b| order(a.1.median, b.1.median));
        let [first, second, ..] = found[..] else { return None };
        let ahead = order(worst(first.1), best(second.1)) == Ordering::Less;
        ahead.then_some(first.0)
    }
}

/// The figure by which a workload is told in one line.
pub fn headline(result: &WorkloadResult) -> Option<Row> {
    let order = match result.workload.producer_rate > 0.0 {
        _ if result.cells.iter().any(|cell| cell.summary.contains_key("drain_seconds")) => {
            &["drain_seconds"][..]
        }
        true if result.workload.catch_up_subscriptions > 0 => {
            &["caught_up_mb_per_second", "end_to_end_p99_us", "produce_p99_us"][..]
        }
        true => &["end_to_end_p99_us", "produce_p99_us", "produced_mb_per_second"][..],
        false => &["produced_mb_per_second", "consumed_mb_per_second"][..],
    };
    let named = |row: &Row| {
        let row = row.clone();
        match row.figure.as_str() {
            "end_to_end_p99_us" => Row { name: "end-to-end p99".into(), ..row },
            "produce_p99_us" => Row { name: "produce p99".into(), ..row },
            _ => row,
        }
    };
    let rows: Vec<Row> = groups(result).into_iter().flat_map(|group| group.rows).collect();
    order.iter().find_map(|figure| rows.iter().find(|row| row.figure == *figure)).map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(figure: &str, lowest: f64, median: f64, highest: f64) -> Cell {
        let summary = [(figure.to_owned(), Spread { median, lowest, highest })].into();
        Cell { summary, ..Cell::default() }
    }

    fn row(better: Better) -> Row {
        Row { figure: "x".into(), name: "x".into(), unit: Unit::Plain, better }
    }

    #[test]
    fn nobody_is_ahead_where_rounds_overlap() {
        let apart = [cell("x", 1.0, 2.0, 3.0), cell("x", 4.0, 5.0, 6.0), cell("y", 0.0, 0.0, 0.0)];
        assert_eq!(row(Better::Lower).best(&apart), Some(0));
        assert_eq!(row(Better::Higher).best(&apart), Some(1));
        assert_eq!(row(Better::Neither).best(&apart), None);
        let close = [cell("x", 1.0, 2.0, 4.5), cell("x", 4.0, 5.0, 6.0)];
        assert_eq!(row(Better::Lower).best(&close), None);
        // Nobody is ahead of nobody.
        assert_eq!(row(Better::Lower).best(&apart[..1]), None);
    }

    #[test]
    fn events_are_named_by_their_figures() {
        assert_eq!(event("offset_commits_per_second"), ("offset_commits", "per_second"));
        assert_eq!(event("offset_commits_p999_us"), ("offset_commits", "p999"));
        assert_eq!(capital("offset commits"), "Offset commits");
    }
}
