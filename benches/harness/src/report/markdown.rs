//! The same tables as Markdown, for pages that are not HTML.

use std::fmt::Write;

use super::rows::{Row, groups};
use crate::result::{Cell, Run, WorkloadResult};

pub fn markdown(run: &Run) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# Brokers side by side\n");
    let host = &run.host;
    let _ = writeln!(
        text,
        "{}, {} ({} CPUs, {}), Linux {}, `{}`.\n",
        run.date,
        host.cpu,
        host.cpus,
        super::number::Unit::Bytes.text(host.memory_bytes as f64),
        host.kernel,
        run.command.join(" ")
    );
    let _ = writeln!(
        text,
        "Medians of the rounds, lowest to highest in parentheses. **Bold** is ahead of all others in \
         every round.\n"
    );
    for broker in &run.brokers {
        let _ = writeln!(
            text,
            "- **{}** {}. {}",
            one_line(&broker.name),
            broker.version,
            one_line(&broker.about)
        );
    }
    for result in &run.workloads {
        workload(&mut text, result);
    }
    text
}

fn workload(text: &mut String, result: &WorkloadResult) {
    let _ = writeln!(text, "\n## {}\n", result.name);
    if !result.workload.about.is_empty() {
        let _ = writeln!(text, "{}\n", one_line(&result.workload.about));
    }
    let names: Vec<String> = result.cells.iter().map(|cell| escaped(&cell.broker)).collect();
    let _ = writeln!(text, "| | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(names.len()));
    for group in groups(result) {
        for row in &group.rows {
            let cells: Vec<String> = cells(row, &result.cells);
            let name = format!("{}: {}", group.name, row.title());
            let _ = writeln!(text, "| {} | {} |", escaped(&name), cells.join(" | "));
        }
    }
    let absent = result.cells.iter().filter_map(|cell| Some((&cell.broker, cell.absent.as_ref()?)));
    let warned = result.cells.iter().flat_map(|cell| {
        cell.rounds.iter().flat_map(move |round| {
            round.warnings.iter().map(move |warning| (&cell.broker, round.number, warning))
        })
    });
    let mut notes = String::new();
    for (broker, why) in absent {
        let _ = writeln!(notes, "- {}: nothing here: {}", one_line(broker), one_line(why));
    }
    for (broker, round, warning) in warned {
        let _ =
            writeln!(notes, "- {}, round {}: {}", one_line(broker), round + 1, one_line(warning));
    }
    if !notes.is_empty() {
        let _ = write!(text, "\n{notes}");
    }
}

fn cells(row: &Row, cells: &[Cell]) -> Vec<String> {
    let best = row.best(cells);
    let show = |(at, cell): (usize, &Cell)| {
        let Some(spread) = row.value(cell) else { return "–".to_owned() };
        let median = row.unit.text(spread.median);
        let median = if best == Some(at) { format!("**{median}**") } else { median };
        match spread.highest > spread.lowest {
            true => {
                let (low, high) = (row.unit.text(spread.lowest), row.unit.text(spread.highest));
                format!("{median} ({low} to {high})")
            }
            false => median,
        }
    };
    cells.iter().enumerate().map(show).collect()
}

/// A bar would end the cell.
fn escaped(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

/// A tag would be one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('&', "&amp;").replace('<', "&lt;")
}
