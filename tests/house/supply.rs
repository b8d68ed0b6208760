//! What the hub's program is made of: where its crates come from, under which licences, and which of them have unsafe code.
//! (Advisories are for `cargo deny check`, whose rules are in .cargo/deny.toml; its database can't be had offline.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{files, name, top};

/// What may be linked into a program under Apache-2.0 that others ship. `.cargo/deny.toml` has the same list.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A second set of cryptography, or one of the system's.
const BANNED: [&str; 6] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys", "rsa"];

struct Crate {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
    sources: PathBuf,
}

/// All crates of the program as it is built for Linux.
fn crates() -> Vec<Crate> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        packages.insert(text(&package["id"]), package);
    }
    let mut below = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let linked = |d: &&Value| d["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev");
        let deps = node["deps"].as_array().unwrap().iter().filter(linked);
        below.insert(text(&node["id"]), deps.map(|d| text(&d["pkg"])).collect::<Vec<_>>());
    }
    let root = packages.iter().find(|(_, package)| package["name"] == "crosspoint").unwrap().0.clone();
    let (mut seen, mut open) = (BTreeSet::from([root.clone()]), vec![root]);
    while let Some(id) = open.pop() {
        for dependency in &below[&id] {
            if seen.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    let of = |id: &String| {
        let package = packages[id];
        Crate {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: package["source"].as_str().map(String::from),
            sources: library(package),
        }
    };
    seen.iter().map(of).collect()
}

/// Where the sources of a package's library lie.
fn library(package: &Value) -> PathBuf {
    let targets = package["targets"].as_array().unwrap();
    let is_program =
        |t: &&Value| t["kind"].as_array().unwrap().iter().any(|k| k == "bin" || k == "custom-build");
    let library = targets.iter().find(|t| !is_program(t)).unwrap_or(&targets[0]);
    Path::new(library["src_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// Whether an SPDX expression leaves a choice that is allowed. `/` is an old way to write OR.
fn is_allowed(licence: &str) -> bool {
    let plain = licence.replace(['(', ')'], " ").replace('/', " OR ");
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let all = |part: &str| part.split(" AND ").all(|one| LICENCES.contains(&one.trim()));
    // Parentheses gone, `(A OR B) AND C` has to hold in the stricter reading: each side of the AND.
    if licence.contains('(') {
        return words.split(" AND ").all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())));
    }
    words.split(" OR ").any(all)
}

/// How many blocks, functions, impls and traits of a source are unsafe.
fn unsafe_places(source: &str) -> usize {
    let mut places = 0;
    for line in source.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("unsafe") {
            let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
            let (before, after) = (code[..at].chars().next_back(), &code[at + 6..]);
            let next = after.trim_start();
            let opens = ["{", "fn ", "impl", "trait ", "extern"].iter().any(|word| next.starts_with(word));
            // A block may open on the line below.
            if !is_word(before) && !is_word(after.chars().next()) && (opens || next.is_empty()) {
                places += 1;
            }
        }
    }
    places
}

#[test]
fn everything_comes_from_the_registry_under_a_licence_that_may_be_shipped() {
    let crates = crates();
    assert!(crates.len() > 100, "the tree is read");
    let odd: Vec<_> = crates
        .iter()
        .filter(|c| {
            c.source.as_deref().is_some_and(|s| !s.starts_with("registry+")) || !is_allowed(&c.licence)
        })
        .map(|c| format!("{} {}: {} ({:?})", c.name, c.version, c.licence, c.source))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
    let banned: Vec<_> = crates.iter().map(|c| &*c.name).filter(|name| BANNED.contains(name)).collect();
    assert!(banned.is_empty(), "{banned:?}");
    let refused = ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND MPL-2.0", ""];
    assert!(refused.iter().all(|licence| !is_allowed(licence)));
}

#[test]
fn the_rules_of_cargo_deny_name_the_same_licences_and_crates() {
    let rules = std::fs::read_to_string(top().join(".cargo/deny.toml")).unwrap();
    let missing: Vec<_> =
        LICENCES.iter().chain(&BANNED).filter(|word| !rules.contains(&format!("\"{word}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn none_of_our_crates_has_unsafe_code() {
    let root = std::fs::read_to_string(top().join("Cargo.toml")).unwrap();
    assert!(root.contains("unsafe_code = \"forbid\""));
    let manifests: Vec<_> =
        files(top(), &["toml"]).into_iter().filter(|path| path.ends_with("Cargo.toml")).collect();
    let lax: Vec<_> = manifests
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("[package]") && !text.contains("[lints]\nworkspace = true")
        })
        .map(|path| name(path))
        .collect();
    assert!(manifests.len() > 10 && lax.is_empty(), "without the workspace's lints: {lax:?}");
}

/// A crate that brings unsafe code into the program is named in unsafe.txt by whoever lets it in
/// (`CROSSPOINT_WRITE_UNSAFE=1` writes the file).
#[test]
fn crates_with_unsafe_code_are_known() {
    let mut found = BTreeMap::new();
    for c in crates().iter().filter(|c| c.source.is_some()) {
        let places: usize = files(&c.sources, &["rs"])
            .iter()
            .map(|path| unsafe_places(&String::from_utf8_lossy(&std::fs::read(path).unwrap())))
            .sum();
        if places > 0 {
            *found.entry(c.name.clone()).or_insert(0) += places;
        }
    }
    assert!(found.contains_key("tokio") && found.contains_key("ring"), "the sources are read");
    let path = top().join("tests/house/unsafe.txt");
    let mut inventory = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("CROSSPOINT_WRITE_UNSAFE").is_some() {
        let head: Vec<_> = inventory.lines().filter(|line| line.starts_with('#')).collect();
        let names: Vec<_> = found.keys().map(|name| &**name).collect();
        inventory = [head, names].concat().join("\n") + "\n";
        std::fs::write(&path, &inventory).unwrap();
    }
    let known: BTreeSet<&str> = inventory.lines().filter(|line| !line.starts_with('#')).collect();
    let fresh: Vec<_> = found.iter().filter(|(name, _)| !known.contains(&***name)).collect();
    let gone: Vec<_> = known.iter().filter(|name| !found.contains_key(**name)).collect();
    assert!(
        fresh.is_empty() && gone.is_empty(),
        "unsafe code, but not in unsafe.txt: {fresh:?}; there, but without: {gone:?}"
    );
}
