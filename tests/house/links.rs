//! Links in the documents lead somewhere.

use std::path::Path;

use crate::{files, name, top};

#[test]
fn links_to_files_and_headings_resolve() {
    let documents = files(top(), &["md"]);
    assert!(documents.iter().any(|path| name(path) == "docs/protocol.md"));
    let broken: Vec<_> = documents
        .iter()
        .flat_map(|document| {
            let text = std::fs::read_to_string(document).unwrap();
            targets(&text)
                .filter(|target| !resolves(document, target))
                .map(|target| (name(document), target))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(broken.is_empty(), "broken links: {broken:#?}");
}

/// What stands in `](…)` outside of code blocks and isn't an address elsewhere.
fn targets(text: &str) -> impl Iterator<Item = String> {
    let mut in_code = false;
    let prose = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    });
    prose
        .flat_map(|line| {
            line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        })
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn resolves(document: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { document.to_owned() } else { document.parent().unwrap().join(file) };
    if heading.is_empty() || path.extension().is_none_or(|extension| extension != "md") {
        return path.exists();
    }
    std::fs::read_to_string(path).is_ok_and(|text| {
        text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
    })
}

/// A heading's anchor, as the usual hosts form it.
fn anchor(line: &str) -> String {
    line.trim_start_matches('#')
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let document = top().join("docs/protocol.md");
    let text =
        "[a](protocol.md#frames) [b](none.md) `x`\n```\n[c](code.md)\n```\n[d](https://host/x) [e](#no-such)";
    let broken: Vec<_> = targets(text).filter(|target| !resolves(&document, target)).collect();
    assert_eq!(broken, ["none.md", "#no-such"]);
}
