//! The ingress gateway shows certificates of Secrets, which are replaced while it is used, and asks
//! visitors for theirs; Kubernetes' own Ingress leads to the same services.

use std::net::SocketAddr;

use mesh_test::client::{Client, Failure, Http};
use mesh_test::clock::now;
use mesh_test::eventually;
use mesh_test::pki::{Authority, Certified, to_pem};
use mesh_test::tls::careless_client;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::remote::{block_on, runtime};
use crate::world::{SYSTEM, World};

const SAFE: &str = "safe.example.com";
const KNOWN: &str = "known.example.com";
const PLAIN: &str = "plain.example.com";
/// Secrets in the namespace of the gateway.
const SECRETS: [&str; 2] = ["journey-shop", "journey-known"];
/// How often a certificate is replaced.
const REPLACEMENTS: usize = 3;
/// Handshakes in a row by which a new one is in force in every thread of the gateway.
const IN_A_ROW: usize = 20;

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: safe}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [safe.example.com]
    tls: {mode: SIMPLE, credentialName: journey-shop}
  - port: {number: 443, name: https-known, protocol: HTTPS}
    hosts: [known.example.com]
    tls: {mode: MUTUAL, credentialName: journey-known}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: safe}
spec:
  hosts: [safe.example.com, known.example.com]
  gateways: [safe]
  http:
  - route: [{destination: {host: one, port: {number: 80}}}]
";

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: journey}
spec: {controller: istio.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain}
spec:
  ingressClassName: journey
  tls: [{hosts: [plain.example.com], secretName: journey-shop}]
  rules:
  - host: plain.example.com
    http:
      paths:
      - {path: /one, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}
      - {path: /two, pathType: Exact, backend: {service: {name: two, port: {name: http}}}}
";

/// In a namespace that has the applications `one` and `two`.
#[track_caller]
pub(crate) fn run(world: &World, namespace: &str) {
    let gateway = world.service(SYSTEM, "istio-ingressgateway");
    let door: SocketAddr = format!("{gateway}:443").parse().unwrap();
    let (friends, strangers) = (root(), root());
    let first = leaf(&friends);
    put(world, SECRETS[0], &first, None);
    put(world, SECRETS[1], &leaf(&friends), Some(&friends));
    world.cluster.apply_in(namespace, GATEWAY);
    shows(door, SAFE, &first);
    eventually("its route", || match visit(door, SAFE, None) {
        Ok(200) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    replaced(world, door, &friends);
    eventually("a friend", || {
        match visit(door, KNOWN, Some(&leaf(&friends))) {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    for refused in [Some(leaf(&strangers)), None] {
        let seen = visit(door, KNOWN, refused.as_ref());
        assert!(seen.is_err(), "{} {seen:?}", refused.is_some());
    }
    ingress(world, namespace, door);
    for name in SECRETS {
        world.kubectl(&["delete", "secret", name, "-n", SYSTEM]);
    }
}

/// New handshakes show the new certificate, and the connection that there is goes on.
#[track_caller]
fn replaced(world: &World, door: SocketAddr, roots: &Authority) {
    let runtime = runtime();
    let mut kept = runtime.block_on(connect(door, SAFE, None)).unwrap();
    for _ in 0..REPLACEMENTS {
        let next = leaf(roots);
        put(world, SECRETS[0], &next, None);
        let mut row = 0;
        eventually("the new certificate is shown", || {
            let shown = runtime.block_on(async {
                // Who comes in between is served, whichever certificate is shown.
                assert_eq!(status(&mut kept, SAFE).await.unwrap(), 200);
                let mut new = connect(door, SAFE, None).await.unwrap();
                assert_eq!(status(&mut new, SAFE).await.unwrap(), 200);
                new.server_certificates.first() == next.chain.first()
            });
            row = if shown { row + 1 } else { 0 };
            (row == IN_A_ROW).then_some(()).ok_or(row)
        });
    }
}

/// Hosts and paths of an Ingress, in plain text and by TLS.
#[track_caller]
fn ingress(world: &World, namespace: &str, door: SocketAddr) {
    world.cluster.apply_in(namespace, INGRESS);
    let plain = SocketAddr::new(door.ip(), 80);
    for (path, expected) in [
        ("/one", "one 200"),
        ("/one/more", "one 200"),
        ("/two", "two 200"),
        ("/two/more", " 404"),
        ("/three", " 404"),
    ] {
        eventually(path, || match answer(plain, path) {
            Ok(seen) if seen == expected => Ok(()),
            other => Err(other),
        });
    }
    // The same Secret as the Gateway's.
    eventually("TLS of the Ingress", || {
        let asked = async { status(&mut connect(door, PLAIN, None).await?, PLAIN).await };
        match block_on(asked) {
            Ok(404) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    world.kubectl(&["delete", "ingress", "plain", "-n", namespace]);
    world.kubectl(&["delete", "ingressclass", "journey"]);
    eventually("it is closed again", || match answer(plain, "/one") {
        Ok(seen) if seen == " 404" => Ok(()),
        other => Err(other),
    });
}

/// Which application answers the host of the Ingress, and how.
fn answer(at: SocketAddr, path: &str) -> Result<String, String> {
    let (status, body) = crate::remote::fetch(&format!("http://{at}{path}"), &[("host", PLAIN)])?;
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let pod = body["pod"].as_str().unwrap_or_default();
    let app = pod.split('-').next().unwrap_or_default();
    Ok(format!("{app} {status}"))
}

fn root() -> Authority {
    Authority::root("example.com", now())
}

fn leaf(root: &Authority) -> Certified {
    root.leaf("spiffe://example.com/shop")
}

/// Makes a Secret of this certificate, or makes it another one's.
#[track_caller]
fn put(world: &World, name: &str, leaf: &Certified, roots: Option<&Authority>) {
    let chain = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": SYSTEM},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain.collect::<String>(), "tls.key": leaf.key_pem},
    });
    if let Some(roots) = roots {
        secret["stringData"]["ca.crt"] = roots.pem().into();
    }
    world.cluster.apply(&secret);
}

async fn connect(
    to: SocketAddr,
    host: &'static str,
    shown: Option<&Certified>,
) -> Result<Client, Failure> {
    let name = ServerName::try_from(host).unwrap();
    let config = careless_client(shown, &[b"http/1.1"]);
    Box::pin(Client::tls(to, name, config, Http::One)).await
}

async fn status(client: &mut Client, host: &str) -> Result<u16, Failure> {
    let answer = client.get(&format!("https://{host}/"), &[]).await?;
    Ok(answer.status().as_u16())
}

/// The status of a visit on a connection of its own.
fn visit(to: SocketAddr, host: &'static str, shown: Option<&Certified>) -> Result<u16, Failure> {
    block_on(async { status(&mut connect(to, host, shown).await?, host).await })
}

/// Waits until this certificate is shown to whoever comes.
#[track_caller]
fn shows(to: SocketAddr, host: &'static str, leaf: &Certified) {
    let shown = || -> Result<Option<CertificateDer<'static>>, Failure> {
        let client = block_on(connect(to, host, None))?;
        Ok(client.server_certificates.first().cloned())
    };
    eventually(host, || match shown() {
        Ok(shown) if shown.as_ref() == leaf.chain.first() => Ok(()),
        Ok(_) => Err("another certificate".to_owned()),
        Err(why) => Err(why.to_string()),
    });
}
