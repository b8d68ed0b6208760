//! JSON Web Tokens (RFC 7519) in compact form (RFC 7515 §7.1) signed with HS256 (RFC 7518 §3.2), and no other algorithm.
//!
//! ring is here for TLS already; a JWT crate would bring a second set of cryptography for this one HMAC.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use crosspoint_core::{Code, Fault, Grant, Raw};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// The longest token, in bytes: what fits beside other headers.
pub const TOKEN_BYTES_MAX: usize = 8192;
/// The longest user name, in bytes: what `to: "user:…"` has room for.
pub const USER_BYTES_MAX: usize = crosspoint_core::frame::TO_BYTES_MAX - "user:".len();
/// The largest `info`, in bytes of JSON.
pub const INFO_BYTES_MAX: usize = 1024;

/// What a token says. `sub` is required; what else is absent takes the default that is named.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// Seconds since 1970 at which it ends; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "numeric_date")]
    pub exp: Option<f64>,
    /// Seconds since 1970 before which it isn't good.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "numeric_date")]
    pub nbf: Option<f64>,
    /// Shown to others, an object of at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Raw>,
    /// Rooms that may be joined and read; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Vec<String>>,
    /// Rooms that may be published to; absent: those of `join`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<String>>,
    /// Whether to rooms that weren't joined, too; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_unjoined: Option<bool>,
    /// Whether direct messages and requests may be sent; absent: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Services that may be attached as; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
}

/// A NumericDate (RFC 7519 §2), without a fraction where it has none: not every reader takes `1800000000.0`.
fn numeric_date<S: serde::Serializer>(date: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(d) if d.fract() == 0.0 && *d >= 0.0 => s.serialize_u64(*d as u64),
        other => other.serialize(s),
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood (RFC 7515 §4.1.11); we understand none.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// Signs and verifies with one secret.
pub struct Hs256 {
    key: hmac::Key,
    leeway_s: u64,
}

impl Hs256 {
    /// A key of this secret; clocks may differ by `leeway_s`.
    pub fn new(secret: &[u8], leeway_s: u64) -> Hs256 {
        Hs256 { key: hmac::Key::new(hmac::HMAC_SHA256, secret), leeway_s }
    }

    /// A token of these claims.
    ///
    /// # Errors
    /// When a number isn't finite.
    pub fn sign(&self, claims: &Claims) -> Result<String, serde_json::Error> {
        let payload = BASE64URL.encode(serde_json::to_vec(claims)?);
        let signed = format!("{}.{payload}", BASE64URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        Ok(format!("{signed}.{}", BASE64URL.encode(tag)))
    }

    /// What the token grants at `now_unix_s`.
    ///
    /// # Errors
    /// `token_expired`, or `unauthorized` for everything else; never says why a token is bad.
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Grant, Fault> {
        let claims = self.claims(token).ok_or(Code::Unauthorized)?;
        let (now, leeway) = (now_unix_s as f64, self.leeway_s as f64);
        if claims.nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err(Code::Unauthorized.into());
        }
        if claims.exp.is_some_and(|exp| exp <= now - leeway) {
            return Err(Code::TokenExpired.into());
        }
        grant(claims, leeway).ok_or_else(|| Code::Unauthorized.into())
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&BASE64URL.decode(header).ok()?).ok()?;
        if header.alg != "HS256" || header.crit.is_some() {
            return None;
        }
        hmac::verify(&self.key, signed.as_bytes(), &BASE64URL.decode(tag).ok()?).ok()?;
        serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()
    }
}

/// What claims grant; `None` where the user or `info` is not fit.
pub(crate) fn grant(claims: Claims, leeway: f64) -> Option<Grant> {
    if !is_user(&claims.sub) || claims.info.as_ref().is_some_and(|i| !is_info(i)) {
        return None;
    }
    Some(Grant {
        user: claims.sub,
        info: claims.info,
        publish: claims.publish,
        join: claims.join.unwrap_or_else(|| vec!["*".into()]),
        publish_unjoined: claims.publish_unjoined.unwrap_or(false),
        direct: claims.direct.unwrap_or(true),
        services: claims.services.unwrap_or_default(),
        // The session ends when the token would be refused.
        expires_unix_s: claims.exp.map(|exp| (exp + leeway).max(0.0) as u64),
        ..Grant::default()
    })
}

/// Whether a user may have this name.
pub fn is_user(name: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&name.len()) && !name.bytes().any(|b| b.is_ascii_control())
}

