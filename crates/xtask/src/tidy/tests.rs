use super::*;

#[test]
fn the_repository_keeps_its_rules() {
    let findings = check(&crate::root()).unwrap();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
