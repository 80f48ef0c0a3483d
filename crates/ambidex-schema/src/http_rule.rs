//! `google.api.http` rules: which HTTP requests reach a method, and where its fields come from.
//!
//! Rules are read from the options of a method, through the descriptor pool, and checked against the request
//! and response messages, so that what leaves this file cannot be wrong at run time. The errors are written
//! for the author of the proto file: what is wrong, and what to write instead. The rules are those of
//! <https://github.com/googleapis/googleapis/blob/master/google/api/http.proto>.

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use crate::field_path::{BindError, BindErrorKind, FieldPath, FieldPathError};
use crate::http_verb::HttpVerb;
use crate::message_type::{FieldHandle, MessageType};
use crate::path_template::{PathTemplate, TemplateError};
use crate::query::{Contradiction, QueryOptions, bind_query};
use crate::schema::Schema;
use crate::steps::Steps;

/// Number of the extension `google.api.http` of `google.protobuf.MethodOptions`.
const HTTP_EXTENSION: u32 = 72_295_728;

// Field numbers of `google.api.HttpRule` and `google.api.CustomHttpPattern`.
const RULE_GET: u32 = 2;
const RULE_PUT: u32 = 3;
const RULE_POST: u32 = 4;
const RULE_DELETE: u32 = 5;
const RULE_PATCH: u32 = 6;
const RULE_BODY: u32 = 7;
const RULE_CUSTOM: u32 = 8;
const RULE_ADDITIONAL_BINDINGS: u32 = 11;
const RULE_RESPONSE_BODY: u32 = 12;
const CUSTOM_KIND: u32 = 1;
const CUSTOM_PATH: u32 = 2;

/// One way for HTTP requests to reach a method.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpBinding {
    /// Position in the rule: 0 for the rule itself, then its additional bindings.
    pub index: usize,
    /// The HTTP method.
    pub verb: HttpVerb,
    /// The path.
    pub template: PathTemplate,
    /// The fields of the template's variables, in their order.
    pub path_fields: Vec<FieldPath>,
    /// What the request body holds.
    pub body: BodyBinding,
    /// The field that is the response body; `None` where the whole message is.
    pub response_body: Option<FieldHandle>,
    request: MessageType,
}

/// What the body of a request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyBinding {
    /// Nothing: there must be none.
    None,
    /// The request message, but for what the path binds.
    Whole,
    /// This field of the request message.
    Field(FieldHandle),
}

impl HttpBinding {
    /// The request message of the method.
    pub fn request(&self) -> &MessageType {
        &self.request
    }

