use clap::Parser;

use super::*;

fn settings(flags: &[&'static str]) -> Settings {
    let needed = [
        "mesh-pilot",
        "--address=127.0.0.1:1",
        "--admin=127.0.0.1:2",
        "--ca-address=127.0.0.1:3",
        "--ca-root=root",
        "--token-file=token",
    ];
    Settings::parse_from(needed.iter().chain(flags))
}

#[test]
fn a_cluster_is_followed_when_it_is_named_or_around_us_and_no_other_is_given() {
    let check = |flags: &[&'static str], in_a_pod: bool, expected: Access| {
        let access = Access::of(&settings(flags), in_a_pod);
        assert_eq!(access, expected, "{flags:?} {in_a_pod}");
    };
    let named = || Access::Kubeconfig("config".into());
    check(&["--kubeconfig=config"], true, named());
    check(&["--kubeconfig=config", "--cluster-dir=d"], false, named());
    check(&["--config-dir=d"], true, Access::ThisPod);
    check(&["--config-dir=d"], false, Access::None);
    check(&["--cluster-dir=d"], true, Access::None);
}
