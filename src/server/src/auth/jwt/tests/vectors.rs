//! Signatures of other implementations: the RFCs' own, and those of OpenSSL.

use super::super::jws::Jws;
use super::super::{KeyError, pem};
use super::*;

#[derive(Deserialize)]
struct Published {
    source: String,
    alg: Alg,
    key: Value,
    token: String,
}

fn verifies(key: &Key, token: &str) -> bool {
    let jws = Jws::parse(token).unwrap();
    assert!(key.fits(jws.alg, jws.kid.as_deref()) || !key.verifies(jws.alg, jws.signed, &jws.signature));
    key.verifies(jws.alg, jws.signed, &jws.signature)
}

/// With one bit of the part at `at` changed.
fn bent(token: &str, at: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(String::from).collect();
    let mut bytes = BASE64URL.decode(&parts[at]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    parts[at] = BASE64URL.encode(bytes);
    parts.join(".")
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let all: Vec<Published> =
        serde_json::from_str(include_str!("../../../../tests/tokens/rfc.json")).unwrap();
    assert_eq!(all.len(), 5);
    for Published { source, alg, key: jwk, token } in all {
        let key = key(&jwk);
        assert_eq!(Jws::parse(&token).unwrap().alg, alg, "{source}");
        assert!(verifies(&key, &token), "{source}");
        assert!(!verifies(&key, &bent(&token, 1)) && !verifies(&key, &bent(&token, 2)), "{source}");
    }
}

#[test]
fn tokens_of_openssl_verify_with_every_form_of_the_key() {
    let Made { keys, tokens } = made();
    assert_eq!(tokens.iter().map(|t| t.alg).collect::<Vec<_>>(), Alg::ALL);
    for MadeToken { alg, key: name, token } in tokens {
        let made = &keys[&name];
        let mut forms = vec![key(&made.jwk).only(&[]).unwrap()];
        if alg.secret_bytes_min() > 32 {
            // A secret is for HS256 unless it is said.
            let mut jwk = made.jwk.clone();
            jwk["alg"] = alg.name().into();
            forms = vec![key(&jwk)];
        }
        forms.extend(made.public.iter().map(|public| pem::read(public.as_bytes()).unwrap().remove(0)));
        for key in forms {
            assert!(verifies(&key, &token), "{alg}");
            assert!(!verifies(&key, &bent(&token, 1)) && !verifies(&key, &bent(&token, 2)), "{alg}");
        }
    }
}

#[test]
fn what_we_sign_verifies_with_the_public_half() {
    let Made { keys, .. } = made();
    for (name, algs) in [
        ("RSA", &Alg::RSA[..]),
        ("P-256", &[Alg::Es256]),
        ("P-384", &[Alg::Es384]),
        ("Ed25519", &[Alg::EdDsa]),
    ] {
        let (private, public) = (keys[name].private.as_ref().unwrap(), key(&keys[name].jwk));
        for alg in algs {
            let signer = Signer::pem(Some(*alg), private.as_bytes()).unwrap();
            let token = signer.with_kid(Some(name.into())).sign_json(&json!({"sub": "bob"})).unwrap();
            assert!(verifies(&public, &token), "{alg}");
        }
        let other = Alg::ALL.into_iter().find(|alg| !algs.contains(alg)).unwrap();
        assert!(matches!(Signer::pem(Some(other), private.as_bytes()), Err(KeyError::Alg(_))));
        assert!(Signer::pem(None, private.as_bytes()).is_ok());
    }
    for alg in Alg::SECRET {
        let secret = [7; 64];
        let token = Signer::secret(alg, &secret).unwrap().sign_json(&json!({"sub": "bob"})).unwrap();
        let jwk = json!({"kty": "oct", "alg": alg, "k": BASE64URL.encode(secret)});
        assert!(verifies(&key(&jwk), &token));
        let short = &secret[..alg.secret_bytes_min() - 1];
        assert!(matches!(Signer::secret(alg, short), Err(KeyError::Short(..))));
    }
}

#[test]
fn keys_that_are_weak_or_for_other_ends_are_none() {
    let Made { keys, .. } = made();
    let (rsa, ec) = (&keys["RSA"].jwk, &keys["P-256"].jwk);
    let with = |jwk: &Value, field: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[field] = value;
        jwk.to_string()
    };
    let short = BASE64URL.encode([0xff; 128]);
    for bad in [
        with(rsa, "n", short.into()),
        with(rsa, "n", "%%".into()),
        with(rsa, "alg", "ES256".into()),
        with(rsa, "alg", "RSA-OAEP".into()),
        with(rsa, "use", "enc".into()),
        with(rsa, "key_ops", json!(["encrypt"])),
        with(ec, "crv", "P-521".into()),
        with(ec, "crv", "P-384".into()),
        with(ec, "x", "AA".into()),
        with(ec, "kty", "XYZ".into()),
        json!({"kty": "oct", "k": BASE64URL.encode([1; 31])}).to_string(),
        json!({"kty": "RSA"}).to_string(),
        "[]".into(),
        "{}".into(),
        "{".into(),
    ] {
        assert!(jwk::read(bad.as_bytes()).is_err(), "{bad}");
    }
    // In a set they are left out (RFC 7517 §5).
    let set = json!({"keys": [rsa, {"kty": "XYZ"}, 7, {"kty": "RSA", "use": "enc"}, ec]}).to_string();
    assert_eq!(jwk::read(set.as_bytes()).unwrap().len(), 2);
    let private = keys["RSA"].private.as_ref().unwrap();
    assert!(pem::read(private.as_bytes()).is_err_and(|e| e.to_string().contains("private")));
    assert!(pem::read(b"nothing").is_err());
}

#[test]
fn the_key_of_a_certificate_counts() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let cert =
        rcgen::CertificateParams::new(vec!["id.example.com".into()]).unwrap().self_signed(&pair).unwrap();
    let token = Signer::pem(None, pair.serialize_pem().as_bytes()).unwrap().sign_json(&json!({"sub": "bob"}));
    let keys = pem::read(cert.pem().as_bytes()).unwrap();
    assert!(keys.len() == 1 && verifies(&keys[0], &token.unwrap()));
}
