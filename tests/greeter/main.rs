//! `mesh-greeter PORT`: a server that speaks first, as an application of the tests.
//!
//! It greets whoever comes, says everything back, and ends when its client does.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result};

/// What everybody is told.
const GREETING: &[u8] = b"welcome\n";

fn main() -> Result<()> {
    let port = std::env::args()
        .nth(1)
        .context("usage: mesh-greeter PORT")?;
    let port: u16 = port.parse().context("PORT is a number")?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        // How a connection ends is the business of its client.
        std::thread::spawn(move || serve(stream));
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(GREETING)?;
    let mut said = stream.try_clone()?;
    std::io::copy(&mut said, &mut stream)?;
    stream.shutdown(std::net::Shutdown::Write)
}
