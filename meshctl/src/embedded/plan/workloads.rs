//! Replicas of Deployments: their ports, their sidecars, their applications.

use std::net::{Ipv4Addr, SocketAddr};

use mesh_api::kubernetes::{Container, PortOrName, ServicePort, Transport};
use mesh_api::to_model::port_protocol;
use mesh_model::labels::Labels;
use mesh_model::net::Protocol;

use super::components::{self, Proxy};
use super::environment::{self, Pod};
use super::{DOMAIN, Layout, PortPlan, Process, Program, Ready, Room, Settings, Token, Workload};
use crate::embedded::addresses::{PROXY_ADMIN, PROXY_OWN, ServiceNumber, WorkloadNumber};
use crate::embedded::images::{self, Rule};
use crate::embedded::manifests::{Manifests, WorkloadManifest};
use crate::embedded::substitute::{Names, fill_in};
use crate::error::CommandError;

/// One replica before it has addresses.
struct Replica<'a> {
    manifest: &'a WorkloadManifest,
    pod: String,
}

/// Plans every replica.
pub(super) fn plan(
    manifests: &Manifests,
    rules: &[Rule],
    settings: &Settings,
    ports: &mut dyn Iterator<Item = u16>,
) -> Result<Vec<Workload>, CommandError> {
    let replicas = replicas(&manifests.workloads)?;
    let mut workloads = Vec::with_capacity(replicas.len());
    for (index, replica) in replicas.iter().enumerate() {
        let twin = |other: &Replica<'_>| {
            other.pod == replica.pod && other.manifest.namespace != replica.manifest.namespace
        };
        let file_name = if replicas.iter().any(twin) {
            format!("{}.{}", replica.pod, replica.manifest.namespace)
        } else {
            replica.pod.clone()
        };
        let place = Place {
            manifests,
            rules,
            settings,
            number: WorkloadNumber::of(index)?,
        };
        workloads.push(place.workload(replica, &file_name, ports)?);
    }
    Ok(workloads)
}

fn replicas(manifests: &[WorkloadManifest]) -> Result<Vec<Replica<'_>>, CommandError> {
    let mut replicas: Vec<Replica<'_>> = Vec::new();
    for manifest in manifests {
        for ordinal in 0..manifest.replicas {
            let pod = if manifest.bare {
                manifest.name.clone()
            } else {
                format!("{}-{ordinal}", manifest.name)
            };
            let same = |other: &&Replica<'_>| {
                other.pod == pod && other.manifest.namespace == manifest.namespace
            };
            if let Some(other) = replicas.iter().find(same) {
                let (title, other) = (&manifest.title, &other.manifest.title);
                let error = format!("{title} and {other} both make a pod {pod:?}");
                return Err(CommandError::problem(error).hint("rename one of them"));
            }
            replicas.push(Replica { manifest, pod });
        }
    }
    Ok(replicas)
}

/// Where a replica is planned.
struct Place<'a> {
    manifests: &'a Manifests,
    rules: &'a [Rule],
    settings: &'a Settings,
    number: WorkloadNumber,
}

