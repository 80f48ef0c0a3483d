//! Serves notes to whoever has a token of the issuer that the environment names.

use notes::{Bearer, Issuer};

/// A setting that has to be there.
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name)
        .map_err(|_| format!("set {name}: NOTES_ISSUER_KEY is the `x` of the issuer's Ed25519 key"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = Issuer {
        key: setting("NOTES_ISSUER_KEY")?,
        name: setting("NOTES_ISSUER")?,
        audience: setting("NOTES_AUDIENCE")?,
    };
    let server = notes::server(Bearer::new(&issuer)?).bind("127.0.0.1:8080").await?;
    println!("listening on http://{}", server.address());
    server.serve().await?;
    Ok(())
}
