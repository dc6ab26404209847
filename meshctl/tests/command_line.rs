//! The command line without a mesh: help, exit codes, and what is wrong with input.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn meshctl(&self, args: &[&str]) -> Output {
        let state = self.0.path().join("state");
        run(
            self.0.path(),
            &[&["--state", state.to_str().unwrap()], args].concat(),
        )
    }
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command.output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, says: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no terminal, no colour: {text:?}");
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'x/web:1'}]}}}
";

const ROUTE: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
";

fn application(images: &str) -> String {
    format!(
        "apiVersion: mesh/v1\nkind: LocalApplication\nmetadata: {{name: web}}\nspec:\n  resources: [web.yaml]\n  images:\n{images}"
    )
}

#[test]
fn help_names_every_verb_and_the_exit_codes() {
    let folder = Folder::new();
    let verbs = [
        "up",
        "down",
        "status",
        "apply",
        "delete",
        "get",
        "stop",
        "start",
        "logs",
        "kube-inject",
        "uninject",
        "check-inject",
        "version",
    ];
    let help = folder.meshctl(&["help"]);
    check(&help, 0, &verbs);
    check(
        &help,
        0,
        &["Exit codes: 0 good, 1 problems found, 2 wrong usage, 3 the mesh"],
    );
    assert!(!String::from_utf8_lossy(&help.stdout).contains("__child"));
    for verb in verbs {
        check(
            &folder.meshctl(&["help", verb]),
            0,
            &["Usage: meshctl", "--state <DIR>"],
        );
    }
}

#[test]
fn wrong_usage_has_code_2() {
    let folder = Folder::new();
    check(&folder.meshctl(&["upp"]), 2, &["up"]);
    check(
        &folder.meshctl(&["apply"]),
        2,
        &["error: apply: no file is named", "hint: name one with -f"],
    );
    check(
        &folder.meshctl(&["get", "virtualservise"]),
        2,
        &["did you mean virtualservice"],
    );
    check(&folder.meshctl(&["delete"]), 2, &["KIND NAME"]);
    check(
        &folder.meshctl(&["status", "-o", "yaml"]),
        2,
        &["this command does not print YAML"],
    );
    check(
        &folder.meshctl(&["up", "--set", "proxy=1"]),
        2,
        &["COMPONENT.FLAG=VALUE"],
    );
    check(&run(folder.0.path(), &["status"]), 2, &["--state DIR"]);
}

#[test]
fn without_a_mesh_the_code_is_3() {
    let folder = Folder::new();
    folder.write("gateway.yaml", "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n");
    for verb in [
        &["status"][..],
        &["down"],
        &["start", "pilot"],
        &["get", "all"],
        &["apply", "-f", "gateway.yaml"],
    ] {
        check(
            &folder.meshctl(verb),
            3,
            &[
                "error: no mesh is running in ",
                "hint: start one with `meshctl up",
            ],
        );
    }
}

#[test]
fn where_there_is_a_cluster_and_no_local_mesh_the_way_out_leads_there() {
    let folder = Folder::new();
    folder.write("rule.yaml", ROUTE);
    for (verb, instead) in [
        (
            &["get", "vs"][..],
            "`kubectl get virtualservice.networking.istio.io -A`",
        ),
        (&["get", "all"], "`kubectl get istio-io -A`"),
        (&["apply", "-f", "rule.yaml"], "`kubectl apply -f FILE`"),
        (&["delete", "vs", "web"], "`kubectl delete KIND NAME`"),
        (&["status"], "`meshctl check`"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_meshctl"))
            .args(verb)
            .current_dir(folder.0.path())
            .env_clear()
            .env("XDG_STATE_HOME", folder.0.path())
            .env("KUBECONFIG", folder.0.path().join("kubeconfig"))
            .output()
            .unwrap();
        check(&output, 3, &["hint: start one with `meshctl up", instead]);
    }
}

#[test]
fn the_version_is_printed_for_people_and_for_scripts() {
    let folder = Folder::new();
    check(&folder.meshctl(&["version"]), 0, &["meshctl 0."]);
    let json = folder.meshctl(&["version", "-o", "json"]).stdout;
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["state_folder"], 1);
}

#[test]
fn a_local_application_that_is_wrong_is_named_with_file_and_field() {
    let folder = Folder::new();
    folder.write("shop/web.yaml", WEB);
    let check_up = |images: &str, says: &[&str]| {
        folder.write("shop/local.yaml", &application(images));
        check(&folder.meshctl(&["up", "-f", "shop"]), 1, says);
    };
    check_up(
        "  - {match: '*', comand: [web]}\n",
        &[
            "shop/local.yaml document 1 line 7: localapplication default/web: \
             spec.images[0].comand: unknown field; did you mean \"command\"?",
        ],
    );
    check_up(
        "  - {match: '*', command: []}\n",
        &["line 7: localapplication default/web: spec.images[0].command: names no program"],
    );
    check_up(
        "  - {match: '*', command: [web], args: ['${prot}']}\n",
        &["shop/local.yaml: spec.images[0].args[0]: unknown name ${prot}"],
    );
    check_up(
        "  - {match: '*/other:*', command: [web]}\n",
        &[
            "deployment default/web: container \"web\": no process is known for image \"x/web:1\"",
            "hint: add to spec.images of shop/local.yaml",
        ],
    );
    check_up(
        "  - {match: '*', command: [no-such-program]}\n",
        &["shop/local.yaml: spec.images[0].command: no-such-program: no such program"],
    );
    check_up(
        "  - {match: '*', command: [./web]}\n",
        &["shop/./web: no such program"],
    );
    folder.write(
        "shop/local.yaml",
        &application("  - {match: '*', command: [web]}\n").replace("web.yaml", "wep.yaml"),
    );
    check(
        &folder.meshctl(&["up", "-f", "shop"]),
        1,
        &["spec.resources[0]: shop/wep.yaml: there is no such file"],
    );
}

#[test]
fn a_folder_without_manifests_is_an_error_and_those_below_are_not_looked_at() {
    let folder = Folder::new();
    folder.write("shop/deeper/web.yaml", WEB);
    check(
        &folder.meshctl(&["up", "-f", "shop"]),
        1,
        &["shop: the folder has no manifests", "not looked at"],
    );
}

#[test]
fn what_is_wrong_with_several_files_is_said_at_once() {
    let folder = Folder::new();
    folder.write("a.yaml", "kind: [\n");
    folder.write(
        "b.yaml",
        "apiVersion: apps/v1\nkind: Deploiment\nmetadata: {name: x}\n",
    );
    let output = folder.meshctl(&["up", "-f", "a.yaml", "-f", "b.yaml"]);
    check(
        &output,
        1,
        &[
            "error: a.yaml document 1 line",
            "error: b.yaml document 1",
            "Deployment",
        ],
    );
}

#[test]
fn configuration_that_refers_to_nothing_is_refused_before_anything_starts() {
    let folder = Folder::new();
    folder.write("route.yaml", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\nspec: {hosts: [web], http: [{route: [{destination: {host: nowhere}}]}]}\n");
    check(
        &folder.meshctl(&["up", "-f", "route.yaml"]),
        1,
        &["virtualservice default/web", "nowhere"],
    );
    check(&folder.meshctl(&["status"]), 3, &["no mesh is running"]);
}
