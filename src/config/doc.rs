//! `docs/config.md`, written from the declarations. A test keeps the file fresh.

use std::fmt::Write;

use super::{Effect, Importance, Property, broker, group, topic};

/// The whole page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Written from the declarations in `src/config` by `UPDATE_DOCS=1 cargo test --test tidy`; \
         a test fails when this page is stale.\n\n\
         A broker reads `ringmain.toml`, where flat quoted keys and nested tables are the same \
         dotted name, and `--set key=value`, which stands over the file. Settings that work \
         *online* can also be changed with Kafka's tools while the broker runs; on a broker such a \
         change holds for the whole host, whichever of its lanes was named. From strongest to \
         weakest: the topic's own, online for this broker, online for all brokers, flags, file, \
         default.\n\n\
         Unknown names and values out of range are refused at the start, never ignored.\n\n\
         ## Topics\n",
    );
    for property in topic::TABLE.iter() {
        entry(&mut page, property);
    }
    page.push_str(
        "\n## Consumer groups\n\n\
         Of single groups of the new protocol (`kafka-configs.sh --entity-type groups`). All work \
         online.\n",
    );
    for property in group::TABLE.iter() {
        entry(&mut page, property);
    }
    page.push_str("\n## Brokers\n");
    let (defaults, own): (Vec<_>, Vec<_>) =
        broker::TABLE.iter().partition(|property| is_topic_default(property));
    for property in own {
        entry(&mut page, property);
    }
    page.push_str(
        "\n## Brokers: defaults of topic settings\n\n\
         What holds for topics that do not set it themselves. Where a topic setting has several of \
         these, the first one that is set counts, in the order given there. All work online.\n\n\
         | setting | default | must be | for topics' |\n|---|---|---|---|\n",
    );
    for property in defaults {
        let topics: Vec<String> = topic::TABLE
            .iter()
            .filter(|topic| topic.fallbacks.iter().any(|fallback| fallback.name == property.name))
            .map(|topic| format!("`{}`", topic.name))
            .collect();
        let (name, default, kind) = (property.name, default(property), property.kind);
        writeln!(page, "| `{name}` | {default} | {kind} | {} |", topics.join(", "))
            .expect("a String takes everything");
    }
    page
}

fn is_topic_default(property: &Property) -> bool {
    topic::TABLE.iter().flat_map(|topic| topic.fallbacks).any(|one| one.name == property.name)
}

fn default(property: &Property) -> String {
    match property.default.as_deref() {
        None => "not set".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    }
}

fn entry(page: &mut String, property: &Property) {
    let effect = match property.effect {
        Effect::Online => "online",
        Effect::Restart => "at the next start",
    };
    let importance = match property.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    };
    write!(
        page,
        "\n### {}\n\n{}\n\n- {}: {}\n- default: {}\n- takes effect: {effect}\n- importance: \
         {importance}\n",
        property.name,
        property.doc,
        property.kind.type_name(),
        property.kind,
        default(property),
    )
    .expect("a String takes everything");
    let fallbacks: Vec<String> =
        property.fallbacks.iter().map(|fallback| format!("`{}`", fallback.name)).collect();
    if !fallbacks.is_empty() {
        writeln!(page, "- the broker's: {}", fallbacks.join(", then "))
            .expect("a String takes everything");
    }
}
