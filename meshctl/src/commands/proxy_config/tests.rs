use super::*;
use crate::ui::Color;

fn dump() -> Dump {
    Dump::new(json!({"configs": [
        {"bootstrap": {"node": {"id": "sidecar~10.0.0.1~web.shop~x", "cluster": "web.shop"}}},
        {"dynamic_active_clusters": [
            {"cluster": {"name": "BlackHoleCluster", "type": "STATIC"}},
            {"cluster": {
                "name": "outbound|9080|v1|reviews.shop.svc.cluster.local", "type": "EDS",
                "metadata": {"filter_metadata": {"istio": {
                    "config": "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/reviews",
                }}},
            }, "error_state": {"details": "lb_policy: 99 is unknown"}},
            {"cluster": {"name": "inbound|8080||", "type": "STATIC"}},
        ]},
        {"dynamic_endpoint_configs": [{"endpoint_config": {
            "cluster_name": "outbound|9080|v1|reviews.shop.svc.cluster.local",
            "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 9080}}},
                 "health_status": "HEALTHY"},
                {"endpoint": {"address": {"socket_address": {"address": "fd00::2", "port_value": 9080}}},
                 "health_status": "UNHEALTHY"},
            ]}],
        }}]},
        {"dynamic_listeners": [
            {"name": "0.0.0.0_9080", "active_state": {"listener": {
                "name": "0.0.0.0_9080",
                "address": {"socket_address": {"address": "0.0.0.0", "port_value": 9080}},
                "filter_chains": [{"name": "", "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "route_config_name": "9080",
                }]}],
            }}},
            {"name": "virtualInbound", "active_state": {"listener": {
                "name": "virtualInbound",
                "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
                "filter_chains": [{"name": "8080", "tls": true, "filters": [{
                    "name": "envoy.filters.network.tcp_proxy", "clusters": ["inbound|8080||"],
                }]}],
            }}},
        ]},
        {"dynamic_route_configs": [{"route_config": {"name": "9080", "virtual_hosts": [
            {"name": "reviews.shop.svc.cluster.local:9080", "domains": ["a", "b", "c"], "routes": [
                {"name": "jason", "config":
                    "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews"},
                {"match": {"prefix": "/"}},
            ]},
            {"name": "block_all", "domains": ["*"]},
        ]}}]},
    ]}))
}

#[test]
fn clusters_show_what_their_names_say_and_where_they_come_from() {
    let all = clusters::show(&dump(), &clusters::Filter::default());
    assert_eq!(
        all.table.render(),
        "SERVICE FQDN                     PORT   SUBSET   DIRECTION   TYPE     DESTINATION RULE\n\
         BlackHoleCluster                 -      -        -           STATIC   -\n\
         reviews.shop.svc.cluster.local   9080   v1       outbound    EDS      reviews.shop\n\
         -                                8080   -        inbound     STATIC   -"
    );
    let refused: Vec<String> = dump().refused("dynamic_active_clusters").collect();
    let name = "outbound|9080|v1|reviews.shop.svc.cluster.local";
    assert_eq!(
        refused,
        [format!("{name}: refused: lb_policy: 99 is unknown")]
    );
}

#[test]
fn listeners_show_who_is_taken_and_where_to() {
    let all = listeners::show(&dump(), &listeners::Filter::default());
    assert_eq!(
        all.table.render(),
        "ADDRESSES   PORT    MATCH        DESTINATION\n\
         0.0.0.0     9080    ALL          Route: 9080\n\
         0.0.0.0     15006   Trans: tls   Cluster: inbound|8080||"
    );
}

#[test]
fn routes_show_their_hosts_and_virtual_services() {
    let all = routes::show(&dump(), &routes::Filter::default());
    assert_eq!(
        all.table.render(),
        "NAME   VHOST NAME                            DOMAINS         MATCH          VIRTUAL SERVICE\n\
         9080   reviews.shop.svc.cluster.local:9080   a, b + 1 more   Route: jason   reviews.shop\n\
         9080   reviews.shop.svc.cluster.local:9080   a, b + 1 more   /*             -\n\
         9080   block_all                             *               -              404"
    );
}

#[test]
fn endpoints_show_whether_they_are_used() {
    let ui = Ui::new(Color::Never);
    let all = endpoints::show(&dump().statuses(), &endpoints::Filter::default(), &ui);
    let cluster = "outbound|9080|v1|reviews.shop.svc.cluster.local";
    assert_eq!(
        all.table.render(),
        format!(
            "ENDPOINT         STATUS      OUTLIER CHECK   CLUSTER\n\
             10.0.0.2:9080    HEALTHY     OK              {cluster}\n\
             [fd00::2]:9080   UNHEALTHY   OK              {cluster}"
        )
    );
}

#[test]
fn a_certificate_is_valid_between_its_dates() {
    let certs = json!({"certificates": [{"cert_chain": [{
        "serial_number": "0a", "valid_from": "2026-01-01T00:00:00Z",
        "expiration_time": "2026-01-02T00:00:00Z",
        "subject_alt_names": [{"uri": "spiffe://cluster.local/ns/shop/sa/web"}],
    }]}]});
    let column = |now: &str| {
        let text = others::secrets(certs.clone(), now).table.render();
        let line = text.lines().nth(1).unwrap_or_default().to_owned();
        line.split_whitespace()
            .nth(4)
            .unwrap_or_default()
            .to_owned()
    };
    let times = [
        "2025-12-31T23:59:59Z",
        "2026-01-01T12:00:00Z",
        "2026-01-02T00:00:00Z",
    ];
    assert_eq!(times.map(column), ["false", "true", "false"]);
}
