//! The mesh that is soaked, and the ways into it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mesh_tests::{Mesh, Setup};

use crate::course::{Course, EXTRA_HOST};
use crate::http::Way;

/// The pod that the soak calls from.
const CALLER: &str = "caller-0";
const STEADY: &str = "steady-0";

/// Lifetime of certificates: each is renewed several times in each minute.
const CERTIFICATES: &str = "citadel.workload-cert-ttl=20s";

/// A running mesh with its addresses.
pub(crate) struct World {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) course: Arc<Course>,
    gateway: SocketAddr,
}

impl World {
    /// Starts the mesh; it stops when nobody has it any more.
    pub(crate) fn up() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak/mesh");
        let mesh = Setup::default().source(folder).set(CERTIFICATES).apart();
        let mesh = Arc::new(mesh.up());
        Self {
            gateway: mesh.gateway(),
            course: Course::new(),
            mesh,
        }
    }

    fn outbound(&self, name: &'static str, service: &str, port: u16) -> Way {
        Way {
            name,
            to: self.mesh.outbound(CALLER, service, port),
            authority: format!("{service}:{port}"),
        }
    }

    fn inbound(&self, name: &'static str, pod: &str, port: u16) -> Way {
        Way {
            name,
            to: self.mesh.inbound(pod, port),
            authority: format!("soak:{port}"),
        }
    }

    fn at_gateway(&self, name: &'static str, authority: &str) -> Way {
        Way {
            name,
            to: self.gateway,
            authority: authority.to_owned(),
        }
    }

    /// Ways for ordinary requests: towards both versions of HTTP, through one proxy and two.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let mut ways = self.steady_ways();
        ways.push(self.outbound("pair to HTTP/2", "steady", 8081));
        ways.push(self.inbound("inbound to HTTP/2", STEADY, 8081));
        ways.push(self.at_gateway("gateway to HTTP/2", "steady-h2.soak.test"));
        ways.push(self.web());
        ways.push(self.web_at_gateway());
        ways
    }

    /// Ways to the application that stays, which speaks HTTP/1.
    pub(crate) fn steady_ways(&self) -> Vec<Way> {
        vec![
            self.outbound("pair", "steady", 8080),
            self.inbound("inbound", STEADY, 8080),
            self.at_gateway("gateway", "steady.soak.test"),
        ]
    }

    /// Ways to the application's gRPC.
    pub(crate) fn grpc_ways(&self) -> Vec<Way> {
        vec![
            self.outbound("pair", "steady", 8082),
            self.at_gateway("gateway", "steady-grpc.soak.test"),
        ]
    }

    /// Where what changes is called.
    pub(crate) fn web(&self) -> Way {
        self.outbound("pair to web", "web", 8080)
    }

    /// The same by the gateway.
    pub(crate) fn web_at_gateway(&self) -> Way {
        self.at_gateway("gateway to web", "web.soak.test")
    }

    /// Past the client's sidecar, in plain text.
    pub(crate) fn web_v1_inside(&self) -> Way {
        self.inbound("inbound to web-v1", "web-v1-0", 8080)
    }

    /// A host that comes and goes.
    pub(crate) fn extra(&self) -> Way {
        self.at_gateway("gateway", EXTRA_HOST)
    }

    /// A server that ends its idle connections.
    pub(crate) fn unsteady(&self) -> Way {
        self.outbound("pair", "steady", 8083)
    }

    /// A server of bytes.
    pub(crate) fn greeter(&self) -> Way {
        self.outbound("pair", "greeter", 7000)
    }
}
