//! The Rust of services. Messages are prost's business; for each service, prost hands over what
//! it has read and the names it gave to types, and the code written here follows the messages.
//!
//! Generated code is `include!`d into a module of the user's, where any short name may mean
//! something else (`use anyhow::Result;` above `include_proto!` is enough), and a package may
//! define a message `Option`. So everything but the package's own types is named by its full
//! path.

mod client;
mod handler_trait;
mod rpc_types;
mod server;
mod service;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::docs::BLANK_LINE;
use crate::proto_path::ProtoPath;
use service::Service;

/// What is generated for a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Features {
    /// Handler traits and servers.
    pub(crate) server: bool,
    pub(crate) client: bool,
}

/// Writes services into the code of their packages.
#[derive(Debug)]
pub(crate) struct ServiceWriter {
    /// The path of the `ambidex` crate.
    pub(crate) ambidex: TokenStream,
    /// The name of the file of descriptors, which lies beside the code.
    pub(crate) descriptors: String,
    /// Services that exist elsewhere.
    pub(crate) extern_paths: Vec<ProtoPath>,
    /// Services whose methods have default bodies.
    pub(crate) unimplemented: Vec<ProtoPath>,
    pub(crate) features: Features,
    /// The packages that a service was written for.
    pub(crate) packages_with_services: Vec<String>,
}

impl prost_build::ServiceGenerator for ServiceWriter {
    fn generate(&mut self, proto: prost_build::Service, code: &mut String) {
        let service = Service::new(&proto);
        if self.extern_paths.iter().any(|path| path.covers(&service.full_name)) {
            return;
        }
        let ambidex = &self.ambidex;
        let mut items = TokenStream::new();
        if self.features.server {
            let has_defaults = self.unimplemented.iter().any(|path| path.covers(&service.full_name));
            items.extend(handler_trait::write(&service, ambidex, has_defaults));
        }
        if self.features.server || self.features.client {
            items.extend(rpc_types::write(&service, ambidex, self.features));
        }
        if self.features.server {
            items.extend(server::write(&service, ambidex));
        }
        if self.features.client {
            items.extend(client::write(&service, ambidex));
        }
        code.push_str(&items.to_string());
        self.packages_with_services.push(proto.package);
    }

    fn finalize_package(&mut self, package: &str, code: &mut String) {
        if !self.packages_with_services.iter().any(|written| written == package) {
            return;
        }
        let file = &self.descriptors;
        let docs = Docs::lines([
            "The descriptors that this code was generated from and of all they import, as an encoded"
                .to_owned(),
            "`google.protobuf.FileDescriptorSet` with custom options.".to_owned(),
        ]);
        let item = quote! {
            #docs
            pub const FILE_DESCRIPTOR_SET: &[u8] = ::core::include_bytes!(#file);
        };
        code.push_str(&item.to_string());
    }
}

/// Documentation of a generated item, with a blank line above.
#[derive(Debug, Clone)]
struct Docs(Vec<String>);

impl Docs {
    fn lines(lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(|line| if line.is_empty() { line } else { format!(" {line}") });
        Self([BLANK_LINE.to_owned()].into_iter().chain(lines).collect())
    }

    /// The comment of the proto, which is one mark at this point and expands with a blank line.
    fn comment(comments: &prost_build::Comments) -> Self {
        Self(comments.leading.clone())
    }
}

impl ToTokens for Docs {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let lines = &self.0;
        tokens.extend(quote!(#(#[doc = #lines])*));
    }
}

/// A blank line above an item that has no documentation.
fn blank_line() -> TokenStream {
    quote!(#[doc = #BLANK_LINE])
}
