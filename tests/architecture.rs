//! The rules of the house, checked on the source: imports point down, files stay small, time and bytes stay integers,
//! nothing is left half done. Each rule is a function over text, so that the tests also show it something it refuses.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

#[path = "architecture/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::{Source, blank, files, rooms_named, sources, supers, words};

/// Each room and what it may import, lowest first. `ARCHITECTURE.md` shows the same table.
const ROOMS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("error", &[]),
    ("rng", &[]),
    ("metrics", &[]),
    ("engine", &["error", "units"]),
    ("resource", &["metrics", "units"]),
    ("model", &["error", "units"]),
    ("catalogue", &["error", "model", "resource", "units"]),
    ("memory", &["metrics", "model", "units"]),
    ("trace", &["error", "rng", "units"]),
    ("cache", &["error", "metrics", "rng", "trace", "units"]),
    ("curve", &["cache", "error", "metrics", "trace", "units"]),
    ("prefetch", &["cache", "error", "metrics", "rng", "trace", "units"]),
    ("serving", &["error", "metrics", "model", "resource", "rng", "trace", "units"]),
    ("scenario", &["error", "units"]),
    (
        "plan",
        &[
            "cache",
            "catalogue",
            "error",
            "memory",
            "metrics",
            "model",
            "prefetch",
            "resource",
            "scenario",
            "serving",
            "trace",
            "units",
        ],
    ),
    (
        "sim",
        &[
            "cache", "engine", "error", "memory", "metrics", "plan", "prefetch", "resource", "serving",
            "trace", "units",
        ],
    ),
    ("sweep", &["error", "metrics", "plan", "scenario", "sim"]),
    (
        "footprint",
        &["catalogue", "error", "memory", "metrics", "plan", "scenario", "sweep", "trace", "units"],
    ),
    (
        "validate",
        &[
            "catalogue",
            "error",
            "footprint",
            "metrics",
            "model",
            "plan",
            "resource",
            "scenario",
            "serving",
            "sim",
            "sweep",
            "trace",
            "units",
        ],
    ),
    (
        "advise",
        &[
            "cache",
            "catalogue",
            "error",
            "metrics",
            "model",
            "plan",
            "scenario",
            "sim",
            "sweep",
            "trace",
            "units",
            "validate",
        ],
    ),
    ("report", &["error", "metrics", "trace", "units"]),
    (
        "cli",
        &[
            "advise",
            "cache",
            "catalogue",
            "curve",
            "error",
            "footprint",
            "metrics",
            "model",
            "plan",
            "prefetch",
            "report",
            "scenario",
            "sim",
            "sweep",
            "trace",
            "units",
            "validate",
        ],
    ),
];

/// Rooms whose arithmetic is on integers alone.
const INTEGER_ROOMS: [&str; 6] = ["engine", "resource", "memory", "cache", "prefetch", "sim"];
/// The one file that may say `unsafe`.
const UNSAFE_FILE: &str = "trace/mmap.rs";
const LINES_MAX: usize = 500;
const LINES_MEDIAN_MAX: usize = 200;
/// Words of unfinished work, cut so that this file does not hold them itself.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("for ", "now"),
    concat!("place", "holder"),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Imports that the table does not allow.
fn imports(source: &Source) -> Vec<String> {
    let (path, room) = (&source.path, source.room());
    let mut problems = Vec::new();
    if matches!(room, "lib" | "main") {
        return problems;
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("src/{path}: {room} is not in the table of rooms")];
    };
    for named in rooms_named(&source.shipped) {
        if named != room && !allowed.contains(&named.as_str()) {
            problems.push(format!("src/{path}: {room} may not import {named}"));
        }
    }
    if room != "cli" && rooms_named(&source.code).iter().any(|named| named == "cli") {
        problems.push(format!("src/{path}: tests may look anywhere below cli, not at it"));
    }
    if supers(&source.shipped) >= source.depth() {
        problems.push(format!("src/{path}: `super::` leaves the room; write `crate::`"));
    }
    problems
}

