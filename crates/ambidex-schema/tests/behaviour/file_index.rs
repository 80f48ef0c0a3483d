//! Finding the file that declares something.

use ambidex_schema::{FileIndex, SchemaError};
use prost_reflect::prost::Message;
use prost_reflect::prost::bytes::Bytes;
use prost_reflect::prost_types::FileDescriptorSet;

const TEXT: &str = r#"
    syntax = "proto2";
    package index.v1;
    import "test/v1/legacy.proto";
    message Outer {
      optional int32 field = 1;
      oneof either { string one = 2; int32 other = 3; }
      message Inner { optional string deep = 1; }
      enum Nested { NESTED_ONE = 1; }
      extend test.v1.Legacy { optional Inner inside = 150; }
      extensions 10 to 20;
    }
    enum Top { TOP_ONE = 1; }
    extend test.v1.Legacy { optional string outside = 120; }
    service Finder { rpc Find(Outer) returns (Outer); }
"#;

/// The set of `TEXT` and all that it imports.
fn set() -> Bytes {
    struct Text;
    impl protox::file::FileResolver for Text {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            match name {
                "index.proto" => protox::file::File::from_source(name, TEXT),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Text);
    resolver.add(protox::file::IncludeFileResolver::new(root));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("index.proto").unwrap();
    compiler.encode_file_descriptor_set().into()
}

fn index() -> FileIndex {
    FileIndex::new([set()]).unwrap()
}

#[test]
fn whatever_has_a_full_name_is_found() {
    let index = index();
    let symbols = [
        "index.v1.Outer",
        "index.v1.Outer.field",
        "index.v1.Outer.either",
        "index.v1.Outer.one",
        "index.v1.Outer.Inner",
        "index.v1.Outer.Inner.deep",
        "index.v1.Outer.Nested",
        "index.v1.Outer.NESTED_ONE",
        "index.v1.Outer.inside",
        "index.v1.Top",
        "index.v1.TOP_ONE",
        "index.v1.outside",
        "index.v1.Finder",
        "index.v1.Finder.Find",
    ];
    for symbol in symbols {
        assert_eq!(index.declaring(symbol).map(|file| file.name()), Some("index.proto"), "{symbol}");
    }
    for stranger in
        ["", "index", "index.v1", ".index.v1.Outer", "index.v1.Top.TOP_ONE", "index.v1.Outer.Find"]
    {
        assert!(index.declaring(stranger).is_none(), "{stranger:?}");
    }
}

#[test]
fn extensions_are_found_by_what_they_extend() {
    let index = index();
    let file = |number| index.extending("test.v1.Legacy", number).map(|file| file.name());
    assert_eq!(file(100), Some("test/v1/legacy.proto"));
    assert_eq!(file(120), Some("index.proto"));
    assert_eq!(file(150), Some("index.proto"));
    assert_eq!(file(151), None);
    assert_eq!(index.extension_numbers("test.v1.Legacy"), Some(vec![100, 101, 120, 150]));
    assert_eq!(index.extension_numbers("index.v1.Outer"), Some(vec![]), "it might be extended");
    for no_message in ["index.v1.Top", "index.v1.Finder", "index.v1.Nobody"] {
        assert_eq!(index.extension_numbers(no_message), None, "{no_message}");
    }
}

#[test]
fn files_know_their_services_and_imports() {
    let index = index();
    let file = index.file("index.proto").unwrap();
    assert_eq!(file.services().collect::<Vec<_>>(), ["index.v1.Finder"]);
    let imports: Vec<_> = index.imports(file).map(|file| file.name()).collect();
    assert_eq!(imports, ["test/v1/legacy.proto"]);
    assert_eq!(index.files().count(), 2);
}

/// Decoded and encoded again, an edition would be lost: prost's descriptors do not know it.
#[test]
fn files_keep_their_bytes_editions_and_all() {
    // `syntax = "editions"`, `edition = EDITION_2023` (field 14), and a field that nobody knows.
    let mut file = Vec::new();
    file.extend_from_slice(b"\x0a\x07e.proto\x22\x03\x0a\x01M\x62\x08editions\x70\xe8\x07\xc2\x3e\x01x");
    let mut set = vec![0x0a, file.len() as u8];
    set.extend_from_slice(&file);
    let index = FileIndex::new([Bytes::from(set)]).unwrap();
    assert_eq!(index.declaring("M").unwrap().encoded()[..], file[..]);
}

#[test]
fn of_two_files_of_one_name_the_first_counts() {
    let mut first = FileDescriptorSet::decode(set()).unwrap();
    first.file.iter_mut().for_each(|file| file.source_code_info = Some(Default::default()));
    let first = Bytes::from(first.encode_to_vec());
    let index = FileIndex::new([first.clone(), set()]).unwrap();
    let kept = index.file("index.proto").unwrap().encoded();
    assert!(first.windows(kept.len()).any(|part| part == &kept[..]));
    assert_eq!(index.files().count(), 2);
}

#[test]
fn what_is_no_set_is_refused() {
    for wrong in [&b"\xff"[..], b"\x0a\x01\xff"] {
        let error = FileIndex::new([Bytes::from_static(wrong)]).unwrap_err();
        assert!(matches!(error, SchemaError::Decode(_)), "{error}");
    }
}
