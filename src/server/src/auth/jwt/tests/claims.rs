//! What tokens say, and when.

use super::super::TOKEN_BYTES_MAX;
use super::*;
use crosspoint_core::grant::INFO_BYTES_MAX;
use crosspoint_core::{Cap, Fault};

fn hub() -> Verifier {
    verifier(json!({"jwt_secret": SECRET}))
}

fn verify(claims: Value) -> Result<Grant, Refusal> {
    ask(&hub(), &signed(&claims), Purpose::Connect)
}

#[test]
fn absent_claims_mean_a_plain_user() {
    let g = verify(json!({"sub": "alice"})).unwrap();
    assert!(g.may_join("a") && g.may_publish("b") && g.direct && !g.publish_unjoined && !g.may_serve("sfu"));
    assert!(g.may(Cap::History, "a") && !g.may(Cap::Moderate, "a"));
    assert_eq!((g.user.as_str(), g.expires_unix_s, g.token_id, g.issued_unix_s), ("alice", None, None, None));
}

#[test]
fn every_capability_has_its_own_list() {
    let g = verify(json!({
        "sub": "a", "join": ["chat:*"], "history": ["chat:1"], "files": [], "moderate": ["chat:1", "x:*"], "direct": false,
        "services": ["sfu"], "publish_unjoined": true, "jti": "t-1", "iat": 1_799_999_990, "exp": 1_800_000_010.5,
    }))
    .unwrap();
    let may = |room: &str| Cap::ALL.into_iter().filter(|cap| g.may(*cap, room)).collect::<Vec<_>>();
    use Cap::{Call, History, Join, Moderate, Presence, Publish, Signal};
    assert_eq!(may("chat:1"), [Join, Publish, Presence, History, Signal, Call, Moderate]);
    assert_eq!(may("chat:2"), [Join, Publish, Presence, Signal, Call]);
    assert_eq!(may("x:2"), [Moderate]);
    assert!(!g.direct && g.may_serve("sfu") && g.publish_unjoined);
    assert_eq!((g.token_id.as_deref(), g.issued_unix_s), (Some("t-1"), Some(NOW - 10)));
    assert_eq!(g.expires_unix_s, Some(NOW + 15));
}

