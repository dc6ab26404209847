use std::rc::Rc;
use std::sync::Arc;

use mesh_traffic::Flags;

use super::*;
use crate::config::node::tests::mk_workload;
use crate::record::peer::{Peers, own_metadata};
use crate::record::tests::Fixture;
use crate::testing::mk_cluster;

/// The labels of a record as `name=value` lines, those of interest.
fn labels(fixture: &Fixture, names: &[&str]) -> Vec<String> {
    let record = fixture.record();
    let peer: Rc<Side> = Peers::new().of(&record);
    let labels = of(&record, &Side::own(&mk_workload()), &peer);
    let value = |name: &&str| {
        let place = NAMES.iter().position(|own| own == name).unwrap();
        format!("{name}={}", labels[place])
    };
    names.iter().map(value).collect()
}

#[test]
fn the_client_names_the_server_by_its_endpoint() {
    let expected = [
        "reporter=source",
        "source_workload=reviews-v1",
        "source_principal=spiffe://cluster.local/ns/default/sa/own",
        "destination_workload=reviews-v1",
        "destination_workload_namespace=default",
        "destination_principal=spiffe://cluster.local/ns/default/sa/bookinfo-reviews",
        "destination_app=reviews",
        "destination_version=v1",
        "destination_service=reviews.default.svc.cluster.local",
        "destination_service_name=reviews",
        "destination_service_namespace=default",
        "destination_canonical_revision=v1",
        "destination_cluster=Kubernetes",
        "request_protocol=http",
        "response_code=200",
        "grpc_response_status=",
        "response_flags=-",
        "connection_security_policy=unknown",
    ];
    check(&Fixture::client(), &expected);
}

#[test]
fn the_server_names_the_client_by_its_metadata_and_certificate() {
    let mut fixture = Fixture::server();
    let mut other = mk_workload();
    other.owner = "productpage-v1".into();
    other.labels = [("app", "productpage"), ("version", "v1")]
        .into_iter()
        .collect();
    fixture.metadata = own_metadata(&other).value().to_vec();
    let expected = [
        "reporter=destination",
        "source_workload=productpage-v1",
        "source_workload_namespace=default",
        "source_app=productpage",
        "source_canonical_service=productpage",
        "source_principal=spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
        "destination_workload=reviews-v1",
        "destination_principal=spiffe://cluster.local/ns/default/sa/own",
        "connection_security_policy=mutual_tls",
    ];
    check(&fixture, &expected);
}

#[test]
fn a_caller_outside_the_mesh_is_unknown() {
    let mut fixture = Fixture::server();
    fixture.connection.peer = None;
    let expected = [
        "source_workload=unknown",
        "source_principal=unknown",
        "source_canonical_revision=latest",
        "destination_principal=unknown",
        "connection_security_policy=none",
    ];
    check(&fixture, &expected);
}

#[test]
fn a_host_that_the_mesh_does_not_know_is_named_by_sidecars_only() {
    let mut fixture = Fixture::client();
    fixture.cluster = Some(Arc::new(mk_cluster("PassthroughCluster", &[])));
    fixture.request.authority = "Example.com:8080".into();
    let outbound = [
        "destination_service=example.com",
        "destination_service_name=PassthroughCluster",
    ];
    check(&fixture, &outbound);
    assert!(depend_on_authority(&fixture.record()));

    let mut fixture = Fixture::server();
    fixture.cluster = Some(Arc::new(mk_cluster("InboundPassthroughCluster", &[])));
    let inbound = [
        "destination_service=unknown",
        "destination_service_name=InboundPassthroughCluster",
    ];
    check(&fixture, &inbound);
    assert!(!depend_on_authority(&fixture.record()));
}

#[test]
fn a_cluster_without_metadata_is_known_by_its_name() {
    let mut fixture = Fixture::client();
    fixture.cluster = Some(Arc::new(mk_cluster(
        "outbound|80||a.b.svc.cluster.local",
        &[],
    )));
    let expected = [
        "destination_service=a.b.svc.cluster.local",
        "destination_service_name=a",
        "destination_service_namespace=b",
    ];
    check(&fixture, &expected);
}

#[test]
fn grpc_has_its_status_and_failures_their_flags() {
    let mut fixture = Fixture::client();
    fixture
        .request
        .fields
        .append("content-type", "application/grpc")
        .unwrap();
    fixture.response.grpc_status = Some(14);
    fixture.response.flags = Flags::CONNECT_FAILURE.with(Flags::RETRY_LIMIT);
    let expected = [
        "request_protocol=grpc",
        "grpc_response_status=14",
        "response_flags=UF,URX",
    ];
    check(&fixture, &expected);
}

#[track_caller]
fn check(fixture: &Fixture, expected: &[&str]) {
    let names: Vec<_> = expected
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(labels(fixture, &names), expected);
}
