use super::*;

#[track_caller]
fn check(text: &str, flag: Option<&str>, kind: Kind, name: &str, namespace: Option<&str>) {
    let wanted = ProxyName {
        kind,
        name: name.to_owned(),
        namespace: namespace.map(ToOwned::to_owned),
    };
    assert_eq!(ProxyName::parse(text, flag), Ok(wanted), "{text}");
}

#[test]
fn the_last_dot_separates_the_namespace() {
    check("web-1", None, Kind::Any, "web-1", None);
    check("web-1.shop", None, Kind::Any, "web-1", Some("shop"));
    check("a.b.shop", None, Kind::Any, "a.b", Some("shop"));
    check("web-1", Some("shop"), Kind::Any, "web-1", Some("shop"));
    check("web-1.shop", Some("shop"), Kind::Any, "web-1", Some("shop"));
    check("deploy/web", None, Kind::Deployment, "web", None);
    check("pod/web-1.shop", None, Kind::Pod, "web-1", Some("shop"));
}

#[test]
fn names_that_contradict_the_flag_or_are_none_are_refused() {
    let refused = |text, flag| ProxyName::parse(text, flag).unwrap_err().error;
    assert_eq!(
        refused("web.shop", Some("bank")),
        "web.shop is in namespace shop, and -n says bank"
    );
    assert_eq!(
        refused("service/web", None),
        "service/web: \"service\" has no proxies"
    );
    for text in ["", "web?x=1", "a b", "../secrets", "web.", "Web"] {
        assert!(ProxyName::parse(text, None).is_err(), "{text:?}");
    }
}