/// Whether it is an object of fitting size.
pub fn is_info(info: &Raw) -> bool {
    info.get().starts_with('{') && info.get().len() <= INFO_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: u64 = 1_800_000_000;

    fn hs() -> Hs256 {
        Hs256::new(SECRET, 5)
    }

    fn raw(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        let tag = hmac::sign(&hs().key, signed.as_bytes());
        format!("{signed}.{}", BASE64URL.encode(tag))
    }

    fn verify(claims: &str) -> Result<Grant, Code> {
        hs().verify(&raw(r#"{"alg":"HS256"}"#, claims), NOW).map_err(|f| f.code)
    }

    #[test]
    fn the_example_of_rfc_7515_appendix_a_1_has_a_good_signature() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let hs = Hs256::new(&BASE64URL.decode(key).unwrap(), 0);
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let (signed, tag) = token.rsplit_once('.').unwrap();
        assert!(hmac::verify(&hs.key, signed.as_bytes(), &BASE64URL.decode(tag).unwrap()).is_ok());
        // It has no `sub`.
        assert_eq!(hs.verify(token, 0).unwrap_err().code, Code::Unauthorized);
    }

    #[test]
    fn absent_claims_mean_a_plain_user() {
        let g = verify(r#"{"sub":"alice"}"#).unwrap();
        assert!(
            g.may_join("a") && g.may_publish("b") && g.direct && !g.publish_unjoined && !g.may_serve("sfu")
        );
        assert_eq!((g.user.as_str(), g.expires_unix_s), ("alice", None));
        let g = verify(
            r#"{"sub":"a","join":["chat:*"],"direct":false,"services":["sfu"],"info":{"n":1},"exp":1800000010.5}"#,
        );
        let g = g.unwrap();
        assert!(!g.may_publish("b") && g.may_publish("chat:1") && !g.direct && g.may_serve("sfu"));
        assert_eq!((g.info.unwrap().get(), g.expires_unix_s), (r#"{"n":1}"#, Some(NOW + 15)));
    }

    #[test]
    fn time_is_checked_with_leeway() {
        assert_eq!(verify(r#"{"sub":"a","exp":1799999995}"#).unwrap_err(), Code::TokenExpired);
        assert!(verify(r#"{"sub":"a","exp":1799999996}"#).is_ok());
        assert!(verify(r#"{"sub":"a","nbf":1800000005}"#).is_ok());
        assert_eq!(verify(r#"{"sub":"a","nbf":1800000006}"#).unwrap_err(), Code::Unauthorized);
    }

    #[test]
    fn what_is_not_a_good_token_is_refused_with_one_sentence() {
        let good = raw(r#"{"alg":"HS256"}"#, r#"{"sub":"alice"}"#);
        assert!(hs().verify(&good, NOW).is_ok());
        let long = format!(r#"{{"sub":"a","x":"{}"}}"#, "y".repeat(TOKEN_BYTES_MAX));
        let big = format!(r#"{{"sub":"a","info":{{"x":"{}"}}}}"#, "y".repeat(INFO_BYTES_MAX));
        let bad = [
            String::new(),
            "a.b.c".into(),
            good.trim_end_matches(|c| c != '.').into(),
            good[..good.len() - 2].into(),
            format!("{good}.x"),
            format!("{good}="),
            raw(r#"{"alg":"none"}"#, r#"{"sub":"alice"}"#),
            raw(r#"{"alg":"HS512"}"#, r#"{"sub":"alice"}"#),
            raw(r#"{"alg":"HS256","crit":["x"]}"#, r#"{"sub":"alice"}"#),
            raw(r#"{"alg":"HS256"}"#, "{}"),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":""}"#),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":"a\u0007"}"#),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":7}"#),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":"a","join":"*"}"#),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":"a","info":[1]}"#),
            raw(r#"{"alg":"HS256"}"#, r#"{"sub":"a","exp":"soon"}"#),
            raw(r#"{"alg":"HS256"}"#, &long),
            raw(r#"{"alg":"HS256"}"#, &big),
            Hs256::new(b"another secret of fitting length!", 5)
                .sign(&Claims { sub: "alice".into(), ..Claims::default() })
                .unwrap(),
        ];
        for token in bad {
            let fault = hs().verify(&token, NOW).unwrap_err();
            assert_eq!(fault.to_string(), "unauthorized: Authentication error: Invalid token", "{token}");
        }
    }

    #[test]
    fn what_is_signed_verifies() {
        let claims = Claims { sub: "bob".into(), exp: Some(NOW as f64 + 60.0), ..Claims::default() };
        let json = serde_json::to_string(&claims).unwrap();
        assert_eq!(json, format!(r#"{{"sub":"bob","exp":{}}}"#, NOW + 60));
        let token = hs().sign(&claims).unwrap();
        assert_eq!(hs().verify(&token, NOW).unwrap().user, "bob");
    }
}
