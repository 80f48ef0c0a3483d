//! The google protos that come with this crate, for services that import them without having
//! them. It owns the files and the finding of them by name; which Rust types stand for their
//! messages is the builder's business.

use protox::Error;
use protox::file::{File, FileResolver};

/// Import names and contents.
const FILES: [(&str, &str); 9] = [
    ("google/api/annotations.proto", include_str!("../proto/google/api/annotations.proto")),
    ("google/api/client.proto", include_str!("../proto/google/api/client.proto")),
    ("google/api/field_behavior.proto", include_str!("../proto/google/api/field_behavior.proto")),
    ("google/api/http.proto", include_str!("../proto/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../proto/google/api/httpbody.proto")),
    ("google/api/resource.proto", include_str!("../proto/google/api/resource.proto")),
    ("google/rpc/code.proto", include_str!("../proto/google/rpc/code.proto")),
    ("google/rpc/error_details.proto", include_str!("../proto/google/rpc/error_details.proto")),
    ("google/rpc/status.proto", include_str!("../proto/google/rpc/status.proto")),
];

/// Finds the bundled files. It comes after the user's own directories, so that a copy of theirs
/// wins.
#[derive(Debug)]
pub(crate) struct BundleResolver;

impl FileResolver for BundleResolver {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match contents(name) {
            Some(source) => File::from_source(name, source),
            None => Err(Error::file_not_found(name)),
        }
    }
}

/// The full names of the top-level messages and enums that the bundled file `name` defines, none
/// if there is no such file.
///
/// The names are those of our copy even where the user's own is compiled: only for these does the
/// `ambidex` crate have types, and a larger copy may define more.
pub(crate) fn type_names(name: &str) -> Vec<String> {
    let Some(source) = contents(name) else { return Vec::new() };
    let file = File::from_source(name, source).expect("the bundled protos parse, a test reads each");
    let file = file.file_descriptor_proto();
    let messages = file.message_type.iter().map(|message| message.name());
    let enums = file.enum_type.iter().map(|enumeration| enumeration.name());
    messages.chain(enums).map(|type_name| format!("{}.{type_name}", file.package())).collect()
}

fn contents(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, source)| *source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use protox::Compiler;
    use protox::file::{ChainFileResolver, GoogleFileResolver};

    fn compiler() -> Compiler {
        let mut chain = ChainFileResolver::new();
        chain.add(BundleResolver);
        chain.add(GoogleFileResolver::new());
        Compiler::with_file_resolver(chain)
    }

    #[test]
    fn every_bundled_file_compiles() {
        let mut compiler = compiler();
        for (name, _) in FILES {
            compiler.open_file(name).unwrap();
        }
    }

    #[test]
    fn the_types_of_a_file_are_known_by_their_full_names() {
        assert_eq!(
            type_names("google/api/http.proto"),
            ["google.api.Http", "google.api.HttpRule", "google.api.CustomHttpPattern"]
        );
        assert!(type_names("bookshop/v1/bookshop.proto").is_empty());
    }

    #[test]
    fn extensions_have_the_numbers_that_everybody_uses() {
        let mut compiler = compiler();
        for (name, _) in FILES {
            compiler.open_file(name).unwrap();
        }
        let mut numbers: Vec<_> = compiler
            .descriptor_pool()
            .all_extensions()
            .filter(|extension| extension.full_name().starts_with("google.api."))
            .map(|extension| (extension.full_name().to_owned(), extension.number()))
            .collect();
        numbers.sort();
        let expected = [
            ("google.api.api_version", 525_000_001),
            ("google.api.default_host", 1049),
            ("google.api.field_behavior", 1052),
            ("google.api.http", 72_295_728),
            ("google.api.method_signature", 1051),
            ("google.api.oauth_scopes", 1050),
            ("google.api.resource", 1053),
            ("google.api.resource_definition", 1053),
            ("google.api.resource_reference", 1055),
        ];
        assert_eq!(numbers, expected.map(|(name, number)| (name.to_owned(), number)));
    }
}
