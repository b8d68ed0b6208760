//! House rules of the repository.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clocks;
mod dependencies;
mod layout;
mod links;
mod supply;
mod threats;

use std::path::{Path, PathBuf};

/// The repository's top.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All files below `folder` of the given kinds; not what was built, installed or generated.
fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let skipped =
                name.starts_with('.') || ["target", "node_modules", "dist", "output"].contains(&&*name);
            if !skipped {
                found.extend(files(&path, kinds));
            }
        } else if kinds.iter().any(|kind| path.extension().is_some_and(|extension| extension == *kind)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The path as seen from the top.
fn name(path: &Path) -> String {
    path.strip_prefix(top()).unwrap_or(path).display().to_string()
}
