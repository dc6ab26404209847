//! Bodies that both ends can make and check without keeping them.

/// The byte at a place of every body of the tests.
#[must_use]
pub fn byte_at(place: u64) -> u8 {
    // 251 is prime, so a piece that is lost or doubled shifts everything behind it.
    u8::try_from(place % 251).unwrap_or_default()
}

/// The first `length` bytes.
#[must_use]
pub fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(byte_at).collect()
}

/// A sum over bytes (FNV-1a, 64 bits), in pieces or at once.
#[derive(Debug, Clone, Copy)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Of bytes that are there whole.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    /// Adds what comes next.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// As text.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}
