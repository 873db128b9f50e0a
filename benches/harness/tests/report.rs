//! The report shows what is in the result, all of it and nothing else, and is what it says it is.

#[path = "support/sample.rs"]
mod sample;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use ringmain_bench::report;
use ringmain_bench::result::{Latency, Run};
use roxmltree::{Document, Node, ParsingOptions};

fn sample_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sample.json")
}

/// The kept sample. `RINGMAIN_BENCH_WRITE_SAMPLE=1` makes it anew, after a change of the format.
fn kept() -> (Run, serde_json::Value) {
    if env::var_os("RINGMAIN_BENCH_WRITE_SAMPLE").is_some() {
        let text = serde_json::to_string(&sample::run()).expect("the sample is JSON");
        fs::write(sample_file(), text).expect("the sample is written");
    }
    let text = fs::read_to_string(sample_file()).expect("the sample is there");
    (serde_json::from_str(&text).expect("a result"), serde_json::from_str(&text).expect("JSON"))
}

fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).expect("well-formed")
}

fn named<'a>(of: &Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    of.descendants().filter(move |node| node.tag_name().name() == name)
}

fn classed(node: &Node, class: &str) -> bool {
    node.attribute("class").is_some_and(|classes| classes.split(' ').any(|each| each == class))
}

fn text_of(node: &Node) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// What a shown figure says, in the unit of the result.
fn value_of(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: f64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?}"));
    let factor = match unit {
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "%" => 0.01,
        _ => 1.0,
    };
    number * factor
}

fn numbers(value: &serde_json::Value, into: &mut Vec<f64>) {
    match value {
        serde_json::Value::Number(number) => into.extend(number.as_f64()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| numbers(value, into)),
        serde_json::Value::Object(map) => map.values().for_each(|value| numbers(value, into)),
        _ => {}
    }
}

#[test]
fn every_value_in_the_page_is_a_value_of_the_result() {
    let (run, json) = kept();
    let mut known = Vec::new();
    numbers(&json, &mut known);
    let page = report::page(&run);
    let page = parse(&page);
    let mut seen = 0;
    for cell in named(&page.root(), "td").filter(|cell| classed(cell, "value")) {
        let value: f64 = cell.attribute("data-value").unwrap().parse().unwrap();
        assert!(known.contains(&value), "{value} is not in the result");
        let mut shown = value_of(&text_of(&cell));
        let figure = cell.parent().and_then(|row| row.attribute("data-figure")).unwrap_or("");
        if figure.ends_with("_seconds") {
            // Held in seconds, shown like every time.
            shown /= 1e6;
        }
        let off = (shown - value).abs();
        assert!(off <= value.abs() * 0.006, "{figure}: {value} is shown as {}", text_of(&cell));
        seen += 1;
    }
    assert!(seen > 100, "{seen} values");
}

#[test]
fn every_median_of_the_result_is_in_the_page() {
    let (run, _) = kept();
    let page = report::page(&run);
    let page = parse(&page);
    for result in &run.workloads {
        let anchor = result.name.to_lowercase().replace(['/', ',', ' '], "-");
        let section = named(&page.root(), "section")
            .find(|section| section.attribute("id") == Some(anchor.as_str()))
            .unwrap_or_else(|| panic!("no section {anchor}"));
        let rows: BTreeMap<&str, Node> = named(&section, "tr")
            .filter_map(|row| Some((row.attribute("data-figure")?, row)))
            .collect();
        for (at, cell) in result.cells.iter().enumerate() {
            for (figure, spread) in &cell.summary {
                let row = rows.get(figure.as_str()).unwrap_or_else(|| panic!("no row {figure}"));
                let column = named(row, "td").nth(at).unwrap();
                assert_eq!(column.attribute("data-value"), Some(&*spread.median.to_string()));
            }
            if let Some(why) = &cell.absent {
                assert!(named(&section, "td").any(|td| text_of(&td) == *why), "{why}");
            }
        }
    }
}

/// An axis as the plot says it of itself: value from place.
struct Axis {
    kind: String,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn of(text: &str) -> Axis {
        let parts: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| parts[at].parse().unwrap();
        Axis {
            kind: parts[0].into(),
            low: number(1),
            high: number(2),
            from: number(4),
            to: number(5),
        }
    }

