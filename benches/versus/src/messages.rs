//! The messages that every contestant is sent, and the work it does on them.
//!
//! The structs are prost's, made once and shared by raw tonic and Ambidex; the hand-written ones for axum are
//! in [`json`](crate::json). The work is here so that all of them do the very same.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prost_types::Timestamp;

#[expect(unreachable_pub, reason = "generated, for crates that may show it")]
mod generated {
    ambidex::include_proto!("versus.v1");
}

pub(crate) use generated::*;

/// The work of `Hello`, async and blocking alike.
pub(crate) fn greeting(name: &str) -> String {
    format!("Hello, {name}!")
}

/// The work of `PlaceOrder`: the sum over pairs of quantity and price.
pub(crate) fn total_cents(items: impl Iterator<Item = (i32, i64)>) -> i64 {
    items.map(|(quantity, price_cents)| i64::from(quantity) * price_cents).sum()
}

/// Answers `Hello`.
pub(crate) fn greet(request: HelloRequest) -> HelloResponse {
    HelloResponse { greeting: greeting(&request.name) }
}

static WAITS: AtomicI64 = AtomicI64::new(0);

/// Answers `Wait`, which blocks.
pub(crate) fn wait(request: WaitRequest) -> WaitResponse {
    std::thread::sleep(Duration::from_micros(request.micros.max(0) as u64));
    WaitResponse { ran: WAITS.fetch_add(1, Ordering::Relaxed) + 1 }
}

/// Answers `CountWaits`.
pub(crate) fn count_waits() -> WaitResponse {
    WaitResponse { ran: WAITS.load(Ordering::Relaxed) }
}

/// Answers `PlaceOrder`.
pub(crate) fn place(mut order: Order) -> Order {
    order.total_cents = total_cents(order.items.iter().map(|item| (item.quantity, item.price_cents)));
    order
}

/// Answers `GetItem`.
pub(crate) fn get_item(request: GetItemRequest) -> OrderItem {
    OrderItem {
        sku: request.customer,
        title: request.region,
        quantity: request.quantity,
        price_cents: request.order,
    }
}

/// Answers `ListItems`.
pub(crate) fn list_items(request: ListItemsRequest) -> ListItemsResponse {
    let items = (0..request.page_size).map(|number| OrderItem {
        sku: format!("9780-{number:04}-8731-hardcover"),
        title: "The Left Hand of Darkness".to_owned(),
        quantity: 1 + number % 3,
        price_cents: 1_250 + 330 * i64::from(number),
    });
    ListItemsResponse { items: items.collect(), next_page_token: "next".to_owned() }
}

/// What `StreamItems` is asked for.
pub(crate) fn stream_items_request() -> ListItemsRequest {
    ListItemsRequest { page_size: 1_000 }
}

/// What `GetItem` is asked for, as its path has it.
pub(crate) fn get_item_request() -> GetItemRequest {
    GetItemRequest { customer: "c-4711".to_owned(), order: 815, quantity: 3, region: "eu central".to_owned() }
}

/// What `Hello` is sent.
pub(crate) fn hello_request() -> HelloRequest {
    HelloRequest { name: "Ambidex".to_owned() }
}

/// What `PlaceOrder` is sent: ten items, a map, a timestamp and bytes, about 1 KB on the wire.
pub(crate) fn order_request() -> Order {
    let titles = [
        "The Left Hand of Darkness",
        "Gödel, Escher, Bach",
        "A Pattern Language",
        "The Periodic Table",
        "Invisible Cities",
        "The Art of Computer Programming, Volume 1",
        "A Wizard of Earthsea",
        "The Design of Everyday Things",
        "Labyrinths",
        "Structure and Interpretation of Computer Programs",
    ];
    let items = (1..).zip(titles).map(|(number, title)| OrderItem {
        sku: format!("9780-{number:04}-8731-{number:02}-hardcover"),
        title: title.to_owned(),
        quantity: 1 + number % 3,
        price_cents: 1_250 + 330 * i64::from(number),
    });
    let labels = [("channel", "web"), ("campaign", "spring-catalogue"), ("region", "eu-central")];
    Order {
        name: "customers/4711/orders/2026-000815".to_owned(),
        customer: "customers/4711".to_owned(),
        items: items.collect(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        order_time: Some(Timestamp { seconds: 1_773_500_966, nanos: 535_000_000 }),
        signature: (0..192).map(|byte: u8| byte.wrapping_mul(151)).collect(),
        total_cents: 0,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn the_order_is_about_a_kilobyte() {
        let len = order_request().encoded_len();
        assert!((950..1100).contains(&len), "{len} bytes");
    }
}
