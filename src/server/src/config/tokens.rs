//! `[[auth.keys]]`, `[[auth.issuers]]` and what else says which tokens are good.

use super::check::Report;
use super::value::is_web_url;
use super::{Auth, Secret};
use crate::auth::jwt::Alg;
use crate::http_client::is_confidential;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::fmt;
use std::path::PathBuf;

/// The longest a fetch may take, so that who waits for it gets in within `limits.hello_ms`.
const TIMEOUT_MS_MAX: u64 = 30_000;

/// A key of tokens: a secret, or the public key of who makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// What it is used with. Absent: HS256 for a secret, else all that the key is good for.
    #[serde(default, alias = "alg", deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub algs: Vec<Alg>,
    /// Its name in tokens (`kid`). Absent: it is tried whatever the token names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// A secret, as long as the hash at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file: PEM of public keys or certificates, a JSON Web Key, or a set of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The `iss` that its tokens have. Absent: `auth.issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Those of which `aud` names one. Absent: `auth.audiences`.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
}

/// Somebody who makes tokens, and publishes keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Where the keys are (JWKS).
    pub url: JwksUrl,
    /// The `iss` that its tokens have. Absent: `auth.issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Those of which `aud` names one. Absent: `auth.audiences`.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// What its keys are used with. Absent: all that they are good for.
    #[serde(default, alias = "alg", deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub algs: Vec<Alg>,
    /// How often they are fetched, ms. Absent: `auth.jwks_refresh_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_ms: Option<u64>,
}

impl Issuer {
    /// The keys at this URL, with nothing said of them.
    pub(crate) fn of(url: JwksUrl) -> Issuer {
        Issuer { url, iss: None, aud: vec![], algs: vec![], refresh_ms: None }
    }
}

/// The URL of a key set: `https`, or `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JwksUrl(String);

impl JwksUrl {
    /// Reads one; `None` if it is something else, or holds a password.
    pub fn parse(text: &str) -> Option<JwksUrl> {
        is_web_url(text).then(|| JwksUrl(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_confidential(&self) -> bool {
        self.0.parse().is_ok_and(|url| is_confidential(&url))
    }
}

impl fmt::Display for JwksUrl {
    /// Without its query, which logs have no need of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split(['?', '#']).next().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for JwksUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<JwksUrl, D::Error> {
        let text = String::deserialize(d)?;
        JwksUrl::parse(&text).ok_or_else(|| {
            // Not quoted: what is wrong with it may be that it holds a password.
            let example = "https://id.example.com/.well-known/jwks.json";
            D::Error::custom(format_args!("is not the URL of a key set, like {example}"))
        })
    }
}

fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore<T> {
        One(T),
        More(Vec<T>),
    }
    OneOrMore::deserialize(d)
        .map(|read| match read {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        })
        .map_err(|_| D::Error::custom("is neither a name nor a list of names that are known here"))
}

impl Auth {
    /// Whether tokens can be verified at all.
    pub fn has_token_keys(&self) -> bool {
        let lists = self.keys.is_empty() && self.issuers.is_empty() && self.jwks_urls.is_empty();
        self.jwt_secret.is_some() || !lists
    }

