//! HTTP/1.1 read by the letter of RFC 9112: what two readers could read differently is an error.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Why reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The peer closed where a message may end.
    End,
    /// The peer closed, or the connection broke, in the middle of a message.
    Cut,
    /// What came is not HTTP/1.1, or not unambiguous.
    Wrong(String),
}

type Lines = Vec<(String, Vec<u8>)>;

/// The head and the body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) fields: Lines,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Lines,
}

impl Message {
    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<Vec<u8>> {
        values(&self.fields, name)
    }

    pub(crate) fn first(&self, name: &str) -> Option<String> {
        let value = self.all(name).into_iter().next()?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }
}

/// All values of a field among lines.
pub(crate) fn values(lines: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    let named = lines.iter().filter(|(other, _)| other == name);
    named.map(|(_, value)| value.clone()).collect()
}

/// How the body of a message is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads messages of one connection.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
    at: usize,
    /// Everything that was read since the last call of [`Reader::mark`].
    raw: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            at: 0,
            raw: Vec::new(),
        }
    }

    /// Takes what was consumed since the last mark.
    pub(crate) fn mark(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.raw)
    }

    /// What was read and not yet consumed.
    pub(crate) fn left(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Reads more; false at the end. A broken connection is an end too.
    pub(crate) async fn fill(&mut self) -> bool {
        if self.at > 64 * 1024 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let mut piece = vec![0; 16 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend(&piece[..count]);
                true
            }
        }
    }

    async fn byte(&mut self) -> Option<u8> {
        if self.at == self.buffer.len() && !self.fill().await {
            return None;
        }
        let byte = self.buffer[self.at];
        self.at += 1;
        self.raw.push(byte);
        Some(byte)
    }

    /// A line without its CRLF.
    async fn line(&mut self) -> Result<Vec<u8>, Stop> {
        let mut line = Vec::new();
        loop {
            match self.byte().await {
                None if line.is_empty() => return Err(Stop::End),
                None => return Err(Stop::Cut),
                Some(b'\r') => match self.byte().await {
                    Some(b'\n') => return Ok(line),
                    Some(_) => return wrong("a CR without LF"),
                    None => return Err(Stop::Cut),
                },
                Some(b'\n') => return wrong("a LF without CR"),
                Some(byte) => line.push(byte),
            }
            if line.len() > 512 * 1024 {
                return wrong("a line without end");
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = Vec::with_capacity(count.min(1 << 20));
        while bytes.len() < count {
            if self.at == self.buffer.len() && !self.fill().await {
                return Err(Stop::Cut);
            }
            let piece = &self.buffer[self.at..];
            let take = piece.len().min(count - bytes.len());
            bytes.extend(&piece[..take]);
            self.raw.extend(&piece[..take]);
            self.at += take;
        }
        Ok(bytes)
    }

    /// First line and fields of the next message.
    pub(crate) async fn head(&mut self) -> Result<Message, Stop> {
        let line = self.line().await?;
        let line = String::from_utf8(line).or_else(|_| wrong("a first line that is no text"))?;
        let fields = self.fields().await.map_err(cut)?;
        Ok(Message {
            line,
            fields,
            ..Message::default()
        })
    }

    async fn fields(&mut self) -> Result<Lines, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await.map_err(cut)?;
            if line.is_empty() {
                return Ok(fields);
            }
            fields.push(field(&line)?);
        }
    }

    /// The body and the trailers of a message.
    pub(crate) async fn body(&mut self, framing: Framing, into: &mut Message) -> Result<(), Stop> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => into.body = self.exactly(length).await?,
            Framing::Chunked => loop {
                let size = self.line().await.map_err(cut)?;
                let text = std::str::from_utf8(&size).unwrap_or("?");
                let strict = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = usize::from_str_radix(text, 16)
                    .ok()
                    .filter(|_| strict && text.len() < 9);
                let size = size.map_or_else(|| wrong("a chunk size that is none"), Ok)?;
                if size == 0 {
                    into.trailers = self.fields().await.map_err(cut)?;
                    break;
                }
                into.body.extend(self.exactly(size).await?);
                if self.exactly(2).await? != b"\r\n" {
                    return wrong("a chunk longer than its size");
                }
            },
            Framing::UntilClose => {
                while self.fill().await {}
                into.body = self.left().to_vec();
                self.at = self.buffer.len();
            }
        }
        Ok(())
    }
}

fn wrong<T>(why: &str) -> Result<T, Stop> {
    Err(Stop::Wrong(why.to_owned()))
}

fn cut(stop: Stop) -> Stop {
    match stop {
        Stop::End | Stop::Cut => Stop::Cut,
        Stop::Wrong(why) => Stop::Wrong(why),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Stop> {
    let colon = line.iter().position(|byte| *byte == b':');
    let Some(colon) = colon else {
        return wrong("a field without a colon");
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return wrong("a field name that is no token");
    }
    if value
        .iter()
        .any(|byte| *byte == 0x7f || (*byte < 0x20 && *byte != b'\t'))
    {
        return wrong("a control character in a field");
    }
    Ok((
        String::from_utf8_lossy(name).to_ascii_lowercase(),
        value.to_vec(),
    ))
}

/// Where the body of a message ends, were it not for method and status (RFC 9112 6.3).
pub(crate) fn framing(head: &Message) -> Result<Option<Framing>, Stop> {
    let (codings, lengths) = (head.all("transfer-encoding"), head.all("content-length"));
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(None),
        ([coding], []) if coding == b"chunked" => Ok(Some(Framing::Chunked)),
        ([], [length]) => {
            let text = std::str::from_utf8(length).unwrap_or_default();
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(length) if digits => Ok(Some(Framing::Length(length))),
                _ => wrong("a content-length that is no number"),
            }
        }
        ([], _) => wrong("more than one content-length"),
        (_, []) => wrong("a transfer-encoding other than chunked"),
        _ => wrong("content-length beside transfer-encoding"),
    }
}

/// Method, target and host of a request, which must be free of anything to be argued about.
pub(crate) fn request_line(head: &Message) -> Result<(String, String, String), Stop> {
    let parts: Vec<&str> = head.line.split(' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return wrong("a request line that has not three parts");
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return wrong("a method that is no token");
    }
    if *version != "HTTP/1.1" {
        return wrong("another version than HTTP/1.1");
    }
    let visible = target
        .bytes()
        .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#');
    let form = target.starts_with('/') || (*target == "*" && *method == "OPTIONS");
    if !visible || !form || target.contains("%00") {
        return wrong("a target that is not in origin form");
    }
    let hosts = head.all("host");
    let [host] = hosts.as_slice() else {
        return wrong("not exactly one host");
    };
    let host = String::from_utf8_lossy(host).into_owned();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(fits) {
        return wrong("a host with characters that no host has");
    }
    Ok(((*method).to_owned(), (*target).to_owned(), host))
}

/// The status of an answer.
pub(crate) fn status(head: &Message) -> Result<u16, Stop> {
    let rest = head.line.strip_prefix("HTTP/1.1 ");
    let (code, phrase) = rest
        .and_then(|rest| rest.split_at_checked(3))
        .unwrap_or_default();
    let well = code.bytes().all(|byte| byte.is_ascii_digit()) && phrase.starts_with(' ');
    match code.parse() {
        Ok(code) if well && code >= 100 => Ok(code),
        _ => wrong("a status line that is none"),
    }
}
