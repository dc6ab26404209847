//! A service of plain HTTP.

use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::matcher::v3::{ListStringMatcher, StringMatcher};

use super::*;

fn by_http(change: impl FnOnce(&mut pb::HttpService)) -> pb::ExtAuthz {
    let mut http = pb::HttpService {
        server_uri: Some(core::HttpUri {
            uri: "http://authz".into(),
            timeout: Some(duration(PATIENT)),
            http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster("authz".into())),
        }),
        path_prefix: "/check".into(),
        ..Default::default()
    };
    change(&mut http);
    pb::ExtAuthz {
        services: Some(pb::ext_authz::Services::HttpService(http)),
        transport_api_version: 2,
        ..Default::default()
    }
}

/// Lets in who has a password, and sends others to where they get one.
async fn guard() -> Origin {
    Origin::start(|request: HttpRequest<Bytes>| {
        let fields = request.headers();
        assert_eq!(fields.get("host").unwrap(), "shop");
        assert!(!fields.contains_key("cookie"));
        let said = format!(
            "{} {} {}",
            request.method(),
            request.uri(),
            request.body().len()
        );
        match fields.get("authorization").map(|it| it.as_bytes()) {
            Some(b"secret") => HttpResponse::builder()
                .header("x-id", "7")
                .header("x-seen", said)
                .header("x-envoy-auth-headers-to-remove", "authorization")
                .body(Bytes::new()),
            Some(b"broken") => HttpResponse::builder().status(500).body(Bytes::new()),
            _ => HttpResponse::builder()
                .status(302)
                .header("location", "/login")
                .body(Bytes::from("go there")),
        }
        .unwrap()
    })
    .await
}

fn list(exact: &[&str]) -> ListStringMatcher {
    let patterns = exact.iter().map(|name| StringMatcher {
        match_pattern: Some(MatchPattern::Exact((*name).into())),
        ..Default::default()
    });
    ListStringMatcher {
        patterns: patterns.collect(),
    }
}

fn to_upstream(http: &mut pb::HttpService) {
    http.authorization_response = Some(pb::AuthorizationResponse {
        allowed_upstream_headers: Some(list(&["x-id", "x-seen"])),
        ..Default::default()
    });
}

#[tokio::test]
async fn it_is_asked_with_a_request_like_that_of_the_client() {
    let (app, guard) = (mirror().await, guard().await);
    let service = |protocol: UpstreamProtocol| Cluster {
        protocol,
        ..mk_cluster("authz", &[guard.address()])
    };
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Auto] {
        let filter = by_http(to_upstream);
        let (_proxy, uri) = proxy(&filter, app.address(), service(protocol));
        let fields = |password| {
            [
                ("host", "shop"),
                ("authorization", password),
                ("cookie", "c"),
            ]
        };
        let passed = get(&format!("{uri}a?b"), &fields("secret")).await.unwrap();
        assert_eq!(text(&passed), "/a?b 7,GET /check/a?b 0,-,- 0");
        let sent_away = get(&uri, &fields("none")).await.unwrap();
        assert_eq!(sent_away.status().as_u16(), 302);
        assert_eq!(sent_away.headers()["location"], "/login");
        assert_eq!(text(&sent_away), "go there");
        let unknown = get(&uri, &fields("broken")).await.unwrap();
        assert_eq!(unknown.status().as_u16(), 403);
    }
    assert_eq!(app.requests(), 2);
}

#[tokio::test]
async fn it_sees_bodies() {
    let (app, guard) = (mirror().await, guard().await);
    let filter = pb::ExtAuthz {
        with_request_body: Some(pb::BufferSettings {
            max_request_bytes: 100,
            allow_partial_message: true,
            pack_as_bytes: false,
        }),
        ..by_http(to_upstream)
    };
    let service = mk_cluster("authz", &[guard.address()]);
    let (_proxy, uri) = proxy(&filter, app.address(), service);
    let mut client = connect(&uri, Http::One).await;
    let fields = [("host", "shop"), ("authorization", "secret")];
    for (sent, seen) in [(7, 7), (700, 100)] {
        let answer = client.post(&uri, &fields, vec![b'x'; sent]).await.unwrap();
        let expected = format!("/ 7,POST /check/ {seen},-,- {sent}");
        assert_eq!(text(&answer), expected);
    }
}
