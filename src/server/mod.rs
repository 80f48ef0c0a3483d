//! The composition root: services, interceptors, limits and ports become a running server.
//!
//! Everything is put together here once, at start-up; nothing below knows of configuration, ports or signals.

mod admin;
mod admin_config;
mod alarm;
mod at_once;
mod bound;
mod builder;
mod config;
mod connect_info;
mod connections;
mod cors;
mod crumbs;
mod cut;
mod error;
mod frames;
mod front;
mod glance;
mod health;
mod http_rules;
mod interceptors;
pub mod lifespan;
mod lifetime;
mod linger;
mod listener;
mod listener_config;
#[cfg(feature = "prometheus")]
mod metrics_page;
#[cfg(feature = "otlp")]
mod otlp;
mod own_wakes;
mod preface;
mod readiness;
mod reflection;
mod scheduler_json;
#[cfg(feature = "config")]
mod settings;
mod settled;
mod shutdown;
mod socket;
mod streams;
mod tenant;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
mod tls;
mod tonic_services;
#[cfg(unix)]
mod unix_socket;
mod unread_reply;
mod unread_socket;

pub use crate::call::ReplyCoding;
pub use crate::grpc::{CallExtensions, TonicService};
pub use crate::handler::MethodConfig;
pub use admin::Admin;
pub use admin_config::AdminConfig;
pub use bound::BoundServer;
pub use builder::{Server, ServerBuilder};
pub use config::Config;
pub use cors::Cors;
pub use error::Error;
pub use health::Health;
pub use listener::{Address, Listener};
#[cfg(feature = "tls")]
pub use listener_config::{CertificateConfig, TlsConfig};
pub use listener_config::{ListenerConfig, Protocols};
#[cfg(feature = "config")]
pub use settings::{ConfigError, ConfigProblem, ConfigSources, EffectiveConfig};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsBuilder, TlsError};
