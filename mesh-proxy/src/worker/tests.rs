//! Requests over sockets, through workers, to real origins.

mod authorization;
mod checks;
mod drain;
mod failures;
mod guards;
mod leaving;
mod limits;
mod load;
mod logs;
mod mirrors;
mod overload;
mod panics;
mod raw;
mod redirected;
mod secure;
mod services;
mod stream;
mod tcp;

use mesh_test::client::{Client, Http, get};
use mesh_test::origin::Origin;

use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

#[tokio::test]
async fn request_reaches_the_cluster_of_its_route() {
    let app = Origin::fixed("hello").await;
    let address = free_address();
    let listener = Mk {
        rds: "80",
        ..Mk::default()
    }
    .listener(address);
    let routes = vec![table("80", vec![to_cluster("app")])];
    let _proxy = Proxy::start(
        mk_config(
            vec![listener],
            routes,
            vec![mk_cluster("app", &[app.address()])],
        ),
        None,
    );
    let answer = get(&format!("http://{address}/x"), &[]).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.body().as_ref()),
        (200, b"hello".as_slice())
    );
    assert_eq!(answer.headers()["server"], "istio-envoy");
    assert!(
        answer
            .headers()
            .contains_key("x-envoy-upstream-service-time")
    );
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let app = Origin::fixed("hello").await;
    let address = free_address();
    let listener = Mk {
        rds: "80",
        ..Mk::default()
    }
    .listener(address);
    let routes = vec![table("80", vec![to_cluster("app")])];
    let _proxy = Proxy::start(
        mk_config(
            vec![listener],
            routes,
            vec![mk_cluster("app", &[app.address()])],
        ),
        None,
    );
    let mut client = Client::plain(address, Http::One).await.unwrap();
    for _ in 0..20 {
        let answer = client
            .get(&format!("http://{address}/"), &[])
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(app.requests(), 20);
    // A second one when a request comes before the first connection is ready again.
    assert!(app.connections() <= 2, "{}", app.connections());
}
