//! The server's authenticator.

use super::jwt::{Verdict, Verifier, VerifierError, is_info, is_user};
use super::{ApiKeys, Credential, Key};
use crate::config::Config;
use crate::hooks::{Backend, ConnectAsk};
use crosspoint_core::{Code, Fault, Grant, Raw};
use crosspoint_hub::engine::Answer;
use crosspoint_hub::{Ask, Authenticator, Hub, Purpose};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// Why clients can't be told apart as configured.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random,
    /// Keys of tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] VerifierError),
}

/// Tokens, keys, and in dev mode the word of whoever comes.
pub struct Gate {
    jwt: Option<Arc<Verifier>>,
    /// Keep the verifier's keys up to date.
    _keeping: JoinSet<()>,
    keys: ApiKeys,
    backend: Arc<Backend>,
    hub: OnceLock<Weak<Hub>>,
    open: bool,
    random: SystemRandom,
}

impl Gate {
    /// As configured; begins to fetch keys that others publish.
    ///
    /// # Errors
    /// When the system has no randomness, or a key of tokens can't be used.
    pub(crate) fn new(config: &Config, backend: Arc<Backend>) -> Result<Gate, GateError> {
        let jwt = Verifier::new(config)?;
        let keeping = jwt.as_ref().map(|jwt| jwt.keep(config)).transpose()?;
        Ok(Gate {
            jwt: jwt.map(Arc::new),
            _keeping: keeping.unwrap_or_default(),
            keys: ApiKeys::new(&config.auth).map_err(|_| GateError::Random)?,
            backend,
            hub: OnceLock::new(),
            open: config.is_open(),
            random: SystemRandom::new(),
        })
    }

    /// From now on nobody is asked about what this hub has revoked.
    pub(crate) fn guard(&self, hub: &Arc<Hub>) {
        // A second one is ignored: there is one hub.
        let _ = self.hub.set(Arc::downgrade(hub));
    }

    fn guest(&self) -> String {
        let mut bytes = [0; 4];
        let mut name = String::from("guest");
        if self.random.fill(&mut bytes).is_ok() {
            name.push('-');
            for byte in bytes {
                let _ = write!(name, "{byte:02x}");
            }
        }
        name
    }
}

impl Gate {
    fn known(&self, token: &str, purpose: Purpose) -> Answer<Grant> {
        let now = unix_s();
        // Keys say nothing of single rooms.
        let key = (purpose != Purpose::Room).then(|| self.keys.find(token, now)).flatten();
        if let Some(grant) = key.and_then(|key| key.grant.as_deref()) {
            return Answer::Ready(Ok(grant.clone()));
        }
        let Some(jwt) = &self.jwt else { return Answer::Ready(Err(Code::Unauthorized.into())) };
        match jwt.verify(token, purpose, now) {
            Verdict::Good(grant) => Answer::Ready(Ok(*grant)),
            Verdict::Refused(why) => Answer::Ready(Err(why.into())),
            Verdict::Unknown(_) => {
                let (jwt, token) = (jwt.clone(), token.to_owned());
                Answer::later(async move { Ok(jwt.verify_fetching(&token, purpose, now).await?) })
            }
        }
    }
}

impl Gate {
    /// The keys of the API and of services.
    pub(crate) fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// Who shows this in a request; `ask` says what else is known of them.
    ///
    /// # Errors
    /// As [`Authenticator::verify`]; `forbidden` for a key with which nobody may connect.
    pub(crate) async fn identify(&self, credential: Credential, mut ask: ConnectAsk) -> Result<Grant, Fault> {
        let held = match &credential {
            Credential::Token(token) => Some(self.known(token, Purpose::Connect).await?),
            Credential::ApiKey(key) => Some(match self.keys.find(key, unix_s()) {
                Some(Key { grant: Some(grant), .. }) => (**grant).clone(),
                Some(_) => return Err(Fault::new(Code::Forbidden, "Clients may not connect with this key")),
                None => return Err(Fault::new(Code::Unauthorized, WRONG_KEY)),
            }),
            Credential::SessionId(_) | Credential::Basic(_) | Credential::Scheme { .. } => None,
        };
        match held {
            Some(held) if !self.backend.judges_all() => Ok(held),
            held => {
                if ask.scheme.is_empty() {
                    ask.scheme = credential.kind().to_owned().into();
                }
                ask.credential = Some(credential.secret().into());
                check(self.hub.get(), held.as_ref())?;
                self.backend.connect(ask, held).await
            }
        }
    }
}

/// The sentence for a wrong API key.
pub(crate) const WRONG_KEY: &str = "Authentication error: Invalid API key";

/// The backend's claims are about to take the place of what the hub holds for good: its end and its revocation must have been looked at.
fn check(hub: Option<&Weak<Hub>>, held: Option<&Grant>) -> Result<(), Fault> {
    match (hub.and_then(Weak::upgrade), held) {
        (Some(hub), Some(held)) => hub.check_grant(held),
        _ => Ok(()),
    }
}

pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Authenticator for Gate {
    fn verify(&self, ask: Ask<'_>) -> Answer<Grant> {
        let known = self.known(ask.token, ask.purpose);
        if matches!(known, Answer::Ready(Err(_)))
            || ask.purpose == Purpose::Room
            || !self.backend.judges_all()
        {
            return known;
        }
        let (scheme, credential) = ("bearer".into(), Some(ask.token.to_owned()));
        let (remote, transport) = (ask.remote, ask.transport);
        let ask = ConnectAsk { scheme, credential, remote, transport, ..ConnectAsk::default() };
        let (backend, hub) = (self.backend.clone(), self.hub.get().cloned());
        Answer::later(async move {
            let held = Some(known.await?);
            check(hub.as_ref(), held.as_ref())?;
            backend.connect(ask, held).await
        })
    }

    /// On an open hub: whoever they say they are, or a guest, with every right; a moderator by their own word, for moderators can't be moderated.
    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant> {
        if !self.open || user.is_some_and(|u| !is_user(u)) || info.as_ref().is_some_and(|i| !is_info(i)) {
            return None;
        }
        let user = user.map_or_else(|| self.guest(), String::from);
        let said: Option<serde_json::Value> = info.as_ref().and_then(|i| serde_json::from_str(i.get()).ok());
        let moderate = match said {
            Some(said) if said["moderator"] == true => vec!["*".into()],
            _ => vec![],
        };
        Some(Grant {
            info,
            moderate,
            publish_unjoined: true,
            services: vec!["*".into()],
            ..Grant::user(user)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;

    fn gate(dev: bool) -> Gate {
        let mut config = Config { dev, ..Config::default() };
        config.auth.jwt_secret = Some("0123456789abcdef0123456789abcdef".into());
        of(&config)
    }

    fn of(config: &Config) -> Gate {
        Gate::new(config, Arc::new(Backend::new(&config.hooks).unwrap())).unwrap()
    }

    #[test]
    fn a_key_is_its_service() {
        let mut config = Config::default();
        let service = |json| serde_json::from_value(json).unwrap();
        config.auth.services = vec![
            service(serde_json::json!({"name": "sfu", "key": "the-key-of-the-sfu"})),
            service(serde_json::json!({
                "name": "bot", "key": "the-key-of-the-bot", "attach": ["bot:*"], "join": ["chat:*"], "publish": []
            })),
        ];
        let gate = of(&config);
        let known = |key: &str| match gate.known(key, Purpose::Connect) {
            Answer::Ready(known) => known,
            Answer::Later(_) => panic!("it takes no I/O"),
        };
        let sfu = known("the-key-of-the-sfu").unwrap();
        assert!(matches!(gate.known("the-key-of-the-sfu", Purpose::Room), Answer::Ready(Err(_))));
        assert_eq!((sfu.user.as_str(), sfu.expires_unix_s), ("service:sfu", None));
        assert!(sfu.may_serve("sfu") && !sfu.may_serve("bot") && sfu.direct && sfu.publish_unjoined);
        assert!(sfu.may_join("any") && sfu.may_publish("any"));
        let bot = known("the-key-of-the-bot").unwrap();
        assert!(bot.may_serve("bot:1") && !bot.may_serve("sfu"));
        assert!(bot.may_join("chat:1") && !bot.may_join("any") && !bot.may_publish("chat:1"));
        for wrong in ["", "the-key-of-the-sf", "the-key-of-the-sfu "] {
            assert_eq!(known(wrong).unwrap_err().code, Code::Unauthorized);
        }
    }

    #[test]
    fn only_an_open_hub_believes_names() {
        assert!(gate(false).open(Some("alice"), None).is_none());
        let grant = gate(true).open(Some("alice"), to_raw_value(&serde_json::json!({"a": 1})).ok()).unwrap();
        assert_eq!(grant.user, "alice");
        assert!(grant.may_join("x") && grant.may_serve("sfu") && grant.publish_unjoined);
        let moderates = |info| {
            let grant = gate(true).open(Some("alice"), to_raw_value(&info).ok()).unwrap();
            grant.may(crosspoint_core::Cap::Moderate, "x")
        };
        assert!(
            moderates(serde_json::json!({"moderator": true}))
                && !moderates(serde_json::json!({"moderator": 1}))
        );
        assert!(gate(true).open(Some(""), None).is_none());
        assert!(gate(true).open(None, to_raw_value(&[1]).ok()).is_none());
        let (a, b) = (gate(true).open(None, None).unwrap().user, gate(true).open(None, None).unwrap().user);
        assert!(a.starts_with("guest-") && a != b);
    }
}
