use super::*;

#[test]
fn flags_print_as_envoy_prints_them() {
    assert_eq!(Flags::NONE.to_string(), "-");
    let both = Flags::RETRY_LIMIT.with(Flags::CONNECT_FAILURE);
    assert_eq!(both.to_string(), "UF,URX");
    assert_eq!(Flags::NO_CLUSTER.to_string(), "NC");
    let names: Vec<_> = both.names().collect();
    assert_eq!(
        names,
        ["UpstreamConnectionFailure", "UpstreamRetryLimitExceeded"]
    );
}

#[test]
fn letters_are_those_of_envoy() {
    assert_eq!(Flags::of_letters("OM"), Some(Flags::OVERLOADED));
    assert_eq!(Flags::of_letters("LR"), Some(Flags::NONE));
    assert_eq!(Flags::of_letters("XX"), None);
}
