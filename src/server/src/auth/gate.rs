//! The server's authenticator.

use super::jwt::{Hs256, is_info, is_user};
use crate::config::Config;
use crosspoint_core::{Code, Fault, Grant, Raw};
use crosspoint_hub::Authenticator;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tokens, and in dev mode the word of whoever comes.
pub struct Gate {
    jwt: Option<Hs256>,
    open: bool,
    random: SystemRandom,
}

impl Gate {
    /// As configured.
    pub fn new(config: &Config) -> Gate {
        let jwt = config.auth.jwt_secret.as_ref();
        Gate {
            jwt: jwt.map(|secret| Hs256::new(secret.bytes(), config.auth.jwt_leeway_s)),
            open: config.is_open(),
            random: SystemRandom::new(),
        }
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

impl Authenticator for Gate {
    fn verify(&self, token: &str) -> Result<Grant, Fault> {
        let jwt = self.jwt.as_ref().ok_or(Code::Unauthorized)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        jwt.verify(token, now)
    }

    /// On an open hub: whoever they say they are, or a guest, with every right.
    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant> {
        if !self.open || user.is_some_and(|u| !is_user(u)) || info.as_ref().is_some_and(|i| !is_info(i)) {
            return None;
        }
        let user = user.map_or_else(|| self.guest(), String::from);
        Some(Grant { info, publish_unjoined: true, services: vec!["*".into()], ..Grant::user(user) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;

    fn gate(dev: bool) -> Gate {
        let mut config = Config { dev, ..Config::default() };
        config.auth.jwt_secret = Some("0123456789abcdef0123456789abcdef".into());
        Gate::new(&config)
    }

    #[test]
    fn only_an_open_hub_believes_names() {
        assert!(gate(false).open(Some("alice"), None).is_none());
        let grant = gate(true).open(Some("alice"), to_raw_value(&serde_json::json!({"a": 1})).ok()).unwrap();
        assert_eq!(grant.user, "alice");
        assert!(grant.may_join("x") && grant.may_serve("sfu") && grant.publish_unjoined);
        assert!(gate(true).open(Some(""), None).is_none());
        assert!(gate(true).open(None, to_raw_value(&[1]).ok()).is_none());
        let (a, b) = (gate(true).open(None, None).unwrap().user, gate(true).open(None, None).unwrap().user);
        assert!(a.starts_with("guest-") && a != b);
    }
}
