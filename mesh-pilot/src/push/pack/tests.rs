use mesh_proto::envoy::google::protobuf::ListValue;

use super::*;

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.into())),
    }
}

fn structure_of(fields: &[(&str, Value)]) -> Struct {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Struct {
        fields: fields.collect(),
    }
}

fn made(name: &str, subset: &str) -> Cluster {
    let list = Value {
        kind: Some(Kind::ListValue(ListValue {
            values: vec![text("a"), text("b")],
        })),
    };
    let names: Vec<_> = (0..20).map(|i| format!("field-{i}")).collect();
    let mut fields: Vec<_> = names.iter().map(|n| (n.as_str(), text("same"))).collect();
    fields.extend([("subset", text(subset)), ("services", list)]);
    let filter_metadata = [("istio".to_owned(), structure_of(&fields))];
    Cluster {
        name: name.into(),
        metadata: Some(Metadata {
            filter_metadata: filter_metadata.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn equal_messages_have_equal_versions_whatever_the_order_of_their_maps() {
    let (one, other) = (made("c", "v1"), made("c", "v1"));
    // The point of the canonical form: the bytes are not equal in general.
    assert_eq!(one, other);
    assert_eq!(cluster(&one).version, cluster(&other).version);
}

#[test]
fn any_change_of_content_changes_the_version() {
    let version = |message: &Cluster| cluster(message).version;
    assert_ne!(version(&made("c", "v1")), version(&made("c", "v2")));
    assert_ne!(version(&made("c", "v1")), version(&made("d", "v1")));
    let bare = Cluster {
        metadata: None,
        ..made("c", "v1")
    };
    assert_ne!(version(&made("c", "v1")), version(&bare));
}
