use super::*;
use crate::chart::files::{MESH, MESH_INIT};
use crate::chart::objects::resource;
use crate::plane::kube::text;

const RELEASE: Release<'static> = Release {
    name: "mesh",
    namespace: "istio-system",
    service: "meshctl",
};

fn made(own: Value) -> Result<Rendered, CommandError> {
    render(&MESH, &RELEASE, own, &Lookups::new())
}

fn names(objects: &[Value]) -> Vec<String> {
    let line = |object: &Value| {
        format!(
            "{}/{}",
            text(object, "/kind"),
            text(object, "/metadata/name")
        )
    };
    objects.iter().map(line).collect()
}

#[test]
fn every_profile_renders_objects_of_known_kinds() {
    let profiles = MESH
        .profiles
        .iter()
        .map(|(_, text)| defaults(text).unwrap());
    for own in profiles {
        let rendered = made(own).unwrap();
        let unknown = rendered
            .objects
            .iter()
            .find(|object| resource(object).is_none());
        assert_eq!(unknown, None);
        let names = names(&rendered.objects);
        assert!(
            names.contains(&"Deployment/istio-pilot".to_owned()),
            "{names:?}"
        );
    }
    let kinds = render(&MESH_INIT, &RELEASE, json!({}), &Lookups::new()).unwrap();
    assert!(
        kinds
            .objects
            .iter()
            .all(|one| text(one, "/kind") == "CustomResourceDefinition")
    );
    assert!(kinds.objects.len() > 30);
}

#[test]
fn values_reach_the_objects() {
    let own =
        json!({"global": {"hub": "registry/x", "tag": "7"}, "pilot": {"nodeSelector": {"a": "b"}}});
    let rendered = made(own).unwrap();
    let mut objects = rendered.objects.iter();
    let pilot = objects
        .find(|one| {
            text(one, "/kind") == "Deployment" && text(one, "/metadata/name") == "istio-pilot"
        })
        .unwrap();
    let spec = "/spec/template/spec";
    assert_eq!(
        text(pilot, &format!("{spec}/containers/0/image")),
        "registry/x/mesh-pilot:7"
    );
    assert_eq!(
        pilot.pointer(&format!("{spec}/nodeSelector")),
        Some(&json!({"a": "b"}))
    );
    assert!(
        rendered.notes.contains("istio-system"),
        "{}",
        rendered.notes
    );
}

#[test]
fn a_misspelled_value_is_refused_with_the_nearest_one() {
    let error = made(json!({"global": {"proxy": {"acessLogFile": "x"}}})).unwrap_err();
    assert!(
        error.error.contains(
            "global.proxy.acessLogFile is unknown; did you mean global.proxy.accessLogFile?"
        ),
        "{error:?}"
    );
}

#[test]
fn what_is_in_the_cluster_is_asked_for_and_heeded() {
    let asked = made(json!({})).unwrap().asked;
    let Some(lookup) = asked.iter().next() else {
        panic!("the failure policy of the validating webhook is not asked for");
    };
    assert_eq!(lookup.kind, "ValidatingWebhookConfiguration");
    let there = json!({"webhooks": [{"name": "x", "failurePolicy": "Fail"}]});
    let lookups = Lookups::from([(lookup.clone(), there)]);
    let policy = |lookups: &Lookups| {
        let rendered = render(&MESH, &RELEASE, json!({}), lookups).unwrap();
        let mut objects = rendered.objects.iter();
        let webhook = objects.find(|one| text(one, "/kind") == lookup.kind);
        let policy = webhook.unwrap().pointer("/webhooks/0/failurePolicy");
        policy.cloned()
    };
    // It begins leniently; what pilot has made of it is not said again, so that pilot alone owns it.
    assert_eq!(policy(&Lookups::default()), Some(json!("Ignore")));
    assert_eq!(policy(&lookups), None);
}
