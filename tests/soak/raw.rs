//! Clients that write and read by hand: at their own pace, half a message, or nonsense.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::interval;

use crate::http::{Way, connect};

/// A connection over which bytes go by hand.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// What was read and not yet used.
    rest: Vec<u8>,
}

impl Raw {
    /// Opens one.
    pub(crate) async fn open(way: &Way) -> Result<Self, String> {
        let stream = connect(way).await?;
        let rest = Vec::new();
        Ok(Self { stream, rest })
    }

    /// Opens one that takes no more than so many bytes before they are read.
    pub(crate) async fn narrow(way: &Way, bytes: u32) -> Result<Self, String> {
        let open = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(bytes)?;
            socket.connect(way.to).await
        };
        let stream = open.await.map_err(|error| format!("connect: {error}"))?;
        let rest = Vec::new();
        Ok(Self { stream, rest })
    }

    /// Writes bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| format!("write: {error}"))
    }

    /// Writes bytes in small pieces, one every `pace`.
    pub(crate) async fn dribble(
        &mut self,
        bytes: &[u8],
        piece: usize,
        pace: Duration,
    ) -> Result<(), String> {
        let mut pace = interval(pace);
        for piece in bytes.chunks(piece) {
            pace.tick().await;
            self.write(piece).await?;
        }
        Ok(())
    }

    /// Reads the head of an answer: its status and its fields.
    pub(crate) async fn head(&mut self) -> Result<Head, String> {
        loop {
            let end = self.rest.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.rest.drain(..end + 4).collect();
                return Head::parse(&String::from_utf8_lossy(&head));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await {
                Ok(0) => return Err("closed without an answer".to_owned()),
                Ok(count) => self.rest.extend(piece.iter().take(count)),
                Err(error) => return Err(format!("no answer: {error}")),
            }
        }
    }

    /// Reads so many bytes behind the head, at most `piece` of them every `pace`.
    pub(crate) async fn body(
        &mut self,
        length: usize,
        piece: usize,
        pace: Duration,
    ) -> Result<Vec<u8>, String> {
        let mut pace = interval(pace);
        let mut body: Vec<u8> = std::mem::take(&mut self.rest);
        let mut buffer = vec![0; piece];
        while body.len() < length {
            pace.tick().await;
            let read = self.stream.read(&mut buffer).await;
            match read.map_err(|error| format!("body after {}: {error}", body.len()))? {
                0 => return Err(format!("the body ended after {} bytes", body.len())),
                count => body.extend(buffer.iter().take(count)),
            }
        }
        Ok(body)
    }

    /// Whether nothing more comes.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut more = Vec::new();
        // A reset is an end too.
        let _reset = self.stream.read_to_end(&mut more).await;
        more.is_empty()
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|word| word.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            status: status.ok_or_else(|| format!("no status line: {text:?}"))?,
            fields: fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        })
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
