//! On whose behalf a call is made, as a hash: by a key of its metadata, or by what the application says.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataKey};

use super::Error;
use crate::handler::TenantKey;

/// Tells callers apart by what their metadata says under `key`.
pub(super) fn by_metadata(key: &str) -> Result<TenantKey, Error> {
    let wrong = || Error::MetadataKey { setting: "tenant_metadata", key: key.to_owned() };
    let key = MetadataKey::<Ascii>::from_bytes(key.to_ascii_lowercase().as_bytes()).map_err(|_| wrong())?;
    Ok(Arc::new(move |call| call.metadata.get(&key).map(|value| hash_of(value.as_encoded_bytes()))))
}

pub(super) fn hash_of<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
