//! Which interceptors a method has, and in which order.

use super::{CallService, Erased};
use crate::call::MethodSpec;

/// The interceptors of a server while it is put together.
#[derive(Debug, Default)]
pub(crate) struct Interceptors {
    /// Of every method.
    all: Vec<Erased>,
    /// Of the service or method of that name.
    named: Vec<(String, Erased)>,
}

impl Interceptors {
    pub(crate) fn add(&mut self, interceptor: Erased) {
        self.all.push(interceptor);
    }

    /// Adds one for a service (`bookshop.v1.Bookshop`) or a method (`bookshop.v1.Bookshop/GetBook`).
    pub(crate) fn add_for(&mut self, name: &str, interceptor: Erased) {
        // Someone may spell it as it is called.
        let name = name.strip_prefix('/').unwrap_or(name);
        self.named.push((name.to_owned(), interceptor));
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len() + self.named.len()
    }

    /// The names that belong to none of `methods` and to no service of theirs.
    pub(crate) fn strangers(&self, methods: impl Iterator<Item = &'static MethodSpec>) -> Vec<String> {
        let known: Vec<_> = methods.flat_map(|method| [method.full_name(), method.service()]).collect();
        let names = self.named.iter().map(|(name, _)| name.as_str());
        let mut strangers: Vec<_> = names.filter(|name| !known.contains(name)).map(str::to_owned).collect();
        strangers.dedup();
        strangers
    }

    /// Puts those that `method` has around its handler: the server's outermost, then its service's, then its own;
    /// of each the first one added outermost.
    pub(crate) fn around(&self, method: &MethodSpec, handler: CallService) -> CallService {
        let chain: Vec<_> = self.before(method).collect();
        chain.into_iter().rev().fold(handler, |inner, interceptor| interceptor.wrap(inner))
    }

    /// Whether there are any.
    pub(crate) fn has_any(&self, method: &MethodSpec) -> bool {
        self.before(method).next().is_some()
    }

    fn before<'a>(&'a self, method: &'a MethodSpec) -> impl Iterator<Item = &'a Erased> {
        self.all.iter().chain(self.of(method.service())).chain(self.of(method.full_name()))
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Erased> {
        self.named.iter().filter(move |(of, _)| of == name).map(|(_, interceptor)| interceptor)
    }
}
