//! The page: one file, readable offline, light and dark, without anything from elsewhere.

use super::markup::Markup;
use super::number::Unit;
use super::pictures::{Picture, pictures, slug};
use super::plot::{Stroke, class_of};
use super::rows::headline;
use super::table;
use crate::result::{Run, WorkloadResult};
use crate::workload::Workload;

const COLOURS: &str = include_str!("colours.css");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("pointer.js");

const READING: [&str; 6] = [
    "One broker is up at a time, and rounds take turns: A B A B, so that whatever else the machine does \
     meets all of them. A figure is the median of the rounds; small beside it stand the lowest and the \
     highest.",
    "Bold is what is ahead of all others in every round. Where the rounds of two overlap, nobody is.",
    "Latency counts from when a record was due, not from when the client got round to sending it. A \
     broker that stalls is charged for every record that was due meanwhile.",
    "CPU seconds are those of the broker's process with the kernel's workers for it. GB and MB are \
     powers of ten.",
    "A busy client measures itself: see the row of the client, and the warnings.",
    "The same durability for all within a workload. Where a broker cannot do the work or does not offer \
     that durability, its cell says so.",
];

pub fn page(run: &Run) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.open("html", &[("lang", &"en"), ("xmlns", &"http://www.w3.org/1999/xhtml")]);
    page.open("head", &[]).empty("meta", &[("charset", &"utf-8")]);
    page.empty(
        "meta",
        &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")],
    );
    page.element("title", &[], "Brokers side by side");
    page.open("style", &[]).raw(COLOURS).raw(STYLE).close().close();
    page.open("body", &[]).open("main", &[]);
    head(&mut page, run);
    overview(&mut page, run);
    for result in &run.workloads {
        section(&mut page, run, result);
    }
    ceilings(&mut page, run);
    foot(&mut page, run);
    page.close();
    page.open("script", &[]).raw("//<![CDATA[\n").raw(SCRIPT).raw("//]]>\n").close();
    page.close().close();
    page.finish()
}

fn head(page: &mut Markup, run: &Run) {
    let host = &run.host;
    page.element("h1", &[], "Brokers side by side");
    page.open("p", &[("class", &"facts")]);
    page.text(&format!("{} · {} · {} CPUs · ", run.date, host.cpu, host.cpus));
    page.text(&format!("{} · ", Unit::Bytes.text(host.memory_bytes as f64)));
    page.text(&format!("Linux {} · {} · {}", host.kernel, host.system, host.disk)).close();
    let cpus = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    page.open("p", &[("class", &"facts")]);
    page.text(&format!("Brokers on CPU {}, ", cpus(&host.broker_cpus)));
    page.text(&format!("clients on CPU {}. ", cpus(&host.client_cpus)));
    page.text(&format!(
        "Other processes used {} CPUs when it began. ",
        Unit::Plain.text(host.others_cpus)
    ));
    page.element("code", &[], &run.command.join(" ")).close();
    page.open("ul", &[("class", &"legend")]);
    for (at, broker) in run.brokers.iter().enumerate() {
        let class = format!("chip {}", class_of(&Stroke::Broker(at)));
        page.open("li", &[]).element("span", &[("class", &class)], "");
        page.text(&format!("{} {}", broker.name, broker.version)).close();
    }
    page.close();
}

/// One figure of each workload, that by which it is told in a line.
fn overview(page: &mut Markup, run: &Run) {
    page.element("h2", &[], "At a glance");
    page.open("div", &[("class", &"wide")]).open("table", &[("class", &"figures")]);
    page.open("thead", &[]).open("tr", &[]).element("th", &[], "").element("th", &[], "");
    for (at, broker) in run.brokers.iter().enumerate() {
        table::head(page, at, &broker.name);
    }
    page.close().close().open("tbody", &[]);
    for result in &run.workloads {
        page.open("tr", &[]).open("th", &[("scope", &"row")]);
        let anchor = format!("#{}", slug(&result.name));
        page.element("a", &[("href", &anchor)], &result.name).close();
        let row = headline(result);
        let title = row.as_ref().map(|row| row.title()).unwrap_or_default();
        page.element("td", &[("class", &"what")], &title);
        let best = row.as_ref().and_then(|row| row.best(&result.cells));
        for (at, cell) in result.cells.iter().enumerate() {
            match (&row, &cell.absent) {
                (_, Some(why)) => {
                    page.open("td", &[("class", &"absent")]).open("details", &[]);
                    page.element("summary", &[], "no").text(why).close().close();
                }
                (Some(row), None) => table::value(page, row, row.value(cell), best == Some(at)),
                (None, None) => {
                    page.element("td", &[("class", &"none")], "–");
                }
            }
        }
        page.close();
    }
    page.close().close().close();
    page.open("details", &[]).element("summary", &[], "How to read this").open("ul", &[]);
    for line in READING {
        page.element("li", &[], line);
    }
    page.close().close();
}