impl Place<'_> {
    fn workload(
        &self,
        replica: &Replica<'_>,
        file_name: &str,
        free: &mut dyn Iterator<Item = u16>,
    ) -> Result<Workload, CommandError> {
        let manifest = replica.manifest;
        let template = &manifest.template;
        let (labels, account) = (&template.metadata.labels, template.spec.service_account());
        let door = self.settings.network.workload(self.number);
        let ip = match self.settings.layout {
            Layout::Loopback => door,
            Layout::Namespaces => self.number.pod(),
        };
        let token = components::token(file_name, &manifest.namespace, account)?;
        let sidecar = self.sidecar(replica, ip, &token);
        let ports = self.ports(manifest, door, free)?;
        let pod = Pod {
            name: &replica.pod,
            manifest,
            ip,
        };
        let apps = self.apps(&pod, &ports, file_name)?;
        let containers = &template.spec.containers;
        Ok(Workload {
            pod: replica.pod.clone(),
            namespace: manifest.namespace.clone(),
            deployment: manifest.name.clone(),
            account: account.to_owned(),
            labels: labels.clone(),
            annotations: template.metadata.annotations.clone(),
            number: self.number,
            ip,
            door,
            ports,
            outbound: self.outbound()?,
            containers: containers
                .iter()
                .map(|c| (c.name.clone(), c.image.clone()))
                .collect(),
            sidecar,
            apps,
            token,
        })
    }

    fn sidecar(&self, replica: &Replica<'_>, ip: Ipv4Addr, token: &Token) -> Process {
        let template = &replica.manifest.template;
        let proxy = Proxy {
            role: "sidecar",
            pod: &replica.pod,
            namespace: &replica.manifest.namespace,
            account: template.spec.service_account(),
            workload: &replica.manifest.name,
            labels: &template.metadata.labels,
            ip: ip.into(),
            admin: self.admin(ip),
            room: self.settings.room(Room::Sidecar(self.number)),
            token,
        };
        proxy.process(self.settings)
    }

    /// Where the sidecar's admin pages are, as it sees it.
    fn admin(&self, ip: Ipv4Addr) -> SocketAddr {
        let own = match self.settings.layout {
            Layout::Loopback => ip,
            Layout::Namespaces => Ipv4Addr::LOCALHOST,
        };
        (own, PROXY_ADMIN).into()
    }

    /// Where the application listens, as it sees it.
    fn listens(&self, port: &PortPlan) -> SocketAddr {
        match self.settings.layout {
            Layout::Loopback => port.app,
            Layout::Namespaces => (Ipv4Addr::LOCALHOST, port.container_port).into(),
        }
    }

    /// Ports that the containers declare, and those that only a service speaks of.
    fn ports(
        &self,
        manifest: &WorkloadManifest,
        ip: Ipv4Addr,
        free: &mut dyn Iterator<Item = u16>,
    ) -> Result<Vec<PortPlan>, CommandError> {
        let mut plans: Vec<PortPlan> = Vec::new();
        for (name, number, container) in wanted_ports(self.manifests, manifest) {
            if PROXY_OWN.contains(&number) {
                let error = format!("{}: port {number} belongs to the sidecar", manifest.title);
                let own = PROXY_OWN.map(|port| port.to_string()).join(", ");
                return Err(CommandError::problem(error)
                    .hint(format!("choose another containerPort than {own}")));
            }
            if plans.iter().any(|plan| plan.container_port == number) {
                let error = format!("{}: two containers have port {number}", manifest.title);
                return Err(CommandError::problem(error));
            }
            let app = free.next().ok_or_else(|| {
                CommandError::problem("no free port is left on 127.0.0.1 for applications")
            })?;
            plans.push(PortPlan {
                name,
                container_port: number,
                bind: (ip, self.settings.low_ports.place(number)).into(),
                app: (Ipv4Addr::LOCALHOST, app).into(),
                container,
                protocol: Protocol::Auto,
            });
        }
        for plan in &mut plans {
            plan.protocol = self.spoken(manifest, plan);
        }
        Ok(plans)
    }

    /// What the first service that leads to a port says of it.
    fn spoken(&self, manifest: &WorkloadManifest, plan: &PortPlan) -> Protocol {
        let leads = |port: &&ServicePort| match target(port) {
            PortOrName::Number(number) => number == plan.container_port,
            PortOrName::Name(name) => name == plan.name,
        };
        let services = self.manifests.services.iter();
        services
            .filter(|service| service.object.key.namespace == manifest.namespace.as_str())
            .filter(|service| selects(&service.spec.selector, &manifest.template.metadata.labels))
            .find_map(|service| service.spec.ports.iter().find(leads))
            .map_or(Protocol::Auto, port_protocol)
    }

    fn outbound(&self) -> Result<Vec<(String, SocketAddr)>, CommandError> {
        let mut outbound = Vec::new();
        // What is captured needs no listener of its own.
        if self.settings.layout == Layout::Namespaces {
            return Ok(outbound);
        }
        for (index, service) in self.manifests.services.iter().enumerate() {
            let ip = self
                .settings
                .network
                .service(self.number, ServiceNumber::of(index)?);
            let key = &service.object.key;
            for port in service
                .spec
                .ports
                .iter()
                .filter(|port| port.protocol == Transport::Tcp)
            {
                let host = format!("{}.{}.svc.{DOMAIN}:{}", key.name, key.namespace, port.port);
                let address = (ip, self.settings.low_ports.place(port.port)).into();
                outbound.push((host, address));
            }
        }
        Ok(outbound)
    }

    fn apps(
        &self,
        pod: &Pod<'_>,
        ports: &[PortPlan],
        file_name: &str,
    ) -> Result<Vec<Process>, CommandError> {
        let services = self.service_names(&pod.manifest.namespace)?;
        let containers = &pod.manifest.template.spec.containers;
        let mut apps = Vec::with_capacity(containers.len());
        for (index, container) in containers.iter().enumerate() {
            let rule = images::find(self.rules, &container.image)
                .ok_or_else(|| unmapped(pod.manifest, container, self.rules))?;
            let own: Vec<&PortPlan> = ports
                .iter()
                .filter(|port| port.container == index)
                .collect();
            let names = self.with_ports(services.clone(), &own);
            let log = match index {
                0 => format!("{file_name}.app.log"),
                _ => format!("{file_name}.{}.app.log", container.name),
            };
            let env = environment::build(pod, container, rule, &names)?;
            let env = self
                .service_variables(&names, &pod.manifest.namespace)
                .chain(env)
                .collect();
            apps.push(Process {
                program: program(rule),
                args: arguments(rule, &names)?,
                env,
                log,
                ready: Ready::Accepts(own.iter().map(|port| self.listens(port)).collect()),
                room: self.settings.room(Room::Application(self.number)),
            });
        }
        Ok(apps)
    }

    /// `service.NAME.host` and `.port` as this workload calls them.
    fn service_names(&self, namespace: &str) -> Result<Names, CommandError> {
        let mut names = Names::default();
        for (index, service) in self.manifests.services.iter().enumerate() {
            let ip = self
                .settings
                .network
                .service(self.number, ServiceNumber::of(index)?);
            let key = &service.object.key;
            let first = service
                .spec
                .ports
                .iter()
                .find(|port| port.protocol == Transport::Tcp);
            let host = match self.settings.layout {
                Layout::Loopback => ip.to_string(),
                Layout::Namespaces => format!("{}.{}.svc.{DOMAIN}", key.name, key.namespace),
            };
            let mut call = |name: &str| {
                names.0.insert(format!("service.{name}.host"), host.clone());
                if let Some(port) = first {
                    let port = match self.settings.layout {
                        Layout::Loopback => self.settings.low_ports.place(port.port),
                        Layout::Namespaces => port.port,
                    };
                    names
                        .0
                        .insert(format!("service.{name}.port"), port.to_string());
                }
            };
            call(&format!("{}.{}", key.name, key.namespace));
            if key.namespace == namespace {
                call(&key.name);
            }
        }
        Ok(names)
    }

    fn with_ports(&self, mut names: Names, ports: &[&PortPlan]) -> Names {
        let address = match self.settings.layout {
            Layout::Loopback => Ipv4Addr::LOCALHOST,
            // A sidecar calls its application at the address of the pod.
            Layout::Namespaces => Ipv4Addr::UNSPECIFIED,
        };
        names.0.insert("address".to_owned(), address.to_string());
        let number = |port: &PortPlan| self.listens(port).port().to_string();
        if let Some(first) = ports.first() {
            names.0.insert("port".to_owned(), number(first));
        }
        for port in ports {
            let value = number(port);
            names
                .0
                .insert(format!("port.{}", port.container_port), value.clone());
            if !port.name.is_empty() {
                names.0.insert(format!("port.{}", port.name), value);
            }
        }
        names
    }

    /// `REVIEWS_SERVICE_HOST` and `REVIEWS_SERVICE_PORT`, which Kubernetes gives to every container.
    fn service_variables<'n>(
        &'n self,
        names: &'n Names,
        namespace: &'n str,
    ) -> impl Iterator<Item = (String, String)> + 'n {
        let services = self.manifests.services.iter();
        let own = services.filter(move |service| service.object.key.namespace == namespace);
        own.flat_map(move |service| {
            let name = &service.object.key.name;
            let upper = name.to_uppercase().replace(['-', '.'], "_");
            ["host", "port"].into_iter().filter_map(move |what| {
                let value = names.0.get(&format!("service.{name}.{what}"))?;
                Some((
                    format!("{upper}_SERVICE_{}", what.to_uppercase()),
                    value.clone(),
                ))
            })
        })
    }
}

