//! Keys that belong together, and what tokens signed with them must say.

use super::file::KeyFile;
use super::key::{Key, KeyError, Material};
use super::remote::{Remote, Times};
use super::verifier::VerifierError;
use super::{Alg, Claims, Refusal};
use crate::config::{Auth, Issuer, TokenKey};
use std::sync::Arc;
use std::time::Duration;

/// Where keys come from.
enum Source {
    Fixed(Arc<[Key]>),
    File(Arc<KeyFile>),
    Remote(Arc<Remote>),
}

/// Keys of one issuer.
pub(super) struct Set {
    /// The `iss` that tokens must have; `None`: whatever it is.
    iss: Option<String>,
    /// Those of which `aud` must name one; none: there must be no `aud`.
    aud: Vec<String>,
    source: Source,
}

impl Set {
    pub(super) fn keys(&self) -> Arc<[Key]> {
        match &self.source {
            Source::Fixed(keys) => keys.clone(),
            Source::File(file) => file.keys(),
            Source::Remote(remote) => remote.keys(),
        }
    }

    pub(super) fn remote(&self) -> Option<&Arc<Remote>> {
        if let Source::Remote(remote) = &self.source { Some(remote) } else { None }
    }

    pub(super) fn file(&self) -> Option<&Arc<KeyFile>> {
        if let Source::File(file) = &self.source { Some(file) } else { None }
    }

    /// Whether a token that says it is of this issuer may be signed with one of the keys.
    pub(super) fn is_of(&self, iss: Option<&str>) -> bool {
        self.iss.is_none() || self.iss.as_deref() == iss
    }

    /// Whether a token that one of the keys signed is made by and for the right ones.
    pub(super) fn accepts(&self, claims: &Claims) -> Result<(), Refusal> {
        if !self.is_of(claims.iss.as_deref()) {
            return Err(Refusal::Issuer);
        }
        // RFC 7519 §4.1.3: who isn't named must refuse it.
        let meant = match &claims.aud {
            Some(aud) => aud.names(&self.aud),
            None => self.aud.is_empty(),
        };
        if meant { Ok(()) } else { Err(Refusal::Audience) }
    }
}

/// All sets, as configured.
pub(super) fn sets(auth: &Auth) -> Result<Vec<Set>, VerifierError> {
    let mut sets = vec![];
    let iss = |own: &Option<String>| own.clone().or_else(|| auth.issuer.clone());
    let aud = |own: &Vec<String>| if own.is_empty() { auth.audiences.clone() } else { own.clone() };
    if let Some(secret) = &auth.jwt_secret {
        let key = Key::new(Material::Secret(secret.bytes().to_vec()), None, &auth.jwt_algs);
        let key = key.map_err(|e| VerifierError::Key(format!("auth.jwt_secret: {e}")))?;
        let source = Source::Fixed([key].into());
        sets.push(Set { iss: iss(&None), aud: aud(&vec![]), source });
    }
    for (at, key) in auth.keys.iter().enumerate() {
        let source = source(key).map_err(|e| VerifierError::Key(format!("number {}: {e}", at + 1)))?;
        sets.push(Set { iss: iss(&key.iss), aud: aud(&key.aud), source });
    }
    let plain = auth.jwks_urls.iter().map(|url| Issuer::of(url.clone()));
    for issuer in plain.chain(auth.issuers.iter().cloned()) {
        let times = Times {
            refresh: Duration::from_millis(issuer.refresh_ms.unwrap_or(auth.jwks_refresh_ms)),
            min_interval: Duration::from_millis(auth.jwks_min_interval_ms),
            max_age: Duration::from_millis(auth.jwks_max_age_ms),
            timeout: Duration::from_millis(auth.jwks_timeout_ms),
        };
        let source = Source::Remote(Arc::new(Remote::new(issuer.url, issuer.algs, times)));
        sets.push(Set { iss: iss(&issuer.iss), aud: aud(&issuer.aud), source });
    }
    Ok(sets)
}

fn source(key: &TokenKey) -> Result<Source, KeyError> {
    let TokenKey { algs, kid, secret, file, .. } = key;
    match (secret, file) {
        (Some(secret), None) => {
            let key = Key::new(Material::Secret(secret.bytes().to_vec()), kid.clone(), algs)?;
            Ok(Source::Fixed([key].into()))
        }
        (None, Some(path)) => {
            Ok(Source::File(Arc::new(KeyFile::read(path.clone(), kid.clone(), algs.clone())?)))
        }
        _ => Err(KeyError::Form("it has not one of `secret` and `file`".into())),
    }
}

/// Keys of a set, restricted to these algorithms.
pub(super) fn restricted(keys: Vec<Key>, algs: &[Alg]) -> Arc<[Key]> {
    keys.into_iter().filter_map(|key| key.only(algs)).collect()
}
