//! Origins that may connect (RFC 6454).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `https://app.example.com`, `https://*.example.com` (any host below), or `*` (any origin, without cookies).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// Any origin.
    Any,
    /// This origin, in lower case.
    Exact(String),
    /// Scheme with `://`, and the end that the rest must have: `.example.com` or `.example.com:8443`.
    Below(String, String),
}

impl OriginPattern {
    /// Whether a lower-case origin matches.
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            OriginPattern::Any => true,
            OriginPattern::Exact(o) => o == origin,
            OriginPattern::Below(scheme, end) => origin
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_suffix(end.as_str()))
                .is_some_and(|labels| !labels.is_empty() && !labels.contains(['/', ':', '@'])),
        }
    }

    fn parse(text: &str) -> Option<OriginPattern> {
        if text == "*" {
            return Some(OriginPattern::Any);
        }
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://")?;
        let fits = |h: &str| !h.is_empty() && !h.contains(['/', '*', '@', '?', '#', ' ']);
        if !matches!(scheme, "http" | "https") {
            return None;
        }
        match host.strip_prefix("*.") {
            Some(rest) => {
                fits(rest).then(|| OriginPattern::Below(format!("{scheme}://"), format!(".{rest}")))
            }
            None => fits(host).then(|| OriginPattern::Exact(lower.clone())),
        }
    }
}

impl Serialize for OriginPattern {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            OriginPattern::Any => s.serialize_str("*"),
            OriginPattern::Exact(o) => s.serialize_str(o),
            OriginPattern::Below(scheme, end) => s.collect_str(&format_args!("{scheme}*{end}")),
        }
    }
}

impl<'de> Deserialize<'de> for OriginPattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<OriginPattern, D::Error> {
        let text = String::deserialize(d)?;
        OriginPattern::parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text}` is not an origin: scheme and host without a path, like https://app.example.com"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let p = |s: &str| OriginPattern::parse(s).unwrap();
        assert!(p("https://App.example.com").matches("https://app.example.com"));
        assert!(!p("https://app.example.com").matches("https://app.example.com:8443"));
        let below = p("https://*.example.com");
        assert!(below.matches("https://a.b.example.com"));
        for no in [
            "https://example.com",
            "http://a.example.com",
            "https://aexample.com",
            "https://evil.com/.example.com",
        ] {
            assert!(!below.matches(no), "{no}");
        }
        for bad in ["app.example.com", "https://", "https://a/", "ftp://a", "https://a.*.com", "null"] {
            assert!(OriginPattern::parse(bad).is_none(), "{bad}");
        }
    }
}
