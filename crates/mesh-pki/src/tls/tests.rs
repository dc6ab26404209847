use std::time::{Duration, SystemTime};

use mesh_model::time::TestClock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Certified, Defect};
use mesh_test::tls::{careless_client, careless_server};
use rustls::{ClientConnection, HandshakeKind, ProtocolVersion, ServerConnection};
use rustls_pki_types::ServerName;

use super::*;
use crate::key::Key;
use crate::live::Identity;

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

fn now() -> SystemTime {
    clock::fixed().wall()
}

/// A root, and what is made under it at the fixed date.
struct World {
    root: Authority,
    clock: TestClock,
}

impl World {
    fn new() -> Self {
        Self {
            root: Authority::root("cluster.local", now()),
            clock: clock::fixed(),
        }
    }

    fn bundle(&self) -> Arc<TrustBundle> {
        Arc::new(TrustBundle::new(domain(), vec![self.root.der().clone()]).unwrap())
    }

    fn identity(&self, certified: &Certified) -> Identity {
        let key = Key::from_pem(&certified.key_pem).unwrap();
        Identity::new(
            certified.chain.clone(),
            &key,
            self.bundle(),
            self.clock.wall(),
        )
        .unwrap()
    }

    fn live(&self, spiffe_id: &str) -> LiveIdentity {
        let identity = self.identity(&self.root.leaf(spiffe_id));
        LiveIdentity::new(identity, Arc::new(self.clock.clone()))
    }

    fn server(&self, auth: ClientAuth) -> ServerConfig {
        server(&self.live(SERVER), auth)
    }

    fn client(&self) -> ClientConfig {
        client(&self.live(CLIENT))
    }
}

fn server(live: &LiveIdentity, auth: ClientAuth) -> ServerConfig {
    let trust_domain = domain();
    server_config(
        live,
        TrustPolicy { trust_domain },
        auth,
        &[ALPN_H2, ALPN_HTTP11],
    )
    .unwrap()
}

fn client(live: &LiveIdentity) -> ClientConfig {
    let expect = Expect::AnyOf(vec![id(SERVER)]);
    client_config(live, expect, &[ALPN_HTTP11]).unwrap()
}

type Ends = (ClientConnection, ServerConnection);

/// Shakes hands in memory; the first refusal of either end is the answer.
fn shake(client: ClientConfig, server: ServerConfig) -> Result<Ends, rustls::Error> {
    shake_arc(&Arc::new(client), &Arc::new(server))
}

