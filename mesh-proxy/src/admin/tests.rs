use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use hyper::Method;
use mesh_model::time::TestClock;
use mesh_proto::envoy::envoy::config as pb;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::health_check::{HealthChecker, TcpHealthCheck};
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::ExtAuthz;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::ext_authz::Services;
use mesh_runtime::SystemClock;
use mesh_runtime::admin::Query;
use mesh_traffic::Config;
use mesh_traffic::health::{Failed, Kind, Outcome};
use serde_json::Value;

use super::*;
use crate::config::node::tests::mk_workload;
use crate::testing::{
    LOCAL_LIMIT, Mk, health_check, local_limit, mk_cluster, mk_config, pb_address, table,
};
use crate::worker::overload::settings::OverloadSettings;

struct Pages {
    admin: Admin,
    live: Arc<LiveConfig>,
    catalog: Catalog,
    bound: watch::Sender<bool>,
    draining: CancellationToken,
    quits: Arc<AtomicUsize>,
}

fn mk_pages() -> Pages {
    let now = SystemClock.now();
    let clock = TestClock::starting_at(now, SystemTime::UNIX_EPOCH);
    let live = Arc::new(LiveConfig::new(Config::default()));
    let (catalog, draining) = (Catalog::new(), CancellationToken::new());
    let (bound, is_bound) = watch::channel(false);
    let sources = Sources {
        workload: Arc::new(mk_workload()),
        node: None,
        live: live.clone(),
        catalog: catalog.clone(),
        xds: Arc::default(),
        telemetry: Arc::default(),
        metrics: Metrics::new(),
        logs: Default::default(),
        registry: Registry::new(),
        identity: Arc::default(),
        clock: Arc::new(clock),
        started: now,
        bound: is_bound,
        draining: draining.clone(),
        overload: Arc::new(Overload::new(&OverloadSettings::default())),
    };
    let quits = Arc::new(AtomicUsize::new(0));
    let quit = quits.clone();
    let actions = Actions {
        quit: Box::new(move || {
            quit.fetch_add(1, Ordering::Relaxed);
        }),
        drain: Box::new(|| {}),
    };
    Pages {
        admin: pages(sources, actions),
        live,
        catalog,
        bound,
        draining,
        quits,
    }
}

impl Pages {
    fn get(&self, path: &str, query: &[(&str, &str)]) -> (u16, String) {
        let query: Query = query
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let page = self.admin.answer(&Method::GET, path, &query);
        (page.status, String::from_utf8(page.body.to_vec()).unwrap())
    }

    fn json(&self, path: &str, query: &[(&str, &str)]) -> Value {
        serde_json::from_str(&self.get(path, query).1).unwrap()
    }

    fn configured(self) -> Self {
        let listener = Mk {
            rds: "9080",
            ..Mk::default()
        };
        let listener = listener.listener("127.7.3.1:9080".parse().unwrap());
        let cluster = mk_cluster(
            "outbound|9080||reviews",
            &["127.7.4.1:9080".parse().unwrap()],
        );
        self.live.replace(Config {
            version: 1,
            ..mk_config(
                vec![listener],
                vec![table("9080", Vec::new())],
                vec![cluster],
            )
        });
        self
    }
}

#[test]
fn ready_says_what_is_missing() {
    let pages = mk_pages();
    assert_eq!(pages.get("/ready", &[]), (503, "PRE_INITIALIZING\n".into()));
    let pages = pages.configured();
    assert_eq!(pages.get("/ready", &[]), (503, "INITIALIZING\n".into()));
    pages.catalog.set_ready();
    assert_eq!(pages.get("/ready", &[]).0, 503);
    pages.bound.send_replace(true);
    assert_eq!(pages.get("/ready", &[]), (200, "LIVE\n".into()));
    pages.draining.cancel();
    assert_eq!(pages.get("/ready", &[]), (503, "DRAINING\n".into()));
}

