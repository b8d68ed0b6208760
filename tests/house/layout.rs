//! What may lie where, and how large it may be.

use crate::{files, name, top};

const LINES_MAX: usize = 500;

const ALLOWED: [&str; 13] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "docker",
    "docs",
    "rustfmt.toml",
    "src",
    "static",
    "tests",
    "transports",
];

#[test]
fn source_files_can_be_read_whole() {
    let sources = files(top(), &["rs", "ts", "js", "mjs"]);
    assert!(sources.len() > 20, "the walk finds the sources");
    let long: Vec<_> = sources
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
}

#[test]
fn the_top_level_holds_only_what_the_layout_names() {
    let odd: Vec<_> = std::fs::read_dir(top())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target" && !ALLOWED.contains(&&name[..]))
        .collect();
    assert!(odd.is_empty(), "at the top level, but not in the layout: {odd:?}");
}

#[test]
fn nothing_is_left_unfinished_in_the_sources() {
    let marks = ["todo".to_owned() + "!(", "unimplemented".to_owned() + "!(", "FIX".to_owned() + "ME"];
    let marked: Vec<_> = files(top(), &["rs", "ts"])
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            marks.iter().any(|mark| text.contains(mark))
        })
        .map(|path| name(path))
        .collect();
    assert!(marked.is_empty(), "{marked:?}");
}
