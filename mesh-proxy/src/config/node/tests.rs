use super::*;

/// The workload that the tests of this crate stand for.
pub(crate) fn mk_workload() -> Workload {
    Workload {
        role: Role::Sidecar,
        name: "reviews-v1-0".into(),
        owner: "reviews-v1".into(),
        account: ServiceAccount::new("default", "bookinfo-reviews").unwrap(),
        trust_domain: TrustDomain::parse("cluster.local").unwrap(),
        address: IpAddr::from([127, 7, 3, 1]),
        labels: [("app", "reviews"), ("version", "v1")]
            .into_iter()
            .collect(),
        domain: "cluster.local".into(),
        interception: Interception::None,
    }
}

#[test]
fn the_node_is_named_as_istio_names_it() {
    let node = mk_workload().node();
    assert_eq!(
        node.id,
        "sidecar~127.7.3.1~reviews-v1-0.default~default.svc.cluster.local"
    );
    assert_eq!(node.cluster, "reviews.default");
    let metadata = node.metadata.unwrap().fields;
    let mut names: Vec<_> = metadata.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "CLUSTER_ID",
            "INTERCEPTION_MODE",
            "ISTIO_VERSION",
            "LABELS",
            "MESH_ID",
            "NAME",
            "NAMESPACE",
            "OWNER",
            "SERVICE_ACCOUNT",
            "WORKLOAD_NAME"
        ]
    );
}

#[test]
fn a_proxy_says_how_connections_come_to_it() {
    let said = |interception| {
        let workload = Workload {
            interception,
            ..mk_workload()
        };
        workload.node().metadata.unwrap().fields["INTERCEPTION_MODE"].clone()
    };
    assert_eq!(said(Interception::None), text("NONE"));
    assert_eq!(said(Interception::Redirect), text("REDIRECT"));
}
