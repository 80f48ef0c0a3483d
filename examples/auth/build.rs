//! Generates the messages, the handler trait, the server and the client. Nothing needs installing.

fn main() -> Result<(), ambidex_build::Error> {
    ambidex_build::compile(&["proto/notes/v1/notes.proto"], &["proto"])
}
