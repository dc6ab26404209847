use super::*;

#[test]
fn a_kind_answers_to_every_name_that_users_type() {
    for typed in [
        "vs",
        "virtualservice",
        "virtualservices",
        "VirtualService",
        "virtualservice.networking.istio.io",
    ] {
        let kind = by_typed_name(typed).map(|kind| kind.kind);
        assert_eq!(kind, Some("VirtualService"), "{typed}");
    }
    assert_eq!(by_typed_name("gateway.gateway.networking.k8s.io"), None);
    assert_eq!(by_typed_name("reviews"), None);
}

#[test]
fn no_two_kinds_answer_to_one_name() {
    for kind in all() {
        for name in kind.short_names.iter().chain([&kind.plural]) {
            assert_eq!(by_typed_name(name), Some(kind), "{name}");
        }
        assert_eq!(find(kind.group, kind.kind), Some(kind));
    }
}

#[test]
fn names_are_printed_as_kubectl_does() {
    let kind = by_typed_name("vs").unwrap();
    assert_eq!(kind.qualified(), "virtualservice.networking.istio.io");
    assert_eq!(kind.api_version(), "networking.istio.io/v1");
    assert_eq!(by_typed_name("svc").unwrap().qualified(), "service");
}