/// Floating point where time and bytes are counted.
fn floats(source: &Source) -> Vec<String> {
    let bound = INTEGER_ROOMS.contains(&source.room());
    let float = words(&source.shipped)
        .find(|word| matches!(*word, "f64" | "f32") || word.ends_with("_f64") || word.ends_with("_f32"));
    float
        .filter(|_| bound)
        .map(|word| format!("src/{}: {word} in a room of integers", source.path))
        .into_iter()
        .collect()
}

fn is_unsafe(source: &Source) -> bool {
    words(&source.code).any(|word| word == "unsafe")
}

fn unfinished(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    UNFINISHED.into_iter().find(|word| {
        let capitals = word.chars().all(char::is_uppercase);
        if capitals { words(text).any(|found| found == *word) } else { lower.contains(word) }
    })
}

/// Rooms with a registry, and the folder whose files it must hold.
const REGISTERED: [(&str, &str); 2] = [("cache", "policies"), ("prefetch", "predictors")];

/// What a file of such a folder lacks: its module, its name in the room, its row in the registry.
fn unregistered(room: &str, folder: &str, file: &str, names: &str, registry: &str) -> Option<String> {
    let export = format!("pub use {file}::");
    let Some(name) = names.split_once(&export).and_then(|(_, rest)| words(rest).next()) else {
        return Some(format!("src/{room}/{folder}/{file}.rs is not exported by its mod.rs"));
    };
    let built = registry.contains(&format!("{name}::new("));
    (!built)
        .then(|| format!("src/{room}/{folder}/{file}.rs: {name} has no row in the registry of src/{room}"))
}

#[test]
fn imports_point_down_only() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for below in *allowed {
            assert!(
                ROOMS[..at].iter().any(|(name, _)| name == below),
                "{room} imports {below}, which is not below it"
            );
        }
    }
    assert_none(&sources().iter().flat_map(imports).collect::<Vec<_>>());
}

#[test]
fn an_upward_import_is_refused() {
    let refused = |path: &str, text: &str| imports(&Source::new(path, text)).len();
    for (path, text, problems) in [
        ("engine/queue.rs", "use crate::units::SimTime;", 0),
        ("engine/queue.rs", "use crate::sim::Plan;", 1),
        ("engine/queue.rs", "use crate::{error::Error, cache::{Lru, Fifo}, plan};", 2),
        ("engine/queue.rs", "fn f() -> crate::cache::Lru {}", 1),
        ("engine/queue.rs", "// use crate::sim::Plan;\nconst S: &str = \"crate::sim\";", 0),
        ("engine/queue.rs", "#[cfg(test)]\nmod tests { use crate::sim::Plan; }", 0),
        ("engine/queue.rs", "#[cfg(test)]\nmod tests { use crate::cli::main; }", 1),
        ("engine/queue.rs", "#[cfg(test)]\nuse crate::plan;\nuse crate::sim;", 1),
        ("engine/queue.rs", "use super::Rank;", 0),
        ("engine/queue.rs", "use super::super::sim;", 1),
        ("engine/mod.rs", "use super::sim;", 1),
        ("kitchen/mod.rs", "", 1),
    ] {
        assert_eq!(refused(path, text), problems, "{path}: {text}");
    }
}

#[test]
fn the_guide_shows_this_table() {
    let row = |(room, allowed): &(&str, &[&str])| match allowed {
        [] => format!("{room:<9} | nothing"),
        _ => format!("{room:<9} | {}", allowed.join(", ")),
    };
    let table: Vec<String> = ROOMS.iter().map(row).collect();
    let table = table.join("\n");
    assert!(read("ARCHITECTURE.md").contains(&table), "ARCHITECTURE.md should hold:\n{table}");
}

