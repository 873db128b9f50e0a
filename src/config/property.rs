//! The notation in which settings are declared, and what one declaration says.

use std::borrow::Cow;
use std::fmt;

/// When a change of the setting is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Online,
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whole numbers from `min` to `max`, and one outside of them that has a meaning of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub min: i64,
    pub max: i64,
    pub also: Option<i64>,
}

impl Range {
    pub fn contains(&self, value: i64) -> bool {
        (self.min..=self.max).contains(&value) || self.also == Some(value)
    }
}

/// The shape of a setting's text. Surrounding blanks are forgiven, as Kafka forgives them.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool,
    Int(Range),
    Long(Range),
    Double {
        min: f64,
        max: f64,
    },
    OneOf(&'static [&'static str]),
    /// Names separated by commas; an empty slice allows any name.
    ListOf(&'static [&'static str]),
    Text {
        valid: fn(&str) -> bool,
        expected: &'static str,
    },
}

impl Kind {
    pub const fn int(min: i32, max: i32) -> Kind {
        Kind::Int(Range { min: min as i64, max: max as i64, also: None })
    }

    pub const fn int_or(also: i32, min: i32, max: i32) -> Kind {
        Kind::Int(Range { min: min as i64, max: max as i64, also: Some(also as i64) })
    }

    pub const fn int_from(min: i32) -> Kind {
        Kind::int(min, i32::MAX)
    }

    pub const fn long_from(min: i64) -> Kind {
        Kind::Long(Range { min, max: i64::MAX, also: None })
    }

    pub const fn long(min: i64, max: i64) -> Kind {
        Kind::Long(Range { min, max, also: None })
    }

    pub const fn text() -> Kind {
        Kind::Text { valid: |_| true, expected: "text" }
    }

    pub fn accepts(&self, text: &str) -> bool {
        let text = text.trim();
        match *self {
            Kind::Bool => ["true", "false"].iter().any(|name| name.eq_ignore_ascii_case(text)),
            Kind::Int(range) => {
                text.parse::<i32>().is_ok_and(|value| range.contains(i64::from(value)))
            }
            Kind::Long(range) => text.parse::<i64>().is_ok_and(|value| range.contains(value)),
            Kind::Double { min, max } => {
                text.parse::<f64>().is_ok_and(|value| (min..=max).contains(&value))
            }
            Kind::OneOf(names) => names.contains(&text),
            Kind::ListOf(names) => {
                let known = |item: &str| names.is_empty() || names.contains(&item);
                items(text).iter().all(|item| !item.is_empty() && known(item))
            }
            Kind::Text { valid, .. } => valid(text),
        }
    }

    /// Kafka's code of the type in a DescribeConfigs answer.
    pub fn type_code(&self) -> i8 {
        match self {
            Kind::Bool => 1,
            Kind::OneOf(_) | Kind::Text { .. } => 2,
            Kind::Int(_) => 3,
            Kind::Long(_) => 5,
            Kind::Double { .. } => 6,
            Kind::ListOf(_) => 7,
        }
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Kind::Bool => "boolean",
            Kind::OneOf(_) | Kind::Text { .. } => "string",
            Kind::Int(_) => "int",
            Kind::Long(_) => "long",
            Kind::Double { .. } => "double",
            Kind::ListOf(_) => "list",
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self, Kind::ListOf(_))
    }
}

/// What is accepted, to stand after "must be".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::Bool => f.write_str("true or false"),
            Kind::Int(range) => range.describe(f, i64::from(i32::MIN), i64::from(i32::MAX)),
            Kind::Long(range) => range.describe(f, i64::MIN, i64::MAX),
            Kind::Double { min, max: f64::MAX } => write!(f, "a number from {min}"),
            Kind::Double { min, max } => write!(f, "a number from {min} to {max}"),
            Kind::OneOf(names) => write!(f, "one of {}", names.join(", ")),
            Kind::ListOf([]) => f.write_str("names separated by commas"),
            Kind::ListOf(names) => write!(f, "any of {}, separated by commas", names.join(", ")),
            Kind::Text { expected, .. } => f.write_str(expected),
        }
    }
}

impl Range {
    /// Bounds that the type has anyway are not told.
    fn describe(&self, f: &mut fmt::Formatter<'_>, lowest: i64, highest: i64) -> fmt::Result {
        if let Some(also) = self.also {
            write!(f, "{also} or ")?;
        }
        match (self.min == lowest, self.max == highest) {
            (true, true) => f.write_str("a whole number"),
            (false, true) => write!(f, "a whole number from {}", self.min),
            (true, false) => write!(f, "a whole number up to {}", self.max),
            (false, false) => write!(f, "a whole number from {} to {}", self.min, self.max),
        }
    }
}

/// The items of a list setting's text.
pub(super) fn items(text: &str) -> Vec<&str> {
    match text.trim() {
        "" => Vec::new(),
        text => text.split(',').map(str::trim).collect(),
    }
}

