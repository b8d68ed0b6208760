//! The configuration: what may be set ([`Config`]), how it is written ([`value`]), where it comes from
//! ([`layer`], [`load`]) and what must hold ([`check`]). Keys and defaults: docs/configuration.md.

mod check;
mod error;
mod hooks;
mod ice;
mod key;
mod layer;
mod listen;
mod load;
mod origin;
mod rates;
mod service;
mod show;
mod site;
mod tokens;
mod transports;
mod value;
mod ways;

pub use error::{ConfigError, ConfigErrors, Source};
pub use hooks::{AskHook, ConnectHook, HookUrl, Hooks, NotifyHook, OnFailure, RequestHook};
pub use ice::{Coturn, Ice, StaticServer, Turn};
pub(crate) use key::wrong_key;
pub use key::{ApiKey, NamedKey};
pub use layer::{ENV_PREFIX, Setting, env_name};
pub use listen::{Acme, Listen};
pub use load::{Inputs, load};
pub use origin::OriginPattern;
pub use service::{SERVICE_BYTES_MAX, Service};
pub use site::{Origin, Site, is_loopback};
pub use tokens::{Issuer, JwksUrl, TokenKey};
pub use transports::{Transports, WebRtc, WebTransport};
pub use value::{HubUrl, IceUrl, LogFormat, LogLevel, Net, ProxyHeaders, Secret};
pub use ways::{CookieHolds, Way};

use crate::auth::jwt::Alg;
use crosspoint_core::negotiate::deadline_ms;
use crosspoint_core::{Limits, Transport};
use crosspoint_hub::{Drain, HubConfig, Namespace, Rates, TicketBinding};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The settings in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Dev mode: everybody may do everything, under any name.
    pub dev: bool,
    /// Dev mode may listen beyond loopback.
    pub dev_insecure_listen: bool,
    /// Worker threads; 0: one per core, 1: everything on one thread.
    pub threads: usize,
    /// Proxies that are believed when they say whose requests and connections they bring.
    pub trusted_proxies: Vec<Net>,
    /// Which of their headers are read.
    pub proxy_headers: ProxyHeaders,
    /// Where the hub listens.
    pub listen: Listen,
    /// Who may do what.
    pub auth: Auth,
    /// Which pages may connect.
    pub origins: Origins,
    /// Bounds of the HTTP front.
    pub http: Http,
    /// What is written to standard error.
    pub log: Log,
    /// How the hub ends.
    pub shutdown: Shutdown,
    /// Where clients go meanwhile.
    pub drain: DrainSettings,
    /// Transports that can be switched.
    pub transports: Transports,
    /// STUN and TURN.
    pub ice: Ice,
    /// What the backend is asked and told.
    pub hooks: Hooks,
    /// Bounds of the hub.
    pub limits: Limits,
    /// How much is taken from whom in a time.
    pub rates: Rates,
    /// What holds for rooms by their names' beginnings.
    pub namespaces: Vec<Namespace>,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The secret of tokens, as long as the hash at least (RFC 7518 §3.2).
    pub jwt_secret: Option<Secret>,
    /// What it is used with: HS256, HS384, HS512.
    pub jwt_algs: Vec<Alg>,
    /// How far clocks may differ when `exp`, `nbf` and `iat` are checked, s.
    pub jwt_leeway_s: u64,
    /// Other keys of tokens.
    pub keys: Vec<TokenKey>,
    /// Who makes tokens and publishes keys.
    pub issuers: Vec<Issuer>,
    /// Key sets of which nothing else is said.
    pub jwks_urls: Vec<JwksUrl>,
    /// How often key sets are fetched, ms.
    pub jwks_refresh_ms: u64,
    /// The time between two fetches that tokens with unknown keys cause, ms.
    pub jwks_min_interval_ms: u64,
    /// How long keys are good that can't be fetched any more, ms; 0: for ever.
    pub jwks_max_age_ms: u64,
    /// The time one fetch has, ms.
    pub jwks_timeout_ms: u64,
    /// PEM file of authorities to trust beside the system's.
    pub jwks_ca_file: Option<PathBuf>,
    /// Key sets may be fetched without TLS from other machines.
    pub jwks_allow_http: bool,
    /// The `iss` that tokens must have.
    pub issuer: Option<String>,
    /// Those of which `aud` must name one.
    pub audiences: Vec<String>,
    /// Tokens must have `exp`.
    pub require_exp: bool,
    /// How old a token may be by its `iat`, s; 0: as old as it likes.
    pub max_token_age_s: u64,
    /// The claim that holds the hub's, as an object.
    pub claims: Option<String>,
    /// The claim that names the user.
    pub user_claim: String,
    /// Keys of the backend API, and of clients that have nothing better.
    pub api_keys: Vec<ApiKey>,
    /// Backend processes that attach as services.
    pub services: Vec<Service>,
    /// So long before a token's end its client is told, ms; a fifth of its life if that is less.
    pub expiring_ms: u64,
    /// What negotiation's tickets are bound to.
    pub ticket_binding: TicketBinding,
    /// By what a request may say who sent it.
    pub ways: Vec<Way>,
    /// The cookie of [`Way::Cookie`].
    pub cookie_name: String,
    /// What it holds.
    pub cookie_holds: CookieHolds,
    /// Schemes of `Authorization` beside Bearer and Basic, whose credentials the backend checks.
    pub schemes: Vec<String>,
}