#[test]
fn the_config_dump_has_envoys_shape() {
    let pages = mk_pages().configured();
    let dump = pages.json("/config_dump", &[]);
    let types: Vec<_> = dump["configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|config| {
            config["@type"]
                .as_str()
                .unwrap()
                .rsplit('.')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(
        types,
        [
            "BootstrapConfigDump",
            "ClustersConfigDump",
            "EndpointsConfigDump",
            "ListenersConfigDump",
            "RoutesConfigDump",
            "SecretsConfigDump"
        ]
    );
    let cluster = &dump["configs"][1]["dynamic_active_clusters"][0]["cluster"];
    assert_eq!(cluster["name"], "outbound|9080||reviews");
    assert_eq!(cluster["lb_policy"], "ROUND_ROBIN");
    let listener = &dump["configs"][3]["dynamic_listeners"][0];
    assert_eq!(listener["name"], "listener");
    let chains = &listener["active_state"]["listener"]["filter_chains"];
    assert_eq!(chains[0]["filters"][0]["route_config_name"], "9080");
    let route = &dump["configs"][4]["dynamic_route_configs"][0]["route_config"];
    assert_eq!(route["name"], "9080");
}

#[test]
fn one_list_of_the_config_dump_can_be_asked_for() {
    let pages = mk_pages().configured();
    let listeners = pages.json("/config_dump", &[("resource", "dynamic_listeners")]);
    assert_eq!(listeners["configs"][0]["name"], "listener");
    assert_eq!(pages.get("/config_dump", &[("resource", "nothing")]).0, 404);
}

#[test]
fn a_refused_resource_shows_why() {
    let pages = mk_pages().configured();
    let rejection = mesh_xds::client::Rejection {
        resource: "outbound|9080||reviews".into(),
        field: "lb_policy".into(),
        why: "MAGLEV is not supported".into(),
    };
    let other = mesh_xds::client::Rejection {
        resource: "never-good".into(),
        ..rejection.clone()
    };
    let (kind, now) = (mesh_xds::Kind::Cluster, SystemTime::UNIX_EPOCH);
    pages
        .catalog
        .accept(kind, "outbound|9080||reviews", "1", now);
    pages.catalog.refuse(kind, &rejection, "2", now);
    pages.catalog.refuse(kind, &other, "1", now);
    let dump = pages.json("/config_dump", &[("resource", "dynamic_active_clusters")]);
    let first = &dump["configs"][0];
    assert_eq!(
        (&first["version_info"], &first["cluster"]["type"]),
        (&"1".into(), &"STATIC".into())
    );
    assert_eq!(
        first["error_state"]["details"],
        "lb_policy: MAGLEV is not supported"
    );
    assert_eq!(dump["configs"][1]["cluster"]["name"], "never-good");
}

#[test]
fn clusters_have_envoys_lines_and_json() {
    let pages = mk_pages().configured();
    let text = pages.get("/clusters", &[]).1;
    let bound = "outbound|9080||reviews::default_priority::max_retries::4294967295\n";
    assert!(text.contains(bound));
    assert!(text.contains("outbound|9080||reviews::127.7.4.1:9080::health_flags::healthy\n"));
    let json = pages.json("/clusters", &[("format", "json")]);
    let host = &json["cluster_statuses"][0]["host_statuses"][0];
    assert_eq!(host["address"]["socket_address"]["port_value"], 9080);
    assert_eq!(host["health_status"]["eds_health_status"], "HEALTHY");
}

#[test]
fn clusters_and_stats_say_what_health_checks_know() {
    let pages = mk_pages();
    let endpoint = |port: u16| cluster_endpoint(([10, 0, 0, 1], port).into());
    let cluster = pb::cluster::v3::Cluster {
        name: "c".into(),
        load_assignment: Some(pb::endpoint::v3::ClusterLoadAssignment {
            endpoints: vec![pb::endpoint::v3::LocalityLbEndpoints {
                lb_endpoints: vec![endpoint(1), endpoint(2)],
                ..Default::default()
            }],
            ..Default::default()
        }),
        health_checks: vec![health_check(HealthChecker::TcpHealthCheck(
            TcpHealthCheck::default(),
        ))],
        ..Default::default()
    };
    let cluster = mesh_traffic::Cluster::compile(&cluster).unwrap();
    let checker = cluster.checker.clone().unwrap();
    pages
        .live
        .replace(mk_config(Vec::new(), Vec::new(), vec![cluster]));
    for (port, outcome) in [
        (1, Outcome::Passed { degraded: true }),
        (2, Outcome::Failed(Failed::of(Kind::Timeout))),
    ] {
        checker.begin();
        let at = ([10, 0, 0, 1], port).into();
        checker.take(at, outcome, &mut || 0).unwrap();
    }
    let text = pages.get("/clusters", &[]).1;
    for line in [
        "c::10.0.0.1:1::health_flags::/degraded_active_hc\n",
        "c::10.0.0.1:2::health_flags::/failed_active_hc/active_hc_timeout\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let json = pages.json("/clusters", &[("format", "json")]);
    assert_eq!(
        json["cluster_statuses"][0]["host_statuses"][1]["health_status"],
        serde_json::json!({
            "eds_health_status": "HEALTHY",
            "failed_active_health_check": true,
            "active_hc_timeout": true,
        })
    );
    let lines: String = [
        ("attempt", 2),
        ("degraded", 1),
        ("failure", 1),
        ("healthy", 1),
        ("network_failure", 1),
        ("passive_failure", 0),
        ("success", 1),
        ("verify_cluster", 0),
    ]
    .map(|(name, value)| format!("cluster.c.health_check.{name}: {value}\n"))
    .concat();
    assert_eq!(pages.get("/stats", &[("filter", "health_check")]).1, lines);
    let text = pages.get("/stats/prometheus", &[]).1;
    let line = "mesh_proxy_health_checks_total{cluster=\"c\",outcome=\"success\"} 1\n";
    assert!(text.contains(line), "{text}");
}

fn cluster_endpoint(address: std::net::SocketAddr) -> pb::endpoint::v3::LbEndpoint {
    use pb::endpoint::v3::lb_endpoint::HostIdentifier;
    let inner = pb::endpoint::v3::Endpoint {
        address: Some(pb_address(address)),
        ..Default::default()
    };
    pb::endpoint::v3::LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(inner)),
        ..Default::default()
    }
}

