//! Reads bearer tokens: JSON Web Tokens of one issuer, for this service, within their time.
//!
//! What a caller is told follows [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-3): a challenge in
//! `www-authenticate`, which over HTTP is the header, and over gRPC metadata of the same name.

use ambidex::Status;
use ambidex::call::Call;
use ambidex::interceptor::Check;
use ambidex::metadata::MetadataMap;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::principal::Principal;
use crate::ring_provider;

/// Whose tokens count, and for whom they are made.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The issuer's public key of Ed25519, the `x` of its JWK.
    pub key: String,
    /// The `iss` of its tokens.
    pub name: String,
    /// The `aud` of those that are for this service.
    pub audience: String,
}

/// Lets in who has a token, and leaves a `Principal` for whoever asks later.
pub struct Bearer {
    key: DecodingKey,
    validation: Validation,
}

/// What of a token counts here.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Parted by blanks, as [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693#section-4.2) has it.
    #[serde(default)]
    scope: String,
}

impl Bearer {
    /// # Errors
    ///
    /// When the key is none.
    pub fn new(issuer: &Issuer) -> Result<Self, Error> {
        ring_provider::install();
        // The one algorithm of the key. A token does not choose its own: not `none`, and not one that would take the
        // public key for a secret.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&issuer.name]);
        validation.set_audience(&[&issuer.audience]);
        // A token without one of these would not be checked for it.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        // How much clocks may differ.
        validation.leeway = 30;
        Ok(Self { key: DecodingKey::from_ed_components(&issuer.key)?, validation })
    }
}

impl Check for Bearer {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        let Some(token) = token(&call.metadata) else {
            return Err(unauthenticated("send a bearer token as authorization", None));
        };
        let token = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| unauthenticated(what_is_wrong(&error), Some("invalid_token")))?;
        // Services are called so, and prove it by their certificates.
        if token.claims.sub.starts_with("spiffe://") {
            return Err(unauthenticated("the token is not valid", Some("invalid_token")));
        }
        let scopes = token.claims.scope.split_ascii_whitespace().map(str::to_owned).collect();
        call.extensions.insert(Principal::user(token.claims.sub, scopes));
        // Nobody below needs it, so nobody can log it or pass it on.
        call.metadata.remove("authorization");
        Ok(())
    }
}

/// The token behind `Bearer `, in whichever capitals.
fn token(metadata: &MetadataMap) -> Option<&str> {
    let (scheme, token) = metadata.get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// Enough to help an honest caller. Whether a signature or a claim is wrong first is for nobody to find out in detail.
fn what_is_wrong(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for someone else",
        _ => "the token is not valid",
    }
}

fn unauthenticated(message: &'static str, error: Option<&str>) -> Status {
    let mut challenge = "Bearer realm=\"notes\"".to_owned();
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{error}\", error_description=\"{message}\""));
    }
    challenged(Status::unauthenticated(message), &challenge)
}

/// An error that says how to do better.
pub fn challenged(mut status: Status, challenge: &str) -> Status {
    if let Ok(challenge) = challenge.parse() {
        status.metadata_mut().insert("www-authenticate", challenge);
    }
    status
}
