//! Serves notes to whoever has a token of the issuer that the environment names; over TLS, where it names certificates,
//! also to the services that show one of theirs.

use ambidex::server::{Listener, Tls};
use notes::{Bearer, Caller, Certificates, Issuer};

/// A setting that has to be there.
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name)
        .map_err(|_| format!("set {name}: NOTES_ISSUER_KEY is the `x` of the issuer's Ed25519 key"))
}

/// Where it listens. Users have no certificates, so they are optional.
fn listener() -> Result<Listener, Box<dyn std::error::Error>> {
    let listener = Listener::at("127.0.0.1:8080");
    let Ok(chain) = std::env::var("NOTES_TLS_CERTIFICATE") else { return Ok(listener) };
    let tls = Tls::from_files(chain, setting("NOTES_TLS_KEY")?)
        .client_ca_file(setting("NOTES_CLIENT_CA")?)
        .client_certificate_optional()
        .load()?;
    Ok(listener.tls(tls))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = Issuer {
        key: setting("NOTES_ISSUER_KEY")?,
        name: setting("NOTES_ISSUER")?,
        audience: setting("NOTES_AUDIENCE")?,
    };
    let services = Certificates::default()
        .allow("spiffe://notes.example/backup", &["notes:read"])
        .allow("spiffe://notes.example/importer", &["notes:read", "notes:write"]);
    let caller = Caller::new(Bearer::new(&issuer)?, services);
    let server = notes::server(caller).bind(listener()?).await?;
    println!("listening on {}", server.address());
    server.serve().await?;
    Ok(())
}
