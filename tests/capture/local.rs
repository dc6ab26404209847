//! `meshctl up --network namespaces`: applications that know nothing of the mesh call one another by the
//! names of services, their connections are captured, and nothing is left of it afterwards.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use mesh_test::eventually::eventually;
use mesh_tests::{Mesh, Nobody, Setup, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::space::success;

/// What a shell hears that asks `GET path` of `host:port`, in the network and with the names of a process.
fn ask(beside: i32, host: &str, port: u16, path: &str) -> String {
    let script = format!(
        "exec 3<>/dev/tcp/{host}/{port}
         printf 'GET {path} HTTP/1.1\\r\\nhost: {host}:{port}\\r\\nconnection: close\\r\\n\\r\\n' >&3
         cat <&3"
    );
    let user = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    let beside = beside.to_string();
    let mut command = Command::new("nsenter");
    command.args(["--net", "--mount", "--target", &beside]);
    if user(&beside) != user("self") {
        command.args(["--user", "--preserve-credentials"]);
    }
    let command = command.args(["bash", "-c", &script]).stdin(Stdio::null());
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

/// A page behind one of the doors on this machine.
fn page(url: &str) -> String {
    let rest = url.trim_start_matches("http://");
    let (to, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = to.split_once(':').unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    ask(own, host, port.parse().unwrap(), &format!("/{path}"))
}

fn pids(status: &Status) -> Vec<i32> {
    let components = status.components.iter().filter_map(|one| one.pid);
    let workloads = status.workloads.iter();
    let workloads = workloads.flat_map(|one| [one.pid, one.sidecar_pid]);
    components.chain(workloads.flatten()).collect()
}

/// The network namespace of a process; none when it has ended.
fn network(pid: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Every process in one of these network namespaces.
fn in_networks(networks: &[PathBuf]) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| network(pid).is_some_and(|own| networks.contains(&own)))
        .collect()
}

/// Asserts that applications call one another by name, captured, and are called through the gateway.
#[track_caller]
fn check_calls(status: &Status) {
    let productpage = status.workload("productpage-v1");
    let beside = productpage.pid.unwrap();
    let heard = eventually("reviews answers to its name", || {
        let heard = ask(beside, "reviews", 9080, "/reviews/1");
        match heard.starts_with("HTTP/1.1 200 ") {
            true => Ok(heard),
            false => Err(heard),
        }
    });
    assert!(heard.contains("x-envoy-upstream-service-time"), "{heard}");
    let full = ask(
        beside,
        "ratings.default.svc.cluster.local",
        9080,
        "/ratings/1",
    );
    assert!(full.starts_with("HTTP/1.1 200 "), "{full}");
    // A call of the own service comes back to the own pod by way of its sidecar.
    let ratings = status.workload("ratings").pid.unwrap();
    let own = ask(ratings, "ratings", 9080, "/ratings/1");
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
    let unknown = ask(beside, "nobody", 9080, "/");
    assert!(!unknown.contains("HTTP/1.1"), "{unknown}");
    let shop = page(&format!("{}/productpage", status.ingress.http));
    assert!(shop.contains("The Comedy of Errors"), "{shop}");
    // What pages of the sidecar count is what was called, by mutual TLS.
    let stats = format!("{}/stats/prometheus", status.workload("details").admin);
    eventually("the call is counted", || {
        let counted = page(&stats);
        let mutual = counted.lines().any(|line| {
            line.starts_with("istio_requests_total")
                && line.contains("connection_security_policy=\"mutual_tls\"")
                && line.contains("source_workload=\"productpage-v1\"")
        });
        mutual.then_some(()).ok_or(counted)
    });
}

#[test]
fn unmodified_applications_call_services_by_their_names() {
    let mesh = Setup::bookinfo().in_namespaces().up();
    let status = mesh.status();
    check_calls(&status);
    let beside = status.workload("productpage-v1").pid.unwrap();
    // Each pod has an address of its own, and nobody else's loopback.
    let nobody = ask(beside, "127.0.0.1", 15014, "/");
    assert!(!nobody.contains("HTTP/1.1"), "{nobody}");
    // The doors lead where the status says.
    let ratings = status.workload("ratings");
    let direct = page(&format!("{}/ratings/1", ratings.app_url.as_ref().unwrap()));
    assert!(direct.starts_with("HTTP/1.1 200 "), "{direct}");
    assert_eq!(ratings.outbound, None);
    assert!(mesh.meshctl_ok(&["proxy-status"]).contains("ratings-v1-0"));
    // A process that dies comes back into its room.
    let killed = Pid::from_raw(ratings.pid.unwrap()).unwrap();
    kill_process(killed, Signal::KILL).unwrap();
    eventually("ratings answers again", || {
        let heard = ask(beside, "ratings", 9080, "/ratings/1");
        heard
            .starts_with("HTTP/1.1 200 ")
            .then_some(())
            .ok_or(heard)
    });
}

#[test]
fn a_caller_of_no_workload_is_refused_where_mutual_tls_is_strict() {
    let mesh = Setup::bookinfo().in_namespaces().up();
    let rule = mesh.state().with_extension("strict.yaml");
    std::fs::write(
        &rule,
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n",
    )
    .unwrap();
    mesh.meshctl_ok(&["apply", "-f", rule.to_str().unwrap()]);
    std::fs::remove_file(&rule).unwrap();
    let status = mesh.status();
    check_calls(&status);
    let inbound = status.workload("ratings").inbound.clone().unwrap();
    let refused = page(&format!("{inbound}/ratings/1"));
    assert!(!refused.contains("HTTP/1.1 200"), "{refused}");
}

/// Ends a mesh in some way; whatever it was, nothing is left of it.
#[track_caller]
fn check_leaves_nothing(end: impl FnOnce(&Mesh)) {
    let mesh = Setup::bookinfo().in_namespaces().apart().up();
    let own = network("self").unwrap();
    let all = pids(&mesh.status());
    let networks = all.iter().filter_map(|pid| network(&pid.to_string()));
    let mut networks: Vec<PathBuf> = networks.filter(|one| *one != own).collect();
    networks.sort();
    networks.dedup();
    // Six workloads, and the node.
    assert_eq!(networks.len(), 7);
    end(&mesh);
    eventually("every namespace is empty", || {
        let left = in_networks(&networks);
        left.is_empty().then_some(()).ok_or(left)
    });
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(mesh.state().to_str().unwrap()), "{mounts}");
    let links = success(&Command::new("ip").arg("link").output().unwrap());
    assert!(!links.contains("pod1"), "{links}");
}

#[test]
fn down_leaves_nothing() {
    check_leaves_nothing(|mesh| {
        mesh.meshctl_ok(&["down"]);
        let run = std::fs::read_dir(mesh.state().join("run")).unwrap();
        let names = run
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let left: Vec<String> = names.filter(|name| name.contains("-v1-0.")).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing() {
    check_leaves_nothing(|mesh| {
        let pid = i32::try_from(mesh.supervisor_pid()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    });
}

#[test]
fn an_ordinary_user_has_the_same_in_a_user_namespace() {
    let nobody = Nobody::new();
    let bookinfo = nobody.bookinfo();
    let mut args = vec!["up", "--detach", "-o", "json", "--ingress-port", "0"];
    args.extend(["--network", "namespaces", "-f", bookinfo.to_str().unwrap()]);
    let up = nobody.meshctl(&args);
    let status: Status = serde_json::from_str(&success(&up)).unwrap();
    check_calls(&status);
    success(&nobody.meshctl(&["down"]));
    let left = pids(&status)
        .into_iter()
        .filter(|pid| network(&pid.to_string()).is_some());
    assert_eq!(left.count(), 0);
}
