//! Notes that belong to whoever wrote them: a service whose callers say who they are.
//!
//! This file puts it together: who is let in, what each method needs, how often one may call. `bearer.rs` reads
//! tokens, `certificate.rs` client certificates, and `caller.rs` says which of the two counts. `principal.rs` is what is
//! known of a caller then, `permission.rs` asks for it, and `notes.rs` uses it.

mod bearer;
mod caller;
mod certificate;
mod notes;
mod permission;
mod principal;
mod ring_provider;

use ambidex::interceptor::{self, RateLimit};
use ambidex::server::ServerBuilder;

pub use bearer::{Bearer, Issuer};
pub use caller::Caller;
pub use certificate::Certificates;
use notes::NoteBook;
use permission::Permission;
use principal::Principal;
use v1::NotesServer;

pub mod v1 {
    //! Messages, the trait, the server and the client, as `build.rs` generated them.
    ambidex::include_proto!("notes.v1");
}

const SERVICE: &str = "notes.v1.Notes";

/// The service behind its interceptors, which a call passes from the top to the bottom.
pub fn server(caller: Caller) -> ServerBuilder {
    ambidex::Server::builder()
        .service(NotesServer::new(NoteBook::default()))
        // Who sends bad tokens all day costs us signatures: counted before they are looked at.
        .interceptor_for(SERVICE, RateLimit::per_second(50).burst(200).per_peer())
        .interceptor_for(SERVICE, interceptor::check(caller))
        // And each user by the name that was just proved, wherever they call from.
        .interceptor_for(SERVICE, RateLimit::per_minute(100).per(principal::subject))
        .interceptor_for("notes.v1.Notes/ListNotes", interceptor::check(Permission("notes:read")))
        .interceptor_for("notes.v1.Notes/ExportNotes", interceptor::check(Permission("notes:read")))
        .interceptor_for("notes.v1.Notes/AddNote", interceptor::check(Permission("notes:write")))
        .interceptor_for("notes.v1.Notes/DeleteNotes", interceptor::check(Permission("notes:admin")))
}
