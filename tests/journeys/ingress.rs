//! What comes in from outside: by TLS with certificates of the user's own, and by Ingresses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mesh_test::client::{Client, Failure, Http};
use mesh_test::clock::now;
use mesh_test::eventually_async;
use mesh_test::pki::{Authority, Certified, to_pem};
use mesh_test::tls::careless_client;
use mesh_tests::{Mesh, Setup};
use rustls::pki_types::{CertificateDer, ServerName};

const ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];
const REPLACEMENTS: usize = 12;
const CALLERS: usize = 3;

/// A port of loopback that nobody has now; the gateways of local meshes all listen there.
fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn leaf() -> Certified {
    let root = Authority::root("shop.example", now());
    root.leaf("spiffe://shop.example/shop")
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("    {line}\n")).collect()
}

/// A Secret with this certificate, and with roots if there are any.
fn secret(name: &str, leaf: &Certified, roots: Option<&Authority>) -> String {
    let chain: String = leaf
        .chain
        .iter()
        .map(|der| to_pem("CERTIFICATE", der))
        .collect();
    let roots = roots.map(|roots| format!("  ca.crt: |\n{}", indented(&roots.pem())));
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: istio-system}}\n\
         type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}{}",
        indented(&chain),
        indented(&leaf.key_pem),
        roots.unwrap_or_default(),
    )
}

/// A Gateway with these servers, each a host with its TLS, and the product page behind it.
fn gateway(port: u16, servers: &[(&str, &str)]) -> String {
    let servers: String = servers
        .iter()
        .zip(0..)
        .map(|((host, tls), index)| {
            format!(
                "  - port: {{number: {port}, name: https-{index}, protocol: HTTPS}}\n\
                 \x20   hosts: [{host}]\n    tls: {tls}\n"
            )
        })
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\n\
         metadata: {{name: shop, namespace: default}}\n\
         spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n{servers}---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: shop, namespace: default}}\n\
         spec:\n  hosts: [\"*\"]\n  gateways: [shop]\n  http:\n\
         \x20 - route: [{{destination: {{host: productpage, port: {{number: 9080}}}}}}]\n"
    )
}

async fn connect(
    to: SocketAddr,
    host: &'static str,
    shown: Option<&Certified>,
    http: Http,
) -> Result<Client, Failure> {
    let name = ServerName::try_from(host).unwrap();
    let alpn = match http {
        Http::One => &ALPN[1..],
        Http::Two => &ALPN[..1],
    };
    Box::pin(Client::tls(to, name, careless_client(shown, alpn), http)).await
}

