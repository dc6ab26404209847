use super::*;

fn scope(proxies: &[&str], flag: Option<&str>, exclude: &[&str]) -> Result<Scope, CommandError> {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Scope::new(&owned(proxies), flag, &owned(exclude), "istio-system")
}

/// Whether `shop/web-1` of the workload `web` and `pay/web-1` are chosen.
#[track_caller]
fn check(proxies: &[&str], flag: Option<&str>, exclude: &[&str], wanted: (bool, bool)) {
    let scope = scope(proxies, flag, exclude).unwrap();
    let has = |namespace| scope.has_proxy(namespace, "web-1", "web", Some("shop"));
    assert_eq!((has("shop"), has("pay")), wanted, "{scope:?}");
}

#[test]
fn proxies_are_chosen_by_name_and_namespace() {
    check(&[], None, &[], (true, true));
    check(&[], Some("pay"), &[], (false, true));
    check(&[], None, &["pay"], (true, false));
    check(&["web"], None, &[], (true, false));
    check(&["web-1.pay"], None, &[], (false, true));
    check(&["pod/web"], None, &[], (false, false));
    check(
        &["deployment/web", "pod/web-1.pay"],
        None,
        &[],
        (true, true),
    );
    check(&["other"], None, &[], (false, false));
}

#[test]
fn objects_are_those_of_the_chosen_namespaces_and_of_the_mesh() {
    let names = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
    let namespaces = |proxies: &[&str], flag| {
        let scope = scope(proxies, flag, &[]).unwrap();
        scope.namespaces("shop")
    };
    assert_eq!(namespaces(&[], None), None);
    assert_eq!(
        namespaces(&[], Some("pay")),
        names(&["istio-system", "pay"])
    );
    assert_eq!(
        namespaces(&["web", "a.pay"], None),
        names(&["istio-system", "pay", "shop"])
    );
}

#[test]
fn what_is_named_and_excluded_is_a_mistake() {
    assert!(scope(&["a.pay"], None, &["pay"]).is_err());
    assert!(scope(&[], Some("pay"), &["pay"]).is_err());
    assert!(scope(&[], None, &["../x"]).is_err());
}