    /// Appends the wire bytes of the fields that the path sets. Append them behind those of the body: what
    /// comes last wins.
    ///
    /// # Errors
    ///
    /// When a capture is no value of its field's type.
    ///
    /// # Panics
    ///
    /// When there are not as many captures as variables; the route table gives as many.
    pub fn bind_path<S: AsRef<str>>(&self, captures: &[S], out: &mut Vec<u8>) -> Result<(), BindError> {
        assert_eq!(captures.len(), self.path_fields.len(), "one capture for each variable");
        let before = out.len();
        for (field, capture) in self.path_fields.iter().zip(captures) {
            if let Err(error) = field.bind_str(capture.as_ref(), out) {
                out.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Checks that a body does not contradict the path: where it sets a field that the path sets too, that they say
    /// the same. `wire` is what the body came to, before anything was appended to it.
    ///
    /// # Errors
    ///
    /// When they say different things, or a capture is no value of its field's type.
    ///
    /// # Panics
    ///
    /// As [`bind_path`](Self::bind_path).
    pub fn check_path<S: AsRef<str>>(&self, captures: &[S], wire: &[u8]) -> Result<(), BindError> {
        assert_eq!(captures.len(), self.path_fields.len(), "one capture for each variable");
        for (field, capture) in self.path_fields.iter().zip(captures) {
            let mut by_path = Vec::new();
            field.bind_str(capture.as_ref(), &mut by_path)?;
            let by_body = field.last_value(wire);
            if by_body.is_some() && by_body != field.last_value(&by_path) {
                let message = "the body says something else than the path";
                return Err(BindError::new(BindErrorKind::Duplicate, field.to_string(), message));
            }
        }
        Ok(())
    }

    /// Appends the wire bytes of the fields that the query sets: those that neither path nor body bind.
    ///
    /// # Errors
    ///
    /// As [`bind_query`].
    pub fn bind_query(
        &self,
        raw_query: &str,
        ignore_unknown: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), BindError> {
        bind_query(&self.request, raw_query, &self.query_options().with_ignore_unknown(ignore_unknown), out)
    }

    /// Options for [`bind_query`] that leave out what path and body bind.
    pub fn query_options(&self) -> QueryOptions<'_> {
        QueryOptions::default().with_bound_by_path(&self.path_fields).with_body(&self.body)
    }
}

/// The HTTP bindings of a method; none where it has no rule.
///
/// # Errors
///
/// When the rule contradicts the messages, or itself.
///
/// # Panics
///
/// When the method is not one of the schema.
pub fn http_bindings(schema: &Schema, method: &MethodDescriptor) -> Result<Vec<HttpBinding>, HttpRuleError> {
    rule_of(schema, method).map_or(Ok(Vec::new()), |rule| bindings(schema, method, &rule))
}

/// The HTTP bindings that a rule from elsewhere gives to a method, in place of its own: for protos one cannot edit.
/// The rule is the wire bytes of a `google.api.HttpRule`; its selector is passed over.
///
/// # Errors
///
/// When the bytes are no rule, or it contradicts the messages, or itself.
///
/// # Panics
///
/// When the method is not one of the schema, or the schema does not hold `google.api.HttpRule`.
pub fn http_bindings_of(
    schema: &Schema,
    method: &MethodDescriptor,
    rule: &[u8],
) -> Result<Vec<HttpBinding>, HttpRuleError> {
    let descriptor = schema.pool().get_message_by_name("google.api.HttpRule");
    let descriptor = descriptor.expect("a schema with rules holds google.api.HttpRule");
    let rule = DynamicMessage::decode(descriptor, rule).map_err(|error| HttpRuleError {
        method: method.full_name().to_owned(),
        index: 0,
        problem: Box::new(HttpRuleProblem::NotARule(error.to_string())),
    })?;
    bindings(schema, method, &rule)
}

fn bindings(
    schema: &Schema,
    method: &MethodDescriptor,
    rule: &DynamicMessage,
) -> Result<Vec<HttpBinding>, HttpRuleError> {
    let message =
        |name: &str| schema.message(name).expect("the messages of a schema's method are in the schema");
    let reader = RuleReader {
        method,
        request: message(method.input().full_name()),
        response: message(method.output().full_name()),
    };
    let mut bindings = vec![reader.binding(0, rule)?];
    for (position, additional) in messages(rule, RULE_ADDITIONAL_BINDINGS).iter().enumerate() {
        let index = position + 1;
        if !messages(additional, RULE_ADDITIONAL_BINDINGS).is_empty() {
            return Err(reader.error(index, HttpRuleProblem::NestedAdditionalBindings));
        }
        bindings.push(reader.binding(index, additional)?);
    }
    Ok(bindings)
}

fn rule_of(schema: &Schema, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let options = method.options();
    let extension = schema
        .pool()
        .get_message_by_name("google.protobuf.MethodOptions")
        .and_then(|options| options.get_extension(HTTP_EXTENSION))?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

struct RuleReader<'a> {
    method: &'a MethodDescriptor,
    request: MessageType,
    response: MessageType,
}

impl RuleReader<'_> {
    fn binding(&self, index: usize, rule: &DynamicMessage) -> Result<HttpBinding, HttpRuleError> {
        let (verb, path) = self.pattern(index, rule)?;
        let template: PathTemplate = path.parse().map_err(|error| {
            self.error(index, HttpRuleProblem::Template { template: path.clone(), error })
        })?;
        let path_fields = self.path_fields(index, &template)?;
        let body = match text(rule, RULE_BODY).as_str() {
            "" => BodyBinding::None,
            "*" => BodyBinding::Whole,
            name => BodyBinding::Field(self.top_level(index, "body", &self.request, name)?),
        };
        self.check_contradictions(index, &path_fields, &body)?;
        let response_body = match text(rule, RULE_RESPONSE_BODY).as_str() {
            "" => None,
            name => Some(self.top_level(index, "response_body", &self.response, name)?),
        };
        Ok(HttpBinding {
            index,
            verb,
            template,
            path_fields,
            body,
            response_body,
            request: self.request.clone(),
        })
    }

    fn pattern(&self, index: usize, rule: &DynamicMessage) -> Result<(HttpVerb, String), HttpRuleError> {
        let verbs = [
            (RULE_GET, HttpVerb::Get),
            (RULE_PUT, HttpVerb::Put),
            (RULE_POST, HttpVerb::Post),
            (RULE_DELETE, HttpVerb::Delete),
            (RULE_PATCH, HttpVerb::Patch),
        ];
        for (number, verb) in verbs {
            if rule.has_field_by_number(number) {
                return Ok((verb, text(rule, number)));
            }
        }
        let custom =
            rule.has_field_by_number(RULE_CUSTOM).then(|| rule.get_field_by_number(RULE_CUSTOM)).flatten();
        let Some(custom) = custom.as_deref().and_then(Value::as_message) else {
            return Err(self.error(index, HttpRuleProblem::NoPattern));
        };
        let kind = text(custom, CUSTOM_KIND);
        // A method is a token: RFC 9110, section 5.6.2.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if kind.is_empty() || !kind.bytes().all(is_token) {
            return Err(self.error(index, HttpRuleProblem::CustomKind { kind }));
        }
        Ok((HttpVerb::from_custom_kind(&kind), text(custom, CUSTOM_PATH)))
    }

