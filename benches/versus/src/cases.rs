//! What is compared: cases, their contestants, and which of them is divided by which.

use bytes::{BufMut as _, Bytes};
use prost::Message;

use crate::Error;
use crate::json;
use crate::messages::{self, HelloResponse, Order};
use crate::servers::Server;
use crate::telemetry::Mode;

/// Contestants that are driven in the same way, one after the other in each round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) title: &'static str,
    /// Calls under way at once.
    pub(crate) in_flight: usize,
    pub(crate) contestants: &'static [Contestant],
    /// Pairs of contestants, by their place above: the first is divided by the second.
    pub(crate) ratios: &'static [(usize, usize)],
}

/// One server, called in one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    pub(crate) wire: Wire,
    pub(crate) path: &'static str,
    pub(crate) work: Work,
}

/// What a call looks like on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// gRPC over HTTP/2 by prior knowledge.
    Grpc,
    /// The same, a message at a time, each sent when the answer to the one before is there.
    GrpcTalk,
    /// JSON over HTTP/1.1.
    Json,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Hello,
    Order,
    /// A stream of a thousand items.
    StreamItems,
    GetItem,
    ListItems,
}

/// Every case there is.
pub(crate) const CASES: &[Case] = &[
    grpc_hello("gRPC Hello, 1 in flight", 1),
    grpc_hello("gRPC Hello, 64 in flight", 64),
    grpc_hello("gRPC Hello, 512 in flight", 512),
    Case {
        title: "gRPC order of 1 KB, 64 in flight",
        in_flight: 64,
        contestants: &[
            grpc("raw tonic", Server::Tonic, PLACE_ORDER, Work::Order),
            grpc("Ambidex", Server::Ambidex, PLACE_ORDER, Work::Order),
        ],
        ratios: &[(1, 0)],
    },
    Case {
        title: "gRPC stream of 1,000 messages, 16 in flight",
        in_flight: 16,
        contestants: &[
            grpc("raw tonic", Server::Tonic, STREAM_ITEMS, Work::StreamItems),
            grpc("Ambidex", Server::Ambidex, STREAM_ITEMS, Work::StreamItems),
        ],
        ratios: &[(1, 0)],
    },
    Case {
        title: "gRPC ping-pong on a stream each way, 64 in flight",
        in_flight: 64,
        contestants: &[talk("raw tonic", Server::Tonic), talk("Ambidex", Server::Ambidex)],
        ratios: &[(1, 0)],
    },
    Case {
        title: "JSON Hello, 64 in flight",
        in_flight: 64,
        contestants: &[
            json("axum", Server::Axum, "/v1/hello", Work::Hello),
            json("Ambidex REST", Server::Ambidex, "/v1/hello", Work::Hello),
            json("Ambidex RPC", Server::Ambidex, HELLO, Work::Hello),
            json("axum spawn_blocking", Server::Axum, "/v1/hello:blocking", Work::Hello),
            json("Ambidex REST blocking fn", Server::Ambidex, "/v1/hello:blocking", Work::Hello),
        ],
        ratios: &[(1, 0), (2, 0), (4, 3)],
    },
    Case {
        title: "JSON order of 1 KB, 64 in flight",
        in_flight: 64,
        contestants: &[
            json("axum", Server::Axum, "/v1/orders", Work::Order),
            json("Ambidex REST", Server::Ambidex, "/v1/orders", Work::Order),
            json("Ambidex RPC", Server::Ambidex, PLACE_ORDER, Work::Order),
        ],
        ratios: &[(1, 0), (2, 0)],
    },
    Case {
        title: "JSON GET with path variables and a query, 64 in flight",
        in_flight: 64,
        contestants: &[
            json("axum", Server::Axum, GET_ITEM, Work::GetItem),
            json("Ambidex REST", Server::Ambidex, GET_ITEM, Work::GetItem),
        ],
        ratios: &[(1, 0)],
    },
    Case {
        title: "JSON list of 100 items, 64 in flight",
        in_flight: 64,
        contestants: &[
            json("axum", Server::Axum, "/v1/items?page_size=100", Work::ListItems),
            json("Ambidex REST", Server::Ambidex, "/v1/items?page_size=100", Work::ListItems),
        ],
        ratios: &[(1, 0)],
    },
];

/// Ambidex beside itself: what it costs to tell of its calls.
pub(crate) const TELEMETRY_CASES: &[Case] = &[
    Case {
        title: "gRPC Hello, 64 in flight",
        in_flight: 64,
        contestants: &telling(Wire::Grpc, HELLO, Work::Hello),
        ratios: TO_OFF,
    },
    Case {
        title: "REST GET with path variables and a query, 64 in flight",
        in_flight: 64,
        contestants: &telling(Wire::Json, GET_ITEM, Work::GetItem),
        ratios: TO_OFF,
    },
];

const TO_OFF: &[(usize, usize)] = &[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)];

