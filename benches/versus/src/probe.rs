//! One call to each contestant before anything is measured, with its answer read to the end and decoded.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::Error;
use crate::cases::{Contestant, Wire};

/// Sends what h2load will send, and checks the answer. Returns the bytes of its body.
pub(crate) async fn probe(contestant: &Contestant, address: SocketAddr) -> Result<usize, Error> {
    let response = send(contestant, address).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered with {}", response.status()).into());
    }
    let head = response.headers().clone();
    let body = response.into_body().collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    if contestant.wire != Wire::Json {
        check_grpc_status(&head, &trailers)?;
    }
    let body = body.to_bytes();
    let len = body.len();
    contestant.check_reply(body)?;
    Ok(len)
}

async fn send(contestant: &Contestant, address: SocketAddr) -> Result<Response<Incoming>, Error> {
    let uri: Uri = format!("http://{address}{}", contestant.path).parse()?;
    let body = contestant.request_body()?;
    let mut request = if body.is_some() { Request::post(&uri) } else { Request::get(&uri) };
    for (name, value) in contestant.wire.headers() {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())))?;
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    match contestant.wire {
        Wire::Grpc | Wire::GrpcTalk => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        }
        Wire::Json => {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            // On HTTP/1.1 the host is a header, and the target only a path.
            let (mut parts, body) = request.into_parts();
            parts.headers.insert(http::header::HOST, address.to_string().parse()?);
            parts.uri = contestant.path.parse()?;
            Ok(sender.send_request(Request::from_parts(parts, body)).await?)
        }
    }
}

fn check_grpc_status(head: &HeaderMap, trailers: &HeaderMap) -> Result<(), Error> {
    let status = trailers.get("grpc-status").or(head.get("grpc-status"));
    match status.map(|status| status.as_bytes()) {
        Some(b"0") => Ok(()),
        Some(_) => Err(format!("answered with an error: {head:?} {trailers:?}").into()),
        None => Err("answered without a grpc-status".into()),
    }
}
