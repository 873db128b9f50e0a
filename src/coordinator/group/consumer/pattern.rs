//! Topics that members subscribe to by a pattern (RE2's syntax in Kafka). The broker matches all patterns of
//! a group at once, beside the heartbeat that asks for it, and no more often than it has to: when one
//! is new, when topics have come, or when it was long ago.

use std::collections::BTreeSet;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use super::member::Member;
use super::names::By;
use super::plan::{Plan, Refusal, Soft};
use super::{Consumer, record};
use crate::config::limits::{PATTERN_PROGRAM_BYTES_MAX, PATTERNS_PER_GROUP_MAX};
use crate::coordinator::group::turn::Turn;
use crate::model::ErrorCode;

/// Milliseconds between two times that patterns are matched, at least (Kafka:
/// REGEX_BATCH_REFRESH_MIN_INTERVAL_MS).
const PAUSE_MS: i64 = 10_000;

/// What RE2 takes for a count of repetitions.
const REPEATS_MAX: u64 = 1000;

/// What a pattern means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub topics: Rc<BTreeSet<Rc<str>>>,
    /// Of the view that it was matched with, and when.
    pub version: i64,
    pub unix_ms: i64,
}

/// What a heartbeat has done to a member's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patterns {
    Same,
    Changed,
    /// What it means now is known.
    ChangedAndMatched,
}

impl Consumer {
    /// Kafka: GroupMetadataManager.maybeUpdateRegularExpressions.
    pub(super) fn look_at_patterns(
        &self,
        before: &Member,
        updated: &Member,
        turn: &Turn<'_>,
        plan: &mut Plan,
    ) -> Result<Patterns, Refusal> {
        let (old, new) = (&before.pattern, &updated.pattern);
        let (mut found, mut is_new) = (Patterns::Same, false);
        if old != new {
            found = Patterns::Changed;
            if !old.is_empty() && self.names.subscribers(old) == 1 {
                plan.records.push(record::pattern_gone(&self.id, old));
            }
            if new.is_empty() || self.resolved.contains_key(new) {
                found = Patterns::ChangedAndMatched;
            }
            if !new.is_empty() && self.names.subscribers(new) == 0 {
                found = Patterns::Changed;
                if self.names.patterns().count() >= PATTERNS_PER_GROUP_MAX {
                    let message = "The group subscribes by too many patterns.";
                    return Err(Refusal::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message));
                }
                compile(new)?;
                is_new = true;
            }
        }
        if !is_new && self.names.patterns().next().is_none() || self.is_resolving {
            return Ok(found);
        }
        let now_ms = turn.now.unix_ms;
        let last = self.resolved.values().next();
        if last.is_some_and(|last| now_ms <= last.unix_ms.saturating_add(PAUSE_MS)) {
            return Ok(found);
        }
        let mut patterns: BTreeSet<&Rc<str>> = self.names.patterns().collect();
        if old != new && self.names.subscribers(old) == 1 {
            patterns.remove(old);
        }
        if !new.is_empty() {
            patterns.insert(new);
        }
        let longest_ms = i64::from(turn.config().group_consumer_regex_refresh_interval_ms);
        let is_old = last.is_none_or(|last| {
            last.version < turn.newest_topics as i64
                || now_ms > last.unix_ms.saturating_add(longest_ms)
        });
        if !patterns.is_empty() && (is_new || is_old || patterns.len() != self.resolved.len()) {
            plan.soft.push(Soft::Resolve);
        }
        Ok(found)
    }

    /// Matches all patterns with all topics.
    pub fn resolve(&self, turn: &mut Turn<'_>) -> Plan {
        let view = turn.rules.view.clone();
        let mut plan = Plan::default();
        let (mut names, mut shares) = (self.names.clone(), false);
        for pattern in self.names.patterns() {
            // One that cannot be read was written by a broker that could.
            let Ok(regex) = compile(pattern) else { continue };
            let matched = view.names().filter(|name| regex.is_match(name));
            let topics: BTreeSet<Rc<str>> = matched.map(Rc::from).collect();
            let known = self.resolved.get(pattern).map(|known| known.topics.clone());
            let known = known.unwrap_or_default();
            if *known != topics {
                shares = true;
                known.iter().for_each(|name| names.remove(name, By::Pattern));
                topics.iter().for_each(|name| names.add(name, By::Pattern));
            }
            let (version, unix_ms) = (view.version() as i64, turn.now.unix_ms);
            let resolved = Resolved { topics: Rc::new(topics), version, unix_ms };
            plan.records.push(record::pattern(&self.id, pattern, &resolved));
        }
        let hash = turn.hashes.of_group(names.iter(), &*view);
        if shares || hash != self.hash {
            plan.records.push(record::epoch(&self.id, self.epoch + 1, hash));
            plan.soft.push(Soft::Checked);
        }
        plan
    }
}

/// Of the whole name, as Kafka takes it.
fn compile(pattern: &str) -> Result<Regex, Refusal> {
    let invalid = |reason: &str| {
        let message = format!(
            "SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}."
        );
        Refusal::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
    };
    if repeats_too_often(pattern) {
        return Err(invalid("invalid repeat count"));
    }
    let whole = format!("^(?:{})$", quoted(pattern));
    RegexBuilder::new(&whole).size_limit(PATTERN_PROGRAM_BYTES_MAX).build().map_err(|error| {
        // The last line says what is wrong; those above show where.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        invalid(reason.strip_prefix("error: ").unwrap_or(reason))
    })
}

/// Whether something is to be repeated more often than RE2 takes.
fn repeats_too_often(pattern: &str) -> bool {
    let (mut escaped, mut in_class) = (false, false);
    pattern.char_indices().any(|(at, c)| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match c {
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '{' if !in_class => {
                let counts = pattern[at + 1..].split_once('}').map_or("", |(counts, _)| counts);
                return counts.split(',').any(|n| n.parse().is_ok_and(|n: u64| n > REPEATS_MAX));
            }
            _ => {}
        }
        false
    })
}

/// RE2 takes what stands between `\Q` and `\E` literally, which the crate does not know.
fn quoted(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        if let Some(literal) = escape.strip_prefix("\\Q") {
            let (literal, after) = literal.split_once("\\E").unwrap_or((literal, ""));
            text.push_str(&regex::escape(literal));
            rest = after;
        } else {
            let next = escape.chars().nth(1).map_or(1, |next| 1 + next.len_utf8());
            text.push_str(&escape[..next]);
            rest = &escape[next..];
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn a_pattern_stands_for_the_whole_name() {
        let check = |pattern: &str, name: &str, expect: bool| {
            let found = compile(pattern).is_ok_and(|regex| regex.is_match(name));
            assert_eq!(found, expect, "{pattern} {name}");
        };
        check("a.*", "ab", true);
        check("a.*", "ba", false);
        check("a|b", "ab", false);
        check(r"\Qa.b\E.", "a.bc", true);
        check(r"\Qa.b\E.", "aXbc", false);
        check(r"\\Qa", r"\Qa", true);
        check(r"\d+", "12", true);
        check(r"\Qa", "a", true);
        check("(", "(", false);
        check("^a$", "a", true);
        check("a{3}", "aaa", true);
        check("a{1001}", "a", false);
        check(r"\{1001}", "{1001}", true);
        let refusal = compile("[a").unwrap_err();
        let message = "SubscribedTopicRegex `[a` is not a valid regular expression: unclosed \
                       character class.";
        assert_eq!(refusal.message, message);
    }
}
