//! What the house rules ask for and the compiler does not hold, and pages that must stay fresh.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Rooms of rules, which decide and never perform, and what they must not name for that.
const PURE: [&str; 5] = ["security", "quota", "replica", "cluster", "coordinator"];
const IMPURE: [&str; 3] = ["rt", "log", "client"];

/// What only some places may name: the word, and the beginnings of the paths that may.
const RESERVED: [(&str, &[&str]); 10] = [
    ("unsafe", &["src/base/buf.rs", "src/rt/"]),
    ("glommio", &["src/rt/"]),
    ("io_uring", &["src/rt/"]),
    ("libc", &["src/rt/"]),
    ("tokio", &["src/control/"]),
    ("SystemTime", &["src/rt/", "src/cli/", "src/main.rs"]),
    ("Instant::now", &["src/rt/", "src/cli/", "src/main.rs"]),
    ("std::fs", &["src/rt/", "src/log/offline/", "src/cli/", "src/main.rs"]),
    // Their order differs from run to run, which the simulator could not replay.
    ("HashMap::new", &["src/cli/"]),
    ("HashSet::new", &["src/cli/"]),
];
const LINES_MAX: usize = 800;

/// Each room's floor, from the law in the head of `src/lib.rs`; rooms in braces share one.
fn floors(lib: &str) -> Vec<(String, usize)> {
    let head: Vec<&str> = lib.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let head = head.join(" ");
    let law = head.split('`').find(|text| text.contains(" < ")).expect("lib.rs states the law");
    let rooms = law.split('<').enumerate().flat_map(|(floor, rooms)| {
        let rooms = rooms.split(|c: char| !c.is_ascii_alphabetic());
        rooms.filter(|room| !room.is_empty()).map(move |room| (room.to_owned(), floor))
    });
    rooms.collect()
}

/// Everything that is wrong with one file, as `path:line: what`.
fn faults(floors: &[(String, usize)], path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("{path}:{line}: {what}"));
    if !text.starts_with("//!") {
        fault(1, "does not open with //!".into());
    }
    if text.lines().count() > LINES_MAX {
        fault(LINES_MAX, format!("has more than {LINES_MAX} lines"));
    }
    let in_src = path.strip_prefix("src/");
    let room = in_src.and_then(|path| path.split(['/', '.']).next()).unwrap_or("");
    let own = floor(floors, room);
    if in_src.is_some() && own.is_none() && !matches!(room, "lib" | "main") {
        fault(1, format!("{room} has no place in the law"));
    }
    let mut in_tests = in_src.is_none();
    let mut in_group = None;
    for (at, code) in code_of(text).lines().enumerate() {
        in_tests |= code.trim() == "#[cfg(test)]";
        // rt's two runtimes mirror its own files from one floor below.
        if in_src.is_some() && code.contains("super::super") && room != "rt" {
            fault(at + 1, "super::super: name the room instead".into());
        }
        for keyword in ["struct ", "enum ", "trait ", "type ", "mod "] {
            let name = code.split_once(keyword).map_or("", |(_, rest)| rest);
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
            let vague = ["Manager", "Helper", "Util"].iter().any(|word| name.contains(word));
            if in_src.is_some() && vague {
                fault(at + 1, format!("{name}: a noun of what it is, please"));
            }
        }
        for (word, places) in RESERVED {
            // Tests may look at real files; nothing else is different in them.
            let allowed = places.iter().any(|place| path.starts_with(place));
            // Whoever starts the cores names the module, not the crate.
            let code = code.replace("rt::glommio", "");
            if !allowed && in_src.is_some() && !(in_tests && word == "std::fs") && has(&code, word)
            {
                fault(at + 1, format!("{word} belongs to {}", places.join(", ")));
            }
        }
        let own_module = code.contains("super::") || code.contains("mod ");
        let names_crate = code.trim_start().starts_with("use glommio") && !own_module;
        if path.starts_with("src/rt/") && !path.starts_with("src/rt/glommio/") && names_crate {
            fault(at + 1, "the glommio crate belongs to src/rt/glommio/".into());
        }
        for named in rooms_named(code, &mut in_group) {
            // What the law does not know is a macro, which stands at the root from anywhere.
            let Some(other) = floor(floors, named).filter(|_| named != room) else { continue };
            if own.is_some_and(|own| other >= own) {
                fault(at + 1, format!("{room} must not import {named}"));
            } else if PURE.contains(&room) && IMPURE.contains(&named) {
                fault(at + 1, format!("{room} is pure and must not name {named}"));
            }
        }
    }
    faults
}

/// The text without comments and what stands in quotes; lines stay where they are.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = ["r\"", "r#\""].iter().find(|&&opening| rest.starts_with(opening));
        let (skipped, closing) = match first {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), ""),
            _ if rest.starts_with("'\"'") => (3, ""),
            _ if raw.is_some() && !code.ends_with(|c: char| c.is_alphanumeric()) => {
                let opening = raw.map_or(0, |opening| opening.len());
                let closing = if opening == 2 { "\"" } else { "\"#" };
                (opening + rest[opening..].find(closing).map_or(0, |at| at + closing.len()), "\"")
            }
            '"' => {
                let mut escaped = true;
                let end = rest.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                (end.map_or(rest.len(), |end| end + 1), "\"")
            }
            first => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        let (gone, kept) = rest.split_at(skipped);
        code.push_str(closing);
        code.extend(gone.chars().filter(|&c| c == '\n'));
        code.push_str(closing);
        rest = kept;
    }
    code
}

fn floor(floors: &[(String, usize)], room: &str) -> Option<usize> {
    floors.iter().find(|(name, _)| name == room).map(|&(_, floor)| floor)
}

