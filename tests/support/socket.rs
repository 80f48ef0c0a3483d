//! A WebSocket client for tests, by a library that is not ours.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::running::Running;

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Opens a WebSocket at `path`.
pub async fn open(server: &Running, path: &str, headers: &[(&str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("ws://{}{path}", server.address).into_client_request()?;
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    connect_async(request).await.map(|(socket, _)| Socket(socket))
}

impl Socket {
    pub async fn send(&mut self, json: Value) {
        self.0.send(Message::text(json.to_string())).await.expect("sent");
    }

    pub async fn send_frame(&mut self, frame: Message) {
        self.0.send(frame).await.expect("sent");
    }

    /// Ends the client's stream.
    pub async fn end(&mut self) {
        self.send_frame(Message::text("")).await;
    }

    /// The next record as JSON.
    pub async fn record(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("a frame").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// The code and reason of the close.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.0.next().await.expect("a frame").expect("a frame") {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("unexpected: {other:?}"),
        }
    }
}