    fn along(&self, value: f64) -> f64 {
        match self.kind.as_str() {
            "log" => value.log10(),
            "nines" => -(1.0 - value).log10(),
            _ => value,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (self.along(value) - self.along(self.low))
            / (self.along(self.high) - self.along(self.low));
        self.from + part * (self.to - self.from)
    }
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The plots of a picture's file, by name.
fn pictures(run: &Run) -> BTreeMap<String, String> {
    report::svg_files(run).into_iter().collect()
}

fn lines(svg: &Document) -> (Axis, Axis, Vec<Line>) {
    let root = svg.root_element();
    let axis = |name| Axis::of(root.attribute(name).unwrap());
    let lines = named(&root, "polyline").filter(|line| classed(line, "line")).map(|line| {
        let point = |text: &str| {
            let (x, y) = text.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        };
        Line {
            name: line.attribute("data-name").unwrap().into(),
            points: line.attribute("points").unwrap().split(' ').map(point).collect(),
        }
    });
    (axis("data-x"), axis("data-y"), lines.collect())
}

/// The line's height at a place, between its points.
fn height(line: &Line, x: f64) -> f64 {
    let after = line.points.iter().position(|point| point.0 >= x).unwrap_or(line.points.len() - 1);
    let ((x0, y0), (x1, y1)) = (line.points[after.saturating_sub(1)], line.points[after]);
    if x1 == x0 { y1 } else { y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) }
}

#[test]
fn percentiles_lie_on_their_lines() {
    let (run, _) = kept();
    let pictures = pictures(&run);
    let svg = parse(&pictures["latency-at-20-000-s-percentiles-produce"]);
    let (x, y, lines) = lines(&svg);
    assert_eq!(lines.len(), 3);
    for (line, cell) in lines.iter().zip(&run.workloads[0].cells) {
        assert_eq!(line.name, cell.broker);
        let latency: &Latency = cell.latency.produce.as_ref().unwrap();
        let points = [
            (0.5, latency.p50_us),
            (0.9, latency.p90_us),
            (0.99, latency.p99_us),
            (0.999, latency.p999_us),
        ];
        for (quantile, micros) in points {
            let off = (height(line, x.place(quantile)) - y.place(micros)).abs();
            assert!(off < 6.0, "{}: {quantile} is {off} px off", line.name);
        }
        let last = line.points.last().unwrap();
        assert!((last.1 - y.place(latency.max_us)).abs() < 1.0, "the line ends at the maximum");
    }
}

#[test]
fn samples_lie_on_their_lines() {
    let (run, _) = kept();
    let pictures = pictures(&run);
    let svg = parse(&pictures["latency-at-20-000-s-over-time-produce"]);
    let (x, y, lines) = lines(&svg);
    for (line, cell) in lines.iter().zip(&run.workloads[0].cells) {
        let fits = cell.rounds.iter().any(|round| {
            line.points.len() == round.series.len()
                && round.series.iter().zip(&line.points).all(|(sample, point)| {
                    let p99 = sample.produce.unwrap().p99_us;
                    (point.0 - x.place(sample.at_seconds)).abs() < 0.2
                        && (point.1 - y.place(p99)).abs() < 0.2
                })
        });
        assert!(fits, "{} is no round of the result", line.name);
    }
}

#[test]
fn dots_say_what_they_show() {
    let (run, _) = kept();
    let pictures = pictures(&run);
    let svg = parse(&pictures["throughput-throughput-p99"]);
    let said: Vec<String> = named(&svg.root(), "title").map(|title| text_of(&title)).collect();
    let rounds = run.workloads[1].cells.iter().map(|cell| cell.rounds.len()).sum::<usize>();
    assert_eq!(said.len(), rounds);
    for cell in &run.workloads[1].cells {
        for round in &cell.rounds {
            let (start, p99) = (
                format!("{}, round {}: ", cell.broker, round.number + 1),
                round.latency.produce.as_ref().unwrap().p99_us,
            );
            let words = said.iter().find_map(|said| said.strip_prefix(&start)).unwrap();
            let (rate, time) = words.split_once(" MB/s at a p99 of ").unwrap();
            assert!((value_of(rate) / round.produced.mb_per_second - 1.0).abs() < 0.006);
            assert!((value_of(time) / p99 - 1.0).abs() < 0.006);
        }
    }
}

#[test]
fn pictures_stand_alone() {
    let (run, _) = kept();
    let pictures = pictures(&run);
    assert!(pictures.len() > 10, "{:?}", pictures.keys());
    for (name, text) in &pictures {
        let svg = parse(text);
        let style: String = named(&svg.root(), "style").map(|style| text_of(&style)).collect();
        assert!(style.contains("prefers-color-scheme:dark"), "{name} knows one light only");
        assert!(!text.contains("href"), "{name} needs something from elsewhere");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let (run, _) = kept();
    let page = report::page(&run);
    let document = parse(&page);
    for node in document.root().descendants() {
        for attribute in node.attributes() {
            let inside = attribute.name() != "href" || attribute.value().starts_with('#');
            assert!(inside && attribute.name() != "src", "{} leads outside", attribute.value());
        }
    }
    assert!(!page.contains("@import") && !page.contains("url("));
    // What a broker calls itself is text, not markup.
    assert!(named(&document.root(), "b").next().is_none());
}

#[test]
fn markdown_has_every_broker_and_workload() {
    let (run, _) = kept();
    let text = report::markdown(&run);
    for result in &run.workloads {
        assert!(text.contains(&format!("## {}", result.name)));
    }
    let tables: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(tables.iter().all(|line| bars(line) == run.brokers.len() + 2), "{tables:?}");
    assert!(text.contains("nothing here: it syncs by the clock"));
    assert!(text.contains("round 2: the client's thread 0"));
}
