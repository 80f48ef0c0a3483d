//! What a port serves: gRPC, gRPC-Web, HTTP, or all of them told apart by content type.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Method, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;

use super::glance::Answering;
use super::linger::{Lingering, Lingers};
use super::unread_reply::{Pieces, note};
use crate::call::{Peer, Protocol, first_header};
use crate::dispatch::is_at_once;
use crate::grpc::{self, Data, GrpcEdge, ReplyBody, Web, is_grpc, is_grpc_web};
use crate::http::{self as http_edge, AnswerBody, Held, HttpEdge, is_websocket};

/// What a port serves.
#[derive(Clone)]
pub(super) struct Front {
    grpc: Option<GrpcEdge>,
    web: Option<Web>,
    http: Option<Http>,
}

/// How a port serves HTTP.
#[derive(Clone)]
pub(super) enum Http {
    /// Through a router, behind the user's own routes and layers.
    Router(axum::Router),
    /// Without one, where it would have nothing to do but pass everything on.
    Edge(HttpEdge),
}

pin_project! {
    /// The body of a response of whichever edge.
    #[project = Projected]
    pub(super) enum FrontBody {
        Grpc { #[pin] body: ReplyBody },
        Web { #[pin] body: tonic::body::Body },
        Http { #[pin] body: AnswerBody },
    }
}

impl From<ReplyBody> for FrontBody {
    fn from(body: ReplyBody) -> Self {
        Self::Grpc { body }
    }
}

impl From<AnswerBody> for FrontBody {
    fn from(body: AnswerBody) -> Self {
        Self::Http { body }
    }
}

impl Body for FrontBody {
    type Data = Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Self::Error>>> {
        fn plain<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
            frame: Option<Result<Frame<Bytes>, E>>,
        ) -> Option<Result<Frame<Data>, Box<dyn std::error::Error + Send + Sync>>> {
            frame.map(|frame| frame.map(|frame| frame.map_data(Data::Plain)).map_err(Into::into))
        }
        match self.project() {
            Projected::Grpc { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Projected::Web { body } => body.poll_frame(cx).map(plain),
            Projected::Http { body } => body.poll_frame(cx).map(plain),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Grpc { body } => body.is_end_stream(),
            Self::Web { body } => body.is_end_stream(),
            Self::Http { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Grpc { body } => body.size_hint(),
            Self::Web { body } => body.size_hint(),
            Self::Http { body } => body.size_hint(),
        }
    }
}

impl Front {
    pub(super) fn all(grpc: GrpcEdge, web: Option<Web>, http: Http) -> Self {
        Self { grpc: Some(grpc), web, http: Some(http) }
    }

    pub(super) fn http(http: Http) -> Self {
        Self { grpc: None, web: None, http: Some(http) }
    }

    pub(super) fn without_http(self) -> Self {
        Self { http: None, ..self }
    }

    pub(super) fn without_grpc(self) -> Self {
        Self { grpc: None, web: None, ..self }
    }

    /// Answers one request of the connection from `peer`; what the connection holds goes with it where it becomes another.
    ///
    /// Boxed: a connection's task holds a future of this for every stream, and should not be as large as the largest
    /// edge. The boxes of the usual ones are there before what is in them, which is large and so is made there.
    pub(super) fn serve(
        &self,
        mut request: Request<Incoming>,
        peer: &Peer,
        held: &Held,
        lingers: &Lingers,
    ) -> ResponseFuture {
        let version = request.version();
        let has_body = !request.body().is_end_stream();
        let answering = (version < Version::HTTP_2).then(|| Answering::new(has_body));
        if is_websocket(&request) {
            request.extensions_mut().insert(held.clone());
        }
        let content_type = first_header(request.headers(), &header::CONTENT_TYPE);
        let is_grpc = is_grpc(content_type);
        let lingering = |body| Lingering::new(body, version, lingers);
        if let Some(web) = &self.web
            && (is_grpc_web(content_type) || self.http.is_none() && request.method() == Method::OPTIONS)
        {
            let response = NotAtOnce { response: web.clone().serve(request.map(lingering), peer.clone()) };
            let into = |response: Result<Response<_>, _>, answering| {
                response.map(|response| response.map(|body| Pieces::new(FrontBody::Web { body }, answering)))
            };
            return Box::pin(Answer { response, into, answering });
        }
        // A body that is empty from the start needs no box.
        let plain = |body: Incoming| match body.is_end_stream() {
            true => axum::body::Body::empty(),
            false => axum::body::Body::new(lingering(body)),
        };
        match (&self.grpc, &self.http) {
            (Some(grpc), http) if is_grpc || http.is_none() => {
                let place = Box::new_uninit();
                let serving = grpc.serve(request.map(lingering), peer.clone(), Protocol::Grpc);
                let answer = Box::write(place, EdgeAnswer { serving, answering });
                Box::into_pin(answer)
            }
            (_, Some(Http::Edge(edge))) => {
                let place = Box::new_uninit();
                let serving = edge.serve(request.map(plain), peer.clone());
                let answer = Box::write(place, EdgeAnswer { serving, answering });
                Box::into_pin(answer)
            }
            (_, Some(Http::Router(http))) => {
                // Where axum's own extractors look for it, and our edge and whoever wants to know more.
                if let Some(address) = peer.address {
                    request.extensions_mut().insert(ConnectInfo(address));
                }
                request.extensions_mut().insert(peer.clone());
                let response = NotAtOnce { response: http.clone().call(request.map(plain)) };
                let into = |response: Result<Response<axum::body::Body>, _>, answering| {
                    let of = |body: axum::body::Body| FrontBody::Http { body: body.into() };
                    response.map(|response| response.map(|body| Pieces::new(of(body), answering)))
                };
                Box::pin(Answer { response, into, answering })
            }
            (_, None) => {
                let body = FrontBody::Http { body: axum::body::Body::empty().into() };
                Box::pin(std::future::ready(Ok(Response::new(Pieces::new(body, answering)))))
            }
        }
    }
}

/// An answer that is being made.
pub(super) type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response<Pieces<FrontBody>>, Infallible>> + Send>>;

pin_project! {
    /// An edge's answer, as this port's. An `async` block that awaited it would hold it twice.
    struct Answer<F, M> {
        #[pin]
        response: F,
        into: M,
        // Goes on to the end of the body.
        answering: Option<Answering>,
    }
}

impl<F: Future, M> Future for Answer<F, M>
where
    M: FnMut(F::Output, Option<Answering>) -> Result<Response<Pieces<FrontBody>>, Infallible>,
{
    type Output = Result<Response<Pieces<FrontBody>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.response.poll(cx);
        note(&polled);
        polled.map(|answer| (this.into)(answer, this.answering.take()))
    }
}

/// An edge's answer that is made where it is wanted.
trait PollAnswer {
    type Body: Default + Into<FrontBody>;

    fn poll_answer(&mut self, response: &mut Response<Self::Body>, cx: &mut Context<'_>) -> Poll<()>;
}

impl PollAnswer for http_edge::Serving {
    type Body = AnswerBody;

    fn poll_answer(&mut self, response: &mut Response<AnswerBody>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_answer(response, cx)
    }
}

impl PollAnswer for grpc::Serving<Lingering> {
    type Body = ReplyBody;

    fn poll_answer(&mut self, response: &mut Response<ReplyBody>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_answer(response, cx)
    }
}

/// The answer of an edge of ours, with nobody between it and the port.
struct EdgeAnswer<S> {
    serving: S,
    /// Goes on to the end of the body.
    answering: Option<Answering>,
}

impl<S: PollAnswer + Unpin> Future for EdgeAnswer<S> {
    type Output = Result<Response<Pieces<FrontBody>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { serving, answering } = &mut *self;
        let mut response = Response::default();
        let polled = serving.poll_answer(&mut response, cx);
        note(&polled);
        polled.map(|()| {
            let body = |body: S::Body| Pieces::new(body.into(), answering.take());
            Ok(response.map(body))
        })
    }
}

pin_project! {
    /// Code of others, which may compute for as long as it likes: it is not polled where a connection would have to wait.
    struct NotAtOnce<F> {
        #[pin]
        response: F,
    }
}

impl<F: Future> Future for NotAtOnce<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if is_at_once(cx) {
            return Poll::Pending;
        }
        self.project().response.poll(cx)
    }
}
