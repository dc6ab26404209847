//! A TCP port: the server speaks first, everything comes back, and each side ends on its own.

use fastrand::Rng;
use mesh_tests::pattern::pattern;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Traffic;
use crate::http::{Way, connect};
use crate::ledger::{Judged, Verdict};

/// What tests/greeter says first.
const GREETING: &[u8] = b"welcome\n";

/// A connection for each exchange.
pub(crate) struct Bytes {
    way: Way,
    chance: Rng,
}

impl Bytes {
    pub(crate) fn new(way: Way, chance: Rng) -> Self {
        Self { way, chance }
    }
}

impl Traffic for Bytes {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let length = self.chance.u64(0..=256 * 1024);
        let said = pattern(length);
        let mut stream = connect(&self.way).await?;
        let (mut from, mut to) = stream.split();
        let mut heard = Vec::new();
        let say = async {
            to.write_all(&said).await?;
            to.shutdown().await
        };
        let (spoken, listened) = tokio::join!(say, from.read_to_end(&mut heard));
        spoken.map_err(|error| format!("said: {error}"))?;
        listened.map_err(|error| format!("heard {} bytes: {error}", heard.len()))?;
        if heard.strip_prefix(GREETING) == Some(&said) {
            return Ok(Verdict::Good(1));
        }
        Err(format!("{length} bytes said, {} others heard", heard.len()))
    }
}