/// Whether the word stands in the code by itself.
fn has(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// The rooms behind `crate::` in one line; `group` is the depth inside a `crate::{` that goes on.
fn rooms_named<'a>(code: &'a str, group: &mut Option<usize>) -> Vec<&'a str> {
    let mut rooms = Vec::new();
    let mut rest = code;
    let mut expects = group.is_some();
    while !rest.is_empty() {
        let word =
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        if word == "crate" && rest[word.len()..].starts_with("::") {
            (expects, rest) = (true, &rest["crate::".len()..]);
            if rest.starts_with('{') {
                (*group, rest) = (Some(0), &rest[1..]);
            }
            continue;
        }
        if !word.is_empty() {
            if expects {
                rooms.push(word);
            }
            (expects, rest) = (false, &rest[word.len()..]);
            continue;
        }
        let mark = rest.chars().next().expect("not empty");
        *group = match (*group, mark) {
            (Some(depth), '{') => Some(depth + 1),
            (Some(0), '}') => None,
            (Some(depth), '}') => Some(depth - 1),
            (group, _) => group,
        };
        expects |= mark == ',' && *group == Some(0);
        rest = &rest[mark.len_utf8()..];
    }
    rooms
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let floors = floors(&fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs"));
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches"] {
        rust_files(&root().join(dir), &mut files);
    }
    assert!(files.len() > 30, "the project's files are elsewhere");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let path = file.strip_prefix(root()).expect("below the root").to_string_lossy();
        found.extend(faults(&floors, &path, &text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn planted_faults_are_found() {
    let floors = floors(
        "//! x `y` \n//! `base < model < {wire, config} < {rt} < {log, client} <\n//! {cluster} < cli`\n",
    );
    let check = |path: &str, code: &str, expect: &[&str]| {
        let found = faults(&floors, path, &format!("//! x\n{code}"));
        let prefix = format!("{path}:");
        let found: Vec<_> = found.iter().map(|fault| &fault[prefix.len()..]).collect();
        assert_eq!(found, expect, "{path}: {code}");
    };
    check("src/log/a.rs", "use crate::base::buf;\nuse crate::log::b;", &[]);
    check("src/wire/a.rs", "use crate::config::limits;", &["2: wire must not import config"]);
    check("src/base/a.rs", "let x = crate::model::X;", &["2: base must not import model"]);
    let group =
        "use crate::{base::{a, b},\n    log::{cluster, x},\n    cluster};\nuse x::{cli, log};";
    check("src/log/a.rs", group, &["4: log must not import cluster"]);
    check("src/cluster/a.rs", "use crate::log;", &["2: cluster is pure and must not name log"]);
    check("src/new/a.rs", "use crate::base;", &["1: new has no place in the law"]);
    check("src/log/a.rs", "use crate::some_macro;", &[]);
    check("src/lib.rs", "use crate::cli;", &[]);
    check("src/log/a.rs", "use super::super::x;", &["2: super::super: name the room instead"]);
    check("src/log/a.rs", "// use super::super::x;", &[]);
    check(
        "src/log/a.rs",
        "f(\"a // \\\" unsafe\n unsafe\", '\"', r#\"\"unsafe\"#, b\"unsafe\");",
        &[],
    );
    let behind = "f(\"a\nb\", r\"\\\"); unsafe {} // unsafe";
    check("src/log/a.rs", behind, &["3: unsafe belongs to src/base/buf.rs, src/rt/"]);
    check("src/rt/a.rs", "unsafe {}", &[]);
    check("src/log/a.rs", "unsafe {}", &["2: unsafe belongs to src/base/buf.rs, src/rt/"]);
    check("src/log/a.rs", "#![deny(unsafe_code)]", &[]);
    check("src/log/a.rs", "use glommio::x;", &["2: glommio belongs to src/rt/"]);
    check("src/cli/a.rs", "use crate::rt::glommio::run_cores; rt::glommio::probe()", &[]);
    check("src/rt/a.rs", "use super::{glommio, sim};", &[]);
    check("src/rt/a.rs", "use glommio::x;", &["2: the glommio crate belongs to src/rt/glommio/"]);
    check("src/rt/glommio/a.rs", "use glommio::x;", &[]);
    check(
        "src/log/a.rs",
        "std::fs::read(x)",
        &["2: std::fs belongs to src/rt/, src/log/offline/, src/cli/, src/main.rs"],
    );
    check("src/log/a.rs", "#[cfg(test)]\nmod tests {\nstd::fs::read(x)\n}", &[]);
    check(
        "src/log/a.rs",
        "Instant::now()",
        &["2: Instant::now belongs to src/rt/, src/cli/, src/main.rs"],
    );
    check("src/log/a.rs", "HashMap::new()", &["2: HashMap::new belongs to src/cli/"]);
    check("src/log/a.rs", "BTreeMap::new()", &[]);
    check("tests/a.rs", "use crate::anything; Instant::now(); unsafe {}", &[]);
    check("src/log/a.rs", "struct LogManager;", &["2: LogManager: a noun of what it is, please"]);
    check("src/log/a.rs", &"\n".repeat(LINES_MAX), &["800: has more than 800 lines"]);
    assert_eq!(faults(&floors, "src/cli.rs", "x"), ["src/cli.rs:1: does not open with //!"]);
}

#[test]
fn the_page_of_settings_is_fresh() {
    let path = root().join("docs/config.md");
    let page = ringmain::config::doc::markdown();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("docs/config.md can be written");
    }
    let stale = fs::read_to_string(&path).unwrap_or_default() != page;
    assert!(!stale, "docs/config.md is stale: UPDATE_DOCS=1 cargo test --test tidy");
}
