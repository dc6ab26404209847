use super::*;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: reviews}\nspec: {}\n";

fn decoded(text: &str) -> (Vec<String>, Vec<String>) {
    let (objects, found) = objects("some.yaml", text);
    let objects = objects
        .iter()
        .map(|object| format!("{} ({})", object.key, object.origin));
    let found = found.iter().map(|diagnostic| {
        let at = &diagnostic.origin;
        format!("{} [{at}] {diagnostic}", diagnostic.code)
    });
    (objects.collect(), found.collect())
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let (objects, found) = decoded(text);
    assert_eq!(objects, [""; 0], "{text}");
    assert_eq!(found, [expected], "{text}");
}

#[test]
fn each_document_says_where_it_was() {
    let text = format!(
        "# two\n---\n{SERVICE}---\n{}",
        SERVICE.replace("reviews", "ratings")
    );
    let (objects, found) = decoded(&text);
    assert_eq!(found, [""; 0]);
    assert_eq!(
        objects,
        [
            "service default/reviews (some.yaml document 1 line 3)",
            "service default/ratings (some.yaml document 2 line 8)",
        ]
    );
}

#[test]
fn json_is_decoded_alike() {
    let text = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "namespace": "x"}}"#;
    let (objects, found) = decoded(text);
    assert_eq!(found, [""; 0]);
    assert_eq!(objects, ["namespace prod (some.yaml document 1 line 1)"]);
}

#[test]
fn a_list_is_its_items() {
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: b, namespace: a}}
";
    let (objects, found) = decoded(text);
    assert_eq!(found, [""; 0]);
    assert_eq!(
        objects,
        [
            "namespace a (some.yaml document 1 line 2)",
            "serviceaccount a/b (some.yaml document 1 line 2)",
        ]
    );
}

#[test]
fn a_broken_document_leaves_its_neighbours_alone() {
    let text = format!(
        "{SERVICE}---\na: [1\nb: 2\n---\n{}",
        SERVICE.replace("reviews", "ratings")
    );
    let (objects, found) = decoded(&text);
    assert_eq!(objects.len(), 2);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("MESH0001 [some.yaml document 2 line "),
        "{found:?}"
    );
}

#[test]
fn unknown_kinds_come_with_what_was_meant() {
    refuses(
        "apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: a}",
        "MESH0002 [some.yaml document 1 line 1] some.yaml document 1 line 1: kind: unknown kind \
         \"VirtualServise\" of apiVersion \"networking.istio.io/v1\"; did you mean VirtualService?",
    );
    refuses(
        "apiVersion: v1\nkind: Deployment\nmetadata: {name: a}",
        "MESH0002 [some.yaml document 1 line 1] some.yaml document 1 line 1: kind: unknown kind \
         \"Deployment\" of apiVersion \"v1\"; Deployment is of apiVersion apps/v1",
    );
}

#[test]
fn wrong_versions_and_later_kinds_are_refused_by_name() {
    refuses(
        "apiVersion: networking.istio.io/v2\nkind: Gateway\nmetadata: {name: a}",
        "MESH0002 [some.yaml document 1 line 1] gateway default/a: apiVersion: Gateway has no \
         version \"v2\"; its versions are v1, v1beta1, v1alpha3",
    );
    refuses(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}",
        "MESH0003 [some.yaml document 1 line 1] serviceentry default/a: kind: ServiceEntry is \
         known to Istio but not supported by this version of mesh",
    );
}

#[test]
fn deployments_of_istio_1_1_are_deployments() {
    let text = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: reviews-v1}";
    let (objects, found) = objects("old.yaml", text);
    assert_eq!(found, []);
    assert_eq!(objects[0].kind.qualified(), "deployment.apps");
    assert_eq!(&*objects[0].key.group, "apps");
}

#[test]
fn what_makes_an_object_must_be_there() {
    let origin = "some.yaml document 1 line 1";
    let expect = |code: &str, text: &str| format!("{code} [{origin}] {origin}: {text}");
    refuses(
        "- a\n- b",
        &expect("MESH0001", "expected an object, found a list"),
    );
    refuses(
        "kind: Service",
        &expect("MESH0001", "apiVersion: is missing"),
    );
    refuses("apiVersion: v1", &expect("MESH0001", "kind: is missing"));
    refuses(
        "apiVersion: 1\nkind: A",
        &expect(
            "MESH0001",
            "apiVersion: expected a string, found the number 1",
        ),
    );
    refuses(
        "apiVersion: v1\nkind: Service",
        &expect("IST0106", "metadata.name: is missing"),
    );
}

#[test]
fn a_name_that_yaml_takes_for_a_boolean_is_refused() {
    let origin = "some.yaml document 1 line 1";
    refuses(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: y}",
        &format!(
            "IST0106 [{origin}] {origin}: metadata.namespace: expected a name, found the boolean \
             true; write the name in quotes"
        ),
    );
}

#[test]
fn names_that_could_leave_their_folder_are_refused() {
    let (objects, found) = decoded("apiVersion: v1\nkind: Secret\nmetadata: {name: ../../etc/x}");
    assert_eq!(objects, [""; 0]);
    assert!(
        found[0].contains("metadata.name: \"../../etc/x\" is not a name"),
        "{found:?}"
    );
}

#[test]
fn the_namespace_is_filled_in_and_content_is_compared_without_the_servers_part() {
    let one = objects("a.yaml", SERVICE).0.remove(0);
    assert_eq!(
        one.value.pointer("/metadata/namespace"),
        Some(&Value::from("default"))
    );
    let stamped = "metadata: {name: reviews, creationTimestamp: '2026-01-01T00:00:00Z'}";
    let text = SERVICE.replace("metadata: {name: reviews}", stamped);
    let two = objects("b.yaml", &text).0.remove(0);
    assert!(one.same_content(&two));
    let three = objects("c.yaml", &SERVICE.replace("{}", "{type: NodePort}"))
        .0
        .remove(0);
    assert!(!one.same_content(&three));
}

#[test]
fn an_object_of_an_api_server_is_read_like_one_of_a_file() {
    let text =
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}}"#;
    let value = serde_json::from_str(text).unwrap();
    let (object, found) = object(value, &"Kubernetes".into());
    assert_eq!(found, []);
    let (mut of_file, _) = objects("file", text);
    of_file[0].origin = "Kubernetes".into();
    assert_eq!(object, of_file.pop());
}

#[test]
fn the_content_of_a_secret_is_never_printed() {
    let text = r#"{"apiVersion": "v1", "kind": "Secret", "data": {"tls.key": "aGlkZGVu"},
        "metadata": {"name": "a", "annotations": {"copy": "aGlkZGVu"}}}"#;
    let (objects, _) = objects("file", text);
    let printed = format!("{objects:?}");
    assert!(
        printed.contains("Secret") && !printed.contains("aGlkZGVu"),
        "{printed}"
    );
}
