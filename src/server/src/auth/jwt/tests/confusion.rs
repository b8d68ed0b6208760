//! Every key, asked to verify what was made with anything but that key in the way it is meant for.

use super::*;
use ring::hmac;
use std::path::PathBuf;

fn mac(alg: Alg, key: &[u8], signed: &str) -> Vec<u8> {
    let how = match alg {
        Alg::Hs384 => hmac::HMAC_SHA384,
        Alg::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(how, key), signed.as_bytes()).as_ref().to_vec()
}

/// A file that goes with the test.
struct Kept(PathBuf);

impl Kept {
    fn new(name: &str, text: &str) -> Kept {
        let path = std::env::temp_dir().join(format!("crosspoint-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Kept(path)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The same payload and signature, under a header that names this algorithm.
fn renamed(token: &str, alg: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", BASE64URL.encode(json!({"alg": alg}).to_string()))
}

#[test]
fn a_key_verifies_its_own_tokens_and_no_others() {
    let Made { keys, tokens } = made();
    for (name, made) in &keys {
        let Some(public) = &made.public else { continue };
        let file = Kept::new(&format!("confusion-{name}.pem"), public);
        let hub = verifier(json!({ "keys": [{ "file": file.0 }] }));
        for MadeToken { alg, key, token } in &tokens {
            let good = ask(&hub, token, Purpose::Connect);
            assert_eq!(good.is_ok(), key == name, "{alg} with the key {name}");
            for other in Alg::ALL.into_iter().filter(|other| other != alg) {
                assert!(
                    ask(&hub, &renamed(token, other.name()), Purpose::Connect).is_err(),
                    "{alg} as {other}, {name}"
                );
            }
        }
    }
}

#[test]
fn nobody_signs_with_what_everybody_knows() {
    let Made { keys, .. } = made();
    let claims = json!({"sub": "mallory"});
    for (name, made) in &keys {
        let Some(public) = &made.public else { continue };
        let file = Kept::new(&format!("hs-{name}.pem"), public);
        let set = Kept::new(&format!("hs-{name}.json"), &json!({"keys": [made.jwk]}).to_string());
        let der: Vec<u8> = base64::engine::general_purpose::STANDARD
            .decode(public.lines().filter(|l| !l.starts_with('-')).collect::<String>())
            .unwrap();
        let number = |part: &str| made.jwk[part].as_str().map(|text| BASE64URL.decode(text).unwrap());
        let mut known: Vec<Vec<u8>> = vec![
            public.clone().into_bytes(),
            public.trim_end().as_bytes().to_vec(),
            der,
            made.jwk.to_string().into_bytes(),
            vec![],
        ];
        known.extend(["n", "x", "y"].iter().filter_map(|part| number(part)));
        for hub in
            [verifier(json!({"keys": [{"file": file.0}]})), verifier(json!({"keys": [{"file": set.0}]}))]
        {
            for (alg, known) in
                Alg::SECRET.iter().flat_map(|alg| known.iter().map(move |known| (*alg, known)))
            {
                for kid in [None, Some(name)] {
                    let header = json!({"alg": alg, "kid": kid});
                    let token = forged(&header, &claims, &[]);
                    let signed = token.trim_end_matches('.');
                    let token = forged(&header, &claims, &mac(alg, known, signed));
                    assert!(ask(&hub, &token, Purpose::Connect).is_err(), "{alg} with the public key {name}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_taken_unsigned_or_with_a_key_that_it_brings() {
    let Made { keys, .. } = made();
    let file = Kept::new("none.pem", keys["RSA"].public.as_ref().unwrap());
    let hub = verifier(json!({"jwt_secret": SECRET, "jwt_algs": ["HS256"], "keys": [{"file": file.0}]}));
    let claims = json!({"sub": "mallory"});
    for alg in ["none", "None", "NONE", "nOnE", "", "HS1", "hs256", "HS256 ", "RS256\u{0}"] {
        for signature in [&[][..], &[0], &[0; 32], &[0; 256]] {
            let token = forged(&json!({"alg": alg}), &claims, signature);
            assert!(ask(&hub, &token, Purpose::Connect).is_err(), "{alg}");
        }
    }
    for alg in Alg::ALL {
        for size in [0, 1, 32, 48, 64, 96, 256] {
            let token = forged(&json!({"alg": alg}), &claims, &vec![0; size]);
            assert!(ask(&hub, &token, Purpose::Connect).is_err(), "{alg}, {size} zeros");
        }
    }
    // A signature that is good under a key of the token's own.
    let own = &keys["P-256"];
    let signer = Signer::pem(None, own.private.as_ref().unwrap().as_bytes()).unwrap();
    let plain = signer.sign_json(&claims).unwrap();
    let (_, rest) = plain.split_once('.').unwrap();
    for extra in [
        json!({"jwk": own.jwk}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example"}),
    ] {
        let mut header = json!({"alg": "ES256"});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let token = format!("{}.{rest}", BASE64URL.encode(header.to_string()));
        assert!(matches!(ask(&hub, &token, Purpose::Connect), Err(Refusal::NoKey { .. })));
    }
}

#[test]
fn a_secret_is_used_with_the_algorithms_that_are_named_and_a_kid_chooses() {
    let long = "0123456789abcdef".repeat(4);
    let other = "fedcba9876543210".repeat(4);
    let hub = verifier(json!({"keys": [
        {"secret": long, "algs": ["HS256", "HS512"], "kid": "one"},
        {"secret": other, "alg": "HS256", "kid": "two"},
    ]}));
    let token = |secret: &str, alg, kid: Option<&str>| {
        let signer = Signer::secret(alg, secret.as_bytes()).unwrap().with_kid(kid.map(String::from));
        signer.sign_json(&json!({"sub": "bob"})).unwrap()
    };
    let takes = |secret: &str, alg, kid| ask(&hub, &token(secret, alg, kid), Purpose::Connect).is_ok();
    assert!(takes(&long, Alg::Hs256, Some("one")) && takes(&long, Alg::Hs512, None));
    assert!(takes(&other, Alg::Hs256, Some("two")) && takes(&other, Alg::Hs256, None));
    assert!(!takes(&long, Alg::Hs384, Some("one")) && !takes(&other, Alg::Hs512, Some("two")));
    assert!(!takes(&long, Alg::Hs256, Some("two")) && !takes(&other, Alg::Hs256, Some("one")));
    assert!(!takes(&long, Alg::Hs256, Some("three")));
}

#[test]
fn only_so_many_keys_are_tried() {
    let secret = |n: usize| format!("{n:032}");
    let keys: Vec<Value> = (0..40).map(|n| json!({"secret": secret(n), "kid": n.to_string()})).collect();
    let hub = verifier(json!({ "keys": keys }));
    let token = |n: usize, kid: Option<String>| {
        Signer::hs256(secret(n).as_bytes()).with_kid(kid).sign_json(&json!({"sub": "bob"})).unwrap()
    };
    assert!(ask(&hub, &token(15, None), Purpose::Connect).is_ok());
    assert_eq!(
        ask(&hub, &token(16, None), Purpose::Connect).unwrap_err(),
        Refusal::Signature(Alg::Hs256, 16)
    );
    assert!(ask(&hub, &token(39, Some("39".into())), Purpose::Connect).is_ok());
}

#[test]
fn a_key_is_not_configured_for_what_it_is_not() {
    let Made { keys, .. } = made();
    let file = Kept::new("wrong.pem", keys["RSA"].public.as_ref().unwrap());
    let wrong = |auth: Value| {
        let config: Config = serde_json::from_value(json!({ "auth": auth })).unwrap();
        Verifier::new(&config).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(wrong(json!({"keys": [{"file": file.0, "alg": "HS256"}]})).contains("number 1"));
    assert!(wrong(json!({"keys": [{"file": file.0, "alg": "ES256"}]})).contains("no algorithm"));
    assert!(wrong(json!({"keys": [{"secret": SECRET, "alg": "RS256"}]})).contains("RS256 does not go"));
    assert!(wrong(json!({"keys": [{"secret": SECRET, "alg": "HS512"}]})).contains("at least 64"));
    assert!(wrong(json!({"keys": [{"file": "/nowhere"}]})).contains("cannot be read"));
}