    fn path_fields(&self, index: usize, template: &PathTemplate) -> Result<Vec<FieldPath>, HttpRuleError> {
        let mut fields: Vec<FieldPath> = Vec::with_capacity(template.variables().len());
        for variable in template.variables() {
            let name = variable.field_path();
            let path = self.request.proto_field_path(name).map_err(|error| {
                self.error(index, HttpRuleProblem::PathField { variable: name.to_owned(), error })
            })?;
            let what = match path.leaf() {
                leaf if leaf.is_map() => Some("a map"),
                leaf if leaf.is_list() => Some("repeated"),
                leaf if !leaf.is_text_bindable() => Some("a message"),
                _ => None,
            };
            if let Some(what) = what {
                let variable = name.to_owned();
                return Err(self.error(index, HttpRuleProblem::PathFieldType { variable, what }));
            }
            fields.push(path);
        }
        Ok(fields)
    }

    /// Checks that each of the fields that a binding always sets can be seen by the handler.
    fn check_contradictions(
        &self,
        index: usize,
        path_fields: &[FieldPath],
        body: &BodyBinding,
    ) -> Result<(), HttpRuleError> {
        let by_path = path_fields.iter().map(|path| (path.to_string(), path.steps().clone()));
        let mut known: Vec<(String, Steps)> = Vec::new();
        if let BodyBinding::Field(field) = body {
            known.push((field.name().to_owned(), Steps::of(field)));
        }
        for (name, path) in by_path {
            for (other, steps) in &known {
                match Contradiction::between(self.request.tables(), &path, steps) {
                    Some(Contradiction::Oneof(oneof)) => {
                        let (variable, other) = (name, other.clone());
                        return Err(self.error(index, HttpRuleProblem::Oneof { variable, other, oneof }));
                    }
                    // The template's parser has no variable twice, and a body may be what a path sets too.
                    Some(Contradiction::Twice) | None => {}
                }
            }
            known.push((name, path));
        }
        Ok(())
    }

