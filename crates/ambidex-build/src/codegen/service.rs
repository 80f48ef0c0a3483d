//! A service as the writers of code need it: every name and type decided, none of it written yet.

use heck::ToSnakeCase;
use proc_macro2::{Ident, TokenStream};
use prost_types::method_options::IdempotencyLevel;
use quote::{format_ident, quote};

use super::Docs;
use crate::rust_name::{ServiceNames, client_method, execution_const, ident, rpc_type};

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    /// `bookshop.v1.Bookshop`
    pub(super) full_name: String,
    pub(super) handler_trait: Ident,
    pub(super) server: Ident,
    pub(super) client: Ident,
    pub(super) rpc_module: Ident,
    pub(super) docs: Docs,
    pub(super) deprecated: bool,
    pub(super) methods: Vec<Method>,
}

/// A method of a service.
#[derive(Debug)]
pub(super) struct Method {
    /// `GetBook`, as in the proto.
    pub(super) proto_name: String,
    /// `get_book`
    pub(super) function: Ident,
    /// `get_book`, or something like it where the client has a function of that name.
    pub(super) client_function: Ident,
    /// `GET_BOOK`
    pub(super) execution_const: Ident,
    /// `GetBook`
    pub(super) rpc_type: Ident,
    pub(super) docs: Docs,
    pub(super) deprecated: bool,
    pub(super) kind: Kind,
    pub(super) idempotency: Option<Ident>,
    pub(super) request: MessageType,
    pub(super) response: MessageType,
}

/// The Rust type of a message.
#[derive(Debug)]
pub(super) struct MessageType {
    /// As seen from the module of the package.
    pub(super) path: TokenStream,
    /// As seen from a module inside that one.
    pub(super) path_from_inside: TokenStream,
}

/// Who streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    ClientStreaming,
    ServerStreaming,
    BidiStreaming,
}

impl Service {
    pub(super) fn new(proto: &prost_build::Service) -> Self {
        let names = ServiceNames::new(&proto.proto_name);
        let full_name = match proto.package.as_str() {
            "" => proto.proto_name.clone(),
            package => format!("{package}.{}", proto.proto_name),
        };
        Self {
            handler_trait: ident(&proto.name),
            server: ident(&names.server),
            client: ident(&names.client),
            rpc_module: ident(&names.rpc_module),
            docs: Docs::comment(&proto.comments),
            deprecated: proto.options.deprecated(),
            methods: proto.methods.iter().map(Method::new).collect(),
            full_name,
        }
    }
}

impl Method {
    fn new(proto: &prost_build::Method) -> Self {
        Self {
            function: ident(&proto.name),
            client_function: ident(&client_method(&proto.name)),
            execution_const: ident(&execution_const(&proto.name)),
            rpc_type: ident(&rpc_type(&proto.name)),
            docs: Docs::comment(&proto.comments),
            deprecated: proto.options.deprecated(),
            kind: Kind::new(proto.client_streaming, proto.server_streaming),
            idempotency: match proto.options.idempotency_level() {
                IdempotencyLevel::IdempotencyUnknown => None,
                IdempotencyLevel::NoSideEffects => Some(format_ident!("NoSideEffects")),
                IdempotencyLevel::Idempotent => Some(format_ident!("Idempotent")),
            },
            request: MessageType::new(&proto.input_type),
            response: MessageType::new(&proto.output_type),
            proto_name: proto.proto_name.clone(),
        }
    }

    /// The attribute for a function whose name makes clippy expect another kind of `self`. The
    /// name is that of the proto, which the user may not be free to change.
    pub(super) fn allow_self_convention(&self) -> Option<TokenStream> {
        let name = self.proto_name.to_snake_case();
        let expects_other_self = name == "new" || name.starts_with("from_") || name.starts_with("into_");
        let reason = "the proto names the method";
        expects_other_self.then(|| quote!(#[allow(clippy::wrong_self_convention, reason = #reason)]))
    }

    /// What a handler takes: one message or a stream of them.
    pub(super) fn input(&self, message: &TokenStream, ambidex: &TokenStream) -> TokenStream {
        if self.kind.client_streams() { quote!(#ambidex::Streaming<#message>) } else { message.clone() }
    }
}

impl MessageType {
    /// Takes a type as prost writes it in the module of the package.
    fn new(rust_type: &str) -> Self {
        // Well-known types that are plain Rust types, from anywhere.
        let is_primitive = matches!(rust_type, "()" | "bool" | "f32" | "f64" | "i32" | "i64" | "u32" | "u64");
        let is_absolute = rust_type.starts_with("::") || rust_type.starts_with("crate::");
        let path: TokenStream = rust_type.parse().expect("prost names types by valid paths");
        let path_from_inside = if is_primitive || is_absolute { path.clone() } else { quote!(super::#path) };
        Self { path, path_from_inside }
    }
}

impl Kind {
    fn new(client_streams: bool, server_streams: bool) -> Self {
        match (client_streams, server_streams) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStreaming,
            (false, true) => Self::ServerStreaming,
            (true, true) => Self::BidiStreaming,
        }
    }

    pub(super) fn client_streams(self) -> bool {
        matches!(self, Self::ClientStreaming | Self::BidiStreaming)
    }

    pub(super) fn server_streams(self) -> bool {
        matches!(self, Self::ServerStreaming | Self::BidiStreaming)
    }

    /// Its name as a value of `MethodKind`.
    pub(super) fn variant(self) -> Ident {
        format_ident!("{self:?}")
    }

    /// The function that registers or calls such a method.
    pub(super) fn function(self) -> Ident {
        match self {
            Self::Unary => format_ident!("unary"),
            Self::ClientStreaming => format_ident!("client_streaming"),
            Self::ServerStreaming => format_ident!("server_streaming"),
            Self::BidiStreaming => format_ident!("bidi_streaming"),
        }
    }
}
