//! A client of HTTP/2 with prior knowledge.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

use super::{Answer, Got};
use crate::case::{Case, End, Flood, HOST, Step, named};
use crate::wire::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, WHOLE, go_on,
};
use crate::wire::hpack::Decoder;

/// The stream of the probe after the case: above all that cases use.
const PROBE: u32 = 0x00ff_ffff;

/// Does what the case says on a connection of its own.
pub(crate) async fn ask(case: &Case, id: &str, proxy: SocketAddr, got: &mut Got) {
    let Ok(stream) = TcpStream::connect(proxy).await else {
        got.wrong = Some("the proxy takes no connection".to_owned());
        return;
    };
    let _slower_otherwise = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let (replies, queue) = mpsc::channel(1024);
    let (answered, count) = watch::channel(0);
    let mut reading = Reading {
        case,
        id,
        read,
        decoder: Decoder::new(),
        got,
        replies,
        answered,
        probed: false,
    };
    // A flood can be so long that the proxy stops reading until it is read itself.
    tokio::select! {
        ended = reading.run() => reading.got.wrong = ended.err(),
        () = send(case, id, write, queue, count) => {}
    }
}

/// Writes what the case says, then the replies to the proxy's own frames.
async fn send(
    case: &Case,
    id: &str,
    mut write: OwnedWriteHalf,
    mut replies: mpsc::Receiver<Vec<u8>>,
    mut answers: watch::Receiver<usize>,
) {
    for step in &case.steps {
        match step {
            Step::Send(bytes) => {
                let _closed_already = write.write_all(&named(bytes, id)).await;
            }
            Step::Drip(bytes) => {
                for byte in named(bytes, id) {
                    let _closed_already = write.write_all(&[byte]).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Flood(of) => flood(of, id, &mut write).await,
            Step::Answers(wanted) => {
                let _closed_already = answers.wait_for(|count| count >= wanted).await;
            }
            Step::Interim => {}
            Step::HalfClose => {
                let _closed_already = write.shutdown().await;
            }
        }
    }
    while let Some(reply) = replies.recv().await {
        let _closed_already = write.write_all(&reply).await;
    }
}

/// Writes a flood until it is over or the connection is.
async fn flood(of: &Flood, id: &str, write: &mut OwnedWriteHalf) {
    const PIECE: usize = 64 * 1024;
    let mut turn = named(&of.turn, id);
    let mut piece = Vec::with_capacity(2 * PIECE);
    for _ in 0..of.count {
        piece.extend_from_slice(&turn);
        if of.opens {
            go_on(&mut turn);
        }
        if piece.len() >= PIECE {
            if write.write_all(&piece).await.is_err() {
                return;
            }
            piece.clear();
        }
    }
    let _closed_already = write.write_all(&piece).await;
}

struct Reading<'a> {
    case: &'a Case,
    id: &'a str,
    read: OwnedReadHalf,
    decoder: Decoder,
    got: &'a mut Got,
    replies: mpsc::Sender<Vec<u8>>,
    answered: watch::Sender<usize>,
    probed: bool,
}

impl Reading<'_> {
    async fn run(&mut self) -> Result<(), String> {
        while !self.is_done() {
            let Some(frame) = Frame::read(&mut self.read).await else {
                self.got.closed = true;
                return Ok(());
            };
            self.take(frame).await?;
            self.answered.send_replace(self.ended());
        }
        let probe = self.got.answers.remove(&PROBE);
        self.got.after = probe.and_then(|answer| answer.status);
        Ok(())
    }

    fn ended(&self) -> usize {
        let over = |answer: &&Answer| answer.whole || answer.reset.is_some();
        self.got.answers.values().filter(over).count()
    }

    /// Whether everything that the case promises has come; sends the probe when it is its turn.
    fn is_done(&mut self) -> bool {
        let over = |stream: &u32| {
            let answer = self.got.answers.get(stream);
            answer.is_some_and(|answer| answer.whole || answer.reset.is_some())
        };
        let all = self.case.expect.iter().all(|(stream, _)| over(stream));
        let probed = over(&PROBE);
        match self.case.end {
            End::Closed | End::GoAway(_) => false,
            End::Any => all,
            End::Open if !all => false,
            End::Open if self.probed => probed,
            End::Open => {
                self.probed = true;
                let path = format!("/{}/after", self.id);
                let fields = [
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", HOST),
                    (":path", &path),
                ];
                self.reply(&Frame::head(WHOLE, PROBE, &fields));
                false
            }
        }
    }

    /// The queue is long enough for all but floods, whose answers nobody needs.
    fn reply(&self, frame: &Frame) {
        let _flooded = self.replies.try_send(frame.bytes());
    }

    fn answer(&mut self, stream: u32) -> &mut Answer {
        self.got.answers.entry(stream).or_default()
    }

    async fn take(&mut self, frame: Frame) -> Result<(), String> {
        match frame.kind {
            SETTINGS if !frame.is(ACK) => self.reply(&Frame::new(SETTINGS, ACK, 0, [])),
            PING if !frame.is(ACK) => self.reply(&Frame::new(PING, ACK, 0, frame.payload)),
            HEADERS => return self.head(frame).await,
            DATA => {
                let content = frame.content()?.to_vec();
                let length = u32::try_from(frame.payload.len()).unwrap_or_default();
                if length > 0 {
                    self.reply(&Frame::window(0, length));
                }
                let answer = self.answer(frame.stream);
                answer.body.extend(content);
                answer.whole |= frame.is(END_STREAM);
            }
            RST_STREAM => {
                let code = frame.word(0);
                let answer = self.answer(frame.stream);
                // After its whole answer a server may ask the client to stop sending.
                if !answer.whole {
                    answer.reset = Some(code);
                }
            }
            GOAWAY => self.got.goaway = Some(frame.word(4)),
            _ => {}
        }
        Ok(())
    }

    async fn head(&mut self, frame: Frame) -> Result<(), String> {
        let mut block = frame.content()?.to_vec();
        let mut last = frame.is(END_HEADERS);
        while !last {
            let next = Frame::read(&mut self.read).await.ok_or("half a head")?;
            if next.kind != CONTINUATION || next.stream != frame.stream {
                return Err("another frame within a head".to_owned());
            }
            block.extend(&next.payload);
            last = next.is(END_HEADERS);
        }
        let mut fields = Vec::new();
        for (name, value) in self.decoder.decode(&block)? {
            let name = String::from_utf8(name).map_err(|_| "a field name that is no text")?;
            fields.push((name, value));
        }
        let status = fields.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        let answer = self.got.answers.entry(frame.stream).or_default();
        match status {
            Some(code @ 100..200) => self.got.interim.push(code),
            Some(code) if answer.status.is_none() => {
                answer.status = Some(code);
                answer.fields = fields;
            }
            Some(_) => return Err("two final answers on one stream".to_owned()),
            None => answer.trailers = fields,
        }
        answer.whole |= frame.is(END_STREAM);
        Ok(())
    }
}