#[test]
fn a_name_is_shown_unless_info_has_one() {
    let shown = |claims: Value| verify(claims).unwrap().info.map(|i| i.get().to_owned()).unwrap_or_default();
    assert_eq!(shown(json!({"sub": "a", "name": "Alice \"A\""})), r#"{"name":"Alice \"A\""}"#);
    assert_eq!(shown(json!({"sub": "a", "name": "Alice", "info": {"n": 1}})), r#"{"name":"Alice","n":1}"#);
    assert_eq!(shown(json!({"sub": "a", "name": "Alice", "info": {}})), r#"{"name":"Alice"}"#);
    assert_eq!(shown(json!({"sub": "a", "name": "Alice", "info": {"name": "Al"}})), r#"{"name":"Al"}"#);
    assert_eq!(shown(json!({"sub": "a", "info": {"n": 1}})), r#"{"n":1}"#);
    assert_eq!(verify(json!({"sub": "a", "name": "x".repeat(INFO_BYTES_MAX)})).unwrap_err(), Refusal::Info);
}

#[test]
fn time_is_checked_with_leeway() {
    let at = |claim: &str, s: u64| verify(json!({"sub": "a", claim: s}));
    assert_eq!(at("exp", NOW - 5).unwrap_err(), Refusal::Expired);
    assert_eq!(at("exp", NOW - 4).unwrap().expires_unix_s, Some(NOW + 1));
    assert!(at("nbf", NOW + 5).is_ok() && at("iat", NOW + 5).is_ok());
    assert_eq!(at("nbf", NOW + 6).unwrap_err(), Refusal::NotYet);
    assert_eq!(at("iat", NOW + 6).unwrap_err(), Refusal::Future);
}

#[test]
fn an_end_and_an_age_can_be_required() {
    let hub = verifier(
        json!({"jwt_secret": SECRET, "require_exp": true, "max_token_age_s": 600, "jwt_leeway_s": 0}),
    );
    let verify = |claims: Value| ask(&hub, &signed(&claims), Purpose::Connect);
    assert_eq!(verify(json!({"sub": "a", "iat": NOW})).unwrap_err(), Refusal::NoEnd);
    assert_eq!(verify(json!({"sub": "a", "exp": NOW + 9})).unwrap_err(), Refusal::NoBeginning);
    assert_eq!(verify(json!({"sub": "a", "exp": NOW + 9, "iat": NOW - 600})).unwrap_err(), Refusal::Expired);
    let end = |exp: u64| verify(json!({"sub": "a", "exp": exp, "iat": NOW - 500})).unwrap().expires_unix_s;
    assert_eq!((end(NOW + 9), end(NOW + 9000)), (Some(NOW + 9), Some(NOW + 100)));
}

#[test]
fn tokens_of_and_for_others_are_refused() {
    let hub = verifier(json!({
        "jwt_secret": SECRET, "issuer": "us", "audiences": ["hub", "hub-2"],
        "keys": [{"secret": "f".repeat(32), "iss": "them", "aud": "theirs"}],
    }));
    let ours = |claims: Value| ask(&hub, &signed(&claims), Purpose::Connect).map(|_| ());
    assert_eq!(ours(json!({"sub": "a", "iss": "us", "aud": "hub"})), Ok(()));
    assert_eq!(ours(json!({"sub": "a", "iss": "us", "aud": ["x", "hub-2"]})), Ok(()));
    for aud in [json!("other"), json!(["other"]), json!([]), json!("theirs"), json!("HUB")] {
        assert_eq!(ours(json!({"sub": "a", "iss": "us", "aud": aud})), Err(Refusal::Audience));
    }
    assert_eq!(ours(json!({"sub": "a", "iss": "us"})), Err(Refusal::Audience));
    assert!(matches!(ours(json!({"sub": "a", "aud": "hub"})), Err(Refusal::NoKey { .. })));
    // The key of one issuer is none for another's tokens.
    assert_eq!(
        ours(json!({"sub": "a", "iss": "them", "aud": "theirs"})),
        Err(Refusal::Signature(Alg::Hs256, 1))
    );
    let theirs = Signer::hs256("f".repeat(32).as_bytes());
    let token =
        |iss: &str, aud: &str| theirs.sign_json(&json!({"sub": "a", "iss": iss, "aud": aud})).unwrap();
    assert!(ask(&hub, &token("them", "theirs"), Purpose::Connect).is_ok());
    assert_eq!(ask(&hub, &token("them", "hub"), Purpose::Connect).unwrap_err(), Refusal::Audience);
    assert!(ask(&hub, &token("us", "hub"), Purpose::Connect).is_err());
    // Who is not told for whom tokens are takes none that are for somebody (RFC 7519 §4.1.3).
    assert_eq!(verify(json!({"sub": "a", "aud": "other"})).unwrap_err(), Refusal::Audience);
}

#[test]
fn claims_may_sit_in_an_object_and_the_user_elsewhere() {
    const OURS: &str = "https://hub.example.com/claims";
    let hub = verifier(json!({"jwt_secret": SECRET, "claims": OURS, "user_claim": "email"}));
    let verify = |claims: Value| ask(&hub, &signed(&claims), Purpose::Connect);
    let g = verify(json!({
        "sub": "auth0|7", "email": "a@example.com", "name": "Alice", "exp": NOW + 9, "jti": "t", "join": ["*"], "files": 7,
        OURS: {"sub": "root", "exp": NOW + 99_999, "join": ["chat:*"], "moderate": ["chat:1"], "info": {"n": 1}},
    }));
    let g = g.unwrap();
    assert_eq!(
        (g.user.as_str(), g.expires_unix_s, g.token_id.as_deref()),
        ("a@example.com", Some(NOW + 14), Some("t"))
    );
    assert!(g.may_join("chat:1") && !g.may_join("x") && g.may(Cap::Moderate, "chat:1"));
    assert_eq!(g.info.unwrap().get(), r#"{"name":"Alice","n":1}"#);
    // What should say what is allowed, and isn't there, allows nothing.
    assert_eq!(verify(json!({"email": "a@example.com"})).unwrap_err(), Refusal::NoClaims(OURS.into()));
    assert_eq!(verify(json!({"sub": "a", OURS: {}})).unwrap_err(), Refusal::User);
    assert!(matches!(verify(json!({"email": 7, OURS: {}})), Err(Refusal::Claims(_))));
}

#[test]
fn a_token_for_a_room_is_good_there_and_for_nothing_else() {
    let hub = hub();
    let room = |claims: Value| ask(&hub, &signed(&claims), Purpose::Room);
    let g = room(
        json!({"sub": "a", "room": "call:7", "exp": NOW + 60, "services": ["sfu"], "publish_unjoined": true}),
    )
    .unwrap();
    assert!(
        g.may_join("call:7") && g.may_publish("call:7") && !g.may_join("call:8") && !g.may_join("call:71")
    );
    assert!(!g.may(Cap::Moderate, "call:7") && g.services.is_empty() && !g.direct);
    assert_eq!((g.expires_unix_s, g.signal), (Some(NOW + 65), Some(vec!["call:7".into()])));
    let g = room(json!({"sub": "a", "room": "call:7", "publish": ["chat:*"], "moderate": ["*"], "history": ["call:*"]})).unwrap();
    assert!(g.may_join("call:7") && !g.may_publish("call:7") && !g.may_publish("chat:1"));
    assert!(g.may(Cap::Moderate, "call:7") && !g.may(Cap::Moderate, "x") && g.may(Cap::History, "call:7"));
    for purpose in [Purpose::Connect, Purpose::Refresh] {
        let token = signed(&json!({"sub": "a", "room": "call:7"}));
        assert_eq!(ask(&hub, &token, purpose).unwrap_err(), Refusal::OnlyRoom);
    }
    assert_eq!(room(json!({"sub": "a"})).unwrap_err(), Refusal::NoRoom);
    for name in ["", "*", "call:*"] {
        assert_eq!(room(json!({"sub": "a", "room": name})).unwrap_err(), Refusal::Room);
    }
}

#[test]
fn what_is_not_a_good_token_is_refused_with_one_sentence() {
    let hub = hub();
    let good = signed(&json!({"sub": "alice"}));
    assert!(ask(&hub, &good, Purpose::Connect).is_ok());
    let own = |header: Value| {
        let open = forged(&header, &json!({"sub": "alice"}), &[]);
        let tag = ring::hmac::sign(
            &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes()),
            open.trim_end_matches('.').as_bytes(),
        );
        forged(&header, &json!({"sub": "alice"}), tag.as_ref())
    };
    assert!(ask(&hub, &own(json!({"alg": "HS256"})), Purpose::Connect).is_ok());
    let bad = [
        String::new(),
        "a.b.c".into(),
        good.trim_end_matches(|c| c != '.').into(),
        good[..good.len() - 2].into(),
        format!("{good}.x"),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        own(json!({"alg": "HS256", "crit": ["x"]})),
        own(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
        own(json!({"alg": "HS256", "kid": 7})),
        own(json!({"alg": "HS256", "kid": "k".repeat(513)})),
        own(json!({"alg": "HS512"})),
        own(json!({"alg": ["HS256"]})),
        own(json!({})),
        signed(&json!({})),
        signed(&json!([])),
        signed(&json!({"sub": ""})),
        signed(&json!({"sub": "a\u{7}"})),
        signed(&json!({"sub": "a".repeat(300)})),
        signed(&json!({"sub": 7})),
        signed(&json!({"sub": "a", "join": "*"})),
        signed(&json!({"sub": "a", "moderate": [1]})),
        signed(&json!({"sub": "a", "info": [1]})),
        signed(&json!({"sub": "a", "exp": "soon"})),
        signed(&json!({"sub": "a", "exp": "4102444800"})),
        signed(&json!({"sub": "a", "aud": 7})),
        signed(&json!({"sub": "a", "jti": "j".repeat(257)})),
        signed(&json!({"sub": "a", "x": "y".repeat(TOKEN_BYTES_MAX)})),
        signed(&json!({"sub": "a", "info": {"x": "y".repeat(INFO_BYTES_MAX)}})),
        Signer::hs256(b"another secret of fitting length!").sign_json(&json!({"sub": "alice"})).unwrap(),
    ];
    for token in bad {
        let fault = Fault::from(ask(&hub, &token, Purpose::Connect).unwrap_err());
        assert_eq!(fault.to_string(), "unauthorized: Authentication error: Invalid token", "{token}");
    }
    let twice = format!(
        "{}.{}",
        BASE64URL.encode(r#"{"alg":"HS256"}"#),
        BASE64URL.encode(r#"{"sub":"a","sub":"b"}"#)
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = format!("{twice}.{}", BASE64URL.encode(ring::hmac::sign(&key, twice.as_bytes())));
    assert!(matches!(ask(&hub, &token, Purpose::Connect), Err(Refusal::Claims(_))));
}
