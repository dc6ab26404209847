//! The programs as processes, each on a port of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use mesh_test::eventually;
use mesh_tests::mesh::{binary, samples};
use rustix::process::{Pid, Signal, kill_process};

/// A service that runs until it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The sample's own program.
    Plain,
    /// The one in the service's language.
    Polyglot,
}

impl Program {
    /// Starts a service with variables, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(service: &str, kind: Kind, environment: &[(&str, String)]) -> Self {
        let address = free();
        let mut command = match kind {
            Kind::Plain => plain(service, address.port()),
            Kind::Polyglot => polyglot(service, address.port()),
        };
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut program = Self {
            child: child.expect("the program is there: cargo xtask tools"),
            address,
        };
        eventually(service, || {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none(), "{service} ended: {ended:?}");
            TcpStream::connect(address)
        });
        program
    }
}

impl Drop for Program {
    /// As Kubernetes ends it; each must end by that.
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).ok();
        if std::thread::panicking() {
            self.child.wait().ok();
            return;
        }
        eventually("the program's end", || {
            self.child.try_wait().unwrap().ok_or("still runs")
        });
    }
}

fn plain(service: &str, port: u16) -> Command {
    let mut command = Command::new(binary("bookinfo"));
    command.args([service, "--port", &port.to_string()]);
    command
}

/// As samples/bookinfo/polyglot/local.yaml starts it.
fn polyglot(service: &str, port: u16) -> Command {
    let (program, arguments): (_, &[&str]) = match service {
        "productpage" => (
            "/usr/bin/python3",
            &[
                "-m",
                "gunicorn",
                "--config",
                "productpage/gunicorn.conf.py",
                "productpage:app",
                "--bind",
            ],
        ),
        "reviews" => ("java", &["reviews/Reviews.java"]),
        "ratings" => ("node", &["ratings/ratings.mjs"]),
        other => panic!("{other} is the sample's own program"),
    };
    let place = match service {
        "productpage" => format!("127.0.0.1:{port}"),
        _ => port.to_string(),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(place)
        .current_dir(samples().join("bookinfo/polyglot"));
    command
}

/// An address that nobody listens on.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The variables that say where services are.
pub(crate) fn places(services: &[(&str, SocketAddr)]) -> Vec<(&'static str, String)> {
    let mut places = Vec::new();
    for (service, address) in services {
        let (host, port) = match *service {
            "details" => ("DETAILS_HOSTNAME", "DETAILS_SERVICE_PORT"),
            "reviews" => ("REVIEWS_HOSTNAME", "REVIEWS_SERVICE_PORT"),
            "ratings" => ("RATINGS_HOSTNAME", "RATINGS_SERVICE_PORT"),
            other => panic!("nobody calls {other}"),
        };
        places.push((host, address.ip().to_string()));
        places.push((port, address.port().to_string()));
    }
    places
}
