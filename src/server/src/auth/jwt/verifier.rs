//! From a token to what it grants.

use super::claims::{Places, seconds};
use super::jws::Jws;
use super::remote::Remote;
use super::set::{Set, sets};
use super::{Claims, Refusal};
use crate::config::{Auth, Config};
use crate::http_client::{ClientError, HttpClient};
use crosspoint_core::Grant;
use crosspoint_hub::Purpose;
use serde::Deserialize;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Keys that are tried for one token: a signature costs up to a tenth of a millisecond.
const TRIES_MAX: usize = 16;

/// What is said of a token.
pub(crate) enum Verdict {
    Good(Box<Grant>),
    Refused(Refusal),
    /// None of the keys at hand, but one that these may get.
    Unknown(Vec<Arc<Remote>>),
}

/// What tokens must be, whoever signed them.
struct Rules {
    leeway_s: u64,
    require_exp: bool,
    max_age_s: u64,
    places: Places,
}

/// All keys, and the rules.
pub struct Verifier {
    sets: Vec<Set>,
    rules: Rules,
}

/// Why tokens can't be verified as configured.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A key can't be used.
    #[error("`auth.keys`: {0}")]
    Key(String),
    /// There is no HTTP client.
    #[error("`auth.jwks_ca_file`: {0}")]
    Client(#[from] ClientError),
}

/// Whom a token says it is from, to choose among keys; proves nothing.
#[derive(Deserialize)]
struct From {
    #[serde(default)]
    iss: Option<serde_json::Value>,
}

impl Verifier {
    /// As configured; reads the files of keys. `None`: no key is configured at all.
    ///
    /// # Errors
    /// When a key can't be used.
    pub fn new(config: &Config) -> Result<Option<Verifier>, VerifierError> {
        let Auth { jwt_leeway_s, require_exp, max_token_age_s, claims, user_claim, .. } = &config.auth;
        let sets = sets(&config.auth)?;
        let places = Places { user: user_claim.clone(), ours: claims.clone() };
        let rules =
            Rules { leeway_s: *jwt_leeway_s, require_exp: *require_exp, max_age_s: *max_token_age_s, places };
        Ok((!sets.is_empty()).then_some(Verifier { sets, rules }))
    }

    /// Keeps keys up to date, as long as the tasks live.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn keep(&self, config: &Config) -> Result<JoinSet<()>, VerifierError> {
        let mut tasks = JoinSet::new();
        let remotes: Vec<_> = self.sets.iter().filter_map(Set::remote).collect();
        if !remotes.is_empty() {
            let http = HttpClient::new(config.auth.jwks_ca_file.as_deref())?;
            for remote in remotes {
                tasks.spawn(remote.clone().keep(http.clone()));
            }
        }
        for file in self.sets.iter().filter_map(Set::file) {
            tasks.spawn(file.clone().keep());
        }
        Ok(tasks)
    }

    /// What the token grants at this time.
    pub(crate) fn verify(&self, token: &str, purpose: Purpose, now_unix_s: u64) -> Verdict {
        match self.signed(token) {
            Ok(Signed::Unknown(remotes)) => Verdict::Unknown(remotes),
            Ok(Signed::By(claims)) => match self.grant(*claims, purpose, now_unix_s) {
                Ok(grant) => Verdict::Good(Box::new(grant)),
                Err(refusal) => Verdict::Refused(refusal),
            },
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// The same, with the keys that may have to be fetched for it first.
    ///
    /// # Errors
    /// Why it isn't good.
    pub async fn verify_fetching(
        &self,
        token: &str,
        purpose: Purpose,
        now_unix_s: u64,
    ) -> Result<Grant, Refusal> {
        if let Verdict::Unknown(remotes) = self.verify(token, purpose, now_unix_s) {
            for remote in &remotes {
                remote.refreshed().await;
            }
        }
        match self.verify(token, purpose, now_unix_s) {
            Verdict::Good(grant) => Ok(*grant),
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Unknown(remotes) if remotes.iter().all(|r| r.keys().is_empty()) => {
                Err(Refusal::NoKeysYet)
            }
            Verdict::Unknown(_) => Err(self.no_key(token)),
        }
    }

    fn no_key(&self, token: &str) -> Refusal {
        match Jws::parse(token) {
            Ok(jws) => Refusal::no_key(jws.alg, jws.kid.as_deref(), issuer(&jws.payload).as_deref()),
            Err(refusal) => refusal,
        }
    }

    /// Whether a key signed it, and made for us.
    fn signed(&self, token: &str) -> Result<Signed, Refusal> {
        let jws = Jws::parse(token)?;
        let (alg, kid) = (jws.alg, jws.kid.as_deref());
        let iss = issuer(&jws.payload);
        let (mut tried, mut refusal, mut unknown) = (0, None, vec![]);
        for set in self.sets.iter().filter(|set| set.is_of(iss.as_deref())) {
            let keys = set.keys();
            let mut known = false;
            for key in keys.iter().filter(|key| key.fits(alg, kid)) {
                if tried == TRIES_MAX {
                    return Err(Refusal::Signature(alg, tried));
                }
                (known, tried) = (true, tried + 1);
                if !key.verifies(alg, jws.signed, &jws.signature) {
                    continue;
                }
                let claims = Claims::read(&jws.payload, &self.rules.places)?;
                match set.accepts(&claims) {
                    Ok(()) => return Ok(Signed::By(Box::new(claims))),
                    Err(why) => refusal = Some(why),
                }
            }
            if let Some(remote) = set.remote().filter(|remote| !known && remote.may_have(alg, kid)) {
                unknown.push(remote.clone());
            }
        }
        match refusal {
            Some(why) => Err(why),
            None if !unknown.is_empty() => Ok(Signed::Unknown(unknown)),
            None if tried > 0 => Err(Refusal::Signature(alg, tried)),
            None => Err(Refusal::no_key(alg, kid, iss.as_deref())),
        }
    }

    fn grant(&self, claims: Claims, purpose: Purpose, now_unix_s: u64) -> Result<Grant, Refusal> {
        let Rules { leeway_s, require_exp, max_age_s, .. } = &self.rules;
        let (now, leeway) = (now_unix_s as f64, *leeway_s as f64);
        let Claims { exp, nbf, iat, .. } = claims;
        if nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err(Refusal::NotYet);
        }
        if iat.is_some_and(|iat| iat > now + leeway) {
            return Err(Refusal::Future);
        }
        let too_old = match (iat, max_age_s) {
            (_, 0) => None,
            (None, _) => return Err(Refusal::NoBeginning),
            (Some(iat), max) => Some(iat + *max as f64),
        };
        if *require_exp && exp.is_none() {
            return Err(Refusal::NoEnd);
        }
        let end = exp.into_iter().chain(too_old).reduce(f64::min);
        if end.is_some_and(|end| end <= now - leeway) {
            return Err(Refusal::Expired);
        }
        let grant = match purpose {
            Purpose::Room => claims.room_grant()?,
            Purpose::Connect | Purpose::Refresh => claims.grant()?,
        };
        // The session ends when the token would be refused.
        Ok(Grant { expires_unix_s: end.map(|end| seconds(end + leeway)), ..grant })
    }
}

enum Signed {
    By(Box<Claims>),
    Unknown(Vec<Arc<Remote>>),
}

fn issuer(payload: &[u8]) -> Option<String> {
    let from: From = serde_json::from_slice(payload).ok()?;
    from.iss?.as_str().map(String::from)
}
