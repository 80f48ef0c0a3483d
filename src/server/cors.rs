//! Which pages may call: cross-origin resource sharing, for browsers alone.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Any, CorsLayer, ExposeHeaders};

use super::Error;

/// Pages of which other origins may call over HTTP, with whichever method and headers, and open WebSockets.
///
/// A browser asks before it lets a page call another origin; nobody else does. It is no protection of the server,
/// but of users whose cookies a page would borrow.
///
/// ```
/// use ambidex::server::{Config, Cors};
///
/// let mut config = Config::default();
/// config.cors = Some(Cors::origins(["https://shop.example"]).credentials());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Cors {
    /// The origins, as browsers spell them: scheme, host and port. `*` is every one.
    pub origins: Vec<String>,
    /// Whether a page may send the cookies and passwords its user has for this server. Not for every origin.
    #[cfg_attr(feature = "config", serde(default))]
    pub credentials: bool,
    /// Headers of replies that a page may read beside the usual ones. Without credentials it may read all.
    #[cfg_attr(feature = "config", serde(default))]
    pub expose_headers: Vec<String>,
    /// For how long a browser need not ask again.
    #[cfg_attr(feature = "config", serde(default = "max_age_secs"))]
    pub max_age_secs: u64,
}

/// What browsers keep at most: Firefox a day, Chromium two hours.
const MAX_AGE_SECS: u64 = 7200;

#[cfg(feature = "config")]
fn max_age_secs() -> u64 {
    MAX_AGE_SECS
}

/// What a client of gRPC-Web, Connect or REST reads beside what every page may read anyhow.
const EXPOSED: [&str; 9] = [
    "connect-content-encoding",
    "etag",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "location",
    "retry-after",
    "www-authenticate",
];

impl Cors {
    /// Pages of every origin, without the user's cookies: for a public service.
    pub fn any() -> Self {
        Self::origins(["*"])
    }

    /// Pages of these origins, such as `https://shop.example`.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self {
            origins: origins.into_iter().map(Into::into).collect(),
            credentials: false,
            expose_headers: Vec::new(),
            max_age_secs: MAX_AGE_SECS,
        }
    }

    /// Lets them send the user's cookies.
    #[must_use]
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// Lets them read a header of replies that is none of the usual ones.
    #[must_use]
    pub fn expose_header(mut self, name: impl Into<String>) -> Self {
        self.expose_headers.push(name.into());
        self
    }

    pub(super) fn layer(&self) -> Result<CorsLayer, Error> {
        let every = self.origins.iter().any(|origin| origin == "*");
        if every && self.credentials {
            return Err(Error::Cors("credentials are for named origins, not for every one".to_owned()));
        }
        let origins =
            self.origins.iter().map(|origin| origin_value(origin)).collect::<Result<Vec<_>, _>>()?;
        let exposed = EXPOSED.into_iter().chain(self.expose_headers.iter().map(String::as_str));
        let exposed = exposed.map(|name| {
            let wrong = |_| Error::Cors(format!("{name:?} cannot be the name of a header"));
            HeaderName::try_from(name).map_err(wrong)
        });
        let exposed = exposed.collect::<Result<Vec<_>, _>>()?;
        let layer = CorsLayer::new()
            // A rule may have any method of its own.
            .allow_methods(AllowMethods::mirror_request())
            // Metadata has whichever names its service gives it.
            .allow_headers(AllowHeaders::mirror_request())
            .max_age(Duration::from_secs(self.max_age_secs))
            .vary([
                header::ORIGIN,
                header::ACCESS_CONTROL_REQUEST_METHOD,
                header::ACCESS_CONTROL_REQUEST_HEADERS,
            ]);
        let layer =
            if every { layer.allow_origin(Any) } else { layer.allow_origin(AllowOrigin::list(origins)) };
        Ok(if self.credentials {
            layer.allow_credentials(true).expose_headers(exposed)
        } else {
            layer.expose_headers(ExposeHeaders::any())
        })
    }
}

fn origin_value(origin: &str) -> Result<HeaderValue, Error> {
    let is_origin = origin == "*"
        || origin
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.contains('/'));
    let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin);
    value.ok_or_else(|| Error::Cors(format!("{origin:?} is no origin; write one as https://shop.example")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_would_refuse_is_refused_at_start_up() {
        let error = |cors: Cors| cors.layer().expect_err("refused").to_string();
        assert!(error(Cors::any().credentials()).contains("named origins"));
        assert!(error(Cors::origins(["shop.example"])).contains("https://shop.example"));
        assert!(error(Cors::origins(["https://shop.example/"])).contains("no origin"));
        assert!(error(Cors::any().expose_header("x y")).contains("\"x y\""));
        assert!(Cors::origins(["https://shop.example:8443", "null://x"]).credentials().layer().is_ok());
    }
}
