//! A pod with a proxy's two listeners and an application, and a server outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use mesh_tests::mesh::binary;
use tempfile::TempDir;

use crate::listener::{Caller, Listener, call};
use crate::space::{Space, success};

/// What the injected init container is given.
pub(crate) const INJECTED: &[&str] = &[
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

/// The user of the proxy.
const PROXY: u32 = 1337;
/// A user of an application.
const APPLICATION: u32 = 1000;
/// Where Debian has the programs of netfilter.
const PROGRAMS: &str = "/usr/sbin";

/// A pod's addresses, and those of a server outside.
pub(crate) const POD: &str = "10.99.0.2";
pub(crate) const POD_V6: &str = "fd99::2";

/// Who applies the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    IptablesNft,
    IptablesLegacy,
    /// Only `iptables-save` and its like are installed, without a variant in their names.
    IptablesPlain,
    Nft,
}

impl Backend {
    /// Those whose rules differ.
    pub(crate) const ALL: [Self; 3] = [Self::IptablesNft, Self::IptablesLegacy, Self::Nft];

    pub(crate) fn flags(self) -> [&'static str; 2] {
        match self {
            Self::Nft => ["--backend", "nft"],
            Self::IptablesNft | Self::IptablesLegacy | Self::IptablesPlain => {
                ["--backend", "iptables"]
            }
        }
    }

    /// The programs that the image of the init container has, and what they really are.
    fn programs(self) -> Vec<(String, String)> {
        let variant = match self {
            Self::Nft => return vec![("nft".to_owned(), "nft".to_owned())],
            Self::IptablesNft | Self::IptablesPlain => "-nft",
            Self::IptablesLegacy => "-legacy",
        };
        let shown = if self == Self::IptablesPlain {
            ""
        } else {
            variant
        };
        let mut programs = Vec::new();
        for version in ["iptables", "ip6tables"] {
            for verb in ["save", "restore"] {
                programs.push((
                    format!("{version}{shown}-{verb}"),
                    format!("{version}{variant}-{verb}"),
                ));
            }
        }
        programs
    }
}

/// A folder of programs, as PATH.
pub(crate) fn folder_of(backends: &[Backend]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, real) in backends.iter().flat_map(|backend| backend.programs()) {
        let real = PathBuf::from(PROGRAMS).join(real);
        symlink(real, folder.path().join(name)).unwrap();
    }
    folder
}

/// A pod and what is outside it.
pub(crate) struct World {
    // Before the namespaces: sockets keep a namespace alive.
    _listeners: Vec<Listener>,
    pub(crate) pod: Space,
    outside: Space,
    programs: TempDir,
}

impl World {
    /// Nothing is captured yet.
    pub(crate) fn new(backends: &[Backend]) -> Self {
        let (pod, outside) = (Space::new(), Space::new());
        join(&pod, &outside);
        let listeners = listeners(&pod, &outside);
        Self {
            _listeners: listeners,
            pod,
            outside,
            programs: folder_of(backends),
        }
    }

    /// Captured by `backend` with these flags.
    #[track_caller]
    pub(crate) fn captured(backend: Backend, flags: &[&str]) -> Self {
        let world = Self::new(&[backend]);
        success(&world.capture(&[flags, &backend.flags()].concat()));
        assert!(world.rules().contains("ISTIO_OUTPUT"), "{backend:?}");
        world
    }

    /// Runs `mesh-proxy capture` in the pod.
    pub(crate) fn capture(&self, flags: &[&str]) -> Output {
        self.capture_with(self.programs.path().to_str().unwrap(), flags)
    }

    /// The same with another PATH.
    pub(crate) fn capture_with(&self, path: &str, flags: &[&str]) -> Output {
        let mut command = self.pod.command(binary("mesh-proxy").to_str().unwrap());
        command.arg("capture").args(flags).env("PATH", path);
        command.output().unwrap()
    }

    /// The application calls.
    pub(crate) fn application(&self, to: &str) -> String {
        self.as_user(APPLICATION, to)
    }

    /// The proxy calls.
    pub(crate) fn proxy(&self, to: &str) -> String {
        self.as_user(PROXY, to)
    }

    /// A process of the pod calls.
    pub(crate) fn as_user(&self, id: u32, to: &str) -> String {
        let caller = Caller {
            user: id,
            group: id,
            from: None,
        };
        call(&self.pod, caller, to.parse().unwrap())
    }

    /// A process of the pod with a user and a group of its own calls.
    pub(crate) fn as_user_and_group(&self, user: u32, group: u32, to: &str) -> String {
        let caller = Caller {
            user,
            group,
            from: None,
        };
        call(&self.pod, caller, to.parse().unwrap())
    }

    /// The proxy hands over to its application.
    pub(crate) fn proxy_from(&self, from: &str, to: &str) -> String {
        let caller = Caller {
            user: PROXY,
            group: PROXY,
            from: Some(from.parse().unwrap()),
        };
        call(&self.pod, caller, to.parse().unwrap())
    }

    /// Somebody outside calls.
    pub(crate) fn outsider(&self, to: &str) -> String {
        let caller = Caller {
            user: 0,
            group: 0,
            from: None,
        };
        call(&self.outside, caller, to.parse().unwrap())
    }

    /// Every rule of the pod, whoever applied it, without counters and dates.
    ///
    /// The tables of iptables-legacy are asked only where there are some, as asking makes them.
    pub(crate) fn rules(&self) -> String {
        let saved = self.pod.shell(
            "iptables-nft-save; ip6tables-nft-save; nft list tables; \
             nft list table ip mesh_capture 2>&1 || true; \
             nft list table ip6 mesh_capture 2>&1 || true; \
             ! grep -q nat /proc/net/ip_tables_names || iptables-legacy-save -t nat; \
             ! grep -q nat /proc/net/ip6_tables_names || ip6tables-legacy-save -t nat; \
             ip -o addr show dev lo",
        );
        let lines = saved.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// A veth pair, addresses, routes, and addresses of the world behind it.
fn join(pod: &Space, outside: &Space) {
    outside.shell(&format!(
        "ip link add veth0 type veth peer name eth0 netns {}
         ip addr add 10.99.0.1/24 dev veth0
         ip addr add fd99::1/64 dev veth0 nodad
         ip link set veth0 up
         ip addr add 198.51.100.7/32 dev lo
         ip addr add 2001:db8::7/128 dev lo",
        pod.holder()
    ));
    pod.shell(
        "ip addr add 10.99.0.2/24 dev eth0
         ip addr add fd99::2/64 dev eth0 nodad
         ip link set eth0 up
         ip route add default via 10.99.0.1
         ip -6 route add default via fd99::1",
    );
}

fn listeners(pod: &Space, outside: &Space) -> Vec<Listener> {
    let places = [
        (pod, "outbound", 15001),
        (pod, "inbound", 15006),
        (pod, "status", 15020),
        (pod, "application", 8080),
        (pod, "application", 8081),
        (outside, "server", 80),
        (outside, "server", 3306),
    ];
    let every: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let mut listeners = Vec::new();
    for (space, name, port) in places {
        for address in every {
            listeners.push(Listener::start(space, name, SocketAddr::new(address, port)));
        }
    }
    listeners
}
