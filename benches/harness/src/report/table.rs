//! The table of a workload: a row for each figure, a column for each broker.

use super::markup::Markup;
use super::plot::{Stroke, class_of};
use super::rows::{Row, groups};
use crate::result::{Cell, Spread, WorkloadResult};

pub fn html(page: &mut Markup, result: &WorkloadResult) {
    let columns = result.cells.len() + 1;
    page.open("div", &[("class", &"wide")]).open("table", &[("class", &"figures")]);
    page.open("thead", &[]).open("tr", &[]).element("th", &[], "");
    for (at, cell) in result.cells.iter().enumerate() {
        head(page, at, &cell.broker);
    }
    page.close().close();
    page.open("tbody", &[]);
    if result.cells.iter().any(|cell| cell.absent.is_some()) {
        page.open("tr", &[]).element("th", &[("scope", &"row")], "");
        for cell in &result.cells {
            page.element("td", &[("class", &"absent")], cell.absent.as_deref().unwrap_or(""));
        }
        page.close();
    }
    for group in groups(result) {
        page.open("tr", &[("class", &"group")]);
        page.element("th", &[("colspan", &columns), ("scope", &"rowgroup")], &group.name).close();
        for row in &group.rows {
            html_row(page, row, &result.cells);
        }
    }
    page.close().close().close();
}

/// A broker's name at the head of a column, with its colour.
pub fn head(page: &mut Markup, at: usize, name: &str) {
    page.open("th", &[("scope", &"col")]);
    let class = format!("chip {}", class_of(&Stroke::Broker(at)));
    page.element("span", &[("class", &class)], "").text(name).close();
}

fn html_row(page: &mut Markup, row: &Row, cells: &[Cell]) {
    let best = row.best(cells);
    page.open("tr", &[("data-figure", &row.figure)]);
    page.element("th", &[("scope", &"row")], &row.title());
    for (at, cell) in cells.iter().enumerate() {
        value(page, row, row.value(cell), best == Some(at));
    }
    page.close();
}

pub fn value(page: &mut Markup, row: &Row, spread: Option<&Spread>, best: bool) {
    let Some(spread) = spread else {
        page.element("td", &[("class", &"none")], "–");
        return;
    };
    let class = if best { "value best" } else { "value" };
    page.open("td", &[("class", &class), ("data-value", &spread.median)]);
    page.text(&row.unit.text(spread.median));
    if spread.highest > spread.lowest {
        let (low, high) = (row.unit.text(spread.lowest), row.unit.text(spread.highest));
        page.element("small", &[], &format!("{low} to {high}"));
    }
    page.close();
}
