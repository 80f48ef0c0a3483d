//! Owns everything that can go wrong in the shop, and what callers are told of it.
//!
//! A `ShopError` speaks of shelves and books; its conversion to a `Status` is the one place that knows codes.
//! What is our own fault is told to the log in full and to the caller not at all.

use std::time::Duration;

use ambidex::scheduler::RunError;
use ambidex::tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};
use ambidex::{Code, Status};

use crate::resource_name::{BookName, ShelfName};
use crate::violations::Violations;

/// What can go wrong in the shop.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    #[error("{0}")]
    Invalid(Violations),
    #[error("there is no shelf {0}")]
    NoSuchShelf(ShelfName),
    #[error("there is no book {0}")]
    NoSuchBook(BookName),
    #[error("there is a shelf {0} already")]
    ShelfExists(ShelfName),
    #[error("there is a book {0} already")]
    BookExists(BookName),
    #[error("{shelf} still has {books} books on it")]
    ShelfNotEmpty { shelf: ShelfName, books: i64 },
    #[error("the import has more than {0} books; split it")]
    ImportTooLarge(usize),
    #[error("changes came faster than they were read, and some are lost; list the books and watch again")]
    FellBehind,
    #[error("{0} callers watch already; try again later")]
    TooManyWatchers(usize),
    #[error("every connection to the database is in use; try again later")]
    Busy,
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The scheduler did not run what we gave it to the end.
    #[error(transparent)]
    Offload(#[from] RunError),
    /// The call ended while we worked for it, or its messages did not come whole.
    #[error(transparent)]
    Call(#[from] Status),
}

impl ShopError {
    /// For `map_err`: what could not be read is the fault of the field `field`.
    pub fn in_field<E: std::fmt::Display>(field: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::Invalid(Violations::of(field, error))
    }
}

impl From<Violations> for ShopError {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<ShopError> for Status {
    fn from(error: ShopError) -> Self {
        let message = error.to_string();
        let with = |code, details| Self::with_error_details(code, message.clone(), details);
        match error {
            ShopError::Invalid(violations) => {
                with(Code::InvalidArgument, ErrorDetails::with_bad_request(violations.into_fields()))
            }
            ShopError::NoSuchShelf(name) => with(Code::NotFound, resource("bookshop.v1.Shelf", name)),
            ShopError::NoSuchBook(name) => with(Code::NotFound, resource("bookshop.v1.Book", name)),
            ShopError::ShelfExists(name) => with(Code::AlreadyExists, resource("bookshop.v1.Shelf", name)),
            ShopError::BookExists(name) => with(Code::AlreadyExists, resource("bookshop.v1.Book", name)),
            ShopError::ShelfNotEmpty { shelf, .. } => {
                let violation =
                    PreconditionViolation::new("NOT_EMPTY", shelf.to_string(), "take its books down first");
                with(Code::FailedPrecondition, ErrorDetails::with_precondition_failure(vec![violation]))
            }
            ShopError::ImportTooLarge(_) => Self::invalid_argument(message),
            ShopError::FellBehind => Self::aborted(message),
            ShopError::TooManyWatchers(_) => Self::resource_exhausted(message),
            ShopError::Busy => {
                with(Code::Unavailable, ErrorDetails::with_retry_info(Some(Duration::from_secs(1))))
            }
            ShopError::Database(error) => {
                tracing::error!(%error, "the database failed");
                Self::internal("internal error")
            }
            ShopError::Offload(error) => error.into(),
            ShopError::Call(status) => status,
        }
    }
}

/// Which resource it is about.
fn resource(kind: &str, name: impl std::fmt::Display) -> ErrorDetails {
    ErrorDetails::with_resource_info(kind, name.to_string(), "", "")
}
