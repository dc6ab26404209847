//! The node: who this proxy says it is, for `/config_dump` and `/server_info`.

use mesh_proto::envoy::envoy::config::core::v3::Node;
use mesh_proto::envoy::google::protobuf::value::Kind;
use mesh_proto::envoy::google::protobuf::{self as pb, Struct};
use serde_json::{Map, Value, json};

use crate::admin::Sources;
use crate::config::Workload;

/// As whoever tells us what to do knows us.
pub(super) fn node(sources: &Sources) -> Value {
    match sources.node.as_deref() {
        Some(node) => of_file(node),
        None => of_workload(&sources.workload),
    }
}

/// As the bootstrap file has it.
fn of_file(node: &Node) -> Value {
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    put("id", node.id.as_str().into());
    put("cluster", node.cluster.as_str().into());
    put("user_agent_name", node.user_agent_name.as_str().into());
    if let Some(metadata) = &node.metadata {
        put("metadata", object(metadata));
    }
    if let Some(locality) = &node.locality {
        let locality = json!({
            "region": locality.region.as_str(),
            "zone": locality.zone.as_str(),
            "sub_zone": locality.sub_zone.as_str(),
        });
        put("locality", locality);
    }
    Value::Object(all)
}

fn object(metadata: &Struct) -> Value {
    let fields = metadata.fields.iter();
    let fields: Map<String, Value> = fields
        .map(|(name, field)| (name.clone(), value(field)))
        .collect();
    Value::Object(fields)
}

fn value(of: &pb::Value) -> Value {
    match &of.kind {
        Some(Kind::StructValue(inner)) => object(inner),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(value).collect()),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::BoolValue(is_so)) => (*is_so).into(),
        Some(Kind::NullValue(_)) | None => Value::Null,
    }
}

/// As pilot knows us.
fn of_workload(workload: &Workload) -> Value {
    let labels = workload.labels.0.iter();
    let labels: Map<String, Value> = labels
        .map(|(name, value)| (name.to_string(), value.as_str().into()))
        .collect();
    json!({
        "id": workload.node_id(),
        "cluster": workload.node().cluster,
        "metadata": {
            "NAME": &*workload.name,
            "NAMESPACE": &**workload.namespace(),
            "WORKLOAD_NAME": &*workload.owner,
            "SERVICE_ACCOUNT": &*workload.account.name,
            "LABELS": labels,
        },
    })
}
