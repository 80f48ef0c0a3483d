//! The three servers: the same methods, on the same runtime, each on a port of its own.

mod hand_written_axum;
mod raw_tonic;
mod with_ambidex;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::Error;
use crate::telemetry::Mode;

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    Tonic,
    Axum,
    Ambidex,
    /// The same, told what to tell of its calls.
    Telling(Mode),
}

impl Server {
    /// Every server there is.
    pub(crate) fn every() -> impl Iterator<Item = Self> {
        [Self::Tonic, Self::Axum, Self::Ambidex].into_iter().chain(Mode::ALL.map(Self::Telling))
    }

    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tonic => "tonic",
            Self::Axum => "axum",
            Self::Ambidex => "ambidex",
            Self::Telling(mode) => mode.name(),
        }
    }

    /// Serves on a free port of the loopback, and prints its address once it listens. It ends with the
    /// process, or with its standard input: then whoever started it is gone.
    ///
    /// `threads` bounds those that run blocking code.
    pub(crate) fn serve(self, threads: Option<usize>) -> Result<(), Error> {
        std::thread::spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        // What `#[tokio::main]` makes.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = threads {
            runtime.max_blocking_threads(threads);
        }
        let runtime = runtime.enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Tonic => raw_tonic::serve().await,
                Self::Axum => hand_written_axum::serve().await,
                Self::Ambidex => with_ambidex::serve(threads, Mode::Off).await,
                Self::Telling(mode) => {
                    mode.listen()?;
                    with_ambidex::serve(threads, mode).await
                }
            }
        })
    }
}

const LOOPBACK: &str = "127.0.0.1:0";

async fn listen() -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(LOOPBACK).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Says where the server listens. The one line is what the other side waits for.
fn announce(address: SocketAddr) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()?;
    Ok(())
}
