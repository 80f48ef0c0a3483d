//! Lets jsonwebtoken verify Ed25519 with `ring`.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::signature::{ED25519, UnparsedPublicKey};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: sign,
    verifier_factory: verify,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it the process's; whoever comes second finds it done.
pub fn install() {
    let _ = PROVIDER.install_default();
}

/// Who verifies tokens makes none.
fn sign(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verify(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match algorithm {
        Algorithm::EdDSA if key.family() == AlgorithmFamily::Ed => {
            Ok(Box::new(EdDsa(UnparsedPublicKey::new(&ED25519, key.try_get_as_bytes()?.to_vec()))))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

struct EdDsa(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for EdDsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for EdDsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