fn section(page: &mut Markup, run: &Run, result: &WorkloadResult) {
    page.open("section", &[("id", &slug(&result.name))]).element("h2", &[], &result.name);
    if !result.workload.about.is_empty() {
        page.element("p", &[], &result.workload.about);
    }
    page.element("p", &[("class", &"facts")], &described(&result.workload));
    warnings(page, result);
    let (small, wide): (Vec<Picture>, Vec<Picture>) =
        pictures(&run.host, result, None).into_iter().partition(|picture| picture.small);
    for (class, pictures) in [("plots", wide), ("plots small", small)] {
        if pictures.is_empty() {
            continue;
        }
        page.open("div", &[("class", &class)]);
        for picture in pictures {
            page.open("figure", &[]).raw(&picture.svg);
            page.element("figcaption", &[], &picture.caption).close();
        }
        page.close();
    }
    table::html(page, result);
    page.close();
}

fn warnings(page: &mut Markup, result: &WorkloadResult) {
    let all = || {
        result.cells.iter().flat_map(|cell| {
            let each = cell.rounds.iter().map(move |round| (cell, round));
            each.flat_map(|(cell, round)| {
                round.warnings.iter().map(move |text| (cell, round, text))
            })
        })
    };
    if all().next().is_none() {
        return;
    }
    page.open("ul", &[("class", &"warnings")]);
    for (cell, round, text) in all() {
        page.element("li", &[], &format!("{}, round {}: {text}", cell.broker, round.number + 1));
    }
    page.close();
}

/// The workload in a line, as its file has it.
pub fn described(workload: &Workload) -> String {
    let count = |count: u32, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let mut parts = vec![
        count(workload.topics, "topic"),
        format!("{} each", count(workload.partitions_per_topic, "partition")),
        format!("records of {} bytes", workload.message_size),
    ];
    if workload.producers() > 0 {
        let rate = match workload.producer_rate > 0.0 {
            true => format!("{} records/s", Unit::Rate.text(workload.producer_rate)),
            false => "as fast as answers come".into(),
        };
        parts.push(format!("{}, {rate}", count(workload.producers(), "producer")));
    }
    if workload.consumers() > 0 {
        let subscriptions = count(workload.subscriptions_per_topic, "subscription");
        let each = count(workload.consumer_per_subscription, "consumer");
        parts.push(format!("{subscriptions} of {each}"));
    }
    if workload.consumer_backlog_size_gb > 0.0 {
        parts.push(format!("a backlog of {} GB", workload.consumer_backlog_size_gb));
    }
    if let Some(durability) = workload.durability {
        parts.push(format!("acknowledged when {}", durability.name()));
    }
    parts.push(format!(
        "{} s after {} s of warm-up",
        workload.test_seconds(),
        workload.warmup_seconds()
    ));
    parts.join(" · ")
}

fn ceilings(page: &mut Markup, run: &Run) {
    if run.ceilings.is_empty() {
        return;
    }
    page.open("section", &[]).element("h2", &[], "What this host can do without a broker");
    page.open("div", &[("class", &"wide")]).open("table", &[("class", &"figures")]);
    page.open("thead", &[]).open("tr", &[]);
    for name in ["", "limit", "CPU seconds per GB", ""] {
        page.element("th", &[("scope", &"col")], name);
    }
    page.close().close().open("tbody", &[]);
    for ceiling in &run.ceilings {
        page.open("tr", &[]).element("th", &[("scope", &"row")], &ceiling.what);
        let value = format!("{} {}", Unit::Plain.text(ceiling.value), ceiling.unit);
        page.element("td", &[("class", &"value"), ("data-value", &ceiling.value)], &value);
        match ceiling.cpu_seconds_per_gb {
            Some(cost) => {
                let text = Unit::Plain.text(cost);
                page.element("td", &[("class", &"value"), ("data-value", &cost)], &text);
            }
            None => {
                page.element("td", &[("class", &"none")], "–");
            }
        }
        page.element("td", &[("class", &"what")], &ceiling.detail).close();
    }
    page.close().close().close().close();
}

fn foot(page: &mut Markup, run: &Run) {
    page.open("section", &[]).element("h2", &[], "Versions and settings");
    for (at, broker) in run.brokers.iter().enumerate() {
        page.open("h3", &[]);
        let class = format!("chip {}", class_of(&Stroke::Broker(at)));
        page.element("span", &[("class", &class)], "").text(&broker.name).close();
        let client = match broker.client.is_empty() {
            true => String::new(),
            false => format!(", client: {}", broker.client),
        };
        let version = format!("{}, driver: {}{client}. ", broker.version, broker.driver);
        page.open("p", &[]).text(&version).text(&broker.about).close();
        if !broker.command.is_empty() {
            page.open("p", &[]).element("code", &[], &broker.command.join(" ")).close();
        }
    }
    page.element("p", &[("class", &"facts")], &format!("ringmain-bench {}", run.version)).close();
}
