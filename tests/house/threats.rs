//! What docs/security.md names as a test is one.

use crate::top;

#[test]
fn the_tests_that_show_a_defence_exist() {
    let page = std::fs::read_to_string(top().join("docs/security.md")).unwrap();
    let (mut seen, mut missing) = (0, vec![]);
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let words: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let mut source = String::new();
        for word in words {
            if word.ends_with(".rs") {
                source = std::fs::read_to_string(top().join(word)).unwrap_or_default();
                if source.is_empty() {
                    missing.push(word.to_owned());
                }
            } else if !source.is_empty() {
                seen += 1;
                if !source.contains(&format!("fn {word}(")) && !source.contains(&format!("fn {word}<")) {
                    missing.push(word.to_owned());
                }
            }
        }
    }
    assert!(seen > 40, "the tables are read: {seen}");
    assert!(missing.is_empty(), "{missing:?}");
}
