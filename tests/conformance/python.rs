//! Clients and servers written in Python, in tests/conformance/python.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mesh_tests::tools::python;

use crate::world::App;

/// Path of a script.
pub(crate) fn script(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("conformance/python").join(name)
}

/// A server: `NAME_server.py PORT`.
pub(crate) fn server(name: &'static str, ports: &'static [(&'static str, u16)]) -> App {
    let script = script(&format!("{name}_server.py"));
    let program = python().to_string_lossy().into_owned();
    let port = ports
        .first()
        .map_or_else(String::new, |(name, _)| format!("${{port.{name}}}"));
    App {
        name,
        ports,
        command: vec![program, script.to_string_lossy().into_owned(), port],
        env: vec![("PYTHONUNBUFFERED", "1".to_owned())],
    }
}

/// Runs one case of a client, `NAME_client.py HOST PORT CASE`, which must end well.
#[track_caller]
pub(crate) fn client(name: &str, to: SocketAddr, case: &str) {
    let output = Command::new(python())
        .arg(script(&format!("{name}_client.py")))
        .args([to.ip().to_string(), to.port().to_string(), case.to_owned()])
        .env("GRPC_VERBOSITY", "ERROR")
        .stdin(Stdio::null())
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{case} at {to}: {}\n{told}{said}",
        output.status
    );
}
