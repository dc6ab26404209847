//! Injection as a user does it: manifests in by a file or a pipe, manifests out for kubectl.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const BOOKINFO: &str = "../samples/bookinfo/platform/kube/bookinfo.yaml";

struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs meshctl with a text on its standard input.
fn meshctl(args: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshctl"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A command that does not want its input closes it.
        stdin.write_all(input.as_bytes()).ok();
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn bookinfo() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(BOOKINFO)).unwrap()
}

#[test]
fn every_workload_of_bookinfo_gets_a_sidecar_and_everything_else_stays() {
    let injected = meshctl(&["kube-inject", "-f", BOOKINFO], "");
    assert_eq!(injected.code, 0, "{}", injected.err);
    let workloads = bookinfo().matches("kind: Deployment").count();
    assert_eq!(
        injected.out.matches("- name: istio-proxy\n").count(),
        workloads
    );
    assert_eq!(
        injected.err.matches("√ deployment default/").count(),
        workloads
    );
    for document in bookinfo().split("---\n") {
        if !document.contains("kind: Deployment") {
            assert!(injected.out.contains(document), "{document}");
        }
    }
}

#[test]
fn a_pipe_is_as_good_as_a_file_and_twice_as_good_as_once() {
    let by_file = meshctl(&["kube-inject", "-f", BOOKINFO], "").out;
    let by_pipe = meshctl(&["kube-inject", "-f", "-"], &bookinfo()).out;
    let twice = meshctl(&["kube-inject", "-f", "-"], &by_pipe).out;
    assert!(by_file == by_pipe && by_pipe == twice);
}

#[test]
fn what_was_injected_can_be_taken_out() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web # ours\nspec:\n  containers:\n  - name: web\n";
    let injected = meshctl(&["kube-inject", "-f", "-"], manifest);
    assert!(injected.out.contains("istio-proxy"), "{}", injected.err);
    let undone = meshctl(&["uninject", "-f", "-"], &injected.out);
    assert_eq!(undone.out, manifest);
    assert_eq!(undone.err, "√ pod default/web: uninjected\n");
    let again = meshctl(&["uninject", "-f", "-"], &undone.out);
    assert_eq!(again.err, "× pod default/web: has no sidecar\n");
}

#[test]
fn half_of_the_input_is_never_printed() {
    let bad = "---
apiVersion: v1
kind: Pod
metadata: {name: bad, annotations: {sidecar.istio.io/proxyCPU: much}}
spec: {containers: [{name: web}]}
";
    let said = meshctl(&["kube-inject", "-f", "-"], &(bookinfo() + bad));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    for words in [
        "× pod default/bad: cannot be injected as it is",
        "error: pod default/bad: metadata.annotations[\"sidecar.istio.io/proxyCPU\"]: \"much\": expected",
        "hint: nothing is printed",
    ] {
        assert!(said.err.contains(words), "{words:?}: {}", said.err);
    }
}

#[test]
fn flags_say_what_is_injected() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mesh = write(
        "mesh.yaml",
        "trustDomain: example.org\ndefaultConfig: {tracing: {}}\n",
    );
    let flags = [
        "kube-inject",
        "--meshConfigFile",
        &mesh,
        "-i",
        "mesh-system",
        "-r",
        "blue",
        "--image",
        "own:1",
        "--native-sidecars",
        "false",
        "-f",
        BOOKINFO,
    ];
    let said = meshctl(&flags, "");
    for words in [
        "--trust-domain=example.org",
        "--xds-address=istio-pilot.mesh-system.svc:",
        "istio.io/rev: blue",
        "image: own:1",
        "- wait\n",
    ] {
        assert!(said.out.contains(words), "{words:?}: {}", said.err);
    }
    assert!(
        said.err.contains("defaultConfig.tracing: has no effect"),
        "{}",
        said.err
    );
    let bad = write("bad.yaml", "proxi: {}\n");
    let said = meshctl(
        &["kube-inject", "--injectConfigFile", &bad, "-f", BOOKINFO],
        "",
    );
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("bad.yaml: proxi: unknown field"),
        "{}",
        said.err
    );
}

#[test]
fn several_files_are_one_stream_and_json_is_one_list() {
    let said = meshctl(&["kube-inject", "-f", BOOKINFO, "-f", BOOKINFO], "");
    let documents = |text: &str| text.matches("\nkind: ").count();
    assert_eq!(documents(&said.out), 2 * documents(&bookinfo()));
    let said = meshctl(&["kube-inject", "-o", "json", "-f", BOOKINFO], "");
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        list["items"].as_array().map(Vec::len),
        Some(documents(&bookinfo()))
    );
}

#[test]
fn input_without_workloads_passes_with_a_word() {
    let text = "# nothing\nkind:   Service\napiVersion: v1";
    let said = meshctl(&["kube-inject", "-f", "-"], text);
    assert_eq!((said.code, said.out.as_str()), (0, text));
    assert!(
        said.err.contains("no Deployment, Pod or other workload"),
        "{}",
        said.err
    );
}

#[test]
fn each_rule_is_explained() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a}]}\n";
    let said = meshctl(&["check-inject", "-f", "-"], pod).out;
    assert!(
        said.starts_with("√ pod default/web: injected: the policy is enabled\nRULE "),
        "{said}"
    );
    let flags = [
        "check-inject",
        "--namespace-label",
        "none",
        "-n",
        "shop",
        "-f",
        "-",
    ];
    let said = meshctl(&flags, pod).out;
    let why =
        "× pod shop/web: not injected: namespace shop is not labelled istio-injection=enabled";
    assert!(said.starts_with(why), "{said}");
    let flags = [
        "check-inject",
        "-o",
        "json",
        "--namespace-label",
        "istio-injection=enabled",
        "-f",
        "-",
    ];
    let said: serde_json::Value = serde_json::from_str(&meshctl(&flags, pod).out).unwrap();
    assert_eq!(said[0]["injected"], true);
}

#[test]
fn an_annotation_that_is_refused_is_no_injection() {
    let pod = "apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {sidecar.istio.io/proxyCPU: much}}
spec: {containers: [{name: a}]}
";
    let said = meshctl(&["check-inject", "-f", "-"], pod);
    let why = "× pod default/web: cannot be injected as it is: \
               metadata.annotations[\"sidecar.istio.io/proxyCPU\"]: \"much\": expected";
    assert!(said.out.starts_with(why), "{}", said.out);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("hint: as they are the webhook refuses"),
        "{}",
        said.err
    );
    let flags = ["check-inject", "-o", "json", "-f", "-"];
    let said: serde_json::Value = serde_json::from_str(&meshctl(&flags, pod).out).unwrap();
    assert_eq!(said[0]["injected"], false);
}