#[test]
fn files_stay_small() {
    let mut lines: Vec<(usize, String)> =
        sources().iter().map(|file| (file.text.lines().count(), format!("src/{}", file.path))).collect();
    lines.sort();
    let median = lines[lines.len() / 2].0;
    println!("{} source files, median {median} lines, longest {:?}", lines.len(), lines.last());
    assert!(median <= LINES_MEDIAN_MAX, "the median file has {median} lines");
    for folder in ["tests", "examples", "benches"] {
        let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "rs");
        lines.extend(
            files.iter().map(|f| (fs::read_to_string(f).unwrap().lines().count(), f.display().to_string())),
        );
    }
    let long = lines.iter().filter(|(lines, _)| *lines > LINES_MAX);
    assert_none(&long.map(|(lines, path)| format!("{path} has {lines} lines")).collect::<Vec<_>>());
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources().into_iter().filter(|file| !file.text.starts_with("//!"));
    assert_none(&silent.map(|file| format!("src/{} does not open with //!", file.path)).collect::<Vec<_>>());
}

/// The code of a room's registry: one file, or a folder of them.
fn registry(room: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join(format!("src/{room}/registry"));
    if !folder.is_dir() {
        return blank(&read(&format!("src/{room}/registry.rs")));
    }
    files(&folder, "rs").iter().map(|path| blank(&fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_policy_and_predictor_file_is_registered() {
    for (room, folder) in REGISTERED {
        let path = format!("src/{room}/{folder}");
        let names = blank(&read(&format!("{path}/mod.rs")));
        let registry = registry(room);
        let lacks = |file: &str, registry: &str| unregistered(room, folder, file, &names, registry);
        let stems: Vec<String> = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), "rs")
            .iter()
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|stem| stem != "mod")
            .collect();
        assert!(stems.len() >= 6, "{stems:?}");
        assert_none(&stems.iter().filter_map(|file| lacks(file, &registry)).collect::<Vec<_>>());
        assert!(lacks("clairvoyant", &registry).unwrap().contains("not exported"));
        assert!(lacks(&stems[0], "").unwrap().contains("has no row"));
    }
}

#[test]
fn time_and_bytes_are_integers() {
    assert_none(&sources().iter().flat_map(floats).collect::<Vec<_>>());
    for (path, text, problems) in [
        ("sim/run.rs", "fn f(x: f64) {}", 1),
        ("sim/run.rs", "let x = 1_f64;", 1),
        ("sim/run.rs", "/// Not an f64.\nfn f() {}", 0),
        ("sim/run.rs", "#[cfg(test)]\nmod tests { fn f(x: f64) {} }", 0),
        ("report/format.rs", "fn f(x: f64) {}", 0),
    ] {
        assert_eq!(floats(&Source::new(path, text)).len(), problems, "{path}: {text}");
    }
}

#[test]
fn one_file_alone_is_unsafe() {
    let found: Vec<String> = sources().into_iter().filter(is_unsafe).map(|file| file.path).collect();
    assert_eq!(found, [UNSAFE_FILE]);
}

#[test]
fn nothing_is_left_half_done() {
    let mut problems = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, ending) in [
        ("src", "rs"),
        ("src", "toml"),
        ("tests", "rs"),
        ("examples", "rs"),
        ("benches", "rs"),
        ("scenarios", "toml"),
    ] {
        for path in files(&root.join(folder), ending) {
            let word = unfinished(&fs::read_to_string(&path).unwrap());
            problems.extend(word.map(|word| format!("{} says {word:?}", path.display())));
        }
    }
    for guide in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        problems.extend(unfinished(&read(guide)).map(|word| format!("{guide} says {word:?}")));
    }
    assert_none(&problems);
    for word in UNFINISHED {
        assert_eq!(unfinished(&format!("// {word}: more")), Some(word));
    }
    assert_eq!(unfinished("todos are methods, a fixme is not"), None);
}

#[test]
fn the_guides_stay_short() {
    for guide in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let lines = read(guide).lines().count();
        assert!(lines < 150, "{guide} has {lines} lines");
    }
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, code) in [
        ("a /* b /* c */ d */ e", "a                   e"),
        ("a // b\nc", "a     \nc"),
        (r#"f("x\"y", 'z', '\'', b"w")"#, r"f(      ,    ,     , b   )"),
        (r##"f(r#"x"y"#, r"z")"##, r"f(        ,     )"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
    ] {
        assert_eq!(blank(text), code, "{text}");
    }
}