/// A broker setting that stands in when the topic says nothing, counted in `unit` times the
/// topic setting's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    pub name: &'static str,
    pub unit: i64,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    /// `None`: nothing is set unless somebody sets it.
    pub default: Option<Cow<'static, str>>,
    pub effect: Effect,
    pub importance: Importance,
    /// First wins.
    pub fallbacks: &'static [Fallback],
    pub doc: Cow<'static, str>,
}

/// Declares settings, and a struct with a field for each that the broker itself reads:
///
/// ```text
/// properties! {
///     pub struct NameConfig;
///     fn table_name;
///     read {
///         /// The setting's documentation.
///         "kafka.name" as field: Type, KIND => "default", Online, Medium
///             [, from ["broker.setting" [* unit], ...]];
///     }
///     accepted {
///         /// For settings that tools may set and nothing reads: the same, `"kafka.name": KIND ...`.
///     }
/// }
/// ```
///
/// Without `=> "default"` a setting is unset, and its type is an `Option`.
macro_rules! properties {
    (
        $(#[$meta:meta])*
        pub struct $config:ident;
        fn $table:ident;
        read { $(
            $(#[doc = $doc:literal])+
            $name:literal as $field:ident: $type:ty, $kind:expr $(=> $default:literal)?,
                $effect:ident, $importance:ident
                $(, from [$($fallback:literal $(* $unit:literal)?),+])?;
        )* }
        accepted { $(
            $(#[doc = $doc_accepted:literal])+
            $name_accepted:literal: $kind_accepted:expr $(=> $default_accepted:literal)?,
                $effect_accepted:ident, $importance_accepted:ident
                $(, from [$($fallback_accepted:literal),+])?;
        )* }
    ) => {
        $(#[$meta])*
        pub struct $config { $(
            $(#[doc = $doc])+
            pub $field: $type,
        )* }

        impl $config {
            /// Reads every field through `get`, which yields validated text.
            fn read_with(get: impl Fn(&'static str) -> Option<String>) -> $config {
                $config { $(
                    $field: $crate::config::value::read($name, get($name).as_deref()),
                )* }
            }
        }

        fn $table() -> Vec<$crate::config::Property> {
            use $crate::config::{Effect, Importance, Property};
            vec![
                $( Property {
                    name: $name,
                    kind: $kind,
                    default: None $(.or(Some($default.into())))?,
                    effect: Effect::$effect,
                    importance: Importance::$importance,
                    fallbacks: &[$($($crate::config::Fallback { name: $fallback, unit: 1 $(* $unit)? }),+)?],
                    doc: concat!($($doc),+).trim().into(),
                }, )*
                $( Property {
                    name: $name_accepted,
                    kind: $kind_accepted,
                    default: None $(.or(Some($default_accepted.into())))?,
                    effect: Effect::$effect_accepted,
                    importance: Importance::$importance_accepted,
                    fallbacks: &[$($($crate::config::Fallback { name: $fallback_accepted, unit: 1 }),+)?],
                    doc: concat!($($doc_accepted),+).trim().into(),
                }, )*
            ]
        }
    };
}

pub(super) use properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_accept_what_they_say() {
        let check = |kind: Kind, expected: &str, good: &[&str], bad: &[&str]| {
            assert_eq!(kind.to_string(), expected);
            for text in good {
                assert!(kind.accepts(text), "{expected}: {text}");
            }
            for text in bad {
                assert!(!kind.accepts(text), "{expected}: {text}");
            }
        };
        check(Kind::Bool, "true or false", &["true", " FALSE "], &["", "yes", "1"]);
        let port = Kind::int(1, 10);
        check(port, "a whole number from 1 to 10", &["1", " 10 "], &["0", "11", "1.0", "", "x"]);
        let level = Kind::int_or(-1, 1, 9);
        check(level, "-1 or a whole number from 1 to 9", &["-1", "9"], &["0", "-2"]);
        let int = Kind::int_from(i32::MIN);
        check(int, "a whole number", &["2147483647"], &["2147483648"]);
        let long = Kind::long_from(-1);
        let max = i64::MAX.to_string();
        check(long, "a whole number from -1", &["-1", &max], &["-2", "9223372036854775808"]);
        let ratio = Kind::Double { min: 0.0, max: 1.0 };
        check(ratio, "a number from 0 to 1", &["0", "0.5", "1e-3"], &["1.1", "NaN", "inf", ""]);
        check(Kind::OneOf(&["a", "b"]), "one of a, b", &["a"], &["", "A", "a,b"]);
        let list = Kind::ListOf(&["a", "b"]);
        check(list, "any of a, b, separated by commas", &["", "a", "b, a", "a,a"], &["c", "a,"]);
        let any = Kind::ListOf(&[]);
        check(any, "names separated by commas", &["0:101,1:102"], &[",", "x,,y"]);
    }
}
