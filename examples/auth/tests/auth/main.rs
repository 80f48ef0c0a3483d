//! Who is let in and who is not, with real tokens and real certificates.

mod certificates;
mod issuer;
mod page;
mod tokens;
