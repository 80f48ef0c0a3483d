//! Which endpoint a request is for: RPC routes, and REST routes without variables, by their exact path in one
//! look-up; other REST routes by template.

use std::collections::HashMap;
use std::sync::Arc;

use std::borrow::Cow;

use ambidex_schema::{
    BodyBinding, HttpBinding, HttpRuleError, HttpVerb, Match, MessageType, RouteConflict, RouteTable, Schema,
    Segment, http_bindings,
};
use http::Method;

use super::endpoint::{Endpoint, Mask, ReplyForm, RequestForm};
use crate::call::Protocol;
use crate::dispatch::{Dispatcher, Route};

const HTTP_BODY: &str = "google.api.HttpBody";

/// Routes that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// A registered method that its service's descriptors do not have.
    #[error(
        "the descriptors of {method} are missing: was its service registered with its FILE_DESCRIPTOR_SET?"
    )]
    NoDescriptor {
        /// The full name of the method.
        method: &'static str,
    },
    /// A wrong `google.api.http` rule.
    #[error(transparent)]
    Rule(#[from] HttpRuleError),
    /// Two routes that no request can tell apart.
    #[error("{method}: {conflict}")]
    Conflict {
        /// The method whose route came second.
        method: &'static str,
        /// The two routes.
        conflict: RouteConflict,
    },
}

/// The table of all endpoints.
pub(super) struct Routes {
    /// A literal beats a wildcard, so what stands here is right without a look at the templates.
    exact: HashMap<Box<str>, Vec<(Method, Arc<Endpoint>)>>,
    /// Every REST route, those of `exact` too: it knows what else a path allows.
    rest: RouteTable<Arc<Endpoint>>,
}

/// What there is at a path.
pub(super) enum Found<'a> {
    Endpoint {
        endpoint: &'a Arc<Endpoint>,
        captures: Vec<String>,
    },
    /// Nothing for this method, but for those named.
    OtherMethods(String),
    /// The path has a malformed escape.
    BadPath,
    Nothing,
}

impl Routes {
    pub(super) fn new(
        dispatcher: &Dispatcher,
        schema: &Schema,
        split_escaped_slashes: bool,
    ) -> Result<Self, RouteError> {
        let rest = RouteTable::new().with_split_escaped_slashes(split_escaped_slashes);
        let mut routes = Self { exact: HashMap::new(), rest };
        // In the order of their paths, so that start-up says the same on every run.
        let mut methods: Vec<_> = dispatcher.routes().collect();
        methods.sort_by_key(|route| route.spec.path());
        for route in methods {
            routes.add(route, schema)?;
        }
        Ok(routes)
    }

    fn add(&mut self, route: &Arc<Route>, schema: &Schema) -> Result<(), RouteError> {
        let missing = RouteError::NoDescriptor { method: route.spec.full_name() };
        let service = schema.service(route.spec.service());
        let method =
            service.and_then(|service| service.methods().find(|method| method.name() == route.spec.method()));
        let Some(method) = method else { return Err(missing) };
        let input = schema.message(method.input().full_name());
        let Some((input, output)) = input.zip(schema.message(method.output().full_name())) else {
            return Err(missing);
        };
        self.add_exact(route.spec.path(), Method::POST, &Arc::new(rpc(route, input.clone(), output.clone())));
        for binding in http_bindings(schema, &method)? {
            let (verb, template) = (binding.verb.clone(), binding.template.clone());
            let endpoint = Arc::new(rest(route, output.clone(), binding));
            let literal = template.verb().is_none()
                && template.segments().iter().all(|segment| matches!(segment, Segment::Literal(_)));
            if let (true, Ok(method)) = (literal, Method::from_bytes(verb.as_str().as_bytes())) {
                self.add_exact(template.as_str(), method, &endpoint);
            }
            self.rest
                .insert(&verb, &template, endpoint)
                .map_err(|conflict| RouteError::Conflict { method: route.spec.full_name(), conflict })?;
        }
        Ok(())
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let exact = self.exact.get(path);
        let known = exact.and_then(|endpoints| endpoints.iter().find(|(known, _)| known == method));
        if let Some((_, endpoint)) = known {
            return Found::Endpoint { endpoint, captures: Vec::new() };
        }
        match self.rest.find(method.as_str(), path) {
            Match::Found(found) => Found::Endpoint {
                endpoint: found.value,
                captures: found.captures.into_iter().map(Cow::into_owned).collect(),
            },
            Match::MethodNotAllowed { allow } => Found::OtherMethods(allow.join(", ")),
            Match::BadEscape => Found::BadPath,
            // The templates do not know of RPC routes.
            Match::NotFound if exact.is_some() => Found::OtherMethods("POST".to_owned()),
            Match::NotFound => Found::Nothing,
        }
    }

    fn add_exact(&mut self, path: &str, method: Method, endpoint: &Arc<Endpoint>) {
        self.exact.entry(path.into()).or_default().push((method, Arc::clone(endpoint)));
    }
}

/// The RPC route of a method: the whole message is the body, each way.
fn rpc(route: &Arc<Route>, input: MessageType, output: MessageType) -> Endpoint {
    Endpoint {
        route: Arc::clone(route),
        protocol: Protocol::Rpc,
        request: RequestForm { message: input, binding: None, raw_body: false, mask: None },
        reply: ReplyForm { message: output, field: None, raw_body: false },
    }
}

/// A REST route, as its rule has it.
fn rest(route: &Arc<Route>, output: MessageType, binding: HttpBinding) -> Endpoint {
    let message = binding.request().clone();
    let body_type = match &binding.body {
        BodyBinding::None => None,
        BodyBinding::Whole => Some(message.clone()),
        BodyBinding::Field(field) => field.message_type(),
    };
    let raw_request = body_type.as_ref().is_some_and(|body| body.full_name() == HTTP_BODY);
    let raw_reply = binding.response_body.is_none() && output.full_name() == HTTP_BODY;
    let mask = match (&binding.verb, &binding.body) {
        (HttpVerb::Patch, BodyBinding::Field(_)) if !raw_request => {
            body_type.and_then(|resource| mask(&message, resource))
        }
        _ => None,
    };
    Endpoint {
        route: Arc::clone(route),
        protocol: Protocol::Rest,
        reply: ReplyForm { message: output, field: binding.response_body.clone(), raw_body: raw_reply },
        request: RequestForm { message, binding: Some(binding), raw_body: raw_request, mask },
    }
}

/// The request's mask, if it has exactly one to speak of.
fn mask(input: &MessageType, resource: MessageType) -> Option<Mask> {
    let mut masks = input.fields().filter(|field| field.is_field_mask());
    let field = masks.next()?;
    masks.next().is_none().then_some(Mask { field, resource })
}
