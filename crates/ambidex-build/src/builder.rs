//! The settings of a run and the run itself. It owns the order of things: compile the protos,
//! check them, generate, write. Each of these is another module's business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost_build::Module;

use crate::codegen::{Features, ServiceWriter};
use crate::docs::DocMarks;
use crate::error::Error;
use crate::layout::join_type_arguments;
use crate::output::{ModuleTree, Output, file_name};
use crate::proto_path::ProtoPath;
use crate::sources::Sources;
use crate::{bundle, clashes, http_rules};

/// Settings for generating code, made by [`configure`].
#[derive(Debug)]
pub struct Builder {
    config: prost_build::Config,
    out_dir: Option<PathBuf>,
    include_file: Option<PathBuf>,
    file_descriptor_set_name: Option<String>,
    ambidex_path: String,
    extern_paths: Vec<ProtoPath>,
    google_extern_paths: bool,
    unimplemented: Vec<String>,
    server: bool,
    client: bool,
}

/// Starts from the settings of [`compile`](crate::compile).
///
/// ```no_run
/// fn main() -> Result<(), ambidex_build::Error> {
///     ambidex_build::configure()
///         .type_attribute(".bookshop.v1.Book", "#[derive(serde::Serialize)]")
///         .client(false)
///         .compile(&["proto/bookshop/v1/bookshop.proto"], &["proto"])
/// }
/// ```
#[must_use]
pub fn configure() -> Builder {
    Builder {
        config: prost_build::Config::new(),
        out_dir: None,
        include_file: None,
        file_descriptor_set_name: None,
        ambidex_path: "::ambidex".to_owned(),
        extern_paths: Vec::new(),
        google_extern_paths: true,
        unimplemented: Vec::new(),
        server: true,
        client: true,
    }
}

