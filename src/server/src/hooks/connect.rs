//! The connect hook: who is it that comes with these credentials?

use super::answer::unavailable;
use super::caller::{Caller, HookError, Target};
use crate::auth::gate::unix_s;
use crate::auth::jwt::Claims;
use crate::config::OnFailure;
use crosspoint_core::{Code, Fault, Grant, Transport};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Somebody who wants to come in. Holds a secret: nothing prints it.
#[derive(Default, Serialize)]
pub(crate) struct ConnectAsk {
    /// What kind of credential: `bearer`, `api_key`, `session`, `basic`, `cookie`, …
    pub(crate) scheme: Cow<'static, str>,
    /// The credential as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
    /// Where from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remote: Option<IpAddr>,
    /// By what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transport: Option<Transport>,
    /// The page's origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    /// Those that [`ConnectHook::headers`] picks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    ask: &'a ConnectAsk,
    /// The user that the hub itself has found.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Deserialize)]
struct Connecting {
    claims: Option<Claims>,
}

pub(super) struct ConnectHook {
    pub(super) target: Target,
    pub(super) always: bool,
    pub(super) headers: Vec<HeaderName>,
    pub(super) on_failure: OnFailure,
}

impl ConnectHook {
    pub(super) fn headers(&self, all: &HeaderMap) -> BTreeMap<String, String> {
        let text = |name: &HeaderName| {
            let values: Vec<&str> = all.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
            (!values.is_empty()).then(|| (name.to_string(), values.join(", ")))
        };
        self.headers.iter().filter_map(text).collect()
    }

    /// `held`: what the hub itself has found.
    pub(super) async fn ask(
        &self,
        caller: &Caller,
        ask: ConnectAsk,
        held: Option<Grant>,
    ) -> Result<Grant, Fault> {
        let data = Data { ask: &ask, user: held.as_ref().map(|grant| grant.user.as_str()) };
        // Without the backend's word there is no grant to allow anything by.
        let on_failure = if held.is_some() { self.on_failure } else { OnFailure::Refuse };
        let (asked, mut grant) = (unix_s(), None);
        let check = |answer: Connecting| match answer.claims {
            Some(claims) => match claims.grant() {
                Ok(given) => {
                    grant = Some(given);
                    Ok(Connecting { claims: None })
                }
                Err(_) => Err(HookError::Garbage("the claims are not fit".into())),
            },
            None if held.is_none() => Err(HookError::Garbage("`claims` are missing".into())),
            None => Ok(answer),
        };
        caller.verdict(&self.target, on_failure, data, check).await?;
        let grant = match (grant, held) {
            (Some(given), held) => Some(bound(given, held.as_ref(), asked)),
            (None, held) => held,
        };
        match grant {
            Some(grant) if grant.check().is_ok() => Ok(grant),
            Some(_) => Err(unavailable()),
            None => Err(Code::Unauthorized.into()),
        }
    }
}

/// The backend's word, by which the session ends with the credentials that it was asked about, and by whose revocation it is found.
fn bound(given: Grant, held: Option<&Grant>, asked: u64) -> Grant {
    let Some(held) = held else {
        // Else every `issued_before` would mean it for good.
        return Grant { issued_unix_s: given.issued_unix_s.or(Some(asked)), ..given };
    };
    Grant {
        token_id: given.token_id.or_else(|| held.token_id.clone()),
        issued_unix_s: given.issued_unix_s.or(held.issued_unix_s),
        expires_unix_s: given.expires_unix_s.into_iter().chain(held.expires_unix_s).min(),
        ..given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_backend_says_ends_with_what_the_hub_holds() {
        let grant = |id: Option<&str>, issued, ends| Grant {
            token_id: id.map(String::from),
            issued_unix_s: issued,
            expires_unix_s: ends,
            ..Grant::user("alice")
        };
        let told = |grant: Grant| (grant.token_id, grant.issued_unix_s, grant.expires_unix_s);
        let held = grant(Some("t-1"), Some(100), Some(500));
        for (given, expected) in [
            (grant(None, None, None), grant(Some("t-1"), Some(100), Some(500))),
            (grant(Some("b"), Some(200), Some(300)), grant(Some("b"), Some(200), Some(300))),
            (grant(None, None, Some(900)), grant(Some("t-1"), Some(100), Some(500))),
        ] {
            assert_eq!(told(bound(given, Some(&held), 250)), told(expected));
        }
        let endless = grant(None, None, None);
        assert_eq!(told(bound(grant(None, None, Some(900)), Some(&endless), 250)), (None, None, Some(900)));
        assert_eq!(told(bound(grant(None, None, None), None, 250)), (None, Some(250), None));
        assert_eq!(told(bound(grant(None, Some(7), None), None, 250)), (None, Some(7), None));
    }
}