const fn telling(wire: Wire, path: &'static str, work: Work) -> [Contestant; 6] {
    const fn one(
        name: &'static str,
        mode: Mode,
        (wire, path, work): (Wire, &'static str, Work),
    ) -> Contestant {
        Contestant { name, server: Server::Telling(mode), wire, path, work }
    }
    let call = (wire, path, work);
    [
        one("off", Mode::Off, call),
        one("metrics", Mode::Metrics, call),
        one("spans, in a registry", Mode::Spans, call),
        one("spans, to OpenTelemetry", Mode::Tracer, call),
        one("access log, as text", Mode::AccessLog, call),
        one("all of it", Mode::All, call),
    ]
}

const GET_ITEM: &str = "/v1/customers/c-4711/orders/815?quantity=3&region=eu+central";

const HELLO: &str = "/versus.v1.Versus/Hello";
const HELLO_BLOCKING: &str = "/versus.v1.Versus/HelloBlocking";
const STREAM_ITEMS: &str = "/versus.v1.Versus/StreamItems";
const CHAT: &str = "/versus.v1.Versus/Chat";
const PLACE_ORDER: &str = "/versus.v1.Versus/PlaceOrder";

/// Async and blocking side by side, so that one can be divided by the other.
const fn grpc_hello(title: &'static str, in_flight: usize) -> Case {
    Case { title, in_flight, contestants: GRPC_HELLO, ratios: &[(1, 0), (3, 2), (3, 1), (2, 0)] }
}

const GRPC_HELLO: &[Contestant] = &[
    grpc("raw tonic", Server::Tonic, HELLO, Work::Hello),
    grpc("Ambidex", Server::Ambidex, HELLO, Work::Hello),
    grpc("raw tonic spawn_blocking", Server::Tonic, HELLO_BLOCKING, Work::Hello),
    grpc("Ambidex blocking fn", Server::Ambidex, HELLO_BLOCKING, Work::Hello),
];

const fn grpc(name: &'static str, server: Server, path: &'static str, work: Work) -> Contestant {
    Contestant { name, server, wire: Wire::Grpc, path, work }
}

const fn talk(name: &'static str, server: Server) -> Contestant {
    Contestant { name, server, wire: Wire::GrpcTalk, path: CHAT, work: Work::Hello }
}

const fn json(name: &'static str, server: Server, path: &'static str, work: Work) -> Contestant {
    Contestant { name, server, wire: Wire::Json, path, work }
}

impl Wire {
    /// The headers that make a request one of this wire.
    pub(crate) const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Grpc | Self::GrpcTalk => &[("content-type", "application/grpc"), ("te", "trailers")],
            Self::Json => &[("content-type", "application/json")],
        }
    }
}

impl Contestant {
    /// The body of the request, byte for byte; nothing for a GET.
    pub(crate) fn request_body(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(Some(match (self.wire, self.work) {
            (_, Work::GetItem | Work::ListItems) => return Ok(None),
            (Wire::Json, Work::StreamItems) => return Err("there is no such route".into()),
            (_, Work::StreamItems) => framed(&messages::stream_items_request()),
            (Wire::Grpc | Wire::GrpcTalk, Work::Hello) => framed(&messages::hello_request()),
            (Wire::Grpc | Wire::GrpcTalk, Work::Order) => framed(&messages::order_request()),
            (Wire::Json, Work::Hello) => {
                serde_json::to_vec(&json::HelloRequest::from(messages::hello_request()))?
            }
            (Wire::Json, Work::Order) => serde_json::to_vec(&json::Order::from(messages::order_request()))?,
        }))
    }

    /// Decodes the body of a reply and compares it with the answer there should be.
    pub(crate) fn check_reply(&self, body: Bytes) -> Result<(), Error> {
        let right = match (self.wire, self.work) {
            (_, Work::StreamItems) => {
                let items = messages::list_items(messages::stream_items_request()).items;
                let right: Vec<u8> = items.iter().flat_map(framed).collect();
                body == right
            }
            (Wire::Grpc | Wire::GrpcTalk, Work::Hello) => {
                HelloResponse::decode(unframed(body)?)? == messages::greet(messages::hello_request())
            }
            (Wire::Grpc | Wire::GrpcTalk, Work::Order) => {
                Order::decode(unframed(body)?)? == messages::place(messages::order_request())
            }
            (Wire::Json, Work::Hello) => {
                let request = json::HelloRequest::from(messages::hello_request());
                serde_json::from_slice::<json::HelloResponse>(&body)? == request.greet()
            }
            (Wire::Json, Work::Order) => {
                let request = json::Order::from(messages::order_request());
                serde_json::from_slice::<json::Order>(&body)? == request.place()
            }
            (_, Work::GetItem) => {
                let request = messages::get_item_request();
                let query = json::GetItemQuery { quantity: request.quantity, region: request.region };
                serde_json::from_slice::<json::OrderItem>(&body)?
                    == query.get(request.customer, request.order)
            }
            (_, Work::ListItems) => {
                let right = messages::list_items(messages::ListItemsRequest { page_size: 100 });
                serde_json::from_slice::<json::ListItemsResponse>(&body)? == right.into()
            }
        };
        if right { Ok(()) } else { Err("the reply is not the right answer".into()) }
    }
}

/// A message behind its gRPC prefix: not compressed, and its length.
fn framed(message: &impl Message) -> Vec<u8> {
    let mut frame = Vec::with_capacity(5 + message.encoded_len());
    frame.put_u8(0);
    frame.put_u32(message.encoded_len().try_into().expect("the messages of the benchmark are small"));
    message.encode(&mut frame).expect("a vector grows");
    frame
}

/// The one message of a gRPC reply.
fn unframed(body: Bytes) -> Result<Bytes, Error> {
    let (prefix, message) = body.split_first_chunk::<5>().ok_or("the reply has no message")?;
    let [compressed, len @ ..] = *prefix;
    if compressed != 0 {
        return Err("the reply is compressed, which nobody asked for".into());
    }
    if u32::from_be_bytes(len) as usize != message.len() {
        return Err("the reply is not exactly one message".into());
    }
    Ok(body.slice(5..))
}
