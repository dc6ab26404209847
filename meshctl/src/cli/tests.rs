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
fn routes_of_a_named_proxy_are_filtered_by_name() {
    let line = ["meshctl", "pc", "routes", "web.shop", "--name", "9080"];
    assert!(Cli::try_parse_from(line).is_ok());
}
