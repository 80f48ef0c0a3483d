//! What the headers of a request say to the edge, found in one pass over them.
//!
//! Looking each of them up by its name would hash a dozen names for a request that has four headers. They are borrowed:
//! what they come to is agreed on before anything else is done with the request.

use http::{HeaderMap, HeaderValue, Method};

use super::websocket;
use crate::call::timeout::{CONNECT_TIMEOUT_MS, GRPC_TIMEOUT, SERVER_TIMEOUT};

/// The headers that are the edge's. Of those that may come once only, the first.
#[derive(Debug, Default)]
pub(super) struct Heads<'h> {
    pub(super) content_type: Option<&'h HeaderValue>,
    pub(super) content_encoding: Option<&'h HeaderValue>,
    pub(super) accept: Values<'h>,
    pub(super) accept_encoding: Values<'h>,
    pub(super) connect_protocol_version: Option<&'h HeaderValue>,
    pub(super) connect_content_encoding: Option<&'h HeaderValue>,
    pub(super) connect_accept_encoding: Values<'h>,
    pub(super) connect_timeout: Option<&'h HeaderValue>,
    pub(super) grpc_timeout: Option<&'h HeaderValue>,
    pub(super) server_timeout: Option<&'h HeaderValue>,
    pub(super) last_event_id: Option<&'h HeaderValue>,
    pub(super) origin: Option<&'h HeaderValue>,
    pub(super) host: Option<&'h HeaderValue>,
    pub(super) upgrade: Option<&'h HeaderValue>,
}

/// The values of a header that may come several times.
#[derive(Debug, Default)]
pub(super) struct Values<'h> {
    first: Option<&'h HeaderValue>,
    more: Vec<&'h HeaderValue>,
}

impl<'h> Values<'h> {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeaderValue> {
        self.first.iter().chain(&self.more).copied()
    }

    fn push(&mut self, value: &'h HeaderValue) {
        match self.first {
            None => self.first = Some(value),
            Some(_) => self.more.push(value),
        }
    }
}

impl<'h> Heads<'h> {
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        let mut heads = Self::default();
        heads.read(headers);
        heads
    }

    /// Reads them where they are kept: there are many, and to move them costs as much.
    pub(super) fn read(&mut self, headers: &'h HeaderMap) {
        for (name, value) in headers {
            match name.as_str() {
                "accept" => self.accept.push(value),
                "accept-encoding" => self.accept_encoding.push(value),
                "connect-accept-encoding" => self.connect_accept_encoding.push(value),
                name => {
                    if let Some(single) = self.single(name) {
                        single.get_or_insert(value);
                    }
                }
            }
        }
    }

    /// Whether a request with this method asks for a WebSocket.
    pub(super) fn ask_for_websocket(&self, method: &Method) -> bool {
        *method == Method::GET && self.upgrade.is_some_and(websocket::is_named)
    }

    fn single(&mut self, name: &str) -> Option<&mut Option<&'h HeaderValue>> {
        Some(match name {
            "content-type" => &mut self.content_type,
            "content-encoding" => &mut self.content_encoding,
            "connect-protocol-version" => &mut self.connect_protocol_version,
            "connect-content-encoding" => &mut self.connect_content_encoding,
            CONNECT_TIMEOUT_MS => &mut self.connect_timeout,
            GRPC_TIMEOUT => &mut self.grpc_timeout,
            SERVER_TIMEOUT => &mut self.server_timeout,
            "last-event-id" => &mut self.last_event_id,
            "origin" => &mut self.origin,
            "host" => &mut self.host,
            "upgrade" => &mut self.upgrade,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_found_and_others_are_passed_over() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "h"),
            ("content-type", "a/b"),
            ("accept", "1"),
            ("accept", "2"),
            ("accept", "3"),
            ("x-server-timeout", "1.5"),
            ("content-type", "c/d"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let heads = Heads::of(&headers);
        assert_eq!(heads.content_type, Some(&HeaderValue::from_static("a/b")));
        assert_eq!(heads.accept.iter().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(heads.server_timeout, Some(&HeaderValue::from_static("1.5")));
        assert!(heads.accept_encoding.is_empty() && heads.grpc_timeout.is_none());
    }
}
