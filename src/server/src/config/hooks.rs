//! `[hooks]`: what the hub asks and tells the team's backend (docs/hooks.md).

use super::check::Report;
use super::value::is_web_url;
use super::{Config, Secret};
use crate::hooks::sign::Signer;
use crate::http_client::is_confidential;
use crosspoint_hub::HookPoint;
use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::path::PathBuf;

/// `[hooks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Secrets that requests are signed with: `whsec_` and 24 to 64 bytes as base64. Several: a signature of each.
    pub secrets: Vec<Secret>,
    /// PEM file of authorities that may vouch for the backend, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The time one attempt has, ms.
    pub timeout_ms: u64,
    /// Attempts of a question.
    pub attempts: u64,
    /// The wait after the first failed attempt, ms; each further one is twice as long, and each is shortened at random by up to half.
    pub backoff_ms: u64,
    /// The longest wait, ms.
    pub backoff_ms_max: u64,
    /// The largest answer, bytes.
    pub response_bytes_max: usize,
    /// Questions of one hook under way at once.
    pub concurrency: usize,
    /// Questions of one hook that wait for their turn.
    pub queue_max: usize,
    /// Failed attempts (no 4xx but 408 and 429) in a row after which an address is left alone.
    pub breaker_failures: u64,
    /// How long it is left alone before one request probes it, ms.
    pub breaker_open_ms: u64,
    /// Who may connect.
    pub connect: ConnectHook,
    /// Who may join.
    pub join: AskHook,
    /// What may be published.
    pub publish: AskHook,
    /// What the backend answers itself.
    pub request: RequestHook,
    /// What the backend is told.
    pub notify: NotifyHook,
}

/// What a hook that fails comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// What was asked for is refused, with `unavailable`.
    #[default]
    Refuse,
    /// As if there were no hook.
    Allow,
}

/// `[hooks.connect]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectHook {
    /// Where.
    pub url: Option<HookUrl>,
    /// Ask for every connection, also where the hub has found the credentials good.
    pub always: bool,
    /// Request headers that the backend sees.
    pub headers: Vec<String>,
    /// With `allow`, what the hub itself has found holds where there is such a thing.
    pub on_failure: OnFailure,
}

/// `[hooks.join]`, `[hooks.publish]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AskHook {
    /// Where.
    pub url: Option<HookUrl>,
    /// What a failure comes to.
    pub on_failure: OnFailure,
}

/// `[hooks.request]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestHook {
    /// Where.
    pub url: Option<HookUrl>,
    /// Services that the backend answers for: names, or beginnings with a `*` at the end; `to: "backend"` is always its own.
    pub services: Vec<String>,
}

/// `[hooks.notify]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyHook {
    /// Where.
    pub url: Option<HookUrl>,
    /// Tell when sessions end.
    pub sessions: bool,
    /// Notifications in one request at most.
    pub batch_max: usize,
    /// Queues among which rooms are distributed; each is delivered in order, one request after the other.
    pub lanes: usize,
    /// Notifications that wait, at most.
    pub queue_max: usize,
    /// Bytes of them, at most.
    pub queue_bytes_max: usize,
    /// How long one is tried before it is given up, ms.
    pub keep_ms: u64,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks {
            secrets: vec![],
            ca_file: None,
            timeout_ms: 2_000,
            attempts: 3,
            backoff_ms: 100,
            backoff_ms_max: 30_000,
            response_bytes_max: 64 << 10,
            concurrency: 64,
            queue_max: 1_024,
            breaker_failures: 5,
            breaker_open_ms: 5_000,
            connect: ConnectHook::default(),
            join: AskHook::default(),
            publish: AskHook::default(),
            request: RequestHook::default(),
            notify: NotifyHook::default(),
        }
    }
}

impl Default for NotifyHook {
    fn default() -> NotifyHook {
        NotifyHook {
            url: None,
            sessions: true,
            batch_max: 100,
            lanes: 8,
            queue_max: 100_000,
            queue_bytes_max: 64 << 20,
            keep_ms: 86_400_000,
        }
    }
}

/// An absolute `http` or `https` URL without user and password, which would be a secret in a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookUrl(String);

