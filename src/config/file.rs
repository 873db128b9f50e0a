//! `ringmain.toml`: flat quoted keys and nested tables are the same dotted name, so these three
//! say one thing:
//!
//! ```toml
//! "log.retention.ms" = 1000
//! log.retention.ms = 1000
//! [log.retention]
//! ms = 1000
//! ```

use toml::{Table, Value};

use super::{Invalid, Overrides};

/// The settings of a file, by dotted name, not yet checked.
pub fn parse(text: &str) -> Result<Overrides, Invalid> {
    let table: Table = text.parse().map_err(|fault: toml::de::Error| {
        Invalid::Syntax(fault.to_string().trim_end().to_owned())
    })?;
    let mut settings = Overrides::new();
    flatten("", &table, &mut settings)?;
    Ok(settings)
}

fn flatten(prefix: &str, table: &Table, settings: &mut Overrides) -> Result<(), Invalid> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        if let Value::Table(inner) = value {
            flatten(&name, inner, settings)?;
            continue;
        }
        let text = match value {
            Value::Array(items) => {
                let items: Result<Vec<String>, _> =
                    items.iter().map(|item| scalar(&name, item)).collect();
                items?.join(",")
            }
            _ => scalar(&name, value)?,
        };
        if settings.insert(name.clone(), text).is_some() {
            return Err(Invalid::Twice { key: name });
        }
    }
    Ok(())
}

fn scalar(name: &str, value: &Value) -> Result<String, Invalid> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(Invalid::Syntax(format!("{name}: expected a text, a number, a truth or a list")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_and_nested_keys_are_the_same() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let settings = parse(text).expect(text);
            let settings: Vec<_> =
                settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(settings, expect, "{text}");
        };
        check("", &[]);
        for text in ["\"a.b.c\" = 1", "a.b.c = 1", "[a.b]\nc = 1", "[a]\n\"b.c\" = 1"] {
            check(text, &[("a.b.c", "1")]);
        }
        check(
            "a = true\nb = [\"x\", \"y\"]\nc = 0.5",
            &[("a", "true"), ("b", "x,y"), ("c", "0.5")],
        );
    }

    #[test]
    fn what_cannot_be_a_setting_is_refused() {
        let check = |text: &str, expect: &str| {
            let fault = parse(text).expect_err(text).to_string();
            assert!(fault.contains(expect), "{fault}");
        };
        check("\"a.b\" = 1\n[a]\nb = 2", "a.b is given twice");
        check("a = 2020-01-01", "a: expected a text");
        check("a = [[1]]", "a: expected a text");
        check("a = ", "line 1");
    }
}
