use super::*;

fn find(kind: &str) -> Watched {
    let scope = Scope {
        secrets_in: vec!["edge".into()],
    };
    let found = all(&scope).into_iter().find(|one| one.kind.kind == kind);
    found.unwrap()
}

#[test]
fn secrets_are_asked_for_only_where_they_are_wanted() {
    let none = all(&Scope::default());
    assert!(none.iter().all(|watched| watched.kind.kind != "Secret"));
    let path = find("Secret").list("v1", None, true);
    let fields = "type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token";
    assert_eq!(
        path,
        format!("/api/v1/namespaces/edge/secrets?fieldSelector={fields}")
    );
}

#[test]
fn every_kind_of_the_mesh_is_followed_and_nothing_of_the_local_mesh() {
    let followed: Vec<String> = all(&Scope::default()).iter().map(Watched::name).collect();
    for kind in kinds::all() {
        let name = format!("{}.{}", kind.plural, kind.group);
        assert_eq!(
            followed.contains(&name),
            name.ends_with(".istio.io")
                || OF_KUBERNETES.contains(&(kind.group, kind.kind)) && !kind.group.is_empty(),
            "{name}"
        );
    }
    assert!(followed.contains(&"services".to_owned()));
}

#[test]
fn paths_are_those_of_the_api_server() {
    let rules = find("VirtualService");
    assert_eq!(
        rules.list("v1", None, false),
        "/apis/networking.istio.io/v1/virtualservices?limit=250"
    );
    assert_eq!(
        rules.list("v1beta1", Some("a=b&c"), false),
        "/apis/networking.istio.io/v1beta1/virtualservices?limit=250&continue=a%3Db%26c"
    );
    assert_eq!(
        find("Pod").watch("v1", "7", 0.0),
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=145&resourceVersion=7"
    );
}