impl HookUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Option<HookUrl> {
        is_web_url(text).then(|| HookUrl(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent there can be read on the way.
    fn is_readable(&self) -> bool {
        !self.0.parse().is_ok_and(|url| is_confidential(&url))
    }
}

impl<'de> Deserialize<'de> for HookUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<HookUrl, D::Error> {
        let text = String::deserialize(d)?;
        // Not quoted: what is wrong with it may be that it holds a password.
        HookUrl::parse(&text).ok_or_else(|| {
            D::Error::custom("is no URL like https://backend.example.com/hooks (without user and password)")
        })
    }
}

impl Hooks {
    /// The addresses that are set, by the key of each.
    fn urls(&self) -> [(&'static str, Option<&HookUrl>); 5] {
        [
            ("hooks.connect.url", self.connect.url.as_ref()),
            ("hooks.join.url", self.join.url.as_ref()),
            ("hooks.publish.url", self.publish.url.as_ref()),
            ("hooks.request.url", self.request.url.as_ref()),
            ("hooks.notify.url", self.notify.url.as_ref()),
        ]
    }

    /// Whether there is any hook.
    pub fn any(&self) -> bool {
        self.urls().iter().any(|(_, url)| url.is_some())
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + use<'_> {
        let readable = |(key, url): (&str, Option<&HookUrl>)| {
            url.is_some_and(HookUrl::is_readable).then(|| {
                format!("`{key}`: what is sent there, credentials too, can be read on the way; use https")
            })
        };
        self.urls().into_iter().filter_map(readable)
    }
}

impl Config {
    /// Whether the backend judges credentials.
    pub fn has_connect_hook(&self) -> bool {
        self.hooks.connect.url.is_some()
    }
}

pub(super) fn check(config: &Config, fault: &mut Report<'_>) {
    let hooks = &config.hooks;
    if let Some((key, _)) = hooks.urls().iter().find(|(_, url)| url.is_some() && hooks.secrets.is_empty()) {
        let fix = "set hooks.secrets, for example to \"whsec_$(openssl rand -base64 32)\"";
        fault("hooks.secrets", format!("is empty, and `{key}` is set"), fix);
    }
    if hooks.secrets.iter().any(|secret| Signer::key(secret.bytes()).is_none()) {
        let fix = "give \"whsec_$(openssl rand -base64 32)\"";
        fault("hooks.secrets", "one is not `whsec_` and 24 to 64 bytes as base64".into(), fix);
    }
    if let Some(name) = hooks.connect.headers.iter().find(|name| name.parse::<HeaderName>().is_err()) {
        let problem = format!("`{name:.64}` is no name of a header");
        fault("hooks.connect.headers", problem, "give names like x-tenant");
    }
    let namespaces = config.namespaces();
    for point in HookPoint::ALL {
        let (key, url) = match point {
            HookPoint::Join => ("hooks.join.url", &hooks.join.url),
            HookPoint::Publish => ("hooks.publish.url", &hooks.publish.url),
            HookPoint::Room | HookPoint::Member | HookPoint::Message => {
                ("hooks.notify.url", &hooks.notify.url)
            }
        };
        if let Some(n) = namespaces.iter().find(|n| n.asks(point) && url.is_none()) {
            let problem =
                format!("is not set, and the namespace `{}` has the hook `{}`", n.prefix, point.name());
            fault(key, problem, "say where to ask, or leave the hook out of the namespace's `hooks`");
        }
    }
    let n = &hooks.notify;
    let positive = [
        ("hooks.timeout_ms", hooks.timeout_ms),
        ("hooks.attempts", hooks.attempts),
        ("hooks.backoff_ms", hooks.backoff_ms),
        ("hooks.backoff_ms_max", hooks.backoff_ms_max),
        ("hooks.response_bytes_max", hooks.response_bytes_max as u64),
        ("hooks.concurrency", hooks.concurrency as u64),
        ("hooks.breaker_failures", hooks.breaker_failures),
        ("hooks.breaker_open_ms", hooks.breaker_open_ms),
        ("hooks.notify.batch_max", n.batch_max as u64),
        ("hooks.notify.lanes", n.lanes as u64),
        ("hooks.notify.queue_max", n.queue_max as u64),
        ("hooks.notify.queue_bytes_max", n.queue_bytes_max as u64),
        ("hooks.notify.keep_ms", n.keep_ms),
    ];
    for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
        fault(key, "is 0".into(), "give at least 1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, load};

    const SECRET: (&str, &str) = ("hooks.secrets", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

    fn loaded(settings: &[(&str, &str)]) -> Result<Config, String> {
        let flag = |(key, value): &(&str, &str)| (key.to_string(), value.to_string(), "--set".to_string());
        let inputs = Inputs { flags: settings.iter().map(flag).collect(), ..Inputs::default() };
        load(&inputs).map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_would_not_work_is_refused_and_secrets_are_not_shown() {
        let join = ("hooks.join.url", "https://backend.example.com/join");
        for (settings, key) in [
            (vec![join], "`hooks.secrets`"),
            (vec![join, ("hooks.secrets", "hunter2-hunter2-hunter2")], "`hooks.secrets`"),
            (vec![SECRET, ("hooks.join.url", "https://me:hunter2@backend.example.com/")], "`hooks.join.url`"),
            (vec![SECRET, ("hooks.join.url", "/join")], "`hooks.join.url`"),
            (vec![SECRET, ("namespaces", "[{prefix = 'a', hooks = ['join']}]")], "`hooks.join.url`"),
            (
                vec![SECRET, join, ("namespaces", "[{prefix = 'a', hooks = ['member']}]")],
                "`hooks.notify.url`",
            ),
            (vec![SECRET, join, ("namespaces", "[{prefix = 'a', hooks = ['leave']}]")], "`namespaces`"),
            (vec![SECRET, join, ("hooks.connect.headers", "x tenant")], "`hooks.connect.headers`"),
            (vec![SECRET, join, ("hooks.attempts", "0")], "`hooks.attempts`"),
            (vec![SECRET, join, ("hooks.join.on_failure", "ignore")], "`hooks.join.on_failure`"),
        ] {
            let problem = loaded(&settings).unwrap_err();
            assert!(problem.contains(key) && !problem.contains("hunter2"), "{key}: {problem}");
        }
    }

    #[test]
    fn what_can_be_read_on_the_way_is_warned_of() {
        for (url, warned) in [
            ("https://backend.example.com/join", false),
            ("http://localhost:8080/join", false),
            ("http://backend.example.com/join", true),
        ] {
            let config = loaded(&[SECRET, ("hooks.join.url", url)]).unwrap();
            assert_eq!(config.hooks.warnings().any(|w| w.contains("`hooks.join.url`")), warned, "{url}");
        }
    }
}