/// `[origins]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origins {
    /// Origins beside the hub's own whose pages may connect.
    pub allowed: Vec<OriginPattern>,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// HTTP connections open at once; further ones wait in the kernel's queue. A connection that has become a WebSocket
    /// counts among the hub's links instead.
    pub connections_max: usize,
    /// The largest request head, bytes.
    pub header_bytes_max: usize,
    /// The time a request head has to arrive, and an idle connection to send one, ms.
    pub header_ms: u64,
    /// The time a negotiation or API request has, its body included, ms. (Links have their own times.)
    pub request_ms: u64,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Least important level written, also by target: `info,crosspoint_hub=debug`.
    pub level: LogLevel,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long clients have to move elsewhere before they are cut off, ms.
    pub drain_ms: u64,
}

/// `[drain]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainSettings {
    /// Another hub that clients are sent to.
    pub address: Option<HubUrl>,
    /// The time over which clients that are sent away come back, at random, ms; 0: as long as so many need at
    /// `limits.connects_per_s`.
    pub spread_ms: u64,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            jwt_secret: None,
            jwt_algs: vec![Alg::Hs256],
            jwt_leeway_s: 5,
            keys: vec![],
            issuers: vec![],
            jwks_urls: vec![],
            jwks_refresh_ms: 900_000,
            jwks_min_interval_ms: 30_000,
            jwks_max_age_ms: 86_400_000,
            jwks_timeout_ms: 5_000,
            jwks_ca_file: None,
            jwks_allow_http: false,
            issuer: None,
            audiences: vec![],
            require_exp: false,
            max_token_age_s: 0,
            claims: None,
            user_claim: "sub".into(),
            api_keys: vec![],
            services: vec![],
            expiring_ms: 60_000,
            ticket_binding: TicketBinding::default(),
            ways: Way::USUAL.to_vec(),
            cookie_name: "crosspoint_token".into(),
            cookie_holds: CookieHolds::Token,
            schemes: vec![],
        }
    }
}

impl Default for Http {
    fn default() -> Http {
        Http { connections_max: 100_000, header_bytes_max: 16 << 10, header_ms: 30_000, request_ms: 10_000 }
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { drain_ms: 5_000 }
    }
}

/// How much the hub believes strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Tokens and API keys decide.
    Secured,
    /// Dev mode, as asked for.
    Dev,
    /// Dev mode because nothing is configured and only this machine can connect.
    ImplicitDev,
}

impl Config {
    /// Open where asked for, or where nothing says who clients are (which the check allows on loopback only); else secured.
    pub fn mode(&self) -> Mode {
        let auth = &self.auth;
        let asks = auth.has_token_keys() || auth.has_client_keys() || self.hooks.connect.url.is_some();
        match (self.dev, asks) {
            (true, _) => Mode::Dev,
            (false, false) => Mode::ImplicitDev,
            (false, true) => Mode::Secured,
        }
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.mode() != Mode::Secured
    }

    /// The namespaces in force: as configured, else in dev mode `""` and `chat:` with an hour of history.
    pub fn namespaces(&self) -> Vec<Namespace> {
        if !self.namespaces.is_empty() || !self.is_open() {
            return self.namespaces.clone();
        }
        let chat = Namespace {
            prefix: "chat:".into(),
            history_events: 1000,
            history_ms: 3_600_000,
            presence: true,
            ..Namespace::default()
        };
        vec![Namespace { presence: true, ..Namespace::default() }, chat]
    }

    /// How clients are sent away when the hub ends.
    pub fn drain(&self) -> Drain {
        let spread_ms = self.drain.spread_ms;
        Drain {
            within: Duration::from_millis(self.shutdown.drain_ms),
            address: self.drain.address.as_ref().map(|url| url.as_str().into()),
            spread: (spread_ms > 0).then(|| Duration::from_millis(spread_ms)),
        }
    }

    /// What is allowed, and hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        let silence_ms = self.limits.silence_ms();
        let offered = [Transport::WebSocket, Transport::Sse];
        let slow = offered.into_iter().filter(|t| silence_ms < deadline_ms(*t));
        let slow = slow.map(|t| {
            format!(
                "`limits.heartbeat_ms`: links are given up after {silence_ms} ms of silence, before {t} has had the {} ms that a \
                 client gives it to answer; on slow networks nobody would get in",
                deadline_ms(t)
            )
        });
        slow.chain(self.auth.warnings())
            .chain(self.auth.token_warnings())
            .chain(self.hooks.warnings())
            .collect()
    }

    /// What the hub is told.
    pub fn hub(&self) -> HubConfig {
        HubConfig {
            limits: self.limits.clone(),
            ticket_binding: self.auth.ticket_binding,
            rates: self.rates.clone(),
            namespaces: self.namespaces(),
            expiring_ms: self.auth.expiring_ms,
        }
    }
}
