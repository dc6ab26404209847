//! WebSocket's echo (RFC 6455), as much of it as the soak's client speaks.
//!
//! Messages are one binary frame; a frame that closes is answered and ends the connection. The only
//! key is that of the RFC's example, so that nothing has to be hashed.

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mesh_runtime::Tasks;
use mesh_tests::websocket::{ACCEPT, Frame, KEY, read, write};

use crate::answers::{Answer, none, status};

/// Switches protocols and starts the echo.
pub(crate) fn accept(request: Request<Incoming>) -> Answer {
    if request.headers().get(SEC_WEBSOCKET_KEY) != Some(&HeaderValue::from_static(KEY)) {
        return status(400);
    }
    Tasks::new(&prometheus::Registry::new()).spawn("websocket", async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // How it ends is the business of its client.
            let _ended = echo(TokioIo::new(upgraded)).await;
        }
    });
    let mut answer = Response::new(none());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields: [(_, &'static str); 3] = [
        (CONNECTION, "upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_ACCEPT, ACCEPT),
    ];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(HeaderMap::from_iter(fields));
    answer
}

async fn echo(mut stream: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    loop {
        let frame = read(&mut stream).await?;
        let last = matches!(frame, Frame::Close(_));
        write(&mut stream, &frame, None).await?;
        if last {
            return Ok(());
        }
    }
}
