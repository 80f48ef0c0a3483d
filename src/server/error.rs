//! Why a server could not start, or did not end well.

use super::Address;
use super::lifespan::HookError;
use crate::http::{RouteError, RulesError};

/// Why a server could not start, or did not end well.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A service's embedded descriptors do not fit together.
    #[error("the descriptors of the services do not fit together: {0}")]
    Schema(#[from] ambidex_schema::SchemaError),
    /// Two services of one name, which no caller could tell apart.
    #[error("the service {0} was added twice")]
    DuplicateService(&'static str),
    /// The descriptors that came with a tonic service do not tell of it.
    #[error("the descriptors of the service {0} do not describe it: they have no method of it")]
    UndescribedService(&'static str),
    /// Something was configured of a method or service that no service has.
    #[error("the configuration names what no service has: {}", .0.join(", "))]
    UnknownMethods(Vec<String>),
    /// What was configured as a metadata key cannot be one.
    #[error("{key:?} cannot be a metadata key, which `{setting}` has to be")]
    MetadataKey {
        /// The setting.
        setting: &'static str,
        /// What it says.
        key: String,
    },
    /// Settings from outside that cannot be used.
    #[cfg(feature = "config")]
    #[error(transparent)]
    Config(#[from] super::ConfigError),
    /// The rules for pages of other origins contradict themselves, or name what is no origin.
    #[error("cors: {0}")]
    Cors(String),
    /// What the admin pages are to be below is no path.
    #[error("{0:?} is no path that pages can be below: write one like `/admin`")]
    AdminPath(String),
    /// The admin pages and a route of the application want the same paths.
    #[error("the admin pages cannot be below {prefix}, where a route of yours is: {why}")]
    AdminRoutes {
        /// Where the pages were to be.
        prefix: String,
        /// What is in the way.
        why: String,
    },
    /// A router has no address of its own for the admin pages.
    #[error("a router listens nowhere, and so not at {0} for the admin pages: use `Admin::below`")]
    AdminAddress(String),
    /// The admin pages cannot be at two places.
    #[error(
        "the admin pages have an address of their own or are below a path: keep one of `admin.address` and `admin.path`"
    )]
    AdminPlaces,
    /// HTTP rules from elsewhere that cannot be read.
    #[error(transparent)]
    HttpRules(#[from] RulesError),
    /// A `google.api.http` rule is wrong, or two routes cannot be told apart.
    #[error("the HTTP routes cannot be served: {0}")]
    Routes(#[from] RouteError),
    /// An address that does not resolve, or that another server has.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address as it was given.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody said where to listen.
    #[error("there is nothing to listen on: give the server an address, or a listener with `listen`")]
    NoListener,
    /// An address was to be moved that nothing listens at.
    #[error(
        "`listeners` takes the place of every address that the program names, so that `address` and `grpc_address` have \
         nothing to move: keep one or the other"
    )]
    NothingToMove,
    /// TLS cannot be spoken as configured.
    #[cfg(feature = "tls")]
    #[error("tls: {0}")]
    Tls(#[from] super::TlsError),
    /// The signals that end a server could not be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// A start hook failed, so the server did not accept a single call.
    #[error("the start hook {0}")]
    StartHook(HookError),
    /// A stop hook failed. The others have run.
    #[error("the stop hook {0}")]
    StopHook(HookError),
    /// More than one thing did not end well.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
    /// The drain ran out of time with something still under way; that was cut off.
    #[error("{}", cut_off(*connections, *left_running, *shed))]
    DrainTimeout {
        /// Connections that were closed with calls on them.
        connections: usize,
        /// Jobs of blocking code that still ran, whether or not anybody waits for them. They hold their threads until they
        /// return or the process ends.
        left_running: usize,
        /// Jobs of blocking code that still waited, for a thread or, having begun, for what they await, and were let go.
        shed: usize,
        /// Where the server listened first of all.
        address: Address,
    },
}

impl Error {
    /// All that did not end well, as one.
    pub(super) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }
}

/// What was cut off, in words. What there was none of is not mentioned.
fn cut_off(connections: usize, left_running: usize, shed: usize) -> String {
    let counted = |count: usize, one: &str, several: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {several}")),
    };
    let cut = [
        counted(connections, "connection still had calls under way", "connections still had calls under way"),
        counted(left_running, "blocking job still ran", "blocking jobs still ran"),
        counted(shed, "blocking job still waited", "blocking jobs still waited"),
    ];
    let cut: Vec<_> = cut.into_iter().flatten().collect();
    format!("{} when the time to drain was over", cut.join(", "))
}

/// As it is displayed: `main` prints errors it returns with `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::cut_off;

    #[test]
    fn only_what_was_cut_off_is_said() {
        let end = "when the time to drain was over";
        assert_eq!(cut_off(2, 0, 0), format!("2 connections still had calls under way {end}"));
        assert_eq!(cut_off(0, 1, 0), format!("1 blocking job still ran {end}"));
        let all =
            "1 connection still had calls under way, 3 blocking jobs still ran, 1 blocking job still waited";
        assert_eq!(cut_off(1, 3, 1), format!("{all} {end}"));
    }
}
