//! Resources packed for the wire, each with a version that depends on its content alone.
//!
//! Maps of a message are encoded in no certain order, so the bytes of equal messages differ. The
//! version is therefore taken of a canonical form: the message without its maps of several
//! entries, and those maps in order. Replicas and restarts of pilot then agree on versions, and a
//! proxy that comes back is not sent what it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use mesh_proto::Any;
use mesh_proto::any::{self, pack};
use mesh_proto::envoy::envoy::config::cluster::v3::Cluster;
use mesh_proto::envoy::envoy::config::core::v3::Metadata;
use mesh_proto::envoy::envoy::config::endpoint::v3::ClusterLoadAssignment;
use mesh_proto::envoy::google::protobuf::{Struct, Value, value::Kind};
use mesh_xds::Resource;
use prost::{Message, Name};

use crate::translate::{Resources, SecretResource};

/// Resources by type and name.
pub(super) type ByType = BTreeMap<&'static str, BTreeMap<String, Resource>>;

/// Packs them all.
pub(super) fn resources(made: &Resources) -> ByType {
    BTreeMap::from([
        (any::LISTENER, each(&made.listeners, Resource::pack)),
        (any::ROUTE, each(&made.routes, Resource::pack)),
        (any::CLUSTER, each(&made.clusters, cluster)),
        (any::ENDPOINT, each(&made.endpoints, assignment)),
        (any::SECRET, each(&made.secrets, secret)),
    ])
}

fn each<M>(
    messages: &BTreeMap<String, M>,
    packed: impl Fn(&M) -> Resource,
) -> BTreeMap<String, Resource> {
    let packed = |(name, message): (&String, &M)| (name.clone(), packed(message));
    messages.iter().map(packed).collect()
}

/// The version says nothing of the key: a certificate has but one.
fn secret(made: &SecretResource) -> Resource {
    let public = Resource::new(Any {
        type_url: String::new(),
        value: made.public.clone().into_bytes(),
    });
    Resource {
        version: public.version,
        any: Arc::new(pack(&made.message)),
    }
}

fn cluster(message: &Cluster) -> Resource {
    let mut rest = message.clone();
    let mut maps = String::new();
    canonical(rest.metadata.take(), &mut maps);
    versioned(message, &rest, maps)
}

fn assignment(message: &ClusterLoadAssignment) -> Resource {
    let mut rest = message.clone();
    let mut maps = String::new();
    let localities = rest.endpoints.iter_mut();
    for endpoint in localities.flat_map(|locality| &mut locality.lb_endpoints) {
        canonical(endpoint.metadata.take(), &mut maps);
    }
    versioned(message, &rest, maps)
}

fn versioned<M: Message + Name>(message: &M, rest: &M, maps: String) -> Resource {
    let mut value = rest.encode_to_vec();
    value.extend_from_slice(maps.as_bytes());
    let of_content = Resource::new(Any {
        type_url: String::new(),
        value,
    });
    Resource {
        version: of_content.version,
        any: Arc::new(pack(message)),
    }
}

fn canonical(metadata: Option<Metadata>, out: &mut String) {
    let metadata = metadata.unwrap_or_default().filter_metadata;
    let sorted: BTreeMap<_, _> = metadata.iter().collect();
    for (name, fields) in sorted {
        write(out, format_args!("{name:?}"));
        structure(fields, out);
    }
    out.push('\n');
}

fn structure(fields: &Struct, out: &mut String) {
    let sorted: BTreeMap<_, _> = fields.fields.iter().collect();
    out.push('{');
    for (name, field) in sorted {
        write(out, format_args!("{name:?}:"));
        value(field, out);
    }
    out.push('}');
}

fn value(value_of: &Value, out: &mut String) {
    match &value_of.kind {
        Some(Kind::StructValue(fields)) => structure(fields, out),
        Some(Kind::ListValue(list)) => {
            out.push('[');
            for element in &list.values {
                value(element, out);
            }
            out.push(']');
        }
        Some(Kind::StringValue(text)) => write(out, format_args!("{text:?},")),
        Some(Kind::NumberValue(number)) => write(out, format_args!("{number},")),
        Some(Kind::BoolValue(yes)) => write(out, format_args!("{yes},")),
        Some(Kind::NullValue(_)) | None => out.push_str("null,"),
    }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
