//! Makes up fifty messages and generates what one way to their JSON needs.
//!
//! Which way is a feature: `ambidex` (a descriptor set), `pbjson` (serde code), or none, which is wire bytes only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

type Error = Box<dyn std::error::Error>;

const MESSAGES: usize = 50;

fn main() -> Result<(), Error> {
    println!("cargo:rerun-if-changed=build.rs");
    let directory = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(directory.join("shop.proto"), proto()?)?;
    let mut compiler = protox::Compiler::new([&directory])?;
    compiler.include_imports(true).open_file("shop.proto")?;
    let files = compiler.file_descriptor_set();

    let mut config = prost_build::Config::new();
    #[cfg(feature = "pbjson")]
    {
        config.compile_well_known_types().extern_path(".google.protobuf", "::pbjson_types");
        pbjson_build::Builder::new()
            .register_descriptors(&prost::Message::encode_to_vec(&files))?
            .extern_path(".google.protobuf", "::pbjson_types")
            .build(&[".shop"])?;
    }
    #[cfg(feature = "ambidex")]
    std::fs::write(directory.join("shop.v1.bin"), prost::Message::encode_to_vec(&files))?;
    config.compile_fds(files)?;
    std::fs::write(directory.join("calls.rs"), calls()?)?;
    report(&directory)
}

/// Ten fields a message, in the mix that services have.
fn proto() -> Result<String, Error> {
    let mut proto = String::from(
        "syntax = \"proto3\";\npackage shop.v1;\n\
         import \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/duration.proto\";\n\
         enum State {\n  STATE_UNSPECIFIED = 0;\n  STATE_ACTIVE = 1;\n  STATE_DELETED = 2;\n}\n",
    );
    for number in 0..MESSAGES {
        let other = number.saturating_sub(1);
        writeln!(
            proto,
            "// The message with the number {number}.\nmessage Message{number} {{\n\
             \x20 // What it is called.\n\
             \x20 string name = 1;\n  string display_name = 2;\n  int64 size_bytes = 3;\n  int32 quantity = 4;\n\
             \x20 bool active = 5;\n  State state = 6;\n  google.protobuf.Timestamp create_time = 7;\n\
             \x20 repeated Message{other} parts = 8;\n  map<string, string> labels = 9;\n  {} = 10;\n}}",
            ["double price", "bytes signature", "google.protobuf.Duration ttl", "optional string note"]
                [number % 4]
        )?;
    }
    writeln!(proto, "service Shop {{")?;
    for number in (0..MESSAGES).step_by(2) {
        writeln!(proto, "  rpc Call{number}(Message{number}) returns (Message{});", number + 1)?;
    }
    writeln!(proto, "}}")?;
    Ok(proto)
}

/// A function that goes every way for every message: generic code costs where it is used.
fn calls() -> Result<String, Error> {
    let mut code = String::from(
        "pub fn call(json: bool, name: &str, input: &[u8]) -> Result<Vec<u8>, Error> {\n    match name {\n",
    );
    for number in 0..MESSAGES {
        let name = format!("Message{number}");
        writeln!(code, "        \"shop.v1.{name}\" => one::<shop::{name}>(json, name, input),")?;
    }
    code += "        _ => Err(\"no such message\".into()),\n    }\n}\n";
    Ok(code)
}

/// Lines and bytes of what is compiled, for the table.
fn report(directory: &Path) -> Result<(), Error> {
    let (mut lines, mut bytes, mut descriptors) = (0, 0, 0);
    for file in ["shop.v1.rs", "shop.v1.serde.rs"] {
        let code = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        lines += code.lines().count();
        bytes += code.len();
    }
    if let Ok(set) = std::fs::metadata(directory.join("shop.v1.bin")) {
        descriptors = set.len();
    }
    std::fs::write(directory.join("size.txt"), format!("{lines} {bytes} {descriptors}\n"))?;
    Ok(())
}
