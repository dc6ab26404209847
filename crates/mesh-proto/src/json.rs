//! Envoy's messages as protobuf's JSON, in which people write and read them (protobuf.dev, "ProtoJSON format").
//!
//! It works by descriptors, which are kept compressed in the program: loading them takes tens of milliseconds
//! and tens of megabytes, so whoever needs them loads them for the moment.

use std::io::Read;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::Any;

/// Descriptors of Envoy's API and of what it is made of; [`tests`] says where from.
static DESCRIPTORS: &[u8] = include_bytes!("../descriptors/envoy.binpb.gz");

/// What is known of Envoy's messages.
#[derive(Debug, Clone)]
pub struct Descriptors(DescriptorPool);

/// What is set of a message that was read, whichever of its two names each field had there.
#[derive(Debug, Clone)]
pub struct Set(DynamicMessage);

/// Why a message cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The descriptors in the program are none.
    #[error("the descriptors of Envoy's API: {0}")]
    Descriptors(String),
    /// There is no such message.
    #[error("{0} is no message of Envoy's API")]
    UnknownType(String),
    /// The text is no such message; names the field.
    #[error("{0}")]
    Text(String),
    /// The bytes are no such message.
    #[error(transparent)]
    Bytes(#[from] prost::DecodeError),
}

impl Descriptors {
    /// Unpacks them.
    ///
    /// # Errors
    /// [`JsonError::Descriptors`] when the program was built with broken ones.
    pub fn load() -> Result<Self, JsonError> {
        let broken = |error: &dyn std::error::Error| JsonError::Descriptors(error.to_string());
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(DESCRIPTORS)
            .read_to_end(&mut bytes)
            .map_err(|error| broken(&error))?;
        let pool = DescriptorPool::decode(bytes.as_slice()).map_err(|error| broken(&error))?;
        Ok(Self(pool))
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`JsonError::Text`] names the first field that does not fit, also one that the message does not have.
    pub fn read<M: Message + Name + Default>(&self, value: &Value) -> Result<M, JsonError> {
        let (message, _) = self.read_with_set(value)?;
        Ok(message)
    }

    /// Reads a message, and what is set of it.
    ///
    /// # Errors
    /// As [`Descriptors::read`].
    pub fn read_with_set<M: Message + Name + Default>(
        &self,
        value: &Value,
    ) -> Result<(M, Set), JsonError> {
        let message = self.read_as(&M::full_name(), value)?;
        Ok((M::decode(message.encode_to_vec().as_slice())?, Set(message)))
    }

    fn read_as(&self, full_name: &str, value: &Value) -> Result<DynamicMessage, JsonError> {
        let kind = self.kind(full_name)?;
        DynamicMessage::deserialize(kind, value).map_err(|error| JsonError::Text(error.to_string()))
    }

    /// Writes a message with the names of the `.proto` files, as Envoy's pages do, fields that are not set left out.
    ///
    /// # Errors
    /// When the type of the message, or of one that is packed into it, is not known.
    pub fn write(&self, any: &Any) -> Result<Value, JsonError> {
        let name = any.type_url.rsplit('/').next().unwrap_or_default();
        let message = DynamicMessage::decode(self.kind(name)?, any.value.as_slice())?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| JsonError::Text(error.to_string()))
    }

    fn kind(&self, full_name: &str) -> Result<prost_reflect::MessageDescriptor, JsonError> {
        let found = self.0.get_message_by_name(full_name);
        found.ok_or_else(|| JsonError::UnknownType(full_name.to_owned()))
    }
}

impl Set {
    /// The fields that are set, by their names in the `.proto` file.
    #[must_use]
    pub fn fields(&self) -> Vec<String> {
        names(&self.0)
    }

    /// The same of the message in a field; none where there is no such message.
    #[must_use]
    pub fn fields_in(&self, field: &str) -> Vec<String> {
        let value = self.0.get_field_by_name(field);
        let message = value.as_ref().and_then(|value| value.as_message());
        message.map(names).unwrap_or_default()
    }
}

fn names(message: &DynamicMessage) -> Vec<String> {
    let fields = message.fields().map(|(field, _)| field.name().to_owned());
    fields.collect()
}

#[cfg(test)]
mod tests;
