//! All settings of one scope, by name.

use super::limits::CONFIG_VALUE_BYTES_MAX;
use super::nearest::nearest;
use super::{Invalid, Overrides, Property};

/// Sorted by name.
pub struct Table(Vec<Property>);

impl Table {
    pub(super) fn new(mut properties: Vec<Property>) -> Table {
        properties.sort_by_key(|property| property.name);
        let twice = properties.windows(2).find(|pair| pair[0].name == pair[1].name);
        assert!(twice.is_none(), "declared twice: {twice:?}");
        Table(properties)
    }

    pub fn get(&self, name: &str) -> Option<&Property> {
        let at = self.0.binary_search_by_key(&name, |property| property.name).ok()?;
        Some(&self.0[at])
    }

    /// The setting, or which one may have been meant.
    pub fn find(&self, name: &str) -> Result<&Property, Invalid> {
        self.get(name).ok_or_else(|| Invalid::UnknownKey {
            key: name.chars().take(100).collect(),
            nearest: nearest(name, self.0.iter().map(|property| property.name)),
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Property> {
        self.0.iter()
    }

    pub fn validate(&self, name: &str, value: &str) -> Result<(), Invalid> {
        let property = self.find(name)?;
        if value.len() > CONFIG_VALUE_BYTES_MAX {
            return Err(Invalid::TooLong { key: name.to_owned(), len: value.len() });
        }
        if property.kind.accepts(value) {
            return Ok(());
        }
        Err(Invalid::Value {
            key: name.to_owned(),
            value: value.to_owned(),
            expected: property.kind.to_string(),
        })
    }

    /// The first fault in order of names.
    pub fn validate_all(&self, overrides: &Overrides) -> Result<(), Invalid> {
        overrides.iter().try_for_each(|(name, value)| self.validate(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerConfig, BrokerSettings, Kind, TopicConfig, broker, topic};

    /// Texts at the edges of what a property accepts.
    fn edges(property: &Property) -> Vec<String> {
        match property.kind {
            Kind::Bool => vec!["true".into(), "FALSE".into()],
            Kind::Int(range) | Kind::Long(range) => {
                let edges = [Some(range.min), Some(range.max), range.also];
                edges.into_iter().flatten().map(|edge| format!(" {edge} ")).collect()
            }
            Kind::Double { min, max } => vec![min.to_string(), max.to_string()],
            Kind::OneOf(names) => names.iter().map(|&name| name.into()).collect(),
            Kind::ListOf(names) => vec!["".into(), names.join(" , ")],
            Kind::Text { .. } => Vec::new(),
        }
    }

    #[test]
    fn whatever_is_accepted_can_be_read() {
        let set = |name: &str, value: String| Overrides::from([(name.to_owned(), value)]);
        for property in topic::TABLE.iter() {
            assert!(property.default.as_deref().is_some_and(|text| property.kind.accepts(text)));
            for edge in edges(property) {
                topic::TABLE.validate(property.name, &edge).expect("an edge is inside");
                TopicConfig::resolve(&set(property.name, edge), &BrokerSettings::default());
            }
        }
        for property in broker::TABLE.iter() {
            assert!(property.default.as_deref().is_none_or(|text| property.kind.accepts(text)));
            for edge in edges(property) {
                broker::TABLE.validate(property.name, &edge).expect("an edge is inside");
                let fixed = set(property.name, edge);
                let settings = BrokerSettings { fixed, ..BrokerSettings::default() };
                BrokerConfig::resolve(&settings);
                TopicConfig::resolve(&Overrides::new(), &settings);
            }
        }
    }

    #[test]
    fn no_setting_is_the_table_of_another_in_the_file() {
        for (outer, inner) in broker::TABLE.iter().zip(broker::TABLE.iter().skip(1)) {
            let nested =
                inner.name.strip_prefix(outer.name).is_some_and(|rest| rest.starts_with('.'));
            assert!(!nested, "{} and {}", outer.name, inner.name);
        }
    }

    #[test]
    fn values_have_a_length() {
        let long = "x".repeat(CONFIG_VALUE_BYTES_MAX + 1);
        let fault = broker::TABLE.validate("log.dirs", &long);
        assert!(matches!(fault, Err(Invalid::TooLong { .. })), "{fault:?}");
    }
}
