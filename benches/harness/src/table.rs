//! The comparison as a table in the terminal: a line for each figure, a column for each broker, the
//! median of the rounds and how far they lie apart.

use std::fmt::Write;

use crate::result::{Cell, Run, Spread, WorkloadResult};

/// Figure, what it is called, its unit, what it is divided by, digits.
const LINES: [(&str, &str, &str, f64, usize); 29] = [
    ("produced_mb_per_second", "produced", "MB/s", 1.0, 1),
    ("produced_records_per_second", "produced", "records/s", 1.0, 0),
    ("consumed_mb_per_second", "consumed", "MB/s", 1.0, 1),
    ("caught_up_mb_per_second", "caught up", "MB/s", 1.0, 1),
    ("drain_seconds", "backlog drained in", "s", 1.0, 2),
    ("produce_p50_us", "produce p50", "ms", 1e3, 3),
    ("produce_p99_us", "produce p99", "ms", 1e3, 3),
    ("produce_p999_us", "produce p99.9", "ms", 1e3, 3),
    ("produce_p9999_us", "produce p99.99", "ms", 1e3, 3),
    ("produce_max_us", "produce max", "ms", 1e3, 3),
    ("end_to_end_p50_us", "end to end p50", "ms", 1e3, 3),
    ("end_to_end_p99_us", "end to end p99", "ms", 1e3, 3),
    ("end_to_end_p999_us", "end to end p99.9", "ms", 1e3, 3),
    ("end_to_end_p9999_us", "end to end p99.99", "ms", 1e3, 3),
    ("end_to_end_max_us", "end to end max", "ms", 1e3, 3),
    ("fetch_p50_us", "fetch p50", "ms", 1e3, 3),
    ("fetch_p99_us", "fetch p99", "ms", 1e3, 3),
    ("fetch_max_us", "fetch max", "ms", 1e3, 3),
    ("cpu_seconds_per_gb", "broker CPU", "s/GB", 1.0, 3),
    ("cpu_seconds_per_million_records", "broker CPU", "s/million records", 1.0, 3),
    ("broker_cpus", "broker CPUs in use", "", 1.0, 2),
    ("resident_bytes", "resident memory", "MiB", 1048576.0, 0),
    ("written_per_accepted", "written per byte accepted", "", 1.0, 2),
    ("start_up_seconds", "start to first record", "s", 1.0, 3),
    ("ready_after_kill_seconds", "kill -9 to first record", "s", 1.0, 3),
    ("client_cpu", "client's busiest thread", "% of a CPU", 0.01, 0),
    ("commits_per_second", "transactions", "/s", 1.0, 0),
    ("offset_commits_per_second", "offset commits", "/s", 1.0, 0),
    ("connections_per_second", "connections", "/s", 1.0, 0),
];
const EVENT_POINTS: [(&str, &str); 4] = [
    ("commits", "commit of a transaction"),
    ("offset_commits", "offset commit"),
    ("heartbeats", "heartbeat"),
    ("connections", "connection"),
];

pub fn of(run: &Run, result: &WorkloadResult) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let name = |cell: &Cell| match run.brokers.iter().find(|broker| broker.name == cell.broker) {
        Some(broker) if !broker.version.is_empty() => format!("{} {}", cell.broker, broker.version),
        _ => cell.broker.clone(),
    };
    let mut head = vec![String::new()];
    head.extend(result.cells.iter().map(name));
    rows.push(head);
    let mut line = |figure: &str, title: String, divisor: f64, digits: usize| {
        let spreads: Vec<_> = result.cells.iter().map(|cell| cell.summary.get(figure)).collect();
        if spreads.iter().all(Option::is_none) {
            return;
        }
        let mut row = vec![title];
        row.extend(spreads.iter().map(|spread| match spread {
            None => "-".to_owned(),
            Some(spread) => told(spread, divisor, digits),
        }));
        rows.push(row);
    };
    for (figure, title, unit, divisor, digits) in LINES {
        line(figure, format!("{title} {unit}").trim_end().to_owned(), divisor, digits);
    }
    for (event, title) in EVENT_POINTS {
        for point in ["p50", "p99", "max"] {
            line(&format!("{event}_{point}_us"), format!("{title} {point} ms"), 1e3, 3);
        }
    }
    let mut text = format!("\n{}\n", result.name);
    if !result.workload.about.is_empty() {
        let _ = writeln!(text, "{}", result.workload.about.trim());
    }
    text += &aligned(&rows);
    for cell in &result.cells {
        if let Some(why) = &cell.absent {
            let _ = writeln!(text, "{}: {why}", cell.broker);
        }
        for round in &cell.rounds {
            for warning in &round.warnings {
                let _ = writeln!(
                    text,
                    "WARNING ({}, round {}): {warning}",
                    cell.broker,
                    round.number + 1
                );
            }
        }
    }
    text
}

/// The median, and the lowest and highest where there is more than one round.
fn told(spread: &Spread, divisor: f64, digits: usize) -> String {
    let number = |value: f64| format!("{:.digits$}", value / divisor);
    match spread.lowest == spread.highest {
        true => number(spread.median),
        false => {
            format!(
                "{} ({}..{})",
                number(spread.median),
                number(spread.lowest),
                number(spread.highest)
            )
        }
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "  {cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}
