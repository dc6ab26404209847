//! The verbs, one file each, and the way from the command line to them.

use std::ffi::OsString;

use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Command, Output};
use crate::error::CommandError;
use crate::ui::Ui;

pub(crate) mod apply;
pub(crate) mod bug_report;
pub(crate) mod check;
pub(crate) mod check_inject;
pub(crate) mod child;
pub(crate) mod completion;
pub(crate) mod dashboard;
pub(crate) mod delete;
pub(crate) mod down;
pub(crate) mod get;
pub(crate) mod install;
pub(crate) mod kube_inject;
pub(crate) mod logs;
pub(crate) mod proxy_config;
pub(crate) mod proxy_status;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod uninject;
pub(crate) mod uninstall;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod version;

/// Runs what the command line asks for; `args` is that command line as it was typed.
pub(crate) fn run(cli: Cli, args: &[OsString], ui: &Ui) -> Result<(), CommandError> {
    let Cli { global, command } = cli;
    let prints_yaml = matches!(
        command,
        Command::Get(_)
            | Command::KubeInject(_)
            | Command::Uninject(_)
            | Command::Manifest(_)
            | Command::ProxyStatus(_)
            | Command::ProxyConfig(_)
    );
    if global.output == Output::Yaml && !prints_yaml {
        let error = "-o yaml: this command does not print YAML";
        return Err(CommandError::usage(error).hint("use -o json"));
    }
    match command {
        Command::Up(up) => up::run(&global, up, args, ui),
        Command::Down(_) => runtime()?.block_on(down::run(&global, ui)),
        Command::Status(_) => runtime()?.block_on(status::run(&global, ui)),
        Command::Apply(apply) => runtime()?.block_on(apply::run(&global, apply, ui)),
        Command::Delete(delete) => runtime()?.block_on(delete::run(&global, delete, ui)),
        Command::Get(get) => runtime()?.block_on(get::run(&global, get, ui)),
        Command::Logs(logs) => runtime()?.block_on(logs::run(&global, logs, ui)),
        Command::Stop(stop) => runtime()?.block_on(stop::run(&global, stop, ui)),
        Command::Start(start) => runtime()?.block_on(start::run(&global, start, ui)),
        Command::ProxyStatus(status) => runtime()?.block_on(proxy_status::run(&global, status, ui)),
        Command::ProxyConfig(config) => runtime()?.block_on(proxy_config::run(&global, config, ui)),
        Command::KubeInject(inject) => kube_inject::run(&global, &inject, ui),
        Command::Uninject(uninject) => uninject::run(&global, &uninject, ui),
        Command::Install(install) => runtime()?.block_on(install::run(&global, install, false, ui)),
        Command::Upgrade(install) => runtime()?.block_on(install::run(&global, install, true, ui)),
        Command::Uninstall(uninstall) => {
            runtime()?.block_on(uninstall::run(&global, uninstall, ui))
        }
        Command::Manifest(manifest) => install::generate(&global, &manifest, ui),
        Command::Dashboard(dashboard) => {
            runtime()?.block_on(dashboard::run(&global, dashboard, ui))
        }
        Command::Check(check) => runtime()?.block_on(check::run(&global, check, ui)),
        Command::BugReport(report) => runtime()?.block_on(bug_report::run(&global, report, ui)),
        Command::Validate(validate) => validate::run(&global, &validate, ui),
        Command::CheckInject(check) => runtime()?.block_on(check_inject::run(&global, &check, ui)),
        Command::Version(version) => runtime()?.block_on(version::run(&global, version, ui)),
        Command::Completion(completion) => {
            completion::run(&completion, ui);
            Ok(())
        }
        Command::Child(child) => child::run(&child),
        Command::Guard(guard) => child::guard(&guard),
    }
}

/// The runtime of a command: one thread, on which all children are born.
fn runtime() -> Result<Runtime, CommandError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::problem)
}