/// Name, number and container of each port of a pod.
fn wanted_ports(manifests: &Manifests, manifest: &WorkloadManifest) -> Vec<(String, u16, usize)> {
    let mut wanted = Vec::new();
    for (index, container) in manifest.template.spec.containers.iter().enumerate() {
        for port in container
            .ports
            .iter()
            .filter(|port| port.protocol == Transport::Tcp)
        {
            wanted.push((port.name.clone(), port.container_port, index));
        }
    }
    for service in &manifests.services {
        if service.object.key.namespace != manifest.namespace.as_str()
            || !selects(&service.spec.selector, &manifest.template.metadata.labels)
        {
            continue;
        }
        for port in service
            .spec
            .ports
            .iter()
            .filter(|port| port.protocol == Transport::Tcp)
        {
            // A containerPort is only information in Kubernetes: a service may name another number.
            if let PortOrName::Number(number) = target(port)
                && !wanted.iter().any(|(_, known, _)| *known == number)
            {
                wanted.push((String::new(), number, 0));
            }
        }
    }
    wanted
}

/// Whether a service's selector takes a pod with these labels; an empty one takes none.
pub(crate) fn selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.0.is_empty() && labels.contain(selector)
}

/// The container port behind a service's port: the same number unless it says otherwise.
pub(crate) fn target(port: &ServicePort) -> PortOrName {
    port.target_port
        .clone()
        .unwrap_or(PortOrName::Number(port.port))
}

