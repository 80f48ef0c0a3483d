//! Hands `proto/` to `ambidex-build`: Google's common messages and gRPC's health service for the library itself, and the services of the
//! demo and of the tests where they are there (a published crate does not carry them).

use std::path::Path;

fn main() -> Result<(), ambidex_build::Error> {
    ambidex_build::configure()
        .without_google_extern_paths()
        .bytes([".google.api.HttpBody"])
        .file_descriptor_set_name("google.bin")
        .compile(
            &["google/api/http.proto", "google/api/httpbody.proto", "google/rpc/error_details.proto"],
            &[] as &[&str],
        )?;
    ambidex_build::compile(&["proto/grpc/health/v1/health.proto"], &["proto"])?;
    let services =
        ["proto/bookshop/v1/bookshop.proto", "proto/parity/v1/parity.proto", "proto/edge/v1/edge.proto"];
    let here: Vec<_> = services.into_iter().filter(|proto| Path::new(proto).exists()).collect();
    if here.is_empty() { Ok(()) } else { ambidex_build::compile(&here, &["proto"]) }
}
