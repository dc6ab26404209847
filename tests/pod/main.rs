//! `mesh-pod`: what runs in the pods of the journeys on Kubernetes, as server and as client.
//!
//! | words | what |
//! |---|---|
//! | `serve` | an application: [`app`] on 8080, bytes on 8081 and 8082, and [`control`] on 9999 |
//! | `get URL` | prints what is answered; exit status 1 unless it is 200 |
//! | `open ADDRESS:PORT` | exit status 1 unless something listens there and says a word within 3 s |
//!
//! It ends at SIGTERM at once, as programs do that know nothing of a mesh.

mod app;
mod calls;
mod control;
mod load;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mesh_runtime::{Tasks, shutdown};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::calls::{Call, Caller};
use crate::control::Control;

/// A whole answer.
type Answer = Response<http_body_util::Full<bytes::Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(&tasks).await,
        ["get", url] => get(url).await,
        ["open", address] => {
            let heard = calls::open(address, "").await.map_err(anyhow::Error::msg)?;
            say(&heard);
            Ok(())
        }
        _ => anyhow::bail!("usage: mesh-pod serve | get URL | open ADDRESS:PORT"),
    }
}

async fn serve(tasks: &Tasks) -> Result<()> {
    let control = Arc::new(Control::new(tasks.clone()));
    tasks.spawn("echo", bytes(listen(8081).await?, b"", tasks.clone()));
    tasks.spawn(
        "greeter",
        bytes(listen(8082).await?, b"welcome\n", tasks.clone()),
    );
    let controlled = listen(9999).await?;
    tasks.spawn("control", {
        let tasks = tasks.clone();
        async move {
            while let Ok((stream, _)) = controlled.accept().await {
                let control = Arc::clone(&control);
                let answers = service_fn(move |request| {
                    let control = Arc::clone(&control);
                    async move { control.answer(request).await }
                });
                tasks.spawn("request", speak(stream, answers));
            }
        }
    });
    // The last, because its probe stands for all.
    let application = listen(8080).await?;
    tasks.spawn("application", {
        let tasks = tasks.clone();
        async move {
            while let Ok((stream, _)) = application.accept().await {
                let answers =
                    service_fn(
                        |request| async move { Ok::<_, hyper::Error>(app::answer(&request)) },
                    );
                tasks.spawn("request", speak(stream, answers));
            }
        }
    });
    shutdown::requested().await?;
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await;
    listener.with_context(|| format!("port {port}"))
}

/// How a connection ends is the business of its client.
async fn speak<S>(stream: TcpStream, answers: S)
where
    S: hyper::service::Service<Request<Incoming>, Response = Answer, Error = hyper::Error>,
    S::Future: Send + 'static,
{
    let _without_is_slower_only = stream.set_nodelay(true);
    let server = auto::Builder::new(TokioExecutor::new());
    let _ended = server.serve_connection(TokioIo::new(stream), answers).await;
}

/// Says everything back, after a greeting.
async fn bytes(listener: TcpListener, greeting: &'static [u8], tasks: Tasks) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tasks.spawn("bytes", async move {
            let _greeted = stream.write_all(greeting).await;
            let (mut said, mut answer) = stream.split();
            let _ended = tokio::io::copy(&mut said, &mut answer).await;
        });
    }
}

async fn get(url: &str) -> Result<()> {
    let call = Call::of(url);
    let answered = Caller::default().call(&call).await;
    let answered = answered.map_err(anyhow::Error::msg)?;
    say(&answered.body);
    ensure!(answered.status == 200, "{url}: {}", answered.status);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what it is run for")]
fn say(text: &str) {
    println!("{text}");
}
