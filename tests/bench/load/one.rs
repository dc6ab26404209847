//! HTTP/1.1 at the load generator: one request at a time.

use std::io;

use super::request::Request;
use super::tally::Answer;
use crate::backend::{content_length, split_head};

/// A connection's state.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// When the request under way was due.
    due: Option<u64>,
    /// An answer's head as far as it is there.
    head: Vec<u8>,
    /// What is left of an answer's body.
    body: Option<usize>,
    fault: Option<String>,
}

impl Talk {
    pub(super) fn send(&mut self, due: u64, request: &Request, out: &mut Vec<u8>) {
        self.due = Some(due);
        out.extend_from_slice(&request.one);
    }

    /// Requests that are not answered.
    pub(super) fn open(&self) -> usize {
        usize::from(self.due.is_some())
    }

    pub(super) fn hear(
        &mut self,
        mut bytes: &[u8],
        request: &Request,
        answers: &mut Vec<Answer>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = match self.body {
                None => self.hear_head(bytes, request)?,
                Some(left) => {
                    let (body, after) = bytes.split_at(left.min(bytes.len()));
                    self.body = Some(left - body.len());
                    after
                }
            };
            if self.body == Some(0) {
                self.body = None;
                let due = self.due.take().ok_or_else(unasked)?;
                let fault = self.fault.take();
                answers.push(Answer { due, fault });
            }
        }
        Ok(())
    }

    /// Reads a head, and gives what follows it.
    fn hear_head<'a>(&mut self, bytes: &'a [u8], request: &Request) -> io::Result<&'a [u8]> {
        let had = self.head.len();
        if had > 0 {
            self.head.extend_from_slice(bytes);
            let head = std::mem::take(&mut self.head);
            let Some((lines, after)) = split_head(&head) else {
                self.head = head;
                return Ok(&[]);
            };
            self.judge(lines, request)?;
            let used = head.len() - after.len() - had;
            return Ok(bytes.get(used..).unwrap_or_default());
        }
        let Some((lines, after)) = split_head(bytes) else {
            self.head = bytes.to_vec();
            return Ok(&[]);
        };
        self.judge(lines, request)?;
        Ok(after)
    }

    fn judge(&mut self, head: &[u8], request: &Request) -> io::Result<()> {
        let length = content_length(head)
            .ok_or_else(|| io::Error::other(format!("no length: {}", first_line(head))))?;
        if head.get(9..12) != Some(b"200") {
            self.fault = Some(first_line(head));
        } else if request.expect.is_some_and(|expected| length != expected) {
            self.fault = Some(format!("a body of {length} bytes"));
        }
        self.body = Some(length);
        Ok(())
    }
}

fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\r').next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

fn unasked() -> io::Error {
    io::Error::other("an answer that nobody asked for")
}
