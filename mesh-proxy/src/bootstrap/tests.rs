//! Files that people have for Envoy, and what is wrong with some of them.

use mesh_xds::client::Variant;

use super::*;

const FILE: &str = r#"
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 9901 } }
node: { id: edge-1, cluster: edge }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 10000 } }
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: / }, route: { cluster: shop } }]
  clusters:
  - name: shop
    type: STRICT_DNS
    connect_timeout: 0.25s
    load_assignment:
      cluster_name: shop
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: localhost, port_value: 8080 } } }
  - name: control
    type: STATIC
    load_assignment:
      cluster_name: control
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: "::1", port_value: 18000 } } }
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 18000 } } }
"#;
const DYNAMIC: &str = r#"
dynamic_resources:
  lds_config: { resource_api_version: V3, ads: {} }
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: control } }]
"#;

fn said(text: &str) -> String {
    Bootstrap::read(text).unwrap_err().to_string()
}

#[test]
fn a_file_of_envoys_is_read() {
    let bootstrap = Bootstrap::read(&format!("{FILE}{DYNAMIC}")).unwrap();
    assert_eq!(bootstrap.node.id, "edge-1");
    assert_eq!(bootstrap.admin.unwrap().to_string(), "127.0.0.1:9901");
    let resources = bootstrap.resources.iter();
    let names: Vec<_> = resources.map(|(kind, one)| (*kind, &*one.name)).collect();
    let all = [
        (Kind::Cluster, "shop"),
        (Kind::Cluster, "control"),
        (Kind::Listener, "listener_0"),
    ];
    assert_eq!(names, all);
    let server = bootstrap.server.unwrap();
    assert_eq!(server.variant, Variant::StateOfTheWorld);
    assert_eq!(server.all_of, [Kind::Listener]);
    let delta = DYNAMIC.replace("GRPC", "DELTA_GRPC");
    let delta = Bootstrap::read(&format!("{FILE}{delta}")).unwrap();
    assert_eq!(delta.server.unwrap().variant, Variant::Delta);
    assert!(Bootstrap::read(FILE).unwrap().server.is_none());
}

#[test]
fn what_cannot_be_used_is_named() {
    assert!(said("a: [").starts_with("neither YAML nor JSON: "));
    assert!(
        said("colour: red").contains("colour"),
        "{}",
        said("colour: red")
    );
    let other = said("stats_sinks: [{ name: s }]");
    assert_eq!(other, "stats_sinks is not supported");
    let other = said("admin: { profile_path: /tmp/p }");
    assert_eq!(other, "admin.profile_path is not supported");
    // Protobuf's JSON takes fields by either name.
    let other = said("dynamicResources: { ldsResourcesLocator: a }");
    assert_eq!(
        other,
        "dynamic_resources.lds_resources_locator is not supported"
    );
    let file = said("dynamic_resources: { cds_config: { path_config_source: { path: /a } } }");
    assert_eq!(
        file,
        "dynamic_resources.cds_config: any source but ads is not supported"
    );
    let nobody = said("dynamic_resources: { cds_config: { ads: {} } }");
    let why = "dynamic_resources.ads_config: is not set, and other sources ask for it";
    assert_eq!(nobody, why);
    let said_of = |from: &str, to: &str| said(&format!("{FILE}{DYNAMIC}").replace(from, to));
    let field = "dynamic_resources.ads_config";
    assert_eq!(
        said_of("cluster_name: control }", "cluster_name: nobody }"),
        format!(
            "{field}.grpc_services[0].envoy_grpc.cluster_name: static_resources.clusters has no \"nobody\""
        )
    );
    assert_eq!(
        said_of("transport_api_version: V3", "transport_api_version: V2"),
        format!("{field}.transport_api_version: is not V3")
    );
    assert_eq!(
        said_of("api_type: GRPC", "api_type: REST"),
        format!("{field}.api_type: any but GRPC and DELTA_GRPC is not supported")
    );
    assert_eq!(
        said_of("id: edge-1, ", ""),
        "node.id: a server is to be told who asks"
    );
    let nameless = format!("{FILE}{DYNAMIC}").replace("id: edge-1, ", "");
    let named = Bootstrap::read_as(&nameless, Some("edge-2".to_owned()), None).unwrap();
    assert_eq!((&*named.node.id, &*named.node.cluster), ("edge-2", "edge"));
    assert_eq!(
        said_of("name: control", "name: shop"),
        "static_resources.clusters: there is more than one of the name \"shop\""
    );
}
