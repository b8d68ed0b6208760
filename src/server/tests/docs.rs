//! docs/configuration.md lists every key with its default, and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crosspoint::config::Config;
use crosspoint_hub::Namespace;
use serde_json::Value;
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../docs/configuration.md");
const AUTH: &str = include_str!("../../../docs/auth.md");

fn leaves(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().for_each(|(name, v)| {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            leaves(&key, v, out);
        }),
        Value::Null => drop(out.insert(prefix.into(), "none".into())),
        other => drop(out.insert(prefix.into(), format!("`{other}`"))),
    }
}

/// Key and default of the rows of three cells.
fn rows(text: &str) -> BTreeMap<String, String> {
    let cells = |line: &str| line.split('|').map(|c| c.trim().to_string()).collect::<Vec<_>>();
    text.lines()
        .filter(|l| l.starts_with("| `"))
        .map(cells)
        .filter(|c| c.len() == 5)
        .map(|c| (c[1].trim_matches('`').to_string(), c[2].clone()))
        .collect()
}

#[test]
fn every_key_is_documented_with_its_default() {
    let (keys, rest) = PAGE.split_once("### Namespaces").unwrap();
    let (namespaces, _) = rest.split_once("## Tokens").unwrap();
    for (text, value) in [
        (keys, serde_json::to_value(Config::default()).unwrap()),
        (namespaces, serde_json::to_value(Namespace::default()).unwrap()),
    ] {
        let mut code = BTreeMap::new();
        leaves("", &value, &mut code);
        assert_eq!(rows(text), code);
    }
}

#[test]
fn every_claim_is_documented() {
    let claims = serde_json::json!({
        "sub": "a", "iss": "i", "aud": ["h"], "exp": 1, "nbf": 1, "iat": 1, "jti": "t", "name": "A", "info": {}, "room": "r", "join": [],
        "publish": [], "presence": [], "history": [], "signal": [], "files": [], "call": [], "moderate": [],
        "publish_unjoined": true, "direct": true, "services": [],
    });
    let (_, tokens) = AUTH.split_once("### Claims").unwrap();
    for claim in claims.as_object().unwrap().keys() {
        assert!(tokens.contains(&format!("`{claim}`")), "{claim}");
    }
    let read: crosspoint::auth::jwt::Claims = serde_json::from_value(claims.clone()).unwrap();
    let written = serde_json::to_value(read).unwrap();
    assert_eq!(written.as_object().unwrap().len(), claims.as_object().unwrap().len());
}

#[test]
fn every_algorithm_is_documented() {
    for alg in crosspoint::auth::jwt::Alg::ALL {
        assert!(AUTH.contains(&format!("`{alg}`")), "{alg}");
    }
}
