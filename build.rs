//! Hands `proto/` to `ambidex-build`: Google's common messages and gRPC's own services for the library itself, and the
//! services of the demo and of the tests where they are there (a published crate does not carry them).

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
    reflection()?;
    let services =
        ["proto/bookshop/v1/bookshop.proto", "proto/parity/v1/parity.proto", "proto/edge/v1/edge.proto"];
    let here: Vec<_> = services.into_iter().filter(|proto| Path::new(proto).exists()).collect();
    if here.is_empty() { Ok(()) } else { ambidex_build::compile(&here, &["proto"]) }
}

/// Two versions of a service with the same messages: those of the older are the newer's.
fn reflection() -> Result<(), ambidex_build::Error> {
    let v1 = ambidex_build::configure().bytes([".grpc.reflection.v1.FileDescriptorResponse"]);
    v1.compile(&["proto/grpc/reflection/v1/reflection.proto"], &["proto"])?;
    let messages = [
        "ServerReflectionRequest",
        "ExtensionRequest",
        "ServerReflectionResponse",
        "FileDescriptorResponse",
        "ExtensionNumberResponse",
        "ListServiceResponse",
        "ServiceResponse",
        "ErrorResponse",
    ];
    let v1alpha = messages.iter().fold(ambidex_build::configure(), |builder, message| {
        let newer = format!("crate::server::reflection::v1::{message}");
        builder.extern_path(format!(".grpc.reflection.v1alpha.{message}"), newer)
    });
    v1alpha.compile(&["proto/grpc/reflection/v1alpha/reflection.proto"], &["proto"])
}