    fn top_level(
        &self,
        index: usize,
        option: &'static str,
        message: &MessageType,
        name: &str,
    ) -> Result<FieldHandle, HttpRuleError> {
        message.field_by_proto_name(name).ok_or_else(|| {
            let message = message.full_name().to_owned();
            self.error(index, HttpRuleProblem::NotTopLevel { option, field: name.to_owned(), message })
        })
    }

    fn error(&self, index: usize, problem: HttpRuleProblem) -> HttpRuleError {
        HttpRuleError { method: self.method.full_name().to_owned(), index, problem: Box::new(problem) }
    }
}

/// A string field; empty where it is unset.
fn text(message: &DynamicMessage, number: u32) -> String {
    let field = message.get_field_by_number(number);
    field.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A list of messages.
fn messages(message: &DynamicMessage, number: u32) -> Vec<DynamicMessage> {
    let field = message.get_field_by_number(number);
    let list = field.as_deref().and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_message).cloned().collect()
}

/// An HTTP rule that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method}: {}: {problem}", binding_name(*index))]
pub struct HttpRuleError {
    /// Full name of the method.
    pub method: String,
    /// Position of the binding: 0 for the rule itself, then its additional bindings.
    pub index: usize,
    /// What is wrong with it, and what to do about it.
    pub problem: Box<HttpRuleProblem>,
}

fn binding_name(index: usize) -> String {
    match index {
        0 => "its HTTP rule".to_owned(),
        index => format!("additional binding {index} of its HTTP rule"),
    }
}

/// What is wrong with an HTTP rule, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpRuleProblem {
    /// There is neither `get` nor any of the others.
    #[error("has no pattern; set one of get, put, post, delete, patch or custom")]
    NoPattern,
    /// The kind of `custom` is no HTTP method.
    #[error("has the custom kind `{kind}`, which is no HTTP method; write one such as HEAD, or * for all")]
    CustomKind {
        /// The kind.
        kind: String,
    },
    /// The path is no template.
    #[error("has the malformed template `{template}`: {error}")]
    Template {
        /// The path.
        template: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// A variable names no field.
    #[error("binds `{variable}`, but {error}; name a field of the request message")]
    PathField {
        /// The variable.
        variable: String,
        /// Why it is no field.
        error: FieldPathError,
    },
    /// A variable names a field that a path cannot set.
    #[error("binds `{variable}`, which is {what}; a path can only set singular fields that are no messages")]
    PathFieldType {
        /// The variable.
        variable: String,
        /// What the field is.
        what: &'static str,
    },
    /// A variable and another, or the body, are members of one oneof: only one of them would ever be set.
    #[error(
        "binds `{variable}`, but `{other}` too, and both are members of the oneof `{oneof}`; bind one of them"
    )]
    Oneof {
        /// The variable.
        variable: String,
        /// The other variable, or the field that is the body.
        other: String,
        /// The oneof.
        oneof: String,
    },
    /// `body` or `response_body` names no field of the message itself.
    #[error(
        "has `{option}: \"{field}\"`, but {message} has no such field; name one of its own fields{}",
        if *option == "body" { ", or * for the whole message" } else { "" }
    )]
    NotTopLevel {
        /// `body` or `response_body`.
        option: &'static str,
        /// What it names.
        field: String,
        /// Full name of the message.
        message: String,
    },
    /// The bytes of a rule from elsewhere are none.
    #[error("is no google.api.HttpRule: {0}")]
    NotARule(String),
    /// Additional bindings have additional bindings.
    #[error("has additional bindings of its own; list all of them under the method's rule")]
    NestedAdditionalBindings,
}
