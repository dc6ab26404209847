//! Applications to be asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mesh_runtime::Tasks;
use mesh_test::clock;
use mesh_test::pki::Authority;
use mesh_test::tls::careless_server;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// An application's end of its tasks.
pub(super) struct App {
    pub(super) address: SocketAddr,
    tasks: Tasks,
}

impl Drop for App {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

async fn mk_app() -> (App, TcpListener) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = App {
        address: socket.local_addr().unwrap(),
        tasks: Tasks::new(&prometheus::Registry::new()),
    };
    (app, socket)
}

/// HTTPS with a certificate that nobody can check; answers with the version and the Host.
pub(super) async fn https(alpn: &[&[u8]]) -> App {
    let (app, socket) = mk_app().await;
    let authority = Authority::root("cluster.local", clock::now());
    let certified = authority.leaf("spiffe://cluster.local/ns/default/sa/web");
    let config = Arc::new(careless_server(&certified, alpn));
    let tasks = app.tasks.clone();
    app.tasks.spawn("https", async move {
        let stopping = tasks.stopping().clone();
        let accept = async {
            while let Ok((stream, _)) = socket.accept().await {
                let acceptor = TlsAcceptor::from(config.clone());
                tasks.spawn("https connection", async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let server = auto::Builder::new(TokioExecutor::new());
                    let service = service_fn(tell);
                    // How it ends is the business of whoever asked.
                    let serve = server.serve_connection(TokioIo::new(stream), service);
                    drop(serve.await);
                });
            }
        };
        stopping.run_until_cancelled(accept).await;
    });
    app
}

async fn tell(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let authority = request.uri().authority().map(ToString::to_string);
    let host = request.headers().get("host");
    let host = host.map(|host| host.to_str().unwrap().to_owned());
    let told = format!("{:?} {}", request.version(), authority.or(host).unwrap());
    Ok(Response::new(Full::new(told.into())))
}

#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Told {
    #[prost(enumeration = "Reported", tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
enum Reported {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
}

/// gRPC's health service: `""` serves, `"ill"` does not, `"agent"` tells whether the kubelet asks,
/// others are not known.
#[derive(Clone)]
struct Health;

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl tower::Service<Request<Body>> for Health {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Told, Question>::default());
            Ok(grpc.unary(Self, request).await)
        })
    }
}

impl UnaryService<Question> for Health {
    type Response = Told;
    type Future = std::future::Ready<Result<tonic::Response<Told>, Status>>;

    fn call(&mut self, request: tonic::Request<Question>) -> Self::Future {
        let agent = request.metadata().get("user-agent");
        let agent = agent.map(|agent| agent.to_str().unwrap().to_owned());
        let status = match request.get_ref().service.as_str() {
            "" => Reported::Serving,
            "agent" if agent.unwrap().starts_with("kube-probe/") => Reported::Serving,
            "ill" | "agent" => Reported::NotServing,
            _ => return std::future::ready(Err(Status::new(Code::NotFound, "unknown"))),
        };
        let told = Told {
            status: status.into(),
        };
        std::future::ready(Ok(tonic::Response::new(told)))
    }
}

pub(super) async fn health() -> App {
    let (app, socket) = mk_app().await;
    let stopping = app.tasks.stopping().clone();
    app.tasks.spawn("health", async move {
        let server = Server::builder().add_service(Health);
        let serve = server.serve_with_incoming(TcpListenerStream::new(socket));
        drop(stopping.run_until_cancelled(serve).await);
    });
    app
}
