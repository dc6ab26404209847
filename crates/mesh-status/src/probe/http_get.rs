//! Probes and hooks by HTTP, as the kubelet puts them.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, LOCATION, TE, TRAILER, TRANSFER_ENCODING};
use http::header::{HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use mesh_pki::tls::ALPN_H2;

use crate::dial;
use crate::exchange::{Answer, Version, Wire, exchange};
use crate::probe::redirect::{Next, Target};
use crate::probe::{Asked, Failed, Verdict, ok};
use crate::probers::HttpGet;

/// As much of an answer's body as the kubelet reads.
// istio: maxRespBodyLength of pilot-agent's status server.
const MOST_BODY: usize = 10 * 1024;
/// Requests until a redirect leads nowhere: those of Go's HTTP client, which the kubelet asks with.
const MOST_REQUESTS: usize = 10;

/// Headers that are about the kubelet's connection to us, not about the question.
const OF_CONNECTION: [HeaderName; 7] = [
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub(super) async fn ask(get: &HttpGet, asked: &Asked<'_>) -> Result<Verdict, Failed> {
    let headers = headers(get, asked.headers);
    let mut target = Target::new(get, &host(get, asked), asked.address);
    for _ in 0..MOST_REQUESTS {
        let answer = ask_once(&target, &headers, asked).await?;
        match next(&target, &answer) {
            Some(Next::Here(further)) => target = further,
            // The kubelet takes a way out of the pod for a good answer, and so a redirect to nowhere.
            Some(Next::Elsewhere) => return Ok(ok()),
            None if answer.status.is_redirection() => return Ok(ok()),
            None => {
                return Ok(Verdict {
                    status: answer.status,
                    body: answer.body.into(),
                });
            }
        }
    }
    Err(Failed::Redirects)
}

fn next(target: &Target, answer: &Answer) -> Option<Next> {
    let is_followed = matches!(
        answer.status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.headers.get(LOCATION).filter(|_| is_followed)?;
    Some(target.follow(location))
}

async fn ask_once(
    target: &Target,
    headers: &HeaderMap,
    asked: &Asked<'_>,
) -> Result<Answer, Failed> {
    let address = SocketAddr::new(asked.address, target.port);
    let stream = dial::connect(address).await.map_err(Failed::Connect)?;
    let (wire, version): (Box<dyn Wire>, _) = if target.https {
        let stream = dial::secure(stream).await.map_err(Failed::Handshake)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
        let version = if is_http2 {
            Version::Http2
        } else {
            Version::Http1
        };
        (Box::new(stream), version)
    } else {
        (Box::new(stream), Version::Http1)
    };
    let request = request(target, headers, version)?;
    Ok(exchange(wire, version, request, MOST_BODY).await?)
}

fn request(
    target: &Target,
    headers: &HeaderMap,
    version: Version,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let path = Uri::builder().path_and_query(target.path.as_str());
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers.clone();
    *request.uri_mut() = match version {
        Version::Http1 => {
            let headers = request.headers_mut();
            headers.insert(HOST, target.host.clone());
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            path.build()?
        }
        // What HTTP/1 says by Host is a part of the URI.
        Version::Http2 => path
            .scheme("https")
            .authority(target.host.as_bytes())
            .build()?,
    };
    Ok(request)
}

/// The kubelet's headers, and before them those that the manifest names.
fn headers(get: &HttpGet, kubelet: &HeaderMap) -> HeaderMap {
    let mut headers = kubelet.clone();
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    for name in get.headers.keys() {
        headers.remove(name);
    }
    for (name, value) in &get.headers {
        if !OF_CONNECTION.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// The Host of the manifest, or the one that the kubelet sent, of which the port was ours.
fn host(get: &HttpGet, asked: &Asked<'_>) -> HeaderValue {
    let kubelets = || {
        let host = asked.headers.get(HOST)?.to_str().ok()?;
        let ours = format!(":{}", asked.status_port);
        let host = match host.strip_suffix(ours.as_str()) {
            Some(name) => format!("{name}:{}", get.port),
            None => host.to_owned(),
        };
        HeaderValue::try_from(host).ok().filter(|h| !h.is_empty())
    };
    let own = || {
        let address = SocketAddr::new(asked.address, get.port).to_string();
        HeaderValue::try_from(address).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
    };
    get.host.clone().or_else(kubelets).unwrap_or_else(own)
}
