//! Requests that are none: each gets the status of its rule (docs/hostile-input.md), then the end.

use super::Traffic;
use crate::http::Way;
use crate::ledger::{Judged, Reason, Verdict};
use crate::raw::Raw;

/// Bytes and the status that they get; `HOST` stands for the host.
const CASES: [(&str, u16); 6] = [
    ("GET / HTTP/1.1\r\nHost: HOST\r\nbad name: x\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nHost: HOST\r\n\r\n", 426),
    ("GET / HTTP/3.0\r\nHost: HOST\r\n\r\n", 505),
    (
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        400,
    ),
];

/// One after the other.
pub(crate) struct Malformed {
    way: Way,
    next: usize,
}

impl Malformed {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, next: 0 }
    }
}

impl Traffic for Malformed {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let (bytes, status) = CASES
            .get(self.next % CASES.len())
            .copied()
            .unwrap_or_default();
        self.next += 1;
        let told = |error: String| format!("{bytes:?}: {error}");
        let mut raw = Raw::open(&self.way).await?;
        let request = bytes.replace("HOST", &self.way.authority);
        raw.write(request.as_bytes()).await?;
        let head = raw.head().await.map_err(told)?;
        if head.status != status {
            return Err(told(format!("status {}", head.status)));
        }
        Ok(Verdict::Expected(Reason::Malformed))
    }
}