    /// Whoever gets tokens of an issuer for other ends gets in, too.
    pub(super) fn token_warnings(&self) -> Vec<String> {
        let named = !self.audiences.is_empty();
        let open = self.issuers.iter().filter(|i| i.aud.is_empty() && !named).map(|i| &i.url);
        let urls = open.chain(self.jwks_urls.iter().filter(|_| !named));
        urls.map(|url| {
            format!(
                "`auth.audiences`: it is not said for whom tokens of {url} are made; tokens with `aud` are refused, and those without, \
                 made for anything else, are good here too"
            )
        })
        .collect()
    }
}

pub(super) fn check(auth: &Auth, fault: &mut Report<'_>) {
    let make = "make one, for example with `openssl rand -base64 96`";
    if let Some(alg) = auth.jwt_algs.iter().find(|alg| !Alg::SECRET.contains(alg)) {
        let fix = "give HS256, HS384 or HS512 here, and other keys in auth.keys";
        fault("auth.jwt_algs", format!("{alg} is not for secrets"), fix);
    } else if auth.jwt_algs.is_empty() {
        fault("auth.jwt_algs", "is empty".into(), "HS256 is usual: [\"HS256\"]");
    }
    if let Some(secret) = &auth.jwt_secret
        && let Some(min) = auth.jwt_algs.iter().map(|alg| alg.secret_bytes_min()).max()
        && secret.bytes().len() < min
    {
        let problem = format!("has {} bytes, fewer than {min}", secret.bytes().len());
        fault("auth.jwt_secret", problem, make);
    }
    for (at, key) in auth.keys.iter().enumerate() {
        let mut wrong =
            |problem: String, fix: &str| fault("auth.keys", format!("number {}: {problem}", at + 1), fix);
        match (&key.secret, &key.file) {
            (Some(secret), None) => {
                let algs = if key.algs.is_empty() { &[Alg::Hs256][..] } else { &key.algs };
                if let Some(alg) = algs.iter().find(|alg| !Alg::SECRET.contains(alg)) {
                    wrong(
                        format!("{alg} is not for secrets"),
                        "give HS256, HS384 or HS512, or a file with a public key",
                    );
                } else if let Some(min) = algs.iter().map(|alg| alg.secret_bytes_min()).max()
                    && secret.bytes().len() < min
                {
                    wrong(format!("its secret has {} bytes, fewer than {min}", secret.bytes().len()), make);
                }
            }
            (None, Some(_)) => {}
            _ => wrong("it has not one of `secret` and `file`".into(), "give one of them"),
        }
    }
    if !auth.jwks_allow_http {
        let fix = "take https, or set auth.jwks_allow_http where nobody else is on the way";
        let insecure = |url: &JwksUrl| format!("whoever is on the way to {url} can make tokens");
        if let Some(url) = auth.jwks_urls.iter().find(|url| !url.is_confidential()) {
            fault("auth.jwks_urls", insecure(url), fix);
        }
        if let Some(issuer) = auth.issuers.iter().find(|issuer| !issuer.url.is_confidential()) {
            fault("auth.issuers", insecure(&issuer.url), fix);
        }
    }
    if !(1..=TIMEOUT_MS_MAX).contains(&auth.jwks_timeout_ms) {
        let problem = format!("is not between 1 and {TIMEOUT_MS_MAX}");
        fault("auth.jwks_timeout_ms", problem, "clients wait for it: a few seconds at most");
    }
    let own = auth.issuers.iter().filter_map(|issuer| issuer.refresh_ms).min();
    let positive = [
        ("auth.jwks_refresh_ms", Some(auth.jwks_refresh_ms)),
        ("auth.jwks_min_interval_ms", Some(auth.jwks_min_interval_ms)),
        ("auth.issuers", own),
    ];
    for (key, _) in positive.iter().filter(|(_, ms)| *ms == Some(0)) {
        fault(key, "has a time of 0".into(), "give at least 1000");
    }
    for (key, name) in [("auth.claims", auth.claims.as_deref()), ("auth.user_claim", Some(&auth.user_claim))]
    {
        if name == Some("") {
            fault(key, "is empty".into(), "give the name of a claim, or leave it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Inputs, Mode, load};

    fn loaded(flags: &[(&str, &str)]) -> Config {
        let flags = flags.iter().map(|(k, v)| (k.to_string(), v.to_string(), format!("--set {k}")));
        load(&Inputs { flags: flags.collect(), ..Inputs::default() }).unwrap()
    }

    #[test]
    fn whoever_may_say_who_comes_closes_the_hub() {
        for (key, value) in [
            ("auth.jwt_secret", "0123456789abcdef0123456789abcdef"),
            ("auth.keys", "[{secret = '0123456789abcdef0123456789abcdef'}]"),
            ("auth.issuers", "[{url = 'https://id.example.com/jwks', aud = 'hub'}]"),
            ("auth.jwks_urls", "https://id.example.com/jwks"),
            ("hooks.connect.url", "https://backend.example.com/connect"),
        ] {
            let secrets = ("hooks.secrets", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
            let config = loaded(&[(key, value), ("listen.addr", "0.0.0.0:3001"), secrets]);
            assert_eq!(config.mode(), Mode::Secured, "{key}");
        }
    }

    #[test]
    fn tokens_for_nobody_in_particular_are_warned_of() {
        let said = |flags: &[(&str, &str)]| loaded(flags).warnings().join("\n");
        let url = ("auth.jwks_urls", "https://id.example.com/jwks");
        let named = ("auth.issuers", "[{url = 'https://id.example.com/jwks', aud = 'hub'}]");
        assert!(said(&[url]).contains("`auth.audiences`") && said(&[url]).contains(url.1));
        assert!(!said(&[url, ("auth.audiences", "hub")]).contains("auth.audiences"));
        assert!(!said(&[named]).contains("auth.audiences"));
        assert!(
            said(&[("auth.issuers", "[{url = 'https://id.example.com/jwks'}]")]).contains("auth.audiences")
        );
    }
}