#[test]
fn listeners_server_info_and_certs_answer_without_a_configuration() {
    let pages = mk_pages();
    assert_eq!(pages.get("/listeners", &[]), (200, String::new()));
    assert_eq!(pages.json("/server_info", &[])["state"], "PRE_INITIALIZING");
    assert_eq!(
        pages.json("/server_info", &[])["node"]["id"],
        "sidecar~127.7.3.1~reviews-v1-0.default~default.svc.cluster.local"
    );
    assert_eq!(
        pages.json("/certs", &[])["certificates"],
        serde_json::json!([])
    );
}

#[test]
fn only_post_ends_the_process() {
    let pages = mk_pages();
    assert_eq!(pages.get("/quitquitquit", &[]).0, 405);
    assert_eq!(pages.quits.load(Ordering::Relaxed), 0);
    let page = pages
        .admin
        .answer(&Method::POST, "/quitquitquit", &Query::new());
    assert_eq!((page.status, pages.quits.load(Ordering::Relaxed)), (200, 1));
}

/// docs/telemetry.md names everything that `/stats/prometheus` prints.
#[test]
fn every_metric_is_documented() {
    let docs = include_str!("../../../docs/telemetry.md");
    let text = mk_pages().get("/stats/prometheus", &[]).1;
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<_> = names.map(|rest| rest.split(' ').next().unwrap()).collect();
    assert!(names.len() > 15);
    for name in names {
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/telemetry.md lacks {name}"
        );
    }
}

