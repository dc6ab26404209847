//! `mesh-proxy wait`: asks the proxy of the pod until it is ready.
//!
//! The `postStart` hook of a sidecar that is an ordinary container; the kubelet starts the next
//! container when it has returned. Exit code 0: ready; 1: not in time; 2: wrong usage.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use http::header::{CONNECTION, HOST};
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use tokio::net::TcpStream;

use crate::exchange::{Version, exchange};

/// Exit code when the proxy was not ready in time.
const NOT_READY: u8 = 1;
/// As much of an answer as is read.
const MOST_BODY: usize = 1024;
/// The port of `http`.
const HTTP_PORT: u16 = 80;

/// Wait until the proxy of this pod is ready.
// istio: flags and defaults of `pilot-agent wait`.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesh-proxy wait", bin_name = "mesh-proxy wait", version)]
pub struct WaitFlags {
    /// Where readiness is asked for.
    #[arg(long, default_value = "http://localhost:15021/healthz/ready", value_parser = parse_url)]
    url: Url,
    /// How long to wait in all.
    #[arg(long = "timeoutSeconds", value_name = "SECONDS", default_value_t = 60)]
    timeout_seconds: u64,
    /// How long to wait between two questions.
    #[arg(long = "periodMillis", value_name = "MILLIS", default_value_t = 500)]
    period_millis: u64,
    /// How long one answer may take.
    #[arg(
        long = "requestTimeoutMillis",
        value_name = "MILLIS",
        default_value_t = 500
    )]
    request_timeout_millis: u64,
}

/// A URL that can be asked.
#[derive(Debug, Clone)]
struct Url {
    authority: Authority,
    host: HeaderValue,
    path: Uri,
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
    if uri.scheme_str() != Some("http") {
        return Err("only http can be asked");
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().ok_or("it names no host")?;
    Ok(Url {
        path: path.parse().map_err(|_| "its path is damaged")?,
        host: HeaderValue::try_from(authority.as_str()).map_err(|_| "its host is damaged")?,
        authority: authority.clone(),
    })
}

/// Runs the subcommand; `arguments` begin with its own name.
pub async fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let flags = WaitFlags::parse_from(arguments);
    match wait(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(last) => {
            let text = format!(
                "error: the proxy was not ready within {} s: {last}\nhint: its log says what it \
                 waits for\n",
                flags.timeout_seconds
            );
            // Without a reader the exit code still tells.
            let _unheard = io::stderr().write_all(text.as_bytes());
            ExitCode::from(NOT_READY)
        }
    }
}

/// Asks until the answer is 200; what was last in the way when the time is over.
async fn wait(flags: &WaitFlags) -> Result<(), String> {
    let mut last = "it was not asked".to_owned();
    let each = Duration::from_millis(flags.request_timeout_millis);
    let asking = async {
        loop {
            let answer = tokio::time::timeout(each, ask(&flags.url)).await;
            last = match answer {
                Ok(Ok(())) => return,
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} ms", each.as_millis()),
            };
            tokio::time::sleep(Duration::from_millis(flags.period_millis)).await;
        }
    };
    let whole = Duration::from_secs(flags.timeout_seconds);
    let in_time = tokio::time::timeout(whole, Box::pin(asking)).await;
    in_time.map_err(|_| last)
}

async fn ask(url: &Url) -> Result<(), String> {
    let stream = connect(&url.authority).await.map_err(|e| e.to_string())?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = url.path.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, url.host.clone());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answer = exchange(Box::new(stream), Version::Http1, request, MOST_BODY).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let state = String::from_utf8_lossy(&answer.body);
    Err(format!("{} {}", answer.status.as_u16(), state.trim()))
}

async fn connect(authority: &Authority) -> io::Result<TcpStream> {
    let port = authority.port_u16().unwrap_or(HTTP_PORT);
    let host = authority.host().trim_matches(['[', ']']);
    if host != "localhost" {
        return TcpStream::connect((host, port)).await;
    }
    // An image need not have a resolver to know it (RFC 6761 6.3).
    let loopback = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    TcpStream::connect(&loopback.map(|address| SocketAddr::new(address, port))[..]).await
}

#[cfg(test)]
mod tests;
