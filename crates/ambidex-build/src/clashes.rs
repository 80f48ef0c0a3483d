//! Finds names that are apart in a proto and the same in Rust.
//!
//! A service brings more names into its package than protobuf knows of, and Rust names are
//! written differently from those in protos. Where two come out the same, rustc would complain
//! about code that the user has not written; here the complaint is about the proto.

use std::collections::HashMap;

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::{DescriptorProto, FileDescriptorProto, ServiceDescriptorProto};

use crate::codegen::Features;
use crate::error::Problem;
use crate::location::step;
use crate::rust_name::{ServiceNames, rpc_type};
use crate::sources::Sources;

/// Looks through everything that code is generated for.
pub(crate) fn find(
    sources: &Sources,
    features: Features,
    is_generated: impl Fn(&str) -> bool,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut packages: HashMap<&str, TakenNames> = HashMap::new();
    // Messages first, whatever file they are in: of a message and a service, it is always the
    // service that is reported, as it is the service that has more names than it shows.
    for file in sources.files() {
        let taken = packages.entry(file.package()).or_default();
        for message in &file.message_type {
            if is_generated(&full_name(file, message.name())) {
                taken.message(message);
            }
        }
        for enumeration in &file.enum_type {
            if is_generated(&full_name(file, enumeration.name())) {
                taken
                    .name(enumeration.name().to_upper_camel_case(), format!("enum `{}`", enumeration.name()));
            }
        }
    }
    for file in sources.files() {
        let taken = packages.entry(file.package()).or_default();
        for (service, index) in file.service.iter().zip(0..) {
            let name = full_name(file, service.name());
            if !is_generated(&name) {
                continue;
            }
            let path = [step::FILE_SERVICE, index];
            for message in taken.service(service, features) {
                problems.push(Problem {
                    location: sources.location(file, &path),
                    subject: format!("service {name}"),
                    message,
                });
            }
            for (method, message) in
                method_clashes(service).into_iter().chain(type_clashes(file, service, features))
            {
                let path = [&path[..], &[step::SERVICE_METHOD, method]].concat();
                let method = service.method[method as usize].name();
                problems.push(Problem {
                    location: sources.location(file, &path),
                    subject: format!("method {name}.{method}"),
                    message,
                });
            }
        }
    }
    problems
}

/// The names in one package's module, and whose they are.
#[derive(Debug, Default)]
struct TakenNames {
    by: HashMap<String, String>,
}

impl TakenNames {
    fn name(&mut self, name: String, by: String) {
        self.by.entry(name).or_insert(by);
    }

    fn message(&mut self, message: &DescriptorProto) {
        let by = format!("message `{}`", message.name());
        self.name(message.name().to_upper_camel_case(), by.clone());
        // What is nested goes into a module, which shares its names with types.
        let is_map_entry =
            |nested: &&DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry());
        let nests_messages = message.nested_type.iter().any(|nested| !is_map_entry(&nested));
        if nests_messages || !message.enum_type.is_empty() || !message.oneof_decl.is_empty() {
            self.name(message.name().to_snake_case(), format!("the module of {by}"));
        }
    }

    /// Takes the names of a service; those that are taken are the result.
    fn service(&mut self, service: &ServiceDescriptorProto, features: Features) -> Vec<String> {
        let names = ServiceNames::new(service.name());
        let mut clashes = Vec::new();
        let mut take = |name: String, what: &str, way_out: &str| {
            if let Some(by) = self.by.get(&name) {
                clashes.push(format!(
                    "its {what} is called `{name}` in Rust, and so is {by}; rename one of the two{way_out}"
                ));
            } else {
                self.by.insert(name, format!("the {what} of service `{}`", service.name()));
            }
        };
        if features.server {
            let way_out = ", or generate no servers with .server(false)";
            take(names.handler_trait, "handler trait", way_out);
            take(names.server, "server", way_out);
        }
        if features.client {
            take(names.client, "client", ", or generate no clients with .client(false)");
        }
        if features.server || features.client {
            take(names.rpc_module, "module of methods", "");
        }
        clashes
    }
}

/// Methods of a service that cannot be told apart in Rust, or cannot be named at all.
fn method_clashes(service: &ServiceDescriptorProto) -> Vec<(i32, String)> {
    let mut clashes = Vec::new();
    // `Methods` is what the trait in the module of methods is called.
    let mut taken = HashMap::from([("Methods".to_owned(), "a trait of the generated code")]);
    for (method, index) in service.method.iter().zip(0..) {
        let rust_name = rpc_type(&method.name().to_snake_case());
        if rust_name.is_empty() {
            clashes.push((index, "Rust has no way to write this name; rename the method".to_owned()));
        } else if let Some(by) = taken.get(&rust_name) {
            let by = by.to_string();
            clashes.push((
                index,
                format!("its type is called `{rust_name}` in Rust, and so is {by}; rename the method"),
            ));
        } else {
            taken.insert(rust_name, "that of another method");
        }
    }
    clashes
}

/// Methods with a message that is called like the type parameter of the client. Everything else
/// in generated code leaves short names to the messages.
fn type_clashes(
    file: &FileDescriptorProto,
    service: &ServiceDescriptorProto,
    features: Features,
) -> Vec<(i32, String)> {
    if !features.client {
        return Vec::new();
    }
    let hidden = format!(".{}", full_name(file, "T"));
    let methods = service.method.iter().zip(0..);
    methods
        .filter(|(method, _)| method.input_type() == hidden || method.output_type() == hidden)
        .map(|(_, index)| {
            let message = "the message `T` is called like the type parameter of the client; rename the message, \
                           or generate no clients with .client(false)";
            (index, message.to_owned())
        })
        .collect()
}

fn full_name(file: &FileDescriptorProto, name: &str) -> String {
    match file.package() {
        "" => name.to_owned(),
        package => format!("{package}.{name}"),
    }
}
