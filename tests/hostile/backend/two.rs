//! The back end's connections of HTTP/2.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::record::{Received, Recorder, SCHEME, SECRETS, Seen, case_of};
use crate::case::{Script, Then, named};
use crate::wire::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE,
    RST_STREAM, SETTINGS, frames,
};
use crate::wire::hpack::{Decoder, Field};

struct Connection {
    stream: TcpStream,
    recorder: Arc<Recorder>,
    decoder: Decoder,
    open: BTreeMap<u32, Received>,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(mut stream: TcpStream, recorder: Arc<Recorder>) {
    let _slower_otherwise = stream.set_nodelay(true);
    let mut preface = [0; 24];
    if stream.read_exact(&mut preface).await.is_err() || preface != PREFACE {
        if preface != [0; 24] {
            let raw = preface.to_vec();
            recorder.note(
                "",
                Seen::Wrong {
                    why: "no preface of HTTP/2".to_owned(),
                    raw,
                },
            );
        }
        return;
    }
    let decoder = Decoder::new();
    let mut connection = Connection {
        stream,
        recorder,
        decoder,
        open: BTreeMap::new(),
    };
    if let Err(why) = connection.run().await {
        let mut ids = connection
            .open
            .values()
            .map(|request| case_of(&request.path, &request.fields));
        let id = ids.next_back().unwrap_or_default();
        connection.recorder.note(
            &id,
            Seen::Wrong {
                why,
                raw: Vec::new(),
            },
        );
    }
    for received in connection.open.into_values() {
        let id = case_of(&received.path, &received.fields);
        connection.recorder.note(&id, Seen::Part(received));
    }
}

impl Connection {
    async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    async fn run(&mut self) -> Result<(), String> {
        let hello = [
            Frame::settings(&[(0x4, 1 << 20)]),
            Frame::window(0, 1 << 24),
        ];
        if !self.write(&frames(&hello)).await {
            return Ok(());
        }
        while let Some(frame) = Frame::read(&mut self.stream).await {
            if !self.take(frame).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn take(&mut self, frame: Frame) -> Result<bool, String> {
        match frame.kind {
            SETTINGS if !frame.is(ACK) => {
                return Ok(self.write(&Frame::new(SETTINGS, ACK, 0, []).bytes()).await);
            }
            PING if !frame.is(ACK) => {
                return Ok(self
                    .write(&Frame::new(PING, ACK, 0, frame.payload).bytes())
                    .await);
            }
            HEADERS => return self.head(frame).await,
            DATA => return self.data(&frame).await,
            RST_STREAM => {
                if let Some(received) = self.open.remove(&frame.stream) {
                    let id = case_of(&received.path, &received.fields);
                    self.recorder.note(&id, Seen::Part(received));
                }
            }
            GOAWAY => return Ok(!self.open.is_empty()),
            _ => {}
        }
        Ok(true)
    }

    async fn head(&mut self, frame: Frame) -> Result<bool, String> {
        let mut block = frame.content()?.to_vec();
        let mut last = frame.is(END_HEADERS);
        while !last {
            let next = Frame::read(&mut self.stream).await.ok_or("half a head")?;
            if next.kind != CONTINUATION || next.stream != frame.stream {
                return Err("another frame within a head".to_owned());
            }
            block.extend(&next.payload);
            last = next.is(END_HEADERS);
        }
        let fields = self.decoder.decode(&block)?;
        match self.open.get_mut(&frame.stream) {
            Some(received) => received.trailers = text(fields)?,
            None => {
                let mut received = request(fields)?;
                let secrets = self.decoder.secrets.join(" ");
                received
                    .fields
                    .push((SECRETS.to_owned(), secrets.into_bytes()));
                self.open.insert(frame.stream, received);
            }
        }
        self.ended(&frame).await
    }

    async fn data(&mut self, frame: &Frame) -> Result<bool, String> {
        let content = frame.content()?.to_vec();
        if let Some(received) = self.open.get_mut(&frame.stream) {
            received.body.extend(content);
        }
        let length = u32::try_from(frame.payload.len()).unwrap_or_default();
        if length > 0 {
            let more = [
                Frame::window(0, length),
                Frame::window(frame.stream, length),
            ];
            if !self.write(&frames(&more)).await {
                return Ok(false);
            }
        }
        self.ended(frame).await
    }

    async fn ended(&mut self, frame: &Frame) -> Result<bool, String> {
        if !frame.is(END_STREAM) {
            return Ok(true);
        }
        let Some(received) = self.open.remove(&frame.stream) else {
            return Ok(true);
        };
        let lengths = crate::wire::h1::values(&received.fields, "content-length");
        let length = received.body.len().to_string().into_bytes();
        if lengths.iter().any(|other| *other != length) {
            return Err("content-length is not the length of the content".to_owned());
        }
        let id = case_of(&received.path, &received.fields);
        let script = self.recorder.script(&id, &received.path);
        self.recorder.note(&id, Seen::Whole(received));
        Ok(self.play(script, &id, frame.stream).await)
    }

    async fn play(&mut self, script: Script, id: &str, stream: u32) -> bool {
        let good = || {
            let fields = [(":status", "200"), ("x-back", "strict")];
            vec![
                Frame::head(END_HEADERS, stream, &fields),
                Frame::data(END_STREAM, stream, "good"),
            ]
        };
        let (answer, then) = match script {
            Script::Good | Script::Raw(..) => (good(), Then::Keep),
            Script::Frames(answer, then) => (answer, then),
        };
        for mut frame in answer {
            if frame.stream == Frame::THIS {
                frame.stream = stream;
            }
            if !self.write(&named(&frame.bytes(), id)).await {
                return false;
            }
        }
        match then {
            Then::Keep => true,
            Then::Close => {
                let _closed_already = self.stream.shutdown().await;
                while Frame::read(&mut self.stream).await.is_some() {}
                false
            }
            Then::Reset => {
                let _closed_already = self.stream.set_zero_linger();
                false
            }
        }
    }
}

fn text(fields: Vec<Field>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let name = String::from_utf8(name).map_err(|_| "a field name that is no text")?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| token(byte) && !byte.is_ascii_uppercase())
        {
            return Err(format!("a field name that is none: {name:?}"));
        }
        let banned = [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
        ];
        if banned.contains(&name.as_str()) {
            return Err(format!("{name} in HTTP/2"));
        }
        let inner = value
            .iter()
            .any(|byte| *byte == 0x7f || (*byte < 0x20 && *byte != b'\t'));
        if inner || value.trim_ascii() != value {
            return Err(format!("a value that is none, of {name}"));
        }
        out.push((name, value));
    }
    Ok(out)
}

fn request(fields: Vec<Field>) -> Result<Received, String> {
    let mut received = Received::default();
    let (mut rest, mut scheme) = (Vec::new(), String::new());
    for (name, value) in fields {
        let told = String::from_utf8_lossy(&value).into_owned();
        let slot = match name.as_slice() {
            b":method" => &mut received.method,
            b":path" => &mut received.path,
            b":authority" => &mut received.host,
            b":scheme" => &mut scheme,
            _ => {
                rest.push((name, value));
                continue;
            }
        };
        if !slot.is_empty() || !rest.is_empty() {
            return Err("a pseudo-header twice, late or empty".to_owned());
        }
        *slot = told;
    }
    received.fields = text(rest)?;
    received
        .fields
        .push((SCHEME.to_owned(), scheme.clone().into_bytes()));
    let target = received.path.starts_with('/') || received.path == "*";
    let visible = received
        .path
        .bytes()
        .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#');
    let hosts = crate::wire::h1::values(&received.fields, "host");
    let other = hosts
        .iter()
        .any(|host| host.as_slice() != received.host.as_bytes());
    if received.method.is_empty() || !target || !visible || received.host.is_empty() || other {
        return Err("a request without method, path or authority, or with two".to_owned());
    }
    if scheme != "http" && scheme != "https" {
        return Err("a scheme that is neither http nor https".to_owned());
    }
    Ok(received)
}
