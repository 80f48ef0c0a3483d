//! ProtoJSON ⇄ protobuf wire bytes, one pass each way, no tree in between.
//!
//! | File | Owns |
//! |---|---|
//! | `options` | what a caller may choose, and the limits |
//! | `error` | [`JsonError`]: where and why JSON text does not fit |
//! | `scanner` | JSON text as tokens; strings, escapes, skipping |
//! | `number` | exact integers and floats out of number text |
//! | `plain_text` | text without escapes, a block at a time |
//! | `decimal`, `double` | digits of integers and doubles |
//! | `text` | JSON text out: escaping, numbers, base64 |
//! | `output` | a vector that is written to by blocks |
//! | `decode_fast` | JSON → wire as writers write it |
//! | `decode`, `decode_scalar` | JSON → wire, whatever the spelling: messages, lists, maps; single values |
//! | `key_filter` | whether the keys of a map differ |
//! | `encode_fast` | wire → JSON as encoders write it: everything as it comes |
//! | `encode`, `encode_any_order`, `encode_map`, `encode_scalar` | wire → JSON, whatever comes: gathered and merged first |
//! | `well_known` | the messages ProtoJSON spells in a way of their own |
//!
//! The mapping is the one of <https://protobuf.dev/programming-guides/json/>.

mod decimal;
mod decode;
mod decode_fast;
mod decode_scalar;
mod double;
mod encode;
mod encode_any_order;
mod encode_fast;
mod encode_map;
mod encode_scalar;
mod error;
mod key_filter;
pub(crate) mod number;
mod options;
mod output;
mod plain_text;
pub(crate) mod scanner;
mod text;
pub(crate) mod well_known;

pub use self::error::{JsonError, JsonErrorKind};
pub use self::options::{DecodeOptions, EncodeOptions};

pub(crate) use self::error::shortened;
pub(crate) use self::options::DEPTH_CEILING;
pub(crate) use self::text::quoted;
