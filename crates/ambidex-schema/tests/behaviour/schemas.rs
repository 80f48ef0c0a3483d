//! The schemas of the integration tests, compiled from `tests/proto` when a test starts.

use std::path::Path;
use std::sync::LazyLock;

use ambidex_schema::{DecodeOptions, EncodeOptions, JsonError, MessageType, Schema};

/// Compiles files of `tests/proto`.
pub(crate) fn compile(files: &[&str]) -> Schema {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let mut compiler = protox::Compiler::new([root]).unwrap();
    compiler.include_imports(true);
    for file in files {
        compiler.open_file(file).unwrap();
    }
    let set = compiler.encode_file_descriptor_set();
    Schema::builder().add_file_descriptor_set(&set).unwrap().build().unwrap()
}

/// Compiles one file given as text; it may import those of `tests/proto`.
pub(crate) fn compile_text(text: &str) -> Schema {
    use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
    struct Text(String);
    impl FileResolver for Text {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            match name {
                "text.proto" => File::from_source(name, &self.0),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let mut resolver = ChainFileResolver::new();
    resolver.add(Text(text.to_owned()));
    resolver.add(IncludeFileResolver::new(root));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("text.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    Schema::builder().add_file_descriptor_set(&set).unwrap().build().unwrap()
}

pub(crate) fn rich() -> MessageType {
    static RICH: LazyLock<MessageType> =
        LazyLock::new(|| compile(&["test/v1/rich.proto"]).message("test.v1.Rich").unwrap());
    RICH.clone()
}

/// JSON → wire.
pub(crate) fn wire(message: &MessageType, json: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    message.json_to_wire(json.as_bytes(), &DecodeOptions::default(), &mut out)?;
    Ok(out)
}

/// wire → JSON.
pub(crate) fn json_with(message: &MessageType, wire: &[u8], options: &EncodeOptions) -> String {
    let mut out = Vec::new();
    message.wire_to_json(wire, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// wire → JSON, by default options.
pub(crate) fn json(message: &MessageType, wire: &[u8]) -> String {
    json_with(message, wire, &EncodeOptions::default())
}

/// JSON → wire → JSON.
pub(crate) fn round_trip(message: &MessageType, text: &str) -> String {
    json(message, &wire(message, text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// The error of JSON that does not fit.
pub(crate) fn refusal(message: &MessageType, text: &str) -> JsonError {
    wire(message, text).expect_err(text)
}
