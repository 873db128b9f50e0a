//! Horizontal bars, one for each broker: the median, and a whisker from the lowest round to the highest.

use super::markup::{Markup, Px};
use super::plot::{NAME_LETTERS, Size, Stroke, class_of, cut, line, open, words};
use super::rows::Row;
use super::scale::Scale;
use crate::result::{Cell, WorkloadResult};

const LEFT: f64 = 132.0;
const RIGHT: f64 = 86.0;
const TOP: f64 = 30.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const WIDTH: f64 = 480.0;
/// What is said of a broker without a bar is cut to what fits.
const WHY_LETTERS: usize = 46;

pub fn svg(result: &WorkloadResult, row: &Row, title: &str, style: Option<&str>) -> Option<String> {
    let spreads = || result.cells.iter().filter_map(|cell| row.value(cell));
    spreads().next()?;
    let scale = Scale::linear(spreads().map(|spread| spread.highest));
    let height = TOP + ROW * result.cells.len() as f64 + 6.0;
    let mut svg = Markup::default();
    open(&mut svg, Size { width: WIDTH, height, right: RIGHT }, title, None, style);
    words(&mut svg, "title", (0.0, 15.0), title);
    for (at, cell) in result.cells.iter().enumerate() {
        let middle = TOP + ROW * (at as f64 + 0.5);
        svg.open("g", &[("class", &class_of(&Stroke::Broker(at)))]);
        words(&mut svg, "name end", (LEFT - 8.0, middle + 4.0), &cut(&cell.broker, NAME_LETTERS));
        draw(&mut svg, row, cell, &scale, middle);
        svg.close();
    }
    line(&mut svg, "axis", (LEFT, TOP), (LEFT, height - 6.0));
    svg.close();
    Some(svg.finish())
}

fn draw(svg: &mut Markup, row: &Row, cell: &Cell, scale: &Scale, middle: f64) {
    let across = |value: f64| LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT);
    let Some(spread) = row.value(cell) else {
        let why = cell.absent.as_deref().unwrap_or("not measured");
        words(svg, "tick", (LEFT + 8.0, middle + 4.0), &cut(why, WHY_LETTERS));
        return;
    };
    let end = across(spread.median);
    let text = row.unit.text(spread.median);
    let (low, high) = (row.unit.text(spread.lowest), row.unit.text(spread.highest));
    svg.open("path", &[("class", &"bar"), ("d", &shape(LEFT, middle, end - LEFT))]);
    svg.element("title", &[], &format!("{}: {text} ({low} to {high})", cell.broker)).close();
    let mut text_from = end;
    if spread.highest > spread.lowest {
        let (from, to) = (across(spread.lowest), across(spread.highest));
        line(svg, "whisker", (from, middle), (to, middle));
        line(svg, "whisker", (from, middle - 4.0), (from, middle + 4.0));
        line(svg, "whisker", (to, middle - 4.0), (to, middle + 4.0));
        text_from = to;
    }
    words(svg, "value", (text_from + 8.0, middle + 4.0), &text);
}

/// Square where it stands, round at its end.
fn shape(left: f64, middle: f64, width: f64) -> String {
    let round = 4f64.min(width);
    format!(
        "M{},{} h{} a{r},{r} 0 0 1 {r},{r} v{} a{r},{r} 0 0 1 -{r},{r} h-{} z",
        Px(left),
        Px(middle - BAR / 2.0),
        Px(width - round),
        Px(BAR - 2.0 * round),
        Px(width - round),
        r = Px(round),
    )
}
