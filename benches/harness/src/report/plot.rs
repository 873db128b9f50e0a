//! One plot: a frame with two axes, and lines or dots of the brokers in it, as SVG.

use super::markup::{Markup, Px};
use super::number::Unit;
use super::scale::{Kind, Scale};

pub struct Axis {
    pub scale: Scale,
    pub unit: Unit,
    pub title: String,
}

/// How a series is drawn; the style sheet knows the colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// A broker's own, by its place in the run.
    Broker(usize),
    /// Something of the host.
    Plain,
    Muted,
}

#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub stroke: Stroke,
    pub line: Vec<(f64, f64)>,
    /// Other rounds of the same, in the background.
    pub faint: Vec<Vec<(f64, f64)>>,
    /// Each with what to say of it.
    pub dots: Vec<(f64, f64, String)>,
}

pub struct Plot {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub size: Size,
}

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub width: f64,
    pub height: f64,
    /// Room for names at the right end.
    pub right: f64,
}

impl Size {
    pub const WIDE: Size = Size { width: 720.0, height: 360.0, right: 140.0 };
    pub const SMALL: Size = Size { width: 480.0, height: 250.0, right: 84.0 };
}

const LEFT: f64 = 62.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
/// Names closer than this are moved apart.
const NAME_HEIGHT: f64 = 15.0;
/// Of a name that stands beside a line or a bar; the tables have it whole.
pub const NAME_LETTERS: usize = 18;
/// About the width of a letter of a tick's name.
const LETTER: f64 = 6.2;

/// A broker's colour; beyond eight, colours come again with another dash.
pub fn class_of(stroke: &Stroke) -> String {
    match stroke {
        Stroke::Broker(slot) if *slot < 8 => format!("s{slot}"),
        Stroke::Broker(slot) => format!("s{} again", slot % 8),
        Stroke::Plain => "plain".into(),
        Stroke::Muted => "muted".into(),
    }
}

impl Plot {
    /// Without lines and dots there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.line.is_empty() && series.dots.is_empty())
    }

    pub fn svg(&self, style: Option<&str>) -> String {
        let mut svg = Markup::default();
        open(&mut svg, self.size, &self.title, Some((&self.x, &self.y)), style);
        words(&mut svg, "title", (0.0, 15.0), &self.title);
        self.draw_y(&mut svg);
        self.draw_x(&mut svg);
        for series in &self.series {
            self.draw_series(&mut svg, series);
        }
        self.draw_names(&mut svg);
        svg.close();
        svg.finish()
    }

    fn right(&self) -> f64 {
        self.size.width - self.size.right
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let across = LEFT + self.x.scale.at(x) * (self.right() - LEFT);
        let down = self.bottom() - self.y.scale.at(y) * (self.bottom() - TOP);
        (across, down)
    }

    fn draw_y(&self, svg: &mut Markup) {
        let scale = &self.y.scale;
        for tick in scale.ticks() {
            let y = self.place((self.x.scale.low, tick)).1;
            let class = if tick == scale.low { "axis" } else { "grid" };
            line(svg, class, (LEFT, y), (self.right(), y));
            let name = scale.name(tick, self.y.unit);
            words(svg, "tick end", (LEFT - 8.0, y + 4.0), &name);
        }
        if !self.y.title.is_empty() {
            words(svg, "tick", (0.0, 30.0), &self.y.title);
        }
    }

    fn draw_x(&self, svg: &mut Markup) {
        let scale = &self.x.scale;
        let mut free_from = f64::NEG_INFINITY;
        for tick in scale.ticks() {
            let x = self.place((tick, self.y.scale.low)).0;
            if scale.kind != Kind::Linear {
                line(svg, "grid", (x, TOP), (x, self.bottom()));
            }
            let name = scale.name(tick, self.x.unit);
            let half = name.chars().count() as f64 * LETTER / 2.0;
            if x - half < free_from {
                continue;
            }
            free_from = x + half + LETTER;
            words(svg, "tick middle", (x, self.bottom() + 17.0), &name);
        }
        line(svg, "axis", (LEFT, self.bottom()), (self.right(), self.bottom()));
        words(svg, "tick end", (self.right(), self.size.height - 8.0), &self.x.title);
    }

    fn draw_series(&self, svg: &mut Markup, series: &Series) {
        let class = class_of(&series.stroke);
        svg.open("g", &[("class", &class)]);
        for faint in series.faint.iter().filter(|line| line.len() > 1) {
            svg.empty("polyline", &[("class", &"faint"), ("points", &self.points(faint))]);
        }
        if series.line.len() > 1 {
            let points = self.points(&series.line);
            let name = &series.name;
            svg.empty("polyline", &[("class", &"line"), ("data-name", name), ("points", &points)]);
        }
        for (x, y, title) in &series.dots {
            let (x, y) = self.place((*x, *y));
            svg.open("circle", &[("class", &"dot"), ("cx", &Px(x)), ("cy", &Px(y)), ("r", &4.5)]);
            svg.element("title", &[], title).close();
        }
        svg.close();
    }

    fn points(&self, line: &[(f64, f64)]) -> String {
        let place = |point: &(f64, f64)| {
            let (x, y) = self.place(*point);
            format!("{},{}", Px(x), Px(y))
        };
        line.iter().map(place).collect::<Vec<_>>().join(" ")
    }

    /// Names stand where their lines end, moved apart where they would cover each other.
    fn draw_names(&self, svg: &mut Markup) {
        let end = |series: &Series| {
            let last = series.line.last().copied();
            let last = last.or_else(|| series.dots.last().map(|&(x, y, _)| (x, y)))?;
            Some(self.place(last))
        };
        let mut ends: Vec<((f64, f64), &Series)> =
            self.series.iter().filter_map(|series| Some((end(series)?, series))).collect();
        ends.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let wanted: Vec<f64> = ends.iter().map(|((_, y), _)| *y).collect();
        let places = apart(&wanted, TOP, self.bottom());
        for (((x, y), series), place) in ends.into_iter().zip(places) {
            let class = class_of(&series.stroke);
            let from = self.right() + 4.0;
            svg.open("g", &[("class", &class)]);
            let points = format!(
                "{},{} {},{} {},{}",
                Px(x.max(self.right())),
                Px(y),
                Px(from + 6.0),
                Px(place),
                Px(from + 14.0),
                Px(place)
            );
            // A dot is not at the end: there the name's own line shows its colour alone.
            let points = match series.line.is_empty() {
                true => format!("{},{} {},{}", Px(from), Px(place), Px(from + 14.0), Px(place)),
                false => points,
            };
            svg.empty("polyline", &[("class", &"leader"), ("points", &points)]);
            words(svg, "name", (from + 18.0, place + 4.0), &cut(&series.name, NAME_LETTERS));
            svg.close();
        }
    }
}

