//! Compiles `.proto` files to descriptors. It owns the search path (the user's directories, then
//! the bundle, then the well-known files), the knowledge of which files were read, and the
//! wording of what protox finds wrong. It refuses to know what the descriptors are for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, ServiceDescriptor};
use prost_types::FileDescriptorProto;
use protox::Compiler;
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

use crate::bundle::BundleResolver;
use crate::error::Error;
use crate::location::line_and_column;

/// Everything that was compiled: the files asked for and all they import.
#[derive(Debug)]
pub(crate) struct Sources {
    /// With source code info, and with custom options as they were written.
    pool: DescriptorPool,
    /// The same as an encoded `FileDescriptorSet`, without source code info.
    encoded: Vec<u8>,
    /// The files that were read from disk, by import name.
    disk_paths: HashMap<String, PathBuf>,
    /// The package of the first file that was asked for.
    package: String,
}

impl Sources {
    pub(crate) fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<Self, Error> {
        if protos.is_empty() {
            return Err(Error::new("no proto was given to compile; name at least one file"));
        }
        let includes: Vec<&Path> = includes.iter().map(AsRef::as_ref).collect();
        let mut compiler = Compiler::with_file_resolver(resolver(&includes));
        compiler.include_imports(true).include_source_info(false);
        for proto in protos {
            compiler.open_file(proto.as_ref()).map_err(|error| Error::new(describe(&error, &includes)))?;
        }
        let disk_paths: HashMap<_, _> = compiler
            .files()
            .filter_map(|file| Some((file.name().to_owned(), file.path()?.to_owned())))
            .collect();
        let pool = compiler.descriptor_pool();
        let listed = compiler.files().filter(|file| !file.is_import()).map(|file| file.name());
        let packages = listed.filter_map(|name| pool.get_file_by_name(name));
        let package = packages.map(|file| file.package_name().to_owned()).next().unwrap_or_default();
        // The encoder of protox is what keeps custom options: they are unknown fields to prost,
        // which drops them.
        Ok(Self { encoded: compiler.encode_file_descriptor_set(), pool, disk_paths, package })
    }

    /// The descriptors as the server gets them.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The package of the first file that was asked for, which the run is known by: two runs that
    /// ask for files of the same package overwrite each other's code in any case.
    pub(crate) fn package(&self) -> &str {
        &self.package
    }

    /// Every file, each after those that it imports.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileDescriptorProto> {
        self.pool.file_descriptor_protos()
    }

    /// Every service in every file.
    pub(crate) fn services(&self) -> impl Iterator<Item = ServiceDescriptor> + '_ {
        self.pool.services()
    }

    /// Where in a proto `path` is, with the path to the file as the user knows it.
    pub(crate) fn location(&self, file: &FileDescriptorProto, path: &[i32]) -> String {
        let mut location = match self.disk_paths.get(file.name()) {
            Some(path) => path.display().to_string(),
            None => file.name().to_owned(),
        };
        if let Some((line, column)) = line_and_column(file, path) {
            location.push_str(&format!(":{line}:{column}"));
        }
        location
    }

    /// The files that were read from disk, imports included.
    pub(crate) fn disk_paths(&self) -> Vec<&Path> {
        let mut paths: Vec<_> = self.disk_paths.values().map(PathBuf::as_path).collect();
        paths.sort();
        paths
    }
}

fn resolver(includes: &[&Path]) -> ChainFileResolver {
    let mut chain = ChainFileResolver::new();
    for include in includes {
        chain.add(IncludeFileResolver::new((*include).to_owned()));
    }
    chain.add(BundleResolver);
    chain.add(GoogleFileResolver::new());
    chain
}

/// What protox has to say, with the file as the user knows it and advice where there is any.
fn describe(error: &protox::Error, includes: &[&Path]) -> String {
    // protox prints places through `Debug` only, in front of the message and with the import name.
    let mut text = format!("{error:?}");
    if let Some(name) = error.file()
        && let Some(rest) = text.strip_prefix(name)
        && let Some(path) = includes.iter().map(|include| include.join(name)).find(|path| path.exists())
    {
        text = format!("{}{rest}", path.display());
    }
    if error.is_file_not_found() {
        let searched: Vec<_> = includes.iter().map(|include| format!("`{}`", include.display())).collect();
        let searched = if searched.is_empty() { "none".to_owned() } else { searched.join(", ") };
        text.push_str(&format!(
            "; the directories searched are {searched} (google/protobuf, google/api and google/rpc need none): \
             add the one that holds the file to the includes, or correct the name"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Sources;
    use std::path::Path;

    #[test]
    fn every_file_read_from_disk_is_known_and_no_other() {
        let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
        let sources = Sources::compile(&["names/v1/names.proto"], &[&protos]).unwrap();
        assert_eq!(
            sources.disk_paths(),
            [protos.join("library/v1/library.proto"), protos.join("names/v1/names.proto")]
        );
        assert_eq!(sources.package(), "names.v1");
    }
}
