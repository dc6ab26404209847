//! Frames of WebSocket (RFC 6455): unfragmented binary messages and the frame that closes.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The key of the example in RFC 6455 1.3, and the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server makes of [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest message that is taken.
const LONGEST: u64 = 1 << 20;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Binary(Vec<u8>),
    /// The end, with code and reason as they are sent.
    Close(Vec<u8>),
}

/// Reads one frame, masked or not.
///
/// # Errors
/// When the connection ends, or something else comes.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Frame> {
    let [first, second] = stream.read_u16().await?.to_be_bytes();
    let length = match second & !MASKED {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    if length > LONGEST {
        return Err(Error::new(ErrorKind::InvalidData, "a message too long"));
    }
    let mask = match second & MASKED {
        0 => 0,
        _ => stream.read_u32().await?,
    };
    let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut payload).await?;
    cover(&mut payload, mask);
    match first {
        BINARY => Ok(Frame::Binary(payload)),
        CLOSE => Ok(Frame::Close(payload)),
        other => Err(Error::new(
            ErrorKind::InvalidData,
            format!("a frame that begins with {other:#x}"),
        )),
    }
}

/// Writes one frame; clients mask theirs, servers do not (RFC 6455 5.1).
///
/// # Errors
/// When the connection has ended.
pub async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &Frame,
    mask: Option<u32>,
) -> Result<()> {
    let (first, payload) = match frame {
        Frame::Binary(payload) => (BINARY, payload),
        Frame::Close(payload) => (CLOSE, payload),
    };
    let masked = if mask.is_some() { MASKED } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => bytes.push(masked | short),
        (_, Ok(length)) => {
            bytes.push(masked | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.map(u32::to_be_bytes).into_iter().flatten());
    let begin = bytes.len();
    bytes.extend(payload);
    if let Some(payload) = bytes.get_mut(begin..) {
        cover(payload, mask.unwrap_or_default());
    }
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Masks or unmasks: both are the same.
fn cover(payload: &mut [u8], mask: u32) {
    for (byte, mask) in payload
        .iter_mut()
        .zip(mask.to_be_bytes().into_iter().cycle())
    {
        *byte ^= mask;
    }
}
