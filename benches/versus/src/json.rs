//! The same messages as one writes them by hand for axum: structs with serde.
//!
//! Their JSON is the proto's, so that one request body fits every contestant and one reply can be compared
//! with another: 64-bit integers and bytes are strings, times are RFC 3339. None of it allocates where it
//! need not; the hand-written side is to be a good one.

use std::collections::HashMap;

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::messages;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HelloRequest {
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HelloResponse {
    pub(crate) greeting: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    name: String,
    customer: String,
    items: Vec<OrderItem>,
    labels: HashMap<String, String>,
    #[serde(with = "text")]
    order_time: Timestamp,
    #[serde(with = "base64_text")]
    signature: Vec<u8>,
    #[serde(with = "text", default, skip_serializing_if = "is_zero")]
    total_cents: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderItem {
    sku: String,
    title: String,
    quantity: i32,
    #[serde(with = "text")]
    price_cents: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GetItemQuery {
    pub(crate) quantity: i32,
    pub(crate) region: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListItemsQuery {
    pub(crate) page_size: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListItemsResponse {
    items: Vec<OrderItem>,
    next_page_token: String,
}

impl GetItemQuery {
    /// Answers `GetItem`.
    pub(crate) fn get(self, customer: String, order: i64) -> OrderItem {
        OrderItem { sku: customer, title: self.region, quantity: self.quantity, price_cents: order }
    }
}

impl From<messages::ListItemsResponse> for ListItemsResponse {
    fn from(response: messages::ListItemsResponse) -> Self {
        let items = response.items.into_iter().map(OrderItem::from).collect();
        Self { items, next_page_token: response.next_page_token }
    }
}

impl From<messages::OrderItem> for OrderItem {
    fn from(item: messages::OrderItem) -> Self {
        Self { sku: item.sku, title: item.title, quantity: item.quantity, price_cents: item.price_cents }
    }
}

impl HelloRequest {
    /// Answers `Hello`.
    pub(crate) fn greet(self) -> HelloResponse {
        HelloResponse { greeting: messages::greeting(&self.name) }
    }
}

impl Order {
    /// Answers `PlaceOrder`.
    pub(crate) fn place(mut self) -> Self {
        let items = self.items.iter().map(|item| (item.quantity, item.price_cents));
        self.total_cents = messages::total_cents(items);
        self
    }
}

impl From<messages::HelloRequest> for HelloRequest {
    fn from(request: messages::HelloRequest) -> Self {
        Self { name: request.name }
    }
}

impl From<messages::Order> for Order {
    fn from(order: messages::Order) -> Self {
        let items = order.items.into_iter().map(OrderItem::from);
        Self {
            name: order.name,
            customer: order.customer,
            items: items.collect(),
            labels: order.labels,
            order_time: order.order_time.unwrap_or_default(),
            signature: order.signature,
            total_cents: order.total_cents,
        }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Values that are strings in JSON, by their `Display` and `FromStr`.
mod text {
    use std::fmt::{self, Display};
    use std::marker::PhantomData;
    use std::str::FromStr;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_str(Parsed(PhantomData))
    }

    struct Parsed<T>(PhantomData<T>);

    impl<T: FromStr<Err: Display>> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value as a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
}

/// Bytes that are base64 in JSON.
mod base64_text {
    use std::fmt;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_str(Decoded)
    }

    struct Decoded;

    impl Visitor<'_> for Decoded {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            STANDARD.decode(text).map_err(E::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_json() {
        let order = Order::from(messages::order_request()).place();
        let json = serde_json::to_string(&order).expect("an order has only strings as keys");
        assert!(json.contains(r#""orderTime":"2026-03-14T15:09:26.535Z""#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).expect("its own JSON"), order);
    }
}