fn program(rule: &Rule) -> Program {
    Program::Mapped {
        command: rule.rule.command.first().cloned().unwrap_or_default(),
        folder: rule.folder.clone(),
        place: rule.place("command"),
    }
}

fn arguments(rule: &Rule, names: &Names) -> Result<Vec<String>, CommandError> {
    let first = rule
        .rule
        .command
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, text)| ("command", i, text));
    let further = rule
        .rule
        .args
        .iter()
        .enumerate()
        .map(|(i, text)| ("args", i, text));
    let fill = |(field, index, text): (&str, usize, &String)| {
        let place = || rule.place(&format!("{field}[{index}]"));
        fill_in(text, names).map_err(|error| CommandError::problem(format!("{}: {error}", place())))
    };
    first.chain(further).map(fill).collect()
}

fn unmapped(manifest: &WorkloadManifest, container: &Container, rules: &[Rule]) -> CommandError {
    let (title, name, image) = (&manifest.title, &container.name, &container.image);
    let error = format!("{title}: container {name:?}: no process is known for image {image:?}");
    let mut files: Vec<&str> = rules.iter().map(|rule| rule.file.as_str()).collect();
    files.dedup();
    let place = match files.as_slice() {
        [] => "a file of kind LocalApplication, given with another -f".to_owned(),
        files => files.join(" or "),
    };
    let pattern = image
        .rsplit('/')
        .next()
        .unwrap_or(image)
        .split([':', '@'])
        .next()
        .unwrap_or(image);
    CommandError::problem(error)
        .hint(format!(
            "add to spec.images of {place}: {{match: \"*{pattern}*\", command: [PROGRAM], args: [\"${{port}}\"]}}"
        ))
        .hint("docs/local-mesh.md describes the image map")
}
