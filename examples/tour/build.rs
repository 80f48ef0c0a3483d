//! Generates the messages, the handler trait, the server and the client. Nothing needs installing.

fn main() -> Result<(), ambidex_build::Error> {
    ambidex_build::compile(&["proto/guestbook/v1/guestbook.proto"], &["proto"])
}
