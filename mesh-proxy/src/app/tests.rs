use bytes::Bytes;
use clap::Parser;
use mesh_test::client::{Client, Http, get};

use super::*;
use crate::settings::Flags;

mod bootstrap;

fn mk_settings() -> Settings {
    let flags = "mesh-proxy --name web-0 --address 127.0.0.1 --workload web --namespace default \
        --ca-address 127.0.0.1:1 --ca-root nowhere --token-file nowhere \
        --xds-address 127.0.0.1:1 --admin 127.0.0.1:0 --status-port 15020";
    let flags = Flags::try_parse_from(flags.split_whitespace()).unwrap();
    Settings::try_from(flags).unwrap()
}

async fn mk_socket() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn a_sidecar_without_a_certificate_says_so_and_can_be_ended() {
    let sockets = [mk_socket().await, mk_socket().await, mk_socket().await];
    let [status, health, metrics] = sockets.each_ref().map(|s| s.local_addr().unwrap());
    let [one, two, three] = sockets.map(Some);
    let registry = Registry::new();
    let deps = Deps {
        admin: Some(mk_socket().await),
        status: Sockets {
            status: one,
            health: two,
            metrics: three,
        },
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(&registry),
        registry,
        shutdown: CancellationToken::new(),
    };
    let asking = async {
        for at in [status, health] {
            let uri = format!("http://{at}/healthz/ready");
            let answer = get(&uri, &[]).await.unwrap();
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.body(), "PRE_INITIALIZING\n");
        }
        for at in [status, metrics] {
            let uri = format!("http://{at}/stats/prometheus");
            let answer = get(&uri, &[]).await.unwrap();
            let page = String::from_utf8(answer.body().to_vec()).unwrap();
            assert!(page.contains("\nmesh_proxy_live 0\n"), "{page}");
            assert!(page.contains("\nistio_agent_scrapes_total "), "{page}");
        }
        let uri = format!("http://{status}/quitquitquit");
        let mut client = Client::plain(status, Http::One).await.unwrap();
        let answer = client.post(&uri, &[], Bytes::new()).await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    let running = Box::pin(run(mk_settings(), deps));
    let (ended, ()) = tokio::join!(running, asking);
    ended.unwrap();
}
