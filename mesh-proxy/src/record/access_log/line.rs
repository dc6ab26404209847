//! One line in Istio's default text format, which is Envoy's format string
//! `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ...`.
//!
//! Written by hand rather than with `write!`, because it is printed for every request.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use mesh_model::time::rfc3339;

use crate::record::Record;

/// Prints lines, one after another, into the same memory.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    /// The second that `moment` stands for.
    second: Option<u64>,
    /// `2026-01-02T03:04:05`
    moment: String,
}

impl Line {
    /// Has printed nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prints a record; the line ends with a line feed.
    pub fn of(&mut self, record: &Record<'_>) -> &str {
        self.text.clear();
        self.start(record.start_time);
        self.request(record);
        self.response(record);
        self.headers(record);
        self.ends(record);
        self.text.push('\n');
        &self.text
    }

    fn start(&mut self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.moment = rfc3339(at);
            self.moment.pop(); // the Z comes after the milliseconds
        }
        self.text.push('[');
        self.text.push_str(&self.moment);
        let millis = since.subsec_millis();
        self.text.push('.');
        for unit in [100, 10, 1] {
            self.digit(u64::from(millis / unit));
        }
        self.text.push_str("Z]");
    }

    fn request(&mut self, record: &Record<'_>) {
        let request = record.request;
        self.text.push_str(" \"");
        self.clean(request.method.as_bytes());
        self.text.push(' ');
        self.clean(request.path.as_bytes());
        self.text.push(' ');
        self.text.push_str(request.version.as_str());
        self.text.push('"');
    }

    fn response(&mut self, record: &Record<'_>) {
        let (response, bytes) = (&record.response, &record.bytes);
        self.number(u64::from(response.status));
        if response.flags.is_empty() {
            self.text.push_str(" -");
        } else {
            // Writing to a string does not fail.
            let _always = write!(self.text, " {}", response.flags);
        }
        self.word(response.details.as_bytes());
        self.text.push_str(" -"); // connections are not ended for a reason of their own
        self.quoted(response.transport_failure.as_bytes());
        self.number(bytes.request_body);
        self.number(bytes.response_body);
        self.number(millis(record.duration));
        match record
            .upstream
            .as_ref()
            .and_then(|upstream| upstream.service_time)
        {
            Some(time) => self.number(millis(time)),
            None => self.text.push_str(" -"),
        }
    }

    fn headers(&mut self, record: &Record<'_>) {
        for name in ["x-forwarded-for", "user-agent", "x-request-id"] {
            self.quoted(record.request.fields.get(name).unwrap_or_default());
        }
        self.quoted(record.request.authority.as_bytes());
    }

    fn ends(&mut self, record: &Record<'_>) {
        let (upstream, connection) = (record.upstream.as_ref(), record.connection);
        match upstream {
            Some(upstream) => {
                self.text.push_str(" \"");
                self.address(upstream.address);
                self.text.push('"');
            }
            None => self.text.push_str(" \"-\""),
        }
        self.word(
            record
                .cluster
                .map_or(b"", |cluster| cluster.name.as_bytes()),
        );
        self.text.push(' ');
        match upstream.and_then(|upstream| upstream.local) {
            Some(local) => self.address(local),
            None => self.text.push('-'),
        }
        self.text.push(' ');
        self.address(connection.local);
        self.text.push(' ');
        self.address(connection.client);
        self.word(connection.sni.as_deref().unwrap_or_default().as_bytes());
        self.word(record.route.as_bytes());
    }

    fn word(&mut self, bytes: &[u8]) {
        self.text.push(' ');
        self.clean(bytes);
    }

    fn quoted(&mut self, bytes: &[u8]) {
        self.text.push_str(" \"");
        self.clean(bytes);
        self.text.push('"');
    }

    /// Text of a client, in which nothing can pass for the end of a line or of a quoted field.
    fn clean(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.text.push('-');
        }
        for piece in bytes.chunk_by(|a, b| is_clean(*a) == is_clean(*b)) {
            match std::str::from_utf8(piece) {
                Ok(text) if piece.first().is_some_and(|byte| is_clean(*byte)) => {
                    self.text.push_str(text);
                }
                _ => self.escaped(piece),
            }
        }
    }

    fn escaped(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // Writing to a string does not fail.
            let _always = write!(self.text, "\\x{byte:02X}");
        }
    }

    fn number(&mut self, number: u64) {
        self.text.push(' ');
        self.digits(number);
    }

    fn digits(&mut self, number: u64) {
        if number >= 10 {
            self.digits(number / 10);
        }
        self.digit(number);
    }

    /// The last digit of a number.
    fn digit(&mut self, number: u64) {
        self.text.push(char::from(b'0' + (number % 10) as u8));
    }

    fn address(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(address) => {
                for (index, octet) in address.ip().octets().into_iter().enumerate() {
                    if index > 0 {
                        self.text.push('.');
                    }
                    self.digits(u64::from(octet));
                }
                self.text.push(':');
                self.digits(u64::from(address.port()));
            }
            SocketAddr::V6(address) => {
                // Writing to a string does not fail.
                let _always = write!(self.text, "{address}");
            }
        }
    }
}

fn is_clean(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"'
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
