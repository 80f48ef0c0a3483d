//! A program that reads and writes fifty messages, in one way or another.

use std::io::{Read as _, Write as _};

#[allow(dead_code, reason = "generated")]
mod shop {
    include!(concat!(env!("OUT_DIR"), "/shop.v1.rs"));
    #[cfg(feature = "pbjson")]
    include!(concat!(env!("OUT_DIR"), "/shop.v1.serde.rs"));
}
include!(concat!(env!("OUT_DIR"), "/calls.rs"));

type Error = Box<dyn std::error::Error>;

/// What every message can do here.
#[cfg(not(feature = "pbjson"))]
trait Message: prost::Message + Default {}
#[cfg(not(feature = "pbjson"))]
impl<T: prost::Message + Default> Message for T {}

#[cfg(feature = "pbjson")]
trait Message: prost::Message + Default + serde::Serialize + serde::de::DeserializeOwned {}
#[cfg(feature = "pbjson")]
impl<T: prost::Message + Default + serde::Serialize + serde::de::DeserializeOwned> Message for T {}

/// In and out once.
fn one<T: Message>(json: bool, name: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
    if json {
        return write_json(name, &read_json::<T>(name, input)?);
    }
    Ok(T::decode(input)?.encode_to_vec())
}

#[cfg(feature = "ambidex")]
fn message_type(name: &str) -> Result<ambidex_schema::MessageType, Error> {
    let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/shop.v1.bin"));
    let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(descriptors)?.build()?;
    Ok(schema.message(name).ok_or("no such message")?)
}

#[cfg(feature = "ambidex")]
fn read_json<T: Message>(name: &str, input: &[u8]) -> Result<T, Error> {
    let mut wire = Vec::new();
    message_type(name)?.json_to_wire(input, &Default::default(), &mut wire)?;
    Ok(T::decode(wire.as_slice())?)
}

#[cfg(feature = "ambidex")]
fn write_json<T: Message>(name: &str, message: &T) -> Result<Vec<u8>, Error> {
    let mut json = Vec::new();
    message_type(name)?.wire_to_json(&message.encode_to_vec(), &Default::default(), &mut json)?;
    Ok(json)
}

#[cfg(feature = "pbjson")]
fn read_json<T: Message>(_: &str, input: &[u8]) -> Result<T, Error> {
    Ok(serde_json::from_slice(input)?)
}

#[cfg(feature = "pbjson")]
fn write_json<T: Message>(_: &str, message: &T) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(message)?)
}

#[cfg(not(any(feature = "ambidex", feature = "pbjson")))]
fn read_json<T: Message>(_: &str, _: &[u8]) -> Result<T, Error> {
    Err("wire bytes only".into())
}

#[cfg(not(any(feature = "ambidex", feature = "pbjson")))]
fn write_json<T: Message>(_: &str, _: &T) -> Result<Vec<u8>, Error> {
    Err("wire bytes only".into())
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(way), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("json|wire MESSAGE".into());
    };
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    std::io::stdout().write_all(&call(way == "json", &name, &input)?)?;
    Ok(())
}
