//! The messages: made up, but shaped like what services send.

use ambidex_bench_messages::v1::{
    Event, Hello, Item, List, Numbers, Order, Row, Status, WellKnown, order::Payment,
};
use pbjson_types::value::Kind;
use pbjson_types::{Duration, ListValue, Struct, Timestamp, Value};

/// One string.
pub(crate) fn hello() -> Hello {
    Hello { name: "Ada Lovelace".to_owned() }
}

/// About a kilobyte: ten items, a map, a timestamp, bytes.
pub(crate) fn order() -> Order {
    let item = |number: usize| Item {
        sku: format!("SKU-{:05}", number * 7919 % 100_000),
        title: ["Pencil, soft", "Notebook A5", "Ink, blue-black", "Folder"][number % 4].to_owned(),
        quantity: (number % 3 + 1) as u32,
        price: (number * 1337 % 5000) as f64 / 100.0,
    };
    Order {
        order_id: "ord_01HXYZ5QK8".to_owned(),
        customer_name: "Zoë Müller".to_owned(),
        created_at: Some(Timestamp { seconds: 1_764_000_000, nanos: 123_000_000 }),
        status: Status::Shipped.into(),
        items: (1..=10).map(item).collect(),
        labels: [("channel", "web"), ("campaign", "autumn-2025"), ("gift", "no"), ("region", "eu-west")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        signature: (0u8..64).map(|byte| byte.wrapping_mul(37)).collect(),
        revision: 42,
        express: true,
        note: Some("Leave it with the neighbour, \"number 7\".".to_owned()),
        payment: Some(Payment::Card("visa-4242".to_owned())),
    }
}

/// About a hundred kilobytes: one page of a listing.
pub(crate) fn list() -> List {
    let row = |number: usize| Row {
        id: 7_300_000_000_000_000 + number as i64 * 104_729,
        title: format!("Article number {number}"),
        description: "Hand-made from recycled paper, eighty sheets, with a ribbon and a pocket at the back."
            .repeat(number % 2 + 1),
        tags: ["paper", "recycled", "office"].iter().take(number % 4).map(|tag| (*tag).to_owned()).collect(),
        price: (number * 37 % 10_000) as f64 / 100.0,
        in_stock: !number.is_multiple_of(5),
        status: Status::Open.into(),
        updated_at: Some(Timestamp { seconds: 1_764_000_000 + number as i64 * 61, nanos: 0 }),
    };
    List { rows: (1..=320).map(row).collect(), next_page_token: "cGFnZS0y".to_owned() }
}

/// Twenty events, made of little else than timestamps, durations, wrappers, structs and values.
pub(crate) fn well_known() -> WellKnown {
    let value = |kind: Kind| Value { kind: Some(kind) };
    let attributes = |number: usize| Struct {
        fields: [
            ("source", Kind::StringValue("sensor".to_owned())),
            ("level", Kind::NumberValue(number as f64 / 4.0)),
            ("enabled", Kind::BoolValue(true)),
            // No null: pbjson reads it as a value without a kind.
            ("reason", Kind::StringValue("threshold".to_owned())),
        ]
        .map(|(key, kind)| (key.to_owned(), value(kind)))
        .into(),
    };
    let event = |number: usize| Event {
        at: Some(Timestamp { seconds: 1_764_000_000 + number as i64, nanos: 5_000 * number as i32 }),
        took: Some(Duration { seconds: number as i64, nanos: 250_000_000 }),
        actor: Some(format!("user-{number}").into()),
        sequence: Some((9_000_000_000 + number as i64).into()),
        score: Some((number as f64 * 0.125).into()),
        r#final: Some((number.is_multiple_of(2)).into()),
        attributes: Some(attributes(number)),
        value: Some(value(Kind::ListValue(ListValue {
            values: (0..3).map(|at| value(Kind::NumberValue(at as f64))).collect(),
        }))),
    };
    WellKnown { events: (1..=20).map(event).collect() }
}

/// Small and large 64-bit integers, prices, and measurements with all their digits.
pub(crate) fn numbers() -> Numbers {
    // A full period generator: enough to look like identifiers.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 1
    };
    Numbers {
        identifiers: (0..100).map(|_| next() as i64).collect(),
        deltas: (0..100).map(|_| (next() % 2000) as i64 - 1000).collect(),
        prices: (0..100).map(|_| (next() % 100_000) as f64 / 100.0).collect(),
        measurements: (0..100).map(|_| next() as f64 / 1e16).collect(),
        total: i64::MAX,
        mean: std::f64::consts::PI,
    }
}
