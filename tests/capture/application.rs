//! An application that knows nothing of the mesh: HTTP on a plain socket.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::net::{Shutdown, shutdown};

use crate::space::Space;

/// Answers every request with its name, with where it was called from, and with the request's head.
pub(crate) struct Application {
    socket: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Listens in `space`, to both versions of IP.
    pub(crate) fn start(space: &Space, name: &'static str, port: u16) -> Self {
        let every = Ipv6Addr::UNSPECIFIED;
        let socket = Arc::new(space.inside(|| TcpListener::bind((every, port)).unwrap()));
        let accepting = socket.clone();
        let thread = std::thread::spawn(move || {
            // Ends when the socket is shut down.
            while let Ok((stream, peer)) = accepting.accept() {
                let called = format!("{name} from {}", peer.ip().to_canonical());
                let _gone = answer(stream, &called);
            }
        });
        Self {
            socket,
            thread: Some(thread),
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _woken = shutdown(&*self.socket, Shutdown::Both);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream, called: &str) -> std::io::Result<()> {
    let mut body = format!("{called}\n");
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        body.push_str(&line);
        body.push('\n');
    }
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
