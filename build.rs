//! Hands `proto/` to `ambidex-build`: Google's common messages and gRPC's own services for the library itself, and the
//! services of the demo and of the tests where they are there (a published crate does not carry them). And notes which
//! compiler builds it, and how, for the build information of a server.

use std::path::Path;
use std::process::Command;

fn main() -> Result<(), ambidex_build::Error> {
    note_build();
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
    let services = [
        "proto/bookshop/v1/bookshop.proto",
        "proto/parity/v1/parity.proto",
        "proto/edge/v1/edge.proto",
        "proto/files/v1/files.proto",
    ];
    let here: Vec<_> = services.into_iter().filter(|proto| Path::new(proto).exists()).collect();
    if here.is_empty() { Ok(()) } else { ambidex_build::compile(&here, &["proto"]) }
}

/// What Cargo knows of a build and says only here.
fn note_build() {
    let said = |name| std::env::var(name).unwrap_or_default();
    let version = Command::new(said("RUSTC")).arg("--version").output();
    let rustc = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=AMBIDEX_RUSTC={}", rustc.unwrap_or_default());
    println!("cargo::rustc-env=AMBIDEX_PROFILE={}", said("PROFILE"));
    println!("cargo::rustc-env=AMBIDEX_TARGET={}", said("TARGET"));
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
