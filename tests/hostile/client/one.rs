//! A client of HTTP/1.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Answer, Got};
use crate::case::{Case, End, HOST, Outcome, Step, named};
use crate::wire::h1::{Framing, Message, Reader, Stop, framing, status};

/// How long a write may take that nobody makes room for.
const STUCK: std::time::Duration = std::time::Duration::from_secs(2);

/// Does what the case says on a connection of its own.
pub(crate) async fn ask(case: &Case, id: &str, proxy: SocketAddr, got: &mut Got) {
    let Ok(stream) = TcpStream::connect(proxy).await else {
        got.wrong = Some("the proxy takes no connection".to_owned());
        return;
    };
    let _slower_otherwise = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let mut exchange = Exchange {
        case,
        id,
        reader: Reader::new(read),
        switched: None,
        got,
    };
    if let Err(stop) = exchange.run(&mut write).await {
        exchange.got.closed = true;
        if let Stop::Wrong(why) = stop {
            exchange.got.wrong = Some(why);
        }
    }
}

struct Exchange<'a> {
    case: &'a Case,
    id: &'a str,
    reader: Reader<OwnedReadHalf>,
    /// The 101 that was read, while what follows it was not.
    switched: Option<Message>,
    got: &'a mut Got,
}

impl Exchange<'_> {
    async fn run(&mut self, write: &mut OwnedWriteHalf) -> Result<(), Stop> {
        for step in &self.case.steps {
            // The proxy may have closed: what it said before is still to be read.
            match step {
                Step::Send(bytes) => {
                    // Both ways at once, lest both sides wait for the other to read.
                    let bytes = named(bytes, self.id);
                    self.send(write, &bytes).await?;
                }
                Step::Drip(bytes) => {
                    for byte in named(bytes, self.id) {
                        let _closed_already = write.write_all(&[byte]).await;
                        tokio::task::yield_now().await;
                    }
                }
                Step::Flood(_) => {}
                Step::Answers(count) => self.until(*count).await?,
                Step::Interim => {
                    while self.got.interim.is_empty() {
                        self.next().await?;
                    }
                }
                Step::HalfClose => {
                    let _closed_already = write.shutdown().await;
                }
            }
        }
        self.until(self.case.expect.len()).await?;
        match self.case.end {
            End::Open => {
                let id = self.id;
                let probe = format!("GET /{id}/after HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
                let _closed_already = write.write_all(probe.as_bytes()).await;
                let count = self.got.answers.len();
                self.until(count + 1).await?;
                let last = self.got.answers.pop_last();
                self.got.after = last.and_then(|(_, answer)| answer.status);
                Ok(())
            }
            End::Closed | End::GoAway(_) => loop {
                self.next().await?;
            },
            End::Any => Ok(()),
        }
    }

    async fn send(&self, write: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.len().min(64 * 1024);
            let (head, tail) = rest.split_at(piece);
            // Writing that is stuck means that the proxy wants to be read first.
            let sent = tokio::time::timeout(STUCK, write.write_all(head)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Ok(());
            }
            rest = tail;
        }
        Ok(())
    }

    async fn until(&mut self, count: usize) -> Result<(), Stop> {
        while self.got.answers.len() < count {
            self.next().await?;
        }
        Ok(())
    }

    /// Reads the next answer, final or not.
    async fn next(&mut self) -> Result<(), Stop> {
        let number = u32::try_from(self.got.answers.len()).unwrap_or(u32::MAX) + 1;
        let (mut message, code) = match self.switched.take() {
            Some(message) => (message, 101),
            None => {
                let message = self.reader.head().await?;
                let code = status(&message)?;
                (message, code)
            }
        };
        if (100..200).contains(&code) && !self.got.interim.contains(&101) {
            self.got.interim.push(code);
            if code != 101 {
                return Ok(());
            }
            // The case says what is sent once the protocol has changed.
            self.switched = Some(message);
            return Ok(());
        }
        let framing = self.framing(number, code, &message)?;
        let ended = self.reader.body(framing, &mut message).await;
        let answer = Answer {
            status: Some(code),
            fields: message.fields,
            body: message.body,
            trailers: message.trailers,
            whole: ended.is_ok(),
            reset: None,
        };
        self.got.answers.insert(number, answer);
        ended
    }

    fn framing(&self, number: u32, code: u16, message: &Message) -> Result<Framing, Stop> {
        let told = framing(message)?;
        let expected = self.case.expect.iter().find(|(other, _)| *other == number);
        let head = match expected {
            Some((_, Outcome::Accepted(request)))
            | Some((_, Outcome::Answered { request, .. } | Outcome::Spoilt { request, .. })) => {
                request.method == "HEAD"
            }
            _ => false,
        };
        if head || code == 204 || code == 304 {
            return Ok(Framing::None);
        }
        Ok(told.unwrap_or(Framing::UntilClose))
    }
}
