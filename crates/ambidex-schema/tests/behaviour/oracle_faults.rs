//! Where prost-reflect, the oracle of the differential tests, is wrong itself, and how that is recognised.

use ambidex_schema::{WireError, WireErrorKind};
use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};

/// Whether the oracle writes a value that it should refuse: it carries nanoseconds that are not within a second
/// over into the seconds (`timestamp.proto` and `duration.proto` bound them), mends durations whose parts differ
/// in sign, and drops empty paths of field masks.
pub(crate) fn oracle_mends(error: &WireError) -> bool {
    let text = error.to_string();
    error.kind() == WireErrorKind::Unrepresentable
        && ["the nanoseconds of the", "differ in sign", "does not survive"]
            .iter()
            .any(|why| text.contains(why))
}

/// Whether the oracle refuses to write because of the wire type of a field in an `Any`.
pub(crate) fn refuses_wire_type(message: &DynamicMessage) -> bool {
    let refused = serde_json::to_vec(message);
    refused.is_err_and(|error| error.to_string().contains("invalid wire type"))
}

/// Whether a map, here or in a message inside, has a wire type that maps have not. The oracle does not look at it,
/// and takes what follows for an entry; to us it is an unknown field.
pub(crate) fn oracle_mistakes_a_map(descriptor: &MessageDescriptor, mut wire: &[u8]) -> bool {
    use prost_reflect::prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
    if descriptor.full_name() == "google.protobuf.Any" {
        let Ok(any) = prost_types::Any::decode(wire) else { return false };
        let name = any.type_url.rsplit('/').next().unwrap_or_default();
        return descriptor
            .parent_pool()
            .get_message_by_name(name)
            .is_some_and(|message| oracle_mistakes_a_map(&message, &any.value));
    }
    while let Ok((number, wire_type)) = decode_key(&mut wire) {
        let field = descriptor.get_field(number);
        if wire_type != WireType::LengthDelimited {
            if field.is_some_and(|field| field.is_map()) {
                return true;
            }
            if skip_field(wire_type, number, &mut wire, DecodeContext::default()).is_err() {
                return false;
            }
            continue;
        }
        let length = decode_varint(&mut wire).ok().and_then(|length| usize::try_from(length).ok());
        let Some((inner, rest)) = length.and_then(|length| wire.split_at_checked(length)) else {
            return false;
        };
        wire = rest;
        let kind = field.map(|field| field.kind());
        if let Some(message) = kind.as_ref().and_then(|kind| kind.as_message())
            && oracle_mistakes_a_map(message, inner)
        {
            return true;
        }
    }
    false
}
