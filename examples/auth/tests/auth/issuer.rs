//! An issuer of the tests' own, and tokens of it, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use notes::{Bearer, Issuer};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

pub fn new_key() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key")
}

/// Believes tokens that are signed with this key.
pub fn bearer(key: &Ed25519KeyPair) -> Bearer {
    let issuer = Issuer {
        key: URL_SAFE_NO_PAD.encode(key.public_key()),
        name: "https://issuer.example".to_owned(),
        audience: "notes".to_owned(),
    };
    Bearer::new(&issuer).expect("a key")
}

/// What a good token says.
pub fn claims() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({
        "iss": "https://issuer.example",
        "aud": "notes",
        "sub": "ada",
        "exp": now + 600,
        "nbf": now - 600,
        "scope": "notes:read notes:write",
    })
}

/// The same with one thing changed; `null` leaves it out.
pub fn claims_but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

pub fn unsigned(algorithm: &str, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT"}).to_string();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

pub fn signed(key: &Ed25519KeyPair, claims: &Value) -> String {
    let unsigned = unsigned("EdDSA", claims);
    let signature = key.sign(unsigned.as_bytes());
    format!("Bearer {unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}
