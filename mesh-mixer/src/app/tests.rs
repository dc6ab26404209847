use std::time::Duration;

use ::http::StatusCode;
use clap::Parser as _;
use mesh_runtime::SystemClock;
use mesh_test::client::{Client, Http};

use super::*;
use crate::settings::Flags;

fn mk_deps() -> Deps {
    let registry = Registry::new();
    Deps {
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(&registry),
        registry,
    }
}

fn mk_settings(folder: &std::path::Path, admin: SocketAddr) -> Settings {
    let flags = [
        "mesh-mixer",
        "--address=127.0.0.1:0",
        "--http=127.0.0.1:0",
        "--ca-address=127.0.0.1:1",
        &format!("--admin={admin}"),
        &format!("--ca-root={}", folder.join("root.pem").display()),
        &format!("--token-file={}", folder.join("token").display()),
    ];
    Flags::try_parse_from(flags).unwrap().try_into().unwrap()
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = mk_settings(folder.path(), taken.local_addr().unwrap());
    let error = run(settings, mk_deps()).await.unwrap_err().to_string();
    let expected = format!(
        "cannot listen on {} (flag --admin)",
        taken.local_addr().unwrap()
    );
    assert_eq!(error, expected);
}

#[tokio::test]
async fn without_a_certificate_it_is_well_but_not_ready_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = free.local_addr().unwrap();
    drop(free);
    let deps = mk_deps();
    let tasks = deps.tasks.clone();
    let running = run(mk_settings(folder.path(), admin), deps);
    let asking = async {
        let connect = || Client::plain(admin, Http::One);
        let mut client = mesh_test::eventually_async("admin answers", connect).await;
        let mut status = Vec::new();
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = client.get(&format!("http://{admin}{path}"), &[]).await;
            status.push(answer.unwrap().status());
        }
        tasks.stopping().cancel();
        status
    };
    let (ended, status) = tokio::join!(running, asking);
    ended.unwrap();
    assert!(tasks.stop(Duration::from_secs(5)).await);
    let expected = [
        StatusCode::OK,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::OK,
    ];
    assert_eq!(status, expected);
}
