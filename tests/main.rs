//! One integration binary: a server in this process, called over every protocol by real clients.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking where it stands")]
#![allow(unreachable_pub, reason = "modules of one binary, and generated code that is public by nature")]

mod support;

#[cfg(target_os = "linux")]
mod abuse;
mod admin;
mod arguments;
mod at_once;
mod bad_input;
mod beside;
mod by_hand;
mod compile_errors;
mod conditional;
mod configuration;
mod connect;
mod connections;
mod cors;
mod deadlines;
mod grpc;
mod grpc_compression;
mod grpc_json;
mod grpc_web;
mod health;
mod house;
mod http;
mod http2;
mod http_semantics;
mod inside;
mod interceptors;
mod kinds;
mod lifespan;
mod limits;
#[cfg(unix)]
mod listeners;
mod metadata;
mod metrics;
mod mounted;
mod otel;
mod otlp;
mod outcomes;
mod overrides;
mod parity;
mod placement;
mod promises;
mod rate_limit;
mod raw_replies;
mod readme;
mod reflection;
mod refusals;
mod rest;
mod resuming;
mod rules_from_yaml;
mod scheduling;
mod shutdown;
mod spans;
mod spoken;
mod stream_metadata;
mod stream_views;
mod streams;
mod system_parameters;
mod telemetry;
mod tls;
mod tls_choices;
mod tls_files;
mod tower_layers;
mod traps;
mod unpacked;
mod vanishing;
mod watchdog;
mod websocket;
#[cfg(unix)]
mod written_for_tonic;
