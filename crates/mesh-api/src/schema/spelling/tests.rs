use super::*;

#[test]
fn the_nearest_name_is_found() {
    let names = ["hosts", "gateways", "http", "exportTo"];
    let near = |written| nearest(written, names);
    assert_eq!(near("host"), Some("hosts"));
    assert_eq!(near("htpp"), Some("http"));
    assert_eq!(near("gatewyas"), Some("gateways"));
    assert_eq!(near("exportto"), Some("exportTo"));
    assert_eq!(near("subsets"), None);
}

#[test]
fn slips_are_counted() {
    assert_eq!(slips("match", "match"), 0);
    assert_eq!(slips("matc", "match"), 1);
    assert_eq!(slips("mathc", "match"), 1);
    assert_eq!(slips("", "abc"), 3);
}
