//! Checks the HTTP rules of services while a build can still fail for them: each rule against its
//! messages, and all routes against each other. What a rule means is `ambidex-schema`'s business,
//! which reads the same rules again when a server starts; this module owns saying where in a proto
//! the rule stands.

use std::collections::HashMap;

use ambidex_schema::{
    HttpBinding, HttpRuleError, HttpVerb, RouteConflict, RouteTable, Schema, http_bindings,
};
use prost_reflect::MethodDescriptor;
use prost_types::method_options::IdempotencyLevel;

use crate::error::{Error, Problem};
use crate::location::step;
use crate::sources::Sources;

/// Looks at every service that code is generated for.
///
/// Services of other runs and other crates can take the same routes; that shows when a server is
/// started with all of them.
pub(crate) fn find(sources: &Sources, is_generated: impl Fn(&str) -> bool) -> Result<Vec<Problem>, Error> {
    let schema = Schema::builder()
        .add_file_descriptor_set(sources.encoded())
        .and_then(|builder| builder.build())
        .map_err(|error| Error::new(format!("the descriptors cannot be served: {error}")))?;
    let mut routes = RouteTable::new();
    // The methods of the routes, in the order they were inserted.
    let mut owners: Vec<MethodDescriptor> = Vec::new();
    let mut problems = Vec::new();

    let services = sources.services().filter(|service| is_generated(service.full_name()));
    let methods: Vec<_> = services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    let rpc_routes: HashMap<_, _> = methods.iter().map(|method| (rpc_path(method), method)).collect();
    for method in &methods {
        let bindings = match bindings_of(&schema, method) {
            Ok(bindings) => bindings,
            Err(error) => {
                problems.push(problem(sources, method, describe_rule(&error)));
                continue;
            }
        };
        for binding in bindings {
            let rpc_route = binding.template.literal().and_then(|path| rpc_routes.get(path));
            if let Some(owner) = rpc_route.filter(|owner| is_called_by(owner, &binding.verb)) {
                problems.push(problem(sources, method, describe_shadowed(sources, &binding, method, owner)));
                continue;
            }
            match routes.insert(&binding.verb, &binding.template, ()) {
                Ok(()) => owners.push(method.clone()),
                Err(conflict) => {
                    let owner = &owners[conflict.existing_index];
                    problems.push(problem(
                        sources,
                        method,
                        describe_conflict(sources, &conflict, method, owner),
                    ));
                }
            }
        }
    }
    Ok(problems)
}

fn bindings_of(schema: &Schema, method: &MethodDescriptor) -> Result<Vec<HttpBinding>, HttpRuleError> {
    let service = schema
        .service(method.parent_service().full_name())
        .expect("the schema is built from the descriptors that the service is in");
    let method =
        service.methods().nth(method.index()).expect("both services are read from the same descriptors");
    http_bindings(schema, &method)
}

fn describe_rule(error: &HttpRuleError) -> String {
    match error.index {
        0 => format!("its HTTP rule {}", error.problem),
        index => format!("additional binding {index} of its HTTP rule {}", error.problem),
    }
}

fn describe_conflict(
    sources: &Sources,
    conflict: &RouteConflict,
    method: &MethodDescriptor,
    owner: &MethodDescriptor,
) -> String {
    let RouteConflict { verb, template, existing, .. } = conflict;
    if owner == method {
        return format!(
            "its HTTP rule holds both `{verb} {existing}` and `{verb} {template}`, which match the same requests; \
             remove one of them"
        );
    }
    format!(
        "its route `{verb} {template}` and the route `{verb} {existing}` of {} ({}) match the same requests; \
         give one of them another path, or a verb such as `:search` at its end",
        owner.full_name(),
        location(sources, owner),
    )
}

/// The path at which a method can be called whatever the rules say.
fn rpc_path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Whether the RPC route of a method takes such requests: those with POST, and where the method has no side effects, those
/// with GET, too.
fn is_called_by(method: &MethodDescriptor, verb: &HttpVerb) -> bool {
    let is_unary = !method.is_client_streaming() && !method.is_server_streaming();
    let options = method.method_descriptor_proto().options.as_ref();
    let no_side_effects =
        options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects);
    match verb.as_str() {
        "POST" => true,
        "GET" | "HEAD" => is_unary && no_side_effects,
        _ => false,
    }
}

fn describe_shadowed(
    sources: &Sources,
    binding: &HttpBinding,
    method: &MethodDescriptor,
    owner: &MethodDescriptor,
) -> String {
    let HttpBinding { verb, template, .. } = binding;
    let whose = match owner == method {
        true => "the RPC route that it has without a rule".to_owned(),
        false => format!("the RPC route of {} ({})", owner.full_name(), location(sources, owner)),
    };
    format!("its route `{verb} {template}` is {whose}; leave it out, or give it another path")
}

fn problem(sources: &Sources, method: &MethodDescriptor, message: String) -> Problem {
    Problem {
        location: location(sources, method),
        subject: format!("method {}", method.full_name()),
        message,
    }
}

/// The place of the rule of `method`.
fn location(sources: &Sources, method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    // `ServiceDescriptor::index` counts through all files.
    let in_its_file = service.parent_file().services().position(|other| other == *service);
    let index = |index: usize| i32::try_from(index).expect("paths into files are made of 32-bit numbers");
    let path = [
        step::FILE_SERVICE,
        index(in_its_file.expect("a file has the services it is the parent of")),
        step::SERVICE_METHOD,
        index(method.index()),
        step::METHOD_OPTIONS,
        step::OPTIONS_HTTP,
    ];
    sources.location(service.parent_file().file_descriptor_proto(), &path)
}
