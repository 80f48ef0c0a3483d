//! Generates the service twice from one proto: for Ambidex, and for raw tonic over the same messages.
//!
//! The messages are generated once. What the two are compared by is then the code around them, and never two
//! spellings of the same struct.

use std::path::{Path, PathBuf};

type Error = Box<dyn std::error::Error>;

const PROTO: &str = "proto/versus/v1/versus.proto";

fn main() -> Result<(), Error> {
    ambidex_build::configure().compile(&[PROTO], &["proto"])?;
    tonic_service()
}

fn tonic_service() -> Result<(), Error> {
    // Beside Ambidex's file of the same name.
    let directory = PathBuf::from(std::env::var("OUT_DIR")?).join("tonic");
    std::fs::create_dir_all(&directory)?;
    // `google/api/*.proto`, which protox has no copies of.
    let google = Path::new("../../crates/ambidex-build/proto");
    let files = protox::compile([PROTO], [Path::new("proto"), google])?;
    tonic_prost_build::configure()
        .out_dir(directory)
        .build_client(false)
        .extern_path(".versus.v1", "crate::messages")
        .compile_fds(files)?;
    Ok(())
}