/// The certificate that is shown for a host.
async fn shown(to: SocketAddr, host: &'static str) -> Option<CertificateDer<'static>> {
    let client = connect(to, host, None, Http::One).await.ok()?;
    client.server_certificates.first().cloned()
}

async fn page(client: &mut Client, host: &str) -> Result<u16, Failure> {
    let answer = client
        .get(&format!("https://{host}/productpage"), &[])
        .await?;
    Ok(answer.status().as_u16())
}

/// Calls over a connection that stays and over new ones, until it is done; what went wrong.
async fn call_until_done(
    to: SocketAddr,
    http: Http,
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> Vec<String> {
    const HOST: &str = "shop.example";
    let mut wrong = Vec::new();
    let mut kept = connect(to, HOST, None, http).await.unwrap();
    while !done.load(Ordering::SeqCst) {
        let of_kept = page(&mut kept, HOST).await;
        let of_new = match connect(to, HOST, None, http).await {
            Ok(mut new) => page(&mut new, HOST).await,
            Err(error) => Err(error),
        };
        for (what, answer) in [("kept", of_kept), ("new", of_new)] {
            answered.fetch_add(1, Ordering::SeqCst);
            match answer {
                Ok(200) => {}
                other => wrong.push(format!("{what}: {other:?}")),
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_under_load_and_no_request_is_lost() {
    let mesh = Arc::new(Setup::bookinfo().up());
    let port = free_port();
    let first = leaf();
    mesh.apply(&secret("shop", &first, None));
    let simple = "{mode: SIMPLE, credentialName: shop}";
    mesh.apply(&gateway(port, &[("shop.example", simple)]));
    assert_eq!(
        shown(at(port), "shop.example").await,
        Some(first.chain[0].clone())
    );

    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let callers: Vec<_> = (0..CALLERS)
        .map(|index| {
            let http = if index == 0 { Http::Two } else { Http::One };
            tokio::spawn(call_until_done(
                at(port),
                http,
                done.clone(),
                answered.clone(),
            ))
        })
        .collect();
    for _ in 0..REPLACEMENTS {
        let next = leaf();
        let (mesh, text) = (mesh.clone(), secret("shop", &next, None));
        let before = answered.load(Ordering::SeqCst);
        tokio::task::spawn_blocking(move || mesh.apply(&text))
            .await
            .unwrap();
        // In force when the command returns.
        assert_eq!(
            shown(at(port), "shop.example").await,
            Some(next.chain[0].clone())
        );
        eventually_async("requests go on", || async {
            let now = answered.load(Ordering::SeqCst);
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
    }
    done.store(true, Ordering::SeqCst);
    let mut wrong = Vec::new();
    for caller in callers {
        wrong.extend(caller.await.unwrap());
    }
    let answered = answered.load(Ordering::SeqCst);
    assert!(
        wrong.is_empty(),
        "{} of {answered}: {:?}",
        wrong.len(),
        wrong.first()
    );
}

#[tokio::test]
async fn each_server_name_has_its_own_certificate_and_a_missing_one_costs_no_neighbour() {
    let mesh = Setup::bookinfo().up();
    let port = free_port();
    let (one, other) = (leaf(), leaf());
    mesh.apply(&secret("one", &one, None));
    mesh.apply(&secret("other", &other, None));
    let simple = |name: &str| format!("{{mode: SIMPLE, credentialName: {name}}}");
    mesh.apply(&gateway(
        port,
        &[
            ("one.example", &simple("one")),
            ("other.example", &simple("other")),
            ("gone.example", &simple("gone")),
        ],
    ));
    assert_eq!(
        shown(at(port), "one.example").await,
        Some(one.chain[0].clone())
    );
    assert_eq!(
        shown(at(port), "other.example").await,
        Some(other.chain[0].clone())
    );
    assert_eq!(shown(at(port), "gone.example").await, None);
    assert_eq!(shown(at(port), "nobody.example").await, None);
    let said = mesh.meshctl_ok(&["status"]);
    let missing = "spec.servers[2].tls.credentialName: there is no usable Secret istio-system/gone";
    let logs = std::fs::read_to_string(mesh.state().join("logs/pilot.log")).unwrap();
    assert!(
        said.contains(missing) || logs.contains(missing),
        "{said}\n{logs}"
    );

    // It comes, and its listener needs nothing else.
    let late = leaf();
    mesh.apply(&secret("gone", &late, None));
    assert_eq!(
        shown(at(port), "gone.example").await,
        Some(late.chain[0].clone())
    );
    nothing_secret_is_told(&mesh, &[&one, &other, &late]).await;
}

/// No log and no page says a word of a private key.
async fn nothing_secret_is_told(mesh: &Mesh, leaves: &[&Certified]) {
    let admin = mesh
        .status()
        .component("istio-ingressgateway")
        .admin
        .clone();
    let dump = mesh_test::client::get(&format!("{admin}/config_dump"), &[])
        .await
        .unwrap();
    let mut told = String::from_utf8_lossy(dump.body()).into_owned();
    assert!(told.contains("kubernetes://one"), "{told}");
    for log in std::fs::read_dir(mesh.state().join("logs")).unwrap() {
        told.push_str(&std::fs::read_to_string(log.unwrap().path()).unwrap());
    }
    assert!(!told.contains("PRIVATE KEY"), "{told}");
    for leaf in leaves {
        let line = leaf.key_pem.lines().nth(1).unwrap();
        assert!(!told.contains(line));
    }
}

#[tokio::test]
async fn mutual_asks_for_a_certificate_that_the_roots_vouch_for() {
    let mesh = Setup::bookinfo().up();
    let port = free_port();
    let (known, stranger) = (Authority::root("a", now()), Authority::root("a", now()));
    mesh.apply(&secret("shop", &leaf(), Some(&known)));
    let mode = |mode: &str| format!("{{mode: {mode}, credentialName: shop}}");
    let servers = [
        ("must.example", mode("MUTUAL")),
        ("may.example", mode("OPTIONAL_MUTUAL")),
    ];
    let servers = servers.each_ref().map(|(host, tls)| (*host, tls.as_str()));
    mesh.apply(&gateway(port, &servers));
    let friend = known.leaf("spiffe://a/friend");
    let foe = stranger.leaf("spiffe://a/foe");
    for (host, shown, expected) in [
        ("must.example", Some(&friend), true),
        ("must.example", Some(&foe), false),
        ("must.example", None, false),
        ("may.example", Some(&friend), true),
        ("may.example", Some(&foe), false),
        ("may.example", None, true),
    ] {
        // With TLS 1.3 a client learns of its refusal by the first answer.
        let answer = match connect(at(port), host, shown, Http::One).await {
            Ok(mut client) => page(&mut client, host).await.ok(),
            Err(_) => None,
        };
        assert_eq!(answer == Some(200), expected, "{host} {}", shown.is_some());
    }
}

#[tokio::test]
async fn an_ingress_leads_where_it_says() {
    let mesh = Setup::bookinfo().up();
    mesh.apply(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\n\
         metadata: {name: shop, namespace: default, annotations: {kubernetes.io/ingress.class: istio}}\n\
         spec:\n  rules:\n  - host: shop.example\n    http:\n      paths:\n\
         \x20     - {path: /productpage, pathType: Exact, backend: {service: {name: productpage, port: {number: 9080}}}}\n\
         \x20     - {path: /reviews, pathType: Prefix, backend: {service: {name: reviews, port: {number: 9080}}}}\n",
    );
    let gateway = mesh.gateway();
    let status = async |host: &str, path: &str| {
        let mut client = Client::plain(gateway, Http::One).await.unwrap();
        let answer = client.get(&format!("http://{host}{path}"), &[]).await;
        answer.unwrap().status().as_u16()
    };
    assert_eq!(status("shop.example", "/productpage").await, 200);
    assert_eq!(status("shop.example", "/reviews/0").await, 200);
    assert_eq!(status("shop.example", "/reviewsome").await, 404);
    mesh.meshctl_ok(&["delete", "ingress", "shop"]);
    assert_eq!(status("shop.example", "/reviews/0").await, 404);
}

#[tokio::test]
async fn requests_fail_on_purpose_as_often_as_is_said() {
    let mesh = Setup::bookinfo().up();
    let fault = |fault: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews}}\n\
             spec:\n  hosts: [reviews]\n  http:\n  - fault: {fault}\n\
             \x20   route: [{{destination: {{host: reviews}}}}]\n"
        )
    };
    let outbound = mesh
        .status()
        .workload("productpage")
        .outbound
        .clone()
        .unwrap();
    mesh.apply(&fault(
        "{abort: {httpStatus: 555, percentage: {value: 100}}}",
    ));
    let mut caller = mesh_tests::Caller::through(&outbound).await;
    let answer = caller
        .get("http://reviews:9080/reviews/0", &[])
        .await
        .unwrap();
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert_eq!(
        (answer.status().as_u16(), body.as_str()),
        (555, "fault filter abort")
    );
    mesh.apply(&fault(
        "{abort: {httpStatus: 503, percentage: {value: 50}}}",
    ));
    let mut failed = 0;
    for _ in 0..400 {
        let answer = caller
            .get("http://reviews:9080/reviews/0", &[])
            .await
            .unwrap();
        failed += usize::from(answer.status() == 503);
    }
    // Five standard deviations.
    assert!((150..=250).contains(&failed), "{failed}");
}
