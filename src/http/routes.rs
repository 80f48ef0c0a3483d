//! Which endpoint a request is for: RPC routes, and REST routes without variables, by their exact path in one
//! look-up; other REST routes by template.

use std::collections::{BTreeSet, HashMap};

use ambidex_schema::{
    BodyBinding, Captures, FieldHandle, HttpBinding, HttpRuleError, HttpVerb, Match, MessageType,
    MethodDescriptor, RouteConflict, RouteTable, Schema, http_bindings, http_bindings_of,
};
use foldhash::fast::FixedState;
use http::Method;
use prost::Message as _;

use super::HttpConfig;
use super::endpoint::{Endpoint, Mask, ReplyForm, RequestForm};
use super::rules::{self, Rules};
use crate::call::{HttpRoute, Idempotency, MethodKind, Protocol, Spread};
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
    /// A rule from elsewhere for a method that no service has.
    #[error(
        "an HTTP rule has the selector {0:?}, which is no method of a service: write package.Service.Method"
    )]
    UnknownSelector(String),
    /// A route that no request reaches, since the RPC route of a method is at the same place.
    #[error("{method}: `{route}` is the RPC route of a method")]
    Shadowed {
        /// The method whose route it is.
        method: &'static str,
        /// The route.
        route: String,
    },
    /// Two routes that no request can tell apart.
    #[error("{method}: {conflict}")]
    Conflict {
        /// The method whose route came second.
        method: &'static str,
        /// The two routes.
        conflict: RouteConflict,
    },
}

/// The endpoints at one path, by their methods.
type AtOnePath = Vec<(Method, Spread<Endpoint>)>;

/// The table of all endpoints.
pub(super) struct Routes {
    /// A literal beats a wildcard, so what stands here is right without a look at the templates.
    exact: HashMap<Box<str>, AtOnePath, FixedState>,
    /// How long the paths of `exact` are: most paths with variables need no look-up to be told from them.
    lengths: Lengths,
    /// Every REST route, those of `exact` too: it knows what else a path allows.
    rest: RouteTable<Spread<Endpoint>>,
    /// Every method that some route has.
    methods: BTreeSet<String>,
}

/// A set of lengths, of which all from the longest that it tells apart on are one.
#[derive(Default)]
struct Lengths(u128);

impl Lengths {
    fn add(&mut self, length: usize) {
        self.0 |= Self::bit(length);
    }

    fn have(&self, length: usize) -> bool {
        self.0 & Self::bit(length) != 0
    }

    fn bit(length: usize) -> u128 {
        1 << length.min(127)
    }
}

