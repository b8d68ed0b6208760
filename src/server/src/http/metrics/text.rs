//! Lines of the Prometheus text format.

use std::fmt::{Display, Write as _};

/// A text that grows by metrics, all of which begin with `crosspoint_`.
pub(in crate::http) struct Text(pub(super) String);

impl Text {
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP crosspoint_{name} {help}\n# TYPE crosspoint_{name} {kind}");
    }

    pub(super) fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "crosspoint_{name}");
        for (i, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric of one line.
    pub(in crate::http) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_prometheus_reads() {
        let mut text = Text(String::new());
        text.single("x", "gauge", "How many", 3);
        text.line("y_total", &[("a", "b"), ("c", "d")], seconds(1_250));
        let expected = "# HELP crosspoint_x How many\n# TYPE crosspoint_x gauge\ncrosspoint_x 3\ncrosspoint_y_total{a=\"b\",c=\"d\"} 1.25\n";
        assert_eq!(text.0, expected);
        assert_eq!((seconds(0), seconds(25), seconds(10_000)), ("0".into(), "0.025".into(), "10".into()));
    }
}
