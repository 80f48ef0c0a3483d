//! Where interceptors are added to a server: for all of it, for a service, or for a method.

use super::ServerBuilder;
use crate::dispatch::interceptor::Interceptor;

impl ServerBuilder {
    /// Adds an interceptor: a tower layer that sees every call of every protocol. The first one added sees a
    /// call first. See [`interceptor`](crate::interceptor) for making one from a function.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.add(interceptor.erase());
        self
    }

    /// Adds an interceptor for the calls of one method (`bookshop.v1.Bookshop/PlaceOrder`), or of every method of a
    /// service (`bookshop.v1.Bookshop`). Those of the server see a call first, then those of its service, then those
    /// of its method; of each, the first one added. A name that nobody has is an error at start-up.
    ///
    /// ```
    /// use ambidex::interceptor;
    /// use ambidex::{Status, call::Call};
    ///
    /// async fn only_staff(call: &mut Call) -> Result<(), Status> {
    ///     let role = call.metadata.get("x-role").ok_or_else(|| Status::unauthenticated("say who you are"))?;
    ///     if role == "staff" { Ok(()) } else { Err(Status::permission_denied("for staff only")) }
    /// }
    ///
    /// let server = ambidex::Server::builder()
    ///     .interceptor_for("bookshop.v1.Bookshop/DeleteBook", interceptor::check(only_staff));
    /// ```
    #[must_use]
    pub fn interceptor_for(mut self, name: impl AsRef<str>, interceptor: impl Interceptor) -> Self {
        self.interceptors.add_for(name.as_ref(), interceptor.erase());
        self
    }
}
