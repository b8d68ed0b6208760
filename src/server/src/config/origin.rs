//! Origins that may connect (RFC 6454).

use super::site::{Origin, Site};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `https://app.example.com`, `https://*.example.com` (any host below), or `*` (any origin, without cookies).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// Any origin.
    Any,
    /// This origin.
    Exact(Origin),
    /// All hosts below this one, by its scheme and port.
    Below(Origin),
}

impl OriginPattern {
    /// Whether this origin matches.
    pub fn matches(&self, origin: &Origin) -> bool {
        match self {
            OriginPattern::Any => true,
            OriginPattern::Exact(own) => own == origin,
            OriginPattern::Below(top) => {
                let labels = origin.host().strip_suffix(top.host()).and_then(|l| l.strip_suffix('.'));
                labels.is_some_and(|labels| !labels.is_empty())
                    && (origin.is_https(), origin.port()) == (top.is_https(), top.port())
            }
        }
    }

    fn parse(text: &str) -> Option<OriginPattern> {
        if text == "*" {
            return Some(OriginPattern::Any);
        }
        let (scheme, rest) = text.split_once("://")?;
        let Some(rest) = rest.strip_prefix("*.") else {
            return Origin::parse(text).map(OriginPattern::Exact);
        };
        let top = Origin::parse(&format!("{scheme}://{rest}"))?;
        // There is nothing below an address.
        Site::parse(top.host())?.ip().is_none().then_some(OriginPattern::Below(top))
    }
}

impl Serialize for OriginPattern {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            OriginPattern::Any => s.serialize_str("*"),
            OriginPattern::Exact(origin) => s.collect_str(origin),
            OriginPattern::Below(top) => s.serialize_str(&top.to_string().replace("://", "://*.")),
        }
    }
}

impl<'de> Deserialize<'de> for OriginPattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<OriginPattern, D::Error> {
        let text = String::deserialize(d)?;
        OriginPattern::parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text:.200}` is not an origin: http or https and an ASCII host without a path, like https://app.example.com"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        let pattern = OriginPattern::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
        Origin::parse(origin).is_some_and(|origin| pattern.matches(&origin))
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, origin) in [
            ("https://App.example.com", "https://app.example.com"),
            ("https://app.example.com", "https://APP.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://[::0001]:80", "http://[::1]"),
            ("https://*.example.com", "https://a.b.example.com"),
            ("https://*.example.com:8443", "https://a.example.com:8443"),
            ("*", "https://whatever.example"),
        ] {
            assert!(matches(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn and_nothing_else() {
        for origin in [
            "https://app.example.com:8443",
            "http://app.example.com",
            "http://app.example.com:443",
            "https://app.example.com.",
            "https://app.example.com.evil.example",
            "https://evil.example/https://app.example.com",
            "https://app.example.com@evil.example",
            "https://u:p@app.example.com",
            "https://app.example.com/",
            "https://app.example.com#",
            "https://app.example.com?x",
            "https://app.example.com\\@evil.example",
            "https://app%2eexample.com",
            "https:app.example.com",
            "app.example.com",
            "ws://app.example.com",
            "null",
        ] {
            assert!(!matches("https://app.example.com", origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://aexample.com",
            "https://a.example.com.",
            "https://evil.example/.example.com",
            "https://evil.example#.example.com",
            "https://evil.example?.example.com",
            "https://evil.example:443.example.com",
            "https://evil.example\\.example.com",
            "https://a@b.example.com",
            "https://a b.example.com",
            "https://*.example.com",
        ] {
            assert!(!matches("https://*.example.com", origin), "{origin}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for bad in [
            "",
            "app.example.com",
            "https://",
            "https://a/",
            "ftp://a",
            "https://a.*.com",
            "https://*",
            "https://*.",
            "https://*.*.com",
            "https://*.[::1]",
            "https://*.10.0.0.1",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://u@a",
            "https://bücher.example",
            "null",
        ] {
            assert!(OriginPattern::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn patterns_are_shown_as_they_can_be_written() {
        for text in ["*", "https://a.example", "https://*.a.example:8443", "http://[::1]:3001"] {
            let pattern = OriginPattern::parse(text).unwrap();
            assert_eq!(serde_json::to_value(&pattern).unwrap(), text);
        }
    }
}
