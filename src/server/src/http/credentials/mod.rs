//! Who sent a request: where it comes from ([`super::forwarded`]), what it shows ([`ways`]), and who that is ([`Door`]).

mod ways;

use super::forwarded::Proxies;
use super::origin::Standing;
use crate::auth::gate::{WRONG_KEY, unix_s};
use crate::auth::{Credential, Gate, Key, Scopes};
use crate::config::Config;
use crate::hooks::{Backend, ConnectAsk};
use crosspoint_core::{Code, Fault, Grant, LinkInfo, Transport};
use crosspoint_hub::Hub;
use http::header::{HeaderMap, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Uri;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use ways::is_page;
use ways::{Shown, Ways};

/// What becomes of a cookie that is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// The request is refused.
    Decide,
    /// Browsers send it unasked, and a hello will say who the client is: it counts only if the hello says nothing.
    AwaitHello,
}

/// A request that comes in.
pub(crate) struct Seen<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) standing: &'a Standing,
    /// The other end of the connection.
    pub(crate) peer: IpAddr,
    pub(crate) transport: Option<Transport>,
    pub(crate) cookies: Cookies,
}

/// Who comes in, by whatever transport.
pub(crate) struct Door {
    hub: Arc<Hub>,
    gate: Arc<Gate>,
    pub(crate) backend: Arc<Backend>,
    ways: Ways,
    proxies: Proxies,
    within: Duration,
}

impl Door {
    pub(crate) fn new(config: &Config, hub: Arc<Hub>, gate: Arc<Gate>, backend: Arc<Backend>) -> Door {
        Door {
            hub,
            gate,
            backend,
            ways: Ways::new(&config.auth),
            proxies: Proxies::new(config),
            within: Duration::from_millis(config.http.request_ms),
        }
    }

    /// The keys, tokens and people that are known.
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The client's address.
    pub(crate) fn remote(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }

    /// What is known of the client before its link begins.
    ///
    /// # Errors
    /// `unauthorized`, `token_expired`, `forbidden`, …: what it shows is no good; `bad_request`: it shows several things; `unavailable`:
    /// nobody could say in time.
    pub(crate) async fn enter(&self, seen: Seen<'_>) -> Result<LinkInfo, Fault> {
        let Seen { headers, query, standing, peer, transport, cookies } = seen;
        let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let mut info = LinkInfo {
            remote: Some(self.remote(peer, headers)),
            origin: origin.map(Into::into),
            ..LinkInfo::default()
        };
        let Some(Shown { credential, unasked }) = self.ways.find(headers, query, standing)? else {
            return Ok(info);
        };
        let spared = unasked && cookies == Cookies::AwaitHello;
        let token = match &credential {
            Credential::Token(token) if spared => Some(token.clone()),
            _ => None,
        };
        let ask = ConnectAsk {
            scheme: if unasked { "cookie".into() } else { "".into() },
            credential: None,
            remote: info.remote,
            transport,
            origin: origin.map(String::from),
            headers: self.backend.connect_headers(headers),
        };
        match self.identify(credential, ask).await {
            Ok(grant) => info.grant = Some(Arc::new(grant)),
            Err(fault) if !spared => return Err(fault),
            Err(_) if token.is_some() => info.token = token,
            Err(fault) => info.fault = Some(Box::new(fault)),
        }
        Ok(info)
    }

    async fn identify(&self, credential: Credential, ask: ConnectAsk) -> Result<Grant, Fault> {
        let late = |_| Fault::new(Code::Unavailable, "The credentials could not be checked in time");
        let grant =
            tokio::time::timeout(self.within, self.gate.identify(credential, ask)).await.map_err(late)??;
        self.hub.check_grant(&grant)?;
        Ok(grant)
    }

    /// What a backend may do that sent this request.
    ///
    /// # Errors
    /// `unauthorized`, also for a key that is not for the API; `token_revoked`; `bad_request` for several keys.
    pub(crate) fn backend_key(&self, headers: &HeaderMap, query: Option<&str>) -> Result<&Key, Fault> {
        let shown = self.ways.find(headers, query, &Standing::Anybody)?;
        let key = match shown.map(|shown| shown.credential) {
            Some(Credential::Token(key) | Credential::ApiKey(key)) => self.gate.keys().find(&key, unix_s()),
            _ => None,
        };
        let key = key.filter(|key| key.scopes != Scopes::NONE);
        let key = key.ok_or_else(|| Fault::new(Code::Unauthorized, WRONG_KEY))?;
        self.hub.check_grant(&key.token)?;
        Ok(key)
    }

    /// Takes secrets out of a URL once they have been found.
    pub(crate) fn strip(&self, uri: &mut Uri) {
        self.ways.strip(uri);
    }

    /// Says in the answer 401 what would do.
    pub(crate) fn challenge(&self, is_page: bool, headers: &mut HeaderMap) {
        headers.remove(WWW_AUTHENTICATE);
        for value in self.ways.challenges(is_page) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
}