/// The outermost element. `axes` are for the script that shows what is under the pointer.
pub fn open(
    svg: &mut Markup,
    size: Size,
    title: &str,
    axes: Option<(&Axis, &Axis)>,
    style: Option<&str>,
) {
    let view = format!("0 0 {} {}", Px(size.width), Px(size.height));
    let xmlns = "http://www.w3.org/2000/svg";
    let (mut x, mut y) = (String::new(), String::new());
    if let Some(axes) = axes {
        x = described(axes.0, LEFT, size.width - size.right);
        y = described(axes.1, size.height - BOTTOM, TOP);
    }
    svg.open(
        "svg",
        &[
            ("xmlns", &xmlns),
            ("class", &"plot"),
            ("viewBox", &view),
            ("role", &"img"),
            ("aria-label", &title),
            ("data-x", &x),
            ("data-y", &y),
        ],
    );
    if let Some(style) = style {
        svg.element("style", &[], style);
        svg.empty("rect", &[("class", &"ground"), ("width", &"100%"), ("height", &"100%")]);
    }
}

/// Kind, bounds, unit, and where in the picture the bounds lie.
fn described(axis: &Axis, from: f64, to: f64) -> String {
    let Scale { kind, low, high } = axis.scale;
    let kind = match kind {
        Kind::Linear => "linear",
        Kind::Log => "log",
        Kind::Nines => "nines",
    };
    format!("{kind} {low} {high} {} {} {}", axis.unit.name(), Px(from), Px(to))
}

pub fn line(svg: &mut Markup, class: &str, from: (f64, f64), to: (f64, f64)) {
    svg.empty(
        "line",
        &[
            ("class", &class),
            ("x1", &Px(from.0)),
            ("y1", &Px(from.1)),
            ("x2", &Px(to.0)),
            ("y2", &Px(to.1)),
        ],
    );
}

pub fn words(svg: &mut Markup, class: &str, at: (f64, f64), text: &str) {
    svg.element("text", &[("class", &class), ("x", &Px(at.0)), ("y", &Px(at.1))], text);
}

/// As many letters as there is room for.
pub fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Places in ascending order at least `NAME_HEIGHT` apart and within bounds, near the wanted ones.
fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + NAME_HEIGHT);
    }
    let mut limit = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - NAME_HEIGHT;
    }
    // More names than room: they run on below.
    let mut least = top;
    for place in &mut places {
        *place = place.max(least);
        least = *place + NAME_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_cover_each_other() {
        assert_eq!(apart(&[50.0, 52.0, 200.0], 40.0, 210.0), [50.0, 65.0, 200.0]);
        assert_eq!(apart(&[200.0, 208.0, 209.0], 40.0, 210.0), [180.0, 195.0, 210.0]);
        assert_eq!(apart(&[40.0, 40.0, 40.0], 40.0, 60.0), [40.0, 55.0, 70.0]);
        assert!(apart(&[], 40.0, 60.0).is_empty());
    }

    #[test]
    fn a_value_stands_where_its_axes_say() {
        let axis = |scale| Axis { scale, unit: Unit::Plain, title: String::new() };
        let plot = Plot {
            title: "t".into(),
            x: axis(Scale { kind: Kind::Linear, low: 0.0, high: 10.0 }),
            y: axis(Scale { kind: Kind::Log, low: 1.0, high: 100.0 }),
            series: Vec::new(),
            size: Size::WIDE,
        };
        let (x, y) = plot.place((5.0, 10.0));
        assert_eq!((x, y), ((LEFT + 720.0 - 140.0) / 2.0, (TOP + 360.0 - BOTTOM) / 2.0));
        assert!(plot.is_empty());
    }
}
