//! A bookshop that speaks gRPC and HTTP on one port: `cargo run --example bookshop`.
//!
//! This file puts the shop together. What it does is in `shop.rs`; from there each call leads to one file a
//! subject. The rpcs, and what they promise, are in `proto/bookshop/v1/bookshop.proto`.

#![allow(
    unreachable_pub,
    reason = "a program has no public API; in it `pub` says what a module offers to others"
)]

mod bookshop {
    pub mod v1 {
        ambidex::include_proto!("bookshop.v1");
    }
}
mod catalog;
mod changes;
mod classics;
mod details;
mod error;
mod field_mask;
mod new_book;
mod new_shelf;
mod page;
mod resource_id;
mod resource_name;
mod search;
mod seed;
mod settings;
mod shop;
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcripts;
mod violations;
mod welcome;

use std::process::ExitCode;

use ambidex::Server;
use tracing_subscriber::EnvFilter;

use bookshop::v1::BookshopServer;
use settings::{Settings, USAGE};
use shop::Shop;
use store::Store;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let log = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();

    let Some(settings) = Settings::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bookshop: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the shop, and closes it at SIGTERM or Ctrl-C.
async fn run(settings: Settings) -> Result<(), Failure> {
    let store = Store::open(&settings.database, seed::furnish)
        .map_err(|error| format!("cannot open {}: {error}", settings.database.display()))?;
    let shop = BookshopServer::new(Shop::new(store));

    let server = Server::builder().service(shop).bind(settings.address).await?;
    welcome::print(server.address())?;
    server.serve().await?;
    Ok(())
}
