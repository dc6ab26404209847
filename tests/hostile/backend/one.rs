//! The back end's connections of HTTP/1.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::record::{Received, Recorder, Seen, case_of, name_in};
use crate::case::{Script, Then, named};
use crate::wire::h1::{Framing, Reader, Stop, framing, request_line};

/// What becomes of a connection after a request.
#[derive(PartialEq, Eq)]
enum After {
    Goes,
    Ends,
    Breaks,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(stream: TcpStream, recorder: Arc<Recorder>) {
    let _slower_otherwise = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    loop {
        match next(&mut reader, &mut write, &recorder).await {
            Ok(After::Goes) => {}
            Ok(After::Ends) | Err(Stop::End | Stop::Cut) => return,
            Ok(After::Breaks) => {
                // Both halves go at once and without a FIN, so that it is a reset.
                let _closed_already = write.as_ref().set_zero_linger();
                write.forget();
                return;
            }
            Err(Stop::Wrong(why)) => {
                let mut raw = reader.mark();
                raw.extend(reader.left());
                let id = name_in(&raw).unwrap_or_default();
                recorder.note(&id, Seen::Wrong { why, raw });
                let answer =
                    b"HTTP/1.1 400 Strict\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _closed_already = write.write_all(answer).await;
                return;
            }
        }
    }
}

/// Reads one request, records and answers it.
async fn next(
    reader: &mut Reader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    recorder: &Recorder,
) -> Result<After, Stop> {
    let _last = reader.mark();
    let mut message = reader.head().await?;
    let (method, path, host) = request_line(&message)?;
    let framing = framing(&message)?.unwrap_or(Framing::None);
    let id = case_of(&path, &message.fields);
    let expects = message
        .first("expect")
        .is_some_and(|value| value == "100-continue");
    if expects
        && write
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .is_err()
    {
        return Ok(After::Ends);
    }
    let ended = reader.body(framing, &mut message).await;
    let received = Received {
        method,
        path: path.clone(),
        host,
        fields: message.fields,
        body: message.body,
        trailers: message.trailers,
    };
    match ended {
        Ok(()) => recorder.note(&id, Seen::Whole(received.clone())),
        Err(Stop::Wrong(why)) => return Err(Stop::Wrong(why)),
        Err(Stop::End | Stop::Cut) => {
            recorder.note(&id, Seen::Part(received));
            return Err(Stop::Cut);
        }
    }
    let answer = recorder.script(&id, &path);
    Ok(play(answer, &id, &received, reader, write).await)
}

async fn play(
    script: Script,
    id: &str,
    received: &Received,
    reader: &mut Reader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> After {
    let (bytes, then) = match script {
        Script::Good | Script::Frames(..) => (good(received), Then::Keep),
        Script::Raw(bytes, then) => (named(&bytes, id), then),
    };
    if write.write_all(&bytes).await.is_err() {
        return After::Ends;
    }
    if bytes.starts_with(b"HTTP/1.1 101") {
        echo(reader, write).await;
        return After::Ends;
    }
    match then {
        Then::Keep => After::Goes,
        Then::Close => {
            let _closed_already = write.shutdown().await;
            while reader.fill().await {}
            After::Ends
        }
        Then::Reset => After::Breaks,
    }
}

fn good(received: &Received) -> Vec<u8> {
    let body = if received.method == "HEAD" {
        ""
    } else {
        "good"
    };
    format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-back: strict\r\n\r\n{body}").into_bytes()
}

/// After 101: gives back what comes, byte by byte as it comes.
async fn echo(reader: &mut Reader<OwnedReadHalf>, write: &mut OwnedWriteHalf) {
    let mut sent = 0;
    loop {
        let fresh = reader.left().get(sent..).unwrap_or_default().to_vec();
        if !fresh.is_empty() && write.write_all(&fresh).await.is_err() {
            return;
        }
        sent += fresh.len();
        if !reader.fill().await {
            let _closed_already = write.shutdown().await;
            return;
        }
    }
}
