//! A connection by HTTP on which probes follow one another.

use std::io;
use std::sync::Arc;

use mesh_http::{BodyLength, Event, RequestHead, ResponseHead, StreamId, h1, h2};
use mesh_model::time::Clock;
use mesh_traffic::health::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::probe::MOST;
use super::way::Io;
use crate::http::codec::ClientCodec;

/// A connection by HTTP.
pub(super) struct Exchange {
    io: Box<dyn Io>,
    codec: ClientCodec,
    clock: Arc<dyn Clock>,
    /// What came and was not consumed.
    came: Vec<u8>,
    head: ResponseHead,
}

/// A request under way.
#[derive(Default)]
struct Asked {
    answer: Answer,
    /// Bytes of the body that are kept; all if it is not said.
    keeps: Option<usize>,
    is_whole: bool,
}

impl Exchange {
    pub(super) fn new(io: Box<dyn Io>, http2: bool, clock: Arc<dyn Clock>) -> Self {
        let codec = match http2 {
            true => ClientCodec::H2(Box::new(h2::Client::new(&h2::Limits::default()))),
            false => ClientCodec::H1(Box::new(h1::Client::new(&h1::Limits::default()))),
        };
        Self {
            io,
            codec,
            clock,
            came: Vec::new(),
            head: ResponseHead::default(),
        }
    }

    /// Whether another probe may follow.
    pub(super) fn takes_more(&self) -> bool {
        self.codec.room() > 0 && !self.codec.is_over()
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When there is no answer that can be understood; the connection is of no use then.
    pub(super) async fn ask(
        &mut self,
        head: &RequestHead,
        body: &[u8],
        keeps: Option<usize>,
    ) -> io::Result<Answer> {
        let request = self.codec.request(head, body.is_empty());
        let stream = request.map_err(io::Error::other)?;
        let mut asked = Asked {
            keeps,
            ..Asked::default()
        };
        let (mut unsent, mut read) = (body, 0);
        loop {
            if !unsent.is_empty() {
                let sent = self.codec.send_data(stream, unsent, true);
                let sent = sent.map_err(io::Error::other)?;
                unsent = unsent.get(sent..).unwrap_or_default();
            }
            self.flush().await?;
            let more = self.read().await?;
            if more == 0 {
                self.end(stream, &mut asked)?;
            }
            read += more;
            self.take(Some((stream, &mut asked)))?;
            if asked.is_whole {
                // What the answer asks for, such as credit, is sent before the connection rests.
                self.flush().await?;
                return Ok(asked.answer);
            }
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if read > MOST {
                return Err(io::Error::other("the answer is too long"));
            }
        }
    }

    /// Does what the connection asks for while there is no request; comes to an end when the connection does.
    pub(super) async fn idle(&mut self) {
        while self.codec.room() > 0 && !self.codec.is_over() {
            if self.flush().await.is_err() {
                return;
            }
            match self.read().await {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return,
            }
            if self.take(None).is_err() {
                return;
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.codec.output().is_empty() {
            let sent = self.io.write(self.codec.output().pending()).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.codec.output().consume(sent);
        }
        self.io.flush().await
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.io.read_buf(&mut self.came).await
    }

    /// The endpoint has closed its side.
    fn end(&mut self, stream: StreamId, asked: &mut Asked) -> io::Result<()> {
        let ended = self.codec.end_of_input().map_err(io::Error::other)?;
        if let Some(Event::Data { stream: of, .. }) = ended {
            asked.is_whole |= of == stream;
        }
        Ok(())
    }

    /// Takes what has come, for the request under way if there is one.
    fn take(&mut self, mut under_way: Option<(StreamId, &mut Asked)>) -> io::Result<()> {
        let now = self.clock.now();
        let mut input = self.came.as_slice();
        let before = input.len();
        let mut result = Ok(());
        loop {
            match self.codec.next(now, &mut input, &mut self.head) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Event::Data { stream, bytes, .. } = event {
                        self.codec.release(stream, bytes.len());
                    }
                    if let Some((stream, asked)) = &mut under_way
                        && let Err(error) = asked.take(*stream, event, &mut self.head)
                    {
                        result = Err(error);
                        break;
                    }
                }
                Err(fault) => {
                    result = Err(io::Error::other(fault));
                    break;
                }
            }
        }
        let taken = before - input.len();
        self.came.drain(..taken);
        result
    }
}

impl Asked {
    fn take(
        &mut self,
        stream: StreamId,
        event: Event<'_>,
        head: &mut ResponseHead,
    ) -> io::Result<()> {
        match event {
            Event::Head { stream: of, body } if of == stream => {
                self.answer.status = head.status;
                self.answer.fields = std::mem::take(&mut head.fields);
                self.is_whole = matches!(body, BodyLength::None | BodyLength::Tunnel);
            }
            Event::Data {
                stream: of,
                bytes,
                end,
            } if of == stream => {
                let room = self.keeps.unwrap_or(MOST);
                let room = room.saturating_sub(self.answer.body.len());
                let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
                self.answer.body.extend_from_slice(kept);
                self.is_whole = end;
            }
            Event::Trailers { stream: of } if of == stream => {
                self.answer.trailers = Some(std::mem::take(&mut head.fields));
                self.is_whole = true;
            }
            Event::Reset { stream: of, .. } if of == stream => {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Event::Broken { stream: of, fault } if of == stream => {
                return Err(io::Error::other(fault));
            }
            Event::Head { .. }
            | Event::Interim { .. }
            | Event::Data { .. }
            | Event::Trailers { .. }
            | Event::Reset { .. }
            | Event::Broken { .. }
            | Event::Window { .. }
            | Event::GoingAway => {}
        }
        Ok(())
    }
}