/// What there is at a path.
pub(super) enum Found<'r> {
    /// What the variables of its template captured is where it was asked for.
    Endpoint(&'r Spread<Endpoint>),
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
        rules: &Rules,
        config: &HttpConfig,
    ) -> Result<Self, RouteError> {
        let rest = RouteTable::new().with_split_escaped_slashes(config.split_escaped_slashes);
        let mut routes =
            Self { exact: HashMap::default(), lengths: Lengths::default(), rest, methods: BTreeSet::new() };
        // In the order of their paths, so that start-up says the same on every run.
        let mut methods: Vec<_> = dispatcher.routes().collect();
        methods.sort_by_key(|route| route.spec.path());
        let selector = |route: &Spread<Route>| route.spec.full_name().replace('/', ".");
        if let Some(stray) =
            rules.selectors().find(|known| !methods.iter().any(|route| selector(route) == *known))
        {
            return Err(RouteError::UnknownSelector(stray.to_owned()));
        }
        // The RPC routes first: they are there whatever the rules say.
        let mut described = Vec::with_capacity(methods.len());
        for route in methods {
            let missing = || RouteError::NoDescriptor { method: route.spec.full_name() };
            let method = Described::find(route, schema).ok_or_else(missing)?;
            routes.add_rpc(dispatcher, route, &method, config);
            described.push((route, method));
        }
        for (route, method) in described {
            let bindings = match rules.of(&selector(route)) {
                Some(rule) => rule.read(http_bindings_of(schema, &method.descriptor, &rule.wire())?),
                None => http_bindings(schema, &method.descriptor)?,
            };
            let bindings = match rules::without_rule(route.spec) {
                rule if bindings.is_empty() && config.rest_without_rule => {
                    http_bindings_of(schema, &method.descriptor, &rule.encode_to_vec())?
                }
                _ => bindings,
            };
            for binding in bindings {
                routes.add_rest(dispatcher, route, &method, binding, config)?;
            }
        }
        Ok(routes)
    }

    fn add_rpc(
        &mut self,
        dispatcher: &Dispatcher,
        route: &Spread<Route>,
        method: &Described,
        config: &HttpConfig,
    ) {
        let endpoint = Spread::new(rpc(dispatcher, route, method, Method::POST, config));
        self.add_exact(route.spec.path(), Method::POST, &endpoint);
        let spec = route.spec;
        if spec.kind() == MethodKind::Unary && spec.idempotency_level() == Idempotency::NoSideEffects {
            let endpoint = Spread::new(rpc(dispatcher, route, method, Method::GET, config));
            self.add_exact(spec.path(), Method::GET, &endpoint);
            self.add_exact(spec.path(), Method::HEAD, &endpoint);
        }
    }

    fn add_rest(
        &mut self,
        dispatcher: &Dispatcher,
        route: &Spread<Route>,
        method: &Described,
        binding: HttpBinding,
        config: &HttpConfig,
    ) -> Result<(), RouteError> {
        let (verb, template) = (binding.verb.clone(), binding.template.clone());
        let endpoint = Spread::new(rest(dispatcher, route, method, binding, config));
        if let (Some(path), Ok(http_method)) =
            (template.literal(), Method::from_bytes(verb.as_str().as_bytes()))
        {
            let known = self.exact.get(path).into_iter().flatten();
            if known
                .into_iter()
                .any(|(known, other)| *known == http_method && other.protocol == Protocol::Rpc)
            {
                let route_text = format!("{verb} {template}");
                return Err(RouteError::Shadowed { method: route.spec.full_name(), route: route_text });
            }
            self.add_exact(path, http_method, &endpoint);
        }
        match &verb {
            HttpVerb::Any => {}
            HttpVerb::Get => self.methods.extend(["GET".to_owned(), "HEAD".to_owned()]),
            other => _ = self.methods.insert(other.to_string()),
        }
        self.rest
            .insert(&verb, &template, endpoint)
            .map_err(|conflict| RouteError::Conflict { method: route.spec.full_name(), conflict })
    }

    /// The endpoint of a WebSocket: the RPC route of any method, or a REST route whatever its method, since a
    /// WebSocket is always opened with GET. Where several methods have routes at a path it is the one that streams;
    /// else nobody could say which is meant.
    pub(super) fn find_websocket<'p>(&self, path: &'p str, captures: &mut Captures<'p>) -> Found<'_> {
        let mut here = self.exact.get(path).into_iter().flatten();
        // Whatever templates take its path as well.
        if let Some((_, endpoint)) = here.find(|(_, endpoint)| endpoint.protocol == Protocol::Rpc) {
            return Found::Endpoint(endpoint);
        }
        // The method of no rule: what there is for others is told then.
        let nobodys = Method::from_bytes(b"-").expect("a token is a method");
        let allowed = match self.find(&nobodys, path, captures) {
            Found::OtherMethods(allowed) => allowed,
            other => return other,
        };
        // Of several ways to one RPC the one of a PUT has a body.
        let names = ["PUT"].into_iter().chain(allowed.split(", "));
        let names = names.filter_map(|name| Method::from_bytes(name.as_bytes()).ok());
        let found = names.filter(|name| *name != Method::HEAD).filter_map(|name| {
            let mut captures = Captures::default();
            match self.find(&name, path, &mut captures) {
                Found::Endpoint(endpoint) => Some((endpoint, captures)),
                _ => None,
            }
        });
        let mut candidates: Vec<_> = found.collect();
        let streams = |endpoint: &Endpoint| {
            let kind = endpoint.route.spec.kind();
            kind.client_streams() || kind.server_streams()
        };
        if candidates.iter().any(|(endpoint, _)| streams(endpoint)) {
            candidates.retain(|(endpoint, _)| streams(endpoint));
        }
        let mut candidates = candidates.into_iter();
        let Some((first, of_first)) = candidates.next() else { return Found::Nothing };
        if candidates.any(|(other, _)| other.route.spec != first.route.spec) {
            return Found::OtherMethods(allowed);
        }
        *captures = of_first;
        Found::Endpoint(first)
    }

    /// What there is at a path for a method.
    pub(super) fn find<'p>(&self, method: &Method, path: &'p str, captures: &mut Captures<'p>) -> Found<'_> {
        let exact = if self.lengths.have(path.len()) { self.exact.get(path) } else { None };
        let known = exact.and_then(|endpoints| endpoints.iter().find(|(known, _)| known == method));
        if let Some((_, endpoint)) = known {
            return Found::Endpoint(endpoint);
        }
        match self.rest.find(method.as_str(), path, captures) {
            Match::Found { value, .. } => Found::Endpoint(value),
            Match::MethodNotAllowed { allow } => Found::OtherMethods(allowed(allow, exact)),
            Match::BadEscape => Found::BadPath,
            Match::NotFound if exact.is_some() => Found::OtherMethods(allowed(Vec::new(), exact)),
            Match::NotFound => Found::Nothing,
        }
    }

    /// Every method that some route has, as a header spells them.
    pub(super) fn methods(&self) -> String {
        self.methods.iter().map(String::as_str).chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
    }

    fn add_exact(&mut self, path: &str, method: Method, endpoint: &Spread<Endpoint>) {
        self.lengths.add(path.len());
        if endpoint.protocol == Protocol::Rpc {
            self.methods.insert(method.to_string());
        }
        self.exact.entry(path.into()).or_default().push((method, endpoint.clone()));
    }
}