fn shake_arc(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<Ends, rustls::Error> {
    let name = ServerName::try_from("server.example").unwrap();
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server.clone())?;
    // A few rounds more than a handshake needs, so that tickets would arrive too.
    for _ in 0..6 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[track_caller]
fn check_refused(client: ClientConfig, server: ServerConfig, want: &str) {
    let error = shake(client, server).expect_err(want);
    assert!(
        format!("{error} {error:?}").contains(want),
        "{want}: {error:?}"
    );
}

#[test]
fn both_ends_learn_who_the_other_is() {
    let world = World::new();
    let (client, server) = shake(world.client(), world.server(ClientAuth::Required)).unwrap();
    let shown = client.peer_certificates().unwrap();
    assert_eq!(peer_spiffe_id(shown).unwrap(), id(SERVER));
    let shown = server.peer_certificates().unwrap();
    assert_eq!(peer_spiffe_id(shown).unwrap(), id(CLIENT));
    assert_eq!(client.alpn_protocol(), Some(ALPN_HTTP11));
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

fn tls12(mut config: ClientConfig, world: &World) -> ClientConfig {
    let clock = Arc::new(TlsClock(Arc::new(world.clock.clone())));
    let verifier = ServerVerifier::new(
        Roots::Fixed(Arc::new(Judge::new(world.bundle()))),
        Expect::TrustDomain(domain()),
    );
    let old = ClientConfig::builder_with_details(provider().clone(), clock)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(config.client_auth_cert_resolver.clone());
    config = old;
    config
}

#[test]
fn tls_1_2_is_spoken_and_judged_the_same() {
    let world = World::new();
    let old = tls12(world.client(), &world);
    let (client, server) = shake(old, world.server(ClientAuth::Required)).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let shown = server.peer_certificates().unwrap();
    assert_eq!(peer_spiffe_id(shown).unwrap(), id(CLIENT));
}

#[test]
fn a_server_of_another_name_root_or_trust_domain_is_refused() {
    let world = World::new();
    let other = "spiffe://cluster.local/ns/default/sa/other";
    let wrong = world.root.leaf(other);
    check_refused(world.client(), careless_server(&wrong, &[]), "sa/other");
    let foreign = Authority::root("cluster.local", now()).leaf(SERVER);
    check_refused(
        world.client(),
        careless_server(&foreign, &[]),
        "UnknownIssuer",
    );
    let elsewhere = world.root.leaf("spiffe://other.local/ns/default/sa/server");
    check_refused(
        world.client(),
        careless_server(&elsewhere, &[]),
        "trust domain",
    );
    for (defect, want) in [
        (Defect::TwoNames, "2 URI names"),
        (Defect::NoName, "0 URI names"),
        (Defect::Expired, "Expired"),
        (Defect::ClientOnly, "serverAuth"),
    ] {
        let bad = world.root.defective(SERVER, defect);
        check_refused(world.client(), careless_server(&bad, &[]), want);
    }
}

#[test]
fn nobody_is_expected_by_an_empty_list() {
    let world = World::new();
    let live = world.live(CLIENT);
    let config = client_config(&live, Expect::AnyOf(Vec::new()), &[]).unwrap();
    check_refused(
        config,
        world.server(ClientAuth::Required),
        "expected is one of []",
    );
}

#[test]
fn a_client_with_a_defect_is_refused_whether_or_not_one_is_required() {
    let world = World::new();
    let foreign = Authority::root("cluster.local", now()).leaf(CLIENT);
    let elsewhere = world.root.leaf("spiffe://other.local/ns/default/sa/client");
    let defective = |defect| world.root.defective(CLIENT, defect);
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        for (bad, want) in [
            (&foreign, "UnknownIssuer"),
            (&elsewhere, "trust domain"),
            (&defective(Defect::TwoNames), "2 URI names"),
            (&defective(Defect::NoName), "0 URI names"),
            (&defective(Defect::Expired), "Expired"),
            (&defective(Defect::NotYetValid), "NotValidYet"),
            (&defective(Defect::ServerOnly), "clientAuth"),
        ] {
            let client = careless_client(Some(bad), &[]);
            check_refused(client, world.server(auth), want);
        }
    }
}

#[test]
fn a_client_without_a_certificate_is_let_in_only_where_it_is_optional() {
    let world = World::new();
    let bare = || careless_client(None, &[]);
    check_refused(
        bare(),
        world.server(ClientAuth::Required),
        "NoCertificatesPresented",
    );
    let (_, server) = shake(bare(), world.server(ClientAuth::Optional)).unwrap();
    assert!(server.peer_certificates().is_none());
}

#[test]
fn a_client_without_an_identity_still_checks_the_server() {
    let world = World::new();
    let bare = |expect| {
        let clock = Arc::new(world.clock.clone());
        client_config_without_identity(world.bundle(), expect, clock, &[]).unwrap()
    };
    let server = || world.server(ClientAuth::Optional);
    let right = Expect::AnyOf(vec![id(SERVER)]);
    shake(bare(right), server()).unwrap();
    let wrong = Expect::AnyOf(vec![id(CLIENT)]);
    check_refused(bare(wrong), server(), "the server is");
}

#[test]
fn a_renewal_reaches_the_next_handshake_of_the_same_configuration() {
    let world = World::new();
    let (at_server, at_client) = (world.live(SERVER), world.live(CLIENT));
    let server = Arc::new(server(&at_server, ClientAuth::Required));
    let client = Arc::new(client(&at_client));
    shake_arc(&client, &server).unwrap();
    for (live, name) in [(&at_server, SERVER), (&at_client, CLIENT)] {
        live.replace(world.identity(&world.root.leaf(name)));
    }
    let (at_client_end, at_server_end) = shake_arc(&client, &server).unwrap();
    let shown = at_client_end.peer_certificates().unwrap();
    assert_eq!(shown, at_server.current().chain());
    let shown = at_server_end.peer_certificates().unwrap();
    assert_eq!(shown, at_client.current().chain());
}

#[test]
fn changed_roots_reach_the_next_handshake_of_the_same_configuration() {
    let world = World::new();
    let live = world.live(SERVER);
    let server = Arc::new(server(&live, ClientAuth::Required));
    let client = Arc::new(world.client());
    shake_arc(&client, &server).unwrap();
    let other = Authority::root("cluster.local", now());
    let bundle = TrustBundle::new(domain(), vec![other.der().clone()]).unwrap();
    live.replace(live.current().with_bundle(Arc::new(bundle)));
    let error = shake_arc(&client, &server).unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
}

#[test]
fn no_session_is_ever_resumed() {
    let world = World::new();
    let server = Arc::new(world.server(ClientAuth::Required));
    let new = world.client();
    let old = tls12(world.client(), &world);
    for client in [Arc::new(new), Arc::new(old)] {
        for _ in 0..3 {
            let (client, _) = shake_arc(&client, &server).unwrap();
            assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(client.tls13_tickets_received(), 0);
        }
    }
}

/// A client that would resume if it could: the server alone must prevent it.
#[test]
fn a_server_gives_an_eager_client_nothing_to_resume() {
    let world = World::new();
    let server = Arc::new(world.server(ClientAuth::Optional));
    let client = Arc::new(careless_client(Some(&world.root.leaf(CLIENT)), &[]));
    for _ in 0..3 {
        let (client, _) = shake_arc(&client, &server).unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn peers_are_judged_by_the_clock_of_the_identity() {
    let world = World::new();
    let (client, server) = (
        Arc::new(world.client()),
        Arc::new(world.server(ClientAuth::Required)),
    );
    shake_arc(&client, &server).unwrap();
    world.clock.advance(Duration::from_secs(3601));
    let error = shake_arc(&client, &server).unwrap_err();
    assert!(format!("{error:?}").contains("Expired"), "{error:?}");
}

#[test]
fn both_ends_agree_on_the_quicker_of_equally_good_ciphers() {
    let world = World::new();
    let (client, _) = shake(world.client(), world.server(ClientAuth::Required)).unwrap();
    let agreed = client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(agreed, CipherSuite::TLS13_AES_128_GCM_SHA256);
    let (client, _) = shake(
        tls12(world.client(), &world),
        world.server(ClientAuth::Required),
    )
    .unwrap();
    let agreed = client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(agreed, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
}