/// Paths into protos are written with a dot in front, `.bookshop.v1.Book`. Such a path means the
/// thing and all that is inside it; `.` means everything.
impl Builder {
    /// Writes to `directory` in place of `OUT_DIR`. The directory has to exist.
    #[must_use]
    pub fn out_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(directory.into());
        self
    }

    /// Also writes a file that includes the others as a tree of modules, one for each part of a
    /// package name. Packages that use each other's messages need to stand in such a tree.
    #[must_use]
    pub fn include_file(mut self, name: impl Into<PathBuf>) -> Self {
        self.include_file = Some(name.into());
        self
    }

    /// The name of the file that the descriptors are written to. By default it is the package of
    /// the first proto with `.bin` behind it.
    #[must_use]
    pub fn file_descriptor_set_name(mut self, name: impl Into<String>) -> Self {
        self.file_descriptor_set_name = Some(name.into());
        self
    }

    /// Puts `attribute` on the messages, enums and oneofs at `path`.
    #[must_use]
    pub fn type_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.config.type_attribute(path, attribute);
        self
    }

    /// Puts `attribute` on the fields at `path`.
    #[must_use]
    pub fn field_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.config.field_attribute(path, attribute);
        self
    }

    /// Says that the types at `proto` exist already, at `rust`, so that neither messages nor
    /// services are generated for them. The Rust path starts with `::` or `crate::`.
    #[must_use]
    pub fn extern_path(mut self, proto: impl AsRef<str>, rust: impl Into<String>) -> Self {
        self.extern_paths.push(ProtoPath::new(proto.as_ref()));
        self.config.extern_path(proto.as_ref(), rust);
        self
    }

    /// Makes the `bytes` fields at `paths` `Bytes`, which are shared rather than copied, in place
    /// of `Vec<u8>`.
    #[must_use]
    pub fn bytes(mut self, paths: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.config.bytes(paths);
        self
    }

    /// Where generated code finds the `ambidex` crate, `::ambidex` by default. A crate that
    /// re-exports it puts its own path here.
    #[must_use]
    pub fn ambidex_path(mut self, path: impl Into<String>) -> Self {
        self.ambidex_path = path.into();
        self
    }

    /// Gives the methods of the services at `path` a default body that answers UNIMPLEMENTED.
    /// Without it, a handler that lacks a method does not compile.
    #[must_use]
    pub fn unimplemented(mut self, path: impl Into<String>) -> Self {
        self.unimplemented.push(path.into());
        self
    }

    /// Whether to generate clients, which is the default.
    #[must_use]
    pub fn client(mut self, generate: bool) -> Self {
        self.client = generate;
        self
    }

    /// Whether to generate handler traits and servers, which is the default.
    #[must_use]
    pub fn server(mut self, generate: bool) -> Self {
        self.server = generate;
        self
    }

    /// Changes any other setting of prost. What is decided here stays decided: the service
    /// generator, the paths of prost's crates, formatting, and where files are written.
    #[must_use]
    pub fn prost_config(mut self, change: impl FnOnce(&mut prost_build::Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Generates the types of the bundled google protos too. Only the crate that everybody else
    /// finds them in has a use for this.
    #[doc(hidden)]
    #[must_use]
    pub fn without_google_extern_paths(mut self) -> Self {
        self.google_extern_paths = false;
        self
    }

    /// Compiles `protos` and writes the generated code.
    ///
    /// Each of `protos` lies in one of the directories `includes`, or is a bundled google proto
    /// under its import name. Code is generated for everything that they import, too, except for
    /// what [`extern_path`](Self::extern_path) says exists elsewhere.
    ///
    /// # Errors
    ///
    /// If a proto cannot be read or compiled, if a check fails (see [the crate](crate)), if a
    /// setting refers to something that is not there, or if a file cannot be written.
    pub fn compile(
        mut self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let sources = Sources::compile(protos, includes)?;
        // Whoever prints one such line has to print them all: cargo no longer looks at the rest of
        // the package then.
        for path in sources.disk_paths() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        self.map_google_types(&sources);
        self.check(&sources)?;

        let output = Output::new(self.out_dir.take())?;
        let descriptors =
            self.file_descriptor_set_name.take().unwrap_or_else(|| file_name(sources.package(), "bin"));
        output.write(&descriptors, sources.encoded())?;
        self.generate(&sources, &descriptors, &output)
    }

    /// Says that the bundled google types are in the `ambidex` crate, unless the user said where
    /// they are.
    fn map_google_types(&mut self, sources: &Sources) {
        if !self.google_extern_paths {
            return;
        }
        for name in sources.files().flat_map(|file| bundle::type_names(file.name())) {
            if self.is_extern(&name) {
                continue;
            }
            let rust = format!("{}::{}", self.ambidex_path, name.replace('.', "::"));
            self.config.extern_path(format!(".{name}"), rust);
        }
    }

    fn check(&self, sources: &Sources) -> Result<(), Error> {
        for path in &self.unimplemented {
            let path_in_protos = ProtoPath::new(path);
            if !sources.services().any(|service| path_in_protos.covers(service.full_name())) {
                return Err(Error::new(format!(
                    ".unimplemented({path:?}) names no service; write the full name, such as \
                     \".bookshop.v1.Bookshop\""
                )));
            }
        }
        let is_generated = |full_name: &str| !self.is_extern(full_name);
        let mut problems = clashes::find(sources, self.features(), is_generated);
        problems.extend(http_rules::find(sources, is_generated)?);
        Error::from_problems(&problems)
    }

    fn generate(mut self, sources: &Sources, descriptors: &str, output: &Output) -> Result<(), Error> {
        let writer = ServiceWriter {
            ambidex: self.ambidex_path.parse().map_err(|_| {
                Error::new(format!(".ambidex_path({:?}) is no path of Rust", self.ambidex_path))
            })?,
            descriptors: descriptors.to_owned(),
            extern_paths: std::mem::take(&mut self.extern_paths),
            unimplemented: self.unimplemented.iter().map(|path| ProtoPath::new(path)).collect(),
            features: self.features(),
            packages_with_services: Vec::new(),
        };
        self.config
            .service_generator(Box::new(writer))
            .prost_path(format!("{}::codegen::prost", self.ambidex_path))
            .prost_types_path(format!("{}::codegen::prost_types", self.ambidex_path))
            .format(true);

        let mut marks = DocMarks::default();
        let mut packages = Vec::new();
        for mut file in sources.files().cloned() {
            marks.mark(&mut file);
            packages.push((Module::from_protobuf_package_name(file.package()), file));
        }
        // Packages that differ in case only share a module, and the name of the first is taken.
        let names: HashMap<_, _> =
            packages.iter().rev().map(|(module, file)| (module.clone(), file.package().to_owned())).collect();

        let code = self
            .config
            .generate(packages)
            .map_err(|error| Error::new(format!("the messages could not be generated: {error}")))?;
        let mut tree = ModuleTree::default();
        for (module, code) in &code {
            let file = output.write_package(&names[module], &join_type_arguments(&marks.expand(code)))?;
            tree.insert(module, file);
        }
        match &self.include_file {
            Some(name) => output.write_include_file(name, &tree),
            None => Ok(()),
        }
    }

    fn features(&self) -> Features {
        Features { server: self.server, client: self.client }
    }

    fn is_extern(&self, full_name: &str) -> bool {
        self.extern_paths.iter().any(|path| path.covers(full_name))
    }
}
