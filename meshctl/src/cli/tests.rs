use std::collections::BTreeSet;

use clap::CommandFactory as _;

use super::*;

#[test]
fn no_two_arguments_of_a_command_are_one_to_clap() {
    unique(&Cli::command());
}

/// Clap itself checks it in debug builds alone.
fn unique(command: &clap::Command) {
    let mut seen = BTreeSet::new();
    for argument in command.get_arguments() {
        let (name, id) = (command.get_name(), argument.get_id());
        assert!(seen.insert(id.as_str()), "{name}: two arguments {id}");
    }
    command.get_subcommands().for_each(unique);
}

#[test]
fn a_filter_that_nothing_can_fit_is_refused() {
    let refused = |what: &str, flag: &str, value: &str| {
        let line = ["meshctl", "pc", what, "web.shop", flag, value];
        Cli::try_parse_from(line).is_err()
    };
    assert!(refused("clusters", "--direction", "sideways"));
    assert!(!refused("clusters", "--direction", "inbound"));
    assert!(refused("endpoints", "--status", "sick"));
    assert!(!refused("endpoints", "--status", "UNHEALTHY"));
}

#[test]
fn routes_of_a_named_proxy_are_filtered_by_name() {
    let line = ["meshctl", "pc", "routes", "web.shop", "--name", "9080"];
    assert!(Cli::try_parse_from(line).is_ok());
}
