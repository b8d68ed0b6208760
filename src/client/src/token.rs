//! The user's token: a fixed one, or one that is fetched again when the hub refuses the last.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault};
use serde::Deserialize;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Refusals in a row after which no further token is asked for.
const REFUSALS_MAX: u32 = 3;

type Provider = Arc<dyn Fn() -> BoxFuture<'static, Result<String, Fault>> + Send + Sync>;

/// Where the token comes from.
#[derive(Clone, Default)]
pub enum Token {
    /// An open hub wants none.
    #[default]
    None,
    /// This one; when the hub refuses it, the client is closed.
    Fixed(String),
    /// Called for the first token, and again whenever the hub refuses the last one.
    Provider(Provider),
}

impl Token {
    /// The token itself; asks the provider, if there is one, and waits for it no longer than `within`.
    pub(crate) fn ask(&self, within: Duration) -> BoxFuture<'static, Result<Option<String>, Fault>> {
        match self {
            Token::None => Box::pin(async { Ok(None) }),
            Token::Fixed(token) => {
                let token = token.clone();
                Box::pin(async { Ok(Some(token)) })
            }
            Token::Provider(provide) => {
                let asked = provide();
                Box::pin(async move {
                    match tokio::time::timeout(within, asked).await {
                        Ok(token) => token.map(Some),
                        Err(_) => Err(Fault::new(Code::Timeout, "the token provider did not answer in time")),
                    }
                })
            }
        }
    }

    /// A provider. A fault that it returns ends the attempt, and the client if it says `never`.
    pub fn provider<F, T>(provide: F) -> Token
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Fault>> + Send + 'static,
    {
        Token::Provider(Arc::new(move || Box::pin(provide())))
    }
}

impl From<String> for Token {
    fn from(token: String) -> Token {
        Token::Fixed(token)
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Token {
        Token::Fixed(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Token::None => "None",
            Token::Fixed(_) => "Fixed(…)",
            Token::Provider(_) => "Provider(…)",
        })
    }
}

/// The token as the driver holds it.
pub(crate) struct Tokens {
    source: Token,
    known: Option<String>,
    stale: bool,
    refusals: u32,
}

impl Tokens {
    pub(crate) fn new(source: Token) -> Tokens {
        let known = match &source {
            Token::Fixed(token) => Some(token.clone()),
            _ => None,
        };
        Tokens { source, known, stale: true, refusals: 0 }
    }

    pub(crate) fn known(&self) -> Option<&str> {
        self.known.as_deref()
    }

    /// A new one is there: from the provider, or brought by the application.
    pub(crate) fn set(&mut self, token: Option<String>) {
        self.known = token;
        self.stale = false;
    }

    /// The hub refused it. Returns whether a new one can be had.
    pub(crate) fn refused(&mut self) -> bool {
        self.refusals += 1;
        self.stale = true;
        self.renewable()
    }

    /// Another can be had: the hub has not refused too many in a row.
    pub(crate) fn renewable(&self) -> bool {
        matches!(self.source, Token::Provider(_)) && self.refusals <= REFUSALS_MAX
    }

    /// How long the token is still good, as far as it says so itself; `None` where it doesn't, or no other can be had.
    pub(crate) fn good_for(&self, now: SystemTime) -> Option<Duration> {
        #[derive(Deserialize)]
        struct Claims {
            exp: f64,
        }
        let known = self.known.as_deref().filter(|_| matches!(self.source, Token::Provider(_)))?;
        let payload = BASE64.decode(known.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Duration::try_from_secs_f64(claims.exp).ok()?.saturating_sub(now))
    }

    /// Asks the provider, whether or not the hub refused the last one.
    pub(crate) fn renew(&mut self, within: Duration) -> BoxFuture<'static, Result<Option<String>, Fault>> {
        self.stale = true;
        self.get(within)
    }

    pub(crate) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// The token for the next attempt; asks the provider if the last one is not to be used again.
    pub(crate) fn get(&self, within: Duration) -> BoxFuture<'static, Result<Option<String>, Fault>> {
        match &self.source {
            Token::Provider(_) if self.stale => self.source.ask(within),
            _ => {
                let known = self.known.clone();
                Box::pin(async { Ok(known) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_provider_is_asked_again_after_a_refusal_and_not_for_ever() {
        let calls = Arc::new(AtomicU32::new(0));
        let counter = calls.clone();
        let source = Token::provider(move || {
            let n = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("t{n}")) }
        });
        let mut tokens = Tokens::new(source);
        let second = Duration::from_secs(1);
        let first = tokens.get(second).await.unwrap();
        tokens.set(first);
        assert_eq!(tokens.get(second).await.unwrap().as_deref(), Some("t0"));
        assert!(tokens.refused());
        assert_eq!(tokens.get(second).await.unwrap().as_deref(), Some("t1"));
        assert!(tokens.refused() && tokens.refused() && !tokens.refused());
        tokens.accepted();
        assert!(tokens.refused());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_hangs_is_given_up() {
        let tokens = Tokens::new(Token::provider(std::future::pending));
        let fault = tokens.get(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(fault.code, Code::Timeout);
    }

    #[test]
    fn a_token_says_how_long_it_is_good() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let mut tokens = Tokens::new(Token::provider(std::future::pending));
        let jwt = |claims: &str| Some(format!("h.{}.s", BASE64.encode(claims)));
        for (claims, good_for) in [
            (r#"{"exp":1000}"#, Some(Duration::from_secs(900))),
            (r#"{"exp":50.5}"#, Some(Duration::ZERO)),
            (r#"{"exp":-1}"#, None),
            (r#"{"exp":1e300}"#, None),
            (r#"{"exp":"soon"}"#, None),
            ("{}", None),
        ] {
            tokens.set(jwt(claims));
            assert_eq!(tokens.good_for(at(100)), good_for, "{claims}");
        }
        tokens.set(Some("opaque".into()));
        assert_eq!(tokens.good_for(at(100)), None);
        let fixed = Tokens::new(Token::Fixed(jwt(r#"{"exp":1000}"#).unwrap()));
        assert_eq!(fixed.good_for(at(100)), None, "no other can be had");
    }

    #[test]
    fn a_fixed_token_has_no_second_try_and_is_not_shown() {
        assert!(!Tokens::new("secret".into()).refused());
        assert!(!format!("{:?}", Token::from("secret")).contains("secret"));
    }
}