/// The methods of a path: of templates that take it, and of the RPC route there, of which they do not know.
#[cold]
fn allowed(mut methods: Vec<String>, exact: Option<&AtOnePath>) -> String {
    for (method, _) in exact.into_iter().flatten() {
        if methods.iter().all(|known| known != method.as_str()) {
            methods.push(method.to_string());
        }
    }
    methods.join(", ")
}

/// A method as its descriptors have it.
struct Described {
    descriptor: MethodDescriptor,
    input: MessageType,
    output: MessageType,
}

impl Described {
    fn find(route: &Route, schema: &Schema) -> Option<Self> {
        let service = schema.service(route.spec.service())?;
        let descriptor = service.methods().find(|method| method.name() == route.spec.method())?;
        let input = schema.message(descriptor.input().full_name())?;
        let output = schema.message(descriptor.output().full_name())?;
        Some(Self { descriptor, input, output })
    }

    fn reply(&self, field: Option<FieldHandle>, raw_body: bool, config: &HttpConfig) -> ReplyForm {
        let event_id = config.sse_id_field.as_deref().and_then(|name| self.output.field(name));
        let event_id = event_id.filter(|field| field.is_text_bindable() && !field.is_list());
        ReplyForm { message: self.output.clone(), field, raw_body, event_id }
    }
}

/// The RPC route of a method: the whole message is the body, each way, or of a GET in the query.
fn rpc(
    dispatcher: &Dispatcher,
    route: &Spread<Route>,
    method: &Described,
    http_method: Method,
    config: &HttpConfig,
) -> Endpoint {
    let seen =
        HttpRoute { method: http_method.to_string(), template: route.spec.path().to_owned(), binding: 0 };
    let request = RequestForm { message: method.input.clone(), binding: None, raw_body: false, mask: None };
    let forms = (request, method.reply(None, false, config));
    Endpoint::new(route.clone(), Protocol::Rpc, &http_method, dispatcher.entrance_by(seen), forms, config)
}

/// A REST route, as its rule has it.
fn rest(
    dispatcher: &Dispatcher,
    route: &Spread<Route>,
    method: &Described,
    binding: HttpBinding,
    config: &HttpConfig,
) -> Endpoint {
    let message = binding.request().clone();
    let body_type = match &binding.body {
        BodyBinding::None => None,
        BodyBinding::Whole => Some(message.clone()),
        BodyBinding::Field(field) => field.message_type().filter(|_| !field.is_list()),
    };
    let reply_type = match &binding.response_body {
        None => Some(method.output.clone()),
        Some(field) => field.message_type().filter(|_| !field.is_list()),
    };
    let is_raw = |body: &Option<MessageType>| body.as_ref().is_some_and(|body| body.full_name() == HTTP_BODY);
    let (raw_request, raw_reply) = (is_raw(&body_type), is_raw(&reply_type));
    let mask = match (&binding.verb, &binding.body) {
        (HttpVerb::Patch, BodyBinding::Field(_)) if !raw_request => {
            body_type.and_then(|resource| mask(&message, resource))
        }
        _ => None,
    };
    let seen = HttpRoute {
        method: binding.verb.to_string(),
        template: binding.template.to_string(),
        binding: binding.index,
    };
    let reply = method.reply(binding.response_body.clone(), raw_reply, config);
    let request = RequestForm { message, binding: Some(binding), raw_body: raw_request, mask };
    Endpoint::new(
        route.clone(),
        Protocol::Rest,
        &Method::GET,
        dispatcher.entrance_by(seen),
        (request, reply),
        config,
    )
}

/// The request's mask, if it has exactly one to speak of.
fn mask(input: &MessageType, resource: MessageType) -> Option<Mask> {
    let mut masks = input.fields().filter(|field| field.is_field_mask());
    let field = masks.next()?;
    masks.next().is_none().then_some(Mask { field, resource })
}

#[cfg(test)]
mod tests {
    use super::Lengths;

    #[test]
    fn lengths_are_told_apart_as_far_as_there_is_room() {
        let mut lengths = Lengths::default();
        lengths.add(9);
        assert!(lengths.have(9));
        assert!(!lengths.have(8) && !lengths.have(10) && !lengths.have(127) && !lengths.have(4000));
        lengths.add(300);
        assert!(lengths.have(300) && lengths.have(4000), "a look-up decides");
        assert!(!lengths.have(126));
    }
}
