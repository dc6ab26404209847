//! WebSocket: connections that live for a while, over which every message comes back.

use fastrand::Rng;
use mesh_tests::websocket::{ACCEPT, Frame, KEY, read, write};

use super::Traffic;
use crate::http::Way;
use crate::ledger::{Judged, Verdict};
use crate::raw::Raw;

/// Messages of a connection before its client closes it.
const MESSAGES: u32 = 100;

/// A client with its connection.
pub(crate) struct WebSocket {
    way: Way,
    chance: Rng,
    open: Option<(Raw, u32)>,
}

impl WebSocket {
    pub(crate) fn new(way: Way, chance: Rng) -> Self {
        Self {
            way,
            chance,
            open: None,
        }
    }

    async fn upgraded(&self) -> Result<Raw, String> {
        let mut raw = Raw::open(&self.way).await?;
        let head = format!(
            "GET /websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
            self.way.authority
        );
        raw.write(head.as_bytes()).await?;
        let answer = raw.head().await?;
        if answer.status != 101 || answer.field("sec-websocket-accept") != Some(ACCEPT) {
            return Err(format!("not upgraded: {answer:?}"));
        }
        Ok(raw)
    }

    async fn turn(&mut self, raw: &mut Raw, frame: &Frame) -> Result<(), String> {
        let mask = Some(self.chance.u32(..));
        let sent = write(&mut raw.stream, frame, mask).await;
        sent.map_err(|error| format!("send: {error}"))?;
        let came = read(&mut raw.stream).await;
        let came = came.map_err(|error| format!("receive: {error}"))?;
        if came != *frame {
            return Err("another message came back".to_owned());
        }
        Ok(())
    }

    async fn message(&mut self) -> Result<(), String> {
        let (mut raw, sent) = match self.open.take() {
            Some(open) => open,
            None => (self.upgraded().await?, 0),
        };
        if sent < MESSAGES {
            let most = if self.chance.u8(..) < 16 {
                100_000
            } else {
                1000
            };
            let length = self.chance.usize(0..most);
            let bytes = std::iter::repeat_with(|| self.chance.u8(..)).take(length);
            let frame = Frame::Binary(bytes.collect());
            let turn = self.turn(&mut raw, &frame).await;
            turn.map_err(|error| format!("message {sent} of {length} bytes: {error}"))?;
            self.open = Some((raw, sent + 1));
            return Ok(());
        }
        // 1000: a normal end (RFC 6455 7.4.1).
        let close = Frame::Close(vec![0x03, 0xe8]);
        self.turn(&mut raw, &close).await?;
        if raw.is_closed().await {
            return Ok(());
        }
        Err("something came behind the end".to_owned())
    }
}

impl Traffic for WebSocket {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        self.message().await?;
        Ok(Verdict::Good(1))
    }
}
