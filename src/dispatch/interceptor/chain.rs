//! Which interceptors a method has, and in which order.
//!
//! A group of interceptors (the server's, a service's, a method's) is put once around all the methods that it is for, and
//! not once around each: what a layer counts, it counts for all of them, as whoever added it would expect. Behind the
//! group the call goes on by its method.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

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

    /// Puts around each method's handler those that it has: the server's outermost, then its service's, then its own;
    /// of each the first one added outermost.
    pub(crate) fn around(&self, handlers: Vec<Behind>) -> Vec<Behind> {
        let mut chains = handlers;
        for chain in &mut chains {
            put_around(self.of(chain.method.full_name()), &mut [chain]);
        }
        let mut services: Vec<_> = chains.iter().map(|chain| chain.method.service()).collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            let mut own: Vec<_> =
                chains.iter_mut().filter(|chain| chain.method.service() == service).collect();
            put_around(self.of(service), &mut own);
        }
        put_around(self.all.iter(), &mut chains.iter_mut().collect::<Vec<_>>());
        chains
    }

    /// Whether there are any.
    pub(crate) fn has_any(&self, method: &MethodSpec) -> bool {
        self.before(method).next().is_some()
    }

    fn before<'a>(&'a self, method: &'a MethodSpec) -> impl Iterator<Item = &'a Erased> {
        self.all.iter().chain(self.of(method.service())).chain(self.of(method.full_name()))
    }

    fn of<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Erased> {
        self.named.iter().filter(move |(of, _)| of == name).map(|(_, interceptor)| interceptor)
    }
}

/// A method, and the way to its handler as far as it is put together.
pub(crate) struct Behind {
    pub(crate) method: &'static MethodSpec,
    pub(crate) service: CallService,
}

/// Puts a group of interceptors once around all that it is for.
fn put_around<'a>(group: impl DoubleEndedIterator<Item = &'a Erased>, chains: &mut [&mut Behind]) {
    let mut group = group.rev();
    let Some(innermost) = group.next() else { return };
    let inner = innermost.wrap(by_method(chains));
    let outer = group.fold(inner, |inner, interceptor| interceptor.wrap(inner));
    for chain in chains {
        chain.service = outer.clone();
    }
}

/// Where the ways part: each call goes on to its own method.
fn by_method(chains: &[&mut Behind]) -> CallService {
    if let [only] = chains {
        return only.service.clone();
    }
    let ways = chains.iter().map(|chain| (place(chain.method), chain.service.clone()));
    let ways: HashMap<usize, CallService, FixedState> = ways.collect();
    CallService::new(Arc::new(move |call| {
        let way = ways.get(&place(call.method())).expect("a call passes the interceptors of its own method");
        way.invoke(call)
    }))
}

/// Methods are told apart by where they are described, which is in one place for each.
fn place(method: &'static MethodSpec) -> usize {
    std::ptr::from_ref(method).addr()
}