#[test]
fn limits_are_counted_under_envoys_names() {
    let pages = mk_pages();
    let listener = Mk {
        rds: "t",
        filters: vec![(LOCAL_LIMIT, mesh_proto::any::pack(&local_limit(1)))],
        ..Mk::default()
    };
    let listener = listener.listener(([127, 0, 0, 1], 80).into());
    pages
        .live
        .replace(mk_config(vec![listener], vec![], vec![]));
    let text = pages.get("/stats", &[("filter", "rate_limit")]).1;
    let names = ["enabled", "enforced", "ok", "rate_limited"];
    let lines = names.map(|name| format!("limit.http_local_rate_limit.{name}: 0\n"));
    assert_eq!(text, lines.concat());
    let text = pages.get("/stats/prometheus", &[]).1;
    let name = "mesh_proxy_local_rate_limit_requests_total";
    let line = format!("{name}{{limit=\"limit\",outcome=\"enforced\"}} 0");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn authorizations_are_counted_under_envoys_names() {
    let pages = mk_pages();
    let envoy = core::grpc_service::EnvoyGrpc {
        cluster_name: "authz".into(),
        ..Default::default()
    };
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        ..Default::default()
    };
    let filter = ExtAuthz {
        services: Some(Services::GrpcService(grpc)),
        transport_api_version: 2,
        stat_prefix: "waf".into(),
        ..Default::default()
    };
    let listener = Mk {
        rds: "t",
        filters: vec![(
            "envoy.filters.http.ext_authz",
            mesh_proto::any::pack(&filter),
        )],
        ..Mk::default()
    };
    let listener = listener.listener(([127, 0, 0, 1], 80).into());
    pages
        .live
        .replace(mk_config(vec![listener], vec![], vec![]));
    let text = pages.get("/stats", &[("filter", "ext_authz")]).1;
    let names = [
        "denied",
        "disabled",
        "error",
        "failure_mode_allowed",
        "invalid",
        "ok",
    ];
    let lines = names.map(|name| format!("http..ext_authz.waf.{name}: 0\n"));
    assert_eq!(text, lines.concat());
    let text = pages.get("/stats/prometheus", &[]).1;
    let name = "mesh_proxy_authorization_requests_total";
    let line = format!("{name}{{filter=\"http..ext_authz.waf\",outcome=\"ok\"}} 0");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn stats_have_envoys_names() {
    let text = mk_pages().configured().get("/stats", &[]).1;
    assert!(
        text.contains("cluster_manager.active_clusters: 1\n"),
        "{text}"
    );
    assert!(text.contains("server.live: 0\n"));
}

#[test]
fn numbers_can_be_chosen_by_name_kind_and_use() {
    let pages = mk_pages().configured();
    let get = |query: &[(&str, &str)]| pages.get("/stats", query);
    assert_eq!(
        get(&[("filter", "^cluster_manager\\.active")]).1,
        "cluster_manager.active_clusters: 1\n"
    );
    assert!(!get(&[("usedonly", "")]).1.contains(": 0\n"));
    assert!(!get(&[("type", "Counters")]).1.contains("server.live"));
    assert_eq!(get(&[("type", "Histograms")]), (200, String::new()));
    let json = pages.json("/stats", &[("format", "json"), ("filter", "server.live")]);
    assert_eq!(
        json,
        serde_json::json!({ "stats": [{ "name": "server.live", "value": 0 }] })
    );
    let text = get(&[("format", "prometheus"), ("filter", "config_clusters")]).1;
    assert_eq!(
        text,
        "# HELP mesh_proxy_config_clusters Clusters in force\n\
         # TYPE mesh_proxy_config_clusters gauge\nmesh_proxy_config_clusters 1\n"
    );
    for (name, value) in [("format", "xml"), ("type", "Odd"), ("filter", "(")] {
        assert_eq!(get(&[(name, value)]).0, 400, "{name}={value}");
    }
}

#[test]
fn the_config_dump_is_cut_by_name_and_mask() {
    let pages = mk_pages().configured();
    let dump = |query: &[(&str, &str)]| pages.json("/config_dump", query)["configs"].clone();
    let clusters = ("resource", "dynamic_active_clusters");
    let found = dump(&[
        clusters,
        ("name_regex", "outbound.*"),
        ("mask", "cluster.name"),
    ]);
    assert_eq!(
        found,
        serde_json::json!([{
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster",
            "cluster": {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": "outbound|9080||reviews",
            },
        }])
    );
    assert_eq!(
        dump(&[clusters, ("name_regex", "bound.*")]),
        serde_json::json!([])
    );
    let whole = dump(&[("mask", "bootstrap.node.cluster")]);
    assert!(
        whole[0]["bootstrap"]["node"]["cluster"].is_string(),
        "{whole}"
    );
    assert!(whole[0]["bootstrap"]["node"]["id"].is_null(), "{whole}");
    assert_eq!(pages.get("/config_dump", &[("name_regex", "(")]).0, 400);
}

#[test]
fn an_operator_can_make_health_checks_fail() {
    let pages = mk_pages().configured();
    pages.catalog.set_ready();
    pages.bound.send_replace(true);
    let post = |path| {
        pages
            .admin
            .answer(&Method::POST, path, &Query::new())
            .status
    };
    assert_eq!(pages.get("/ready", &[]), (200, "LIVE\n".to_owned()));
    assert_eq!(post("/healthcheck/fail"), 200);
    assert_eq!(pages.get("/ready", &[]), (503, "DRAINING\n".to_owned()));
    assert_eq!(post("/healthcheck/ok"), 200);
    assert_eq!(pages.get("/ready", &[]).0, 200);
    assert_eq!(pages.get("/healthcheck/fail", &[]).0, 405);
}

#[test]
fn there_are_envoys_smaller_pages() {
    let pages = mk_pages().configured();
    assert_eq!(
        pages.json("/runtime", &[]),
        serde_json::json!({ "layers": [], "entries": {} })
    );
    assert!(pages.json("/memory", &[])["allocated"].is_string());
    assert_eq!(pages.get("/logging", &[]).0, 405);
    let bad = [("level".to_owned(), "=".to_owned())].into();
    let page = pages.admin.answer(&Method::POST, "/logging", &bad);
    assert_eq!(page.status, 400);
    let help = pages.get("/help", &[]);
    assert!(help.1.contains("  (POST) /healthcheck/fail\n"), "{help:?}");
    assert_eq!(pages.get("/nothing", &[]).0, 404);
}
