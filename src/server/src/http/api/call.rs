//! A request, read: what it asks for, and whether its form is one that the API takes.

use super::keys::Caller;
use super::place::Operation;
use crate::http::app::App;
use crate::http::links::room_name;
use bytes::Bytes;
use crosspoint_core::grant::USER_BYTES_MAX;
use crosspoint_core::{Code, Fault};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use serde_json::Number;
use std::sync::Arc;

/// What is asked for.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) operation: Operation,
    /// The names in the path.
    pub(super) names: Vec<String>,
    pub(super) query: Query,
    pub(super) body: Bytes,
}

impl Call {
    /// The first name of the path.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The room that the path names, if the key is for it.
    pub(super) fn room(&self) -> Result<&str, Fault> {
        self.caller.room(check_room(self.name())?)
    }

    /// The user that the path names.
    pub(super) fn user(&self) -> Result<&str, Fault> {
        check_user(self.name())
    }

    /// The body as a JSON object of this shape; without a body, an empty one.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = match self.body.trim_ascii() {
            b"" => b"{}",
            body => body,
        };
        // serde takes an array of the fields, too.
        if body.first() != Some(&b'{') {
            return Err(Fault::new(Code::BadRequest, "The body is not a JSON object"));
        }
        serde_json::from_slice(body)
            .map_err(|e| Fault::new(Code::BadRequest, format!("The body is not as described: {e}")))
    }
}

/// Parameters (WHATWG URL §5.1).
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// A query that may have these parameters and no others, each once and with a value.
    ///
    /// # Errors
    /// `bad_request`.
    pub(super) fn read(query: &str, allowed: &[&str]) -> Result<Query, Fault> {
        let wrong = |text: String| Fault::new(Code::BadRequest, text);
        let mut pairs: Vec<(String, String)> = vec![];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !allowed.contains(&name) {
                return Err(wrong(format!("This address takes the parameters {allowed:?} and no others")));
            }
            if pairs.iter().any(|(n, _)| n == name) {
                return Err(wrong(format!("`{name}` is there twice")));
            }
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value)
                .decode_utf8()
                .map_err(|_| wrong(format!("`{name}` is not UTF-8")))?;
            if value.is_empty() {
                return Err(wrong(format!("`{name}` is empty")));
            }
            pairs.push((name.into(), value.into_owned()));
        }
        Ok(Query(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A whole number, written with digits; as large as may be if it is larger.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(Some(text.parse().unwrap_or(u64::MAX))),
            false => Err(Fault::new(Code::BadRequest, format!("`{name}` is not a whole number"))),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Fault::new(Code::BadRequest, format!("`{name}` is neither true nor false"))),
        }
    }
}

/// A member that is a whole number in the sense of JSON Schema, where `60.0` is one.
pub(in crate::http) fn whole<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    /// What every reader of JSON takes for the number that was written (RFC 8259 §6).
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    let Some(number) = Option::<Number>::deserialize(d)? else { return Ok(None) };
    let exact = |f: &f64| f.fract() == 0.0 && (0.0..=EXACT_MAX).contains(f);
    match number.as_u64().or_else(|| number.as_f64().filter(exact).map(|f| f as u64)) {
        Some(whole) => Ok(Some(whole)),
        None => Err(D::Error::custom("a number is not whole, or below 0")),
    }
}

/// A room's name, if it may be one.
pub(super) fn check_room(name: &str) -> Result<&str, Fault> {
    room_name(name.to_string()).map(|_| name)
}

/// A user's name, if it may be one.
pub(super) fn check_user(name: &str) -> Result<&str, Fault> {
    match name.is_empty() || name.len() > USER_BYTES_MAX || name.bytes().any(|b| b.is_ascii_control()) {
        false => Ok(name),
        true => {
            let text = format!("A user's name has 1 to {USER_BYTES_MAX} bytes and no control characters");
            Err(Fault::new(Code::BadRequest, text))
        }
    }
}

/// Whether the answer's type is one that the asker takes (RFC 9110 §12.5.1).
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut any = false;
    for range in headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        if media.is_empty() {
            continue;
        }
        any = true;
        let refused = parts
            .filter_map(|p| p.split_once('='))
            .any(|(name, q)| name.trim().eq_ignore_ascii_case("q") && q.trim().parse() == Ok(0.0));
        if !refused && matches!(&*media, "*/*" | "application/*" | "application/json") {
            return true;
        }
    }
    !any
}

/// Whether the body is said to be JSON. Nothing said is fine; so is what `curl -d` says of everything.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    matches!(&*media, "application/json" | "application/x-www-form-urlencoded")
        || (media.starts_with("application/") && media.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn answers_are_json_and_nothing_else() {
        for good in
            ["*/*", "application/json", "text/html, Application/*;q=0.5", "", "application/json;q=0, */*"]
        {
            assert!(takes_json(&headers(ACCEPT, good)), "{good}");
        }
        for bad in ["text/html", "application/xml, text/*", "application/json;q=0", "*/*; q=0.0"] {
            assert!(!takes_json(&headers(ACCEPT, bad)), "{bad}");
        }
        assert!(takes_json(&HeaderMap::new()) && is_json(&HeaderMap::new()));
    }

    #[test]
    fn bodies_are_json() {
        for good in ["application/json", "application/JSON; charset=utf-8", "application/cloudevents+json"] {
            assert!(is_json(&headers(CONTENT_TYPE, good)), "{good}");
        }
        for bad in ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""] {
            assert!(!is_json(&headers(CONTENT_TYPE, bad)), "{bad}");
        }
    }
}
