//! The annotations by which a pod changes what it gets: all that Istio knows, each parsed into the
//! pod's own copy of the settings.
//!
//! A value that cannot be used stops the injection of its object; an annotation that changes nothing
//! here, or that nobody knows, is said.

use ipnet::IpNet;
use mesh_api::nearest;
use serde_json::{Map, Value};

use crate::codes;
use crate::durations;
use crate::problem::{Problem, annotation};
use crate::quantity;
use crate::settings::{
    INBOUND_PORT, InterceptionMode, OUTBOUND_PORT, OWN_PORTS, STATUS_PORT, Settings,
};

pub(crate) mod proxy_config;

/// Whether a sidecar is wanted; decided in `decide`.
pub(crate) const INJECT: &str = "sidecar.istio.io/inject";
/// Written by the injector: what it put in.
pub(crate) const STATUS: &str = "sidecar.istio.io/status";

/// What one pod gets: the settings as its annotations changed them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) settings: Settings,
    /// Volumes of the user for the sidecar.
    pub(crate) volumes: Vec<Value>,
    /// Where they are mounted.
    pub(crate) mounts: Vec<Value>,
    /// Whether the sidecar's resources are only those that annotations name.
    own_resources: bool,
}

type Apply = fn(&mut Wanted, &str) -> Result<(), String>;

/// Names that Istio gave meaning; beside each what its value does.
const KNOWN: [(&str, Apply); 28] = [
    ("sidecar.istio.io/proxyImage", |wanted, value| {
        wanted.settings.proxy.image = not_empty(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/interceptionMode", |wanted, value| {
        wanted.settings.capture.mode = InterceptionMode::from_word(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/discoveryAddress", |wanted, value| {
        wanted.settings.proxy.xds_address = address(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/proxyCPU", |wanted, value| {
        resource(wanted, "cpu", value, false)
    }),
    ("sidecar.istio.io/proxyMemory", |wanted, value| {
        resource(wanted, "memory", value, false)
    }),
    ("sidecar.istio.io/proxyCPULimit", |wanted, value| {
        resource(wanted, "cpu", value, true)
    }),
    ("sidecar.istio.io/proxyMemoryLimit", |wanted, value| {
        resource(wanted, "memory", value, true)
    }),
    ("sidecar.istio.io/userVolume", |wanted, value| {
        wanted.volumes = named_objects(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/userVolumeMount", |wanted, value| {
        wanted.mounts = named_objects(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/rewriteAppHTTPProbers", |wanted, value| {
        wanted.settings.rewrite_app_probes = boolean(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/logLevel", |wanted, value| {
        wanted.settings.proxy.log_level = log_level(value)?;
        Ok(())
    }),
    ("sidecar.istio.io/nativeSidecar", |wanted, value| {
        wanted.settings.native_sidecars = boolean(value)?;
        Ok(())
    }),
    ("proxy.istio.io/config", |wanted, value| {
        proxy_config::apply_text(&mut wanted.settings, value)
    }),
    ("prometheus.istio.io/merge-metrics", |wanted, value| {
        wanted.settings.prometheus_merge = boolean(value)?;
        Ok(())
    }),
    ("status.sidecar.istio.io/port", |wanted, value| {
        wanted.settings.proxy.status_port = status_port(value.parse().ok())?;
        Ok(())
    }),
    (
        "readiness.status.sidecar.istio.io/initialDelaySeconds",
        |wanted, value| {
            wanted.settings.proxy.readiness.initial_delay_seconds = seconds(value, 0)?;
            Ok(())
        },
    ),
    (
        "readiness.status.sidecar.istio.io/periodSeconds",
        |wanted, value| {
            wanted.settings.proxy.readiness.period_seconds = seconds(value, 1)?;
            Ok(())
        },
    ),
    (
        "readiness.status.sidecar.istio.io/failureThreshold",
        |wanted, value| {
            wanted.settings.proxy.readiness.failure_threshold = seconds(value, 1)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        |wanted, value| {
            wanted.settings.capture.include_outbound_ip_ranges = ranges(value, true)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        |wanted, value| {
            wanted.settings.capture.exclude_outbound_ip_ranges = ranges(value, false)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/includeInboundPorts",
        |wanted, value| {
            wanted.settings.capture.include_inbound_ports = inbound_ports(value)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/excludeInboundPorts",
        |wanted, value| {
            wanted.settings.capture.exclude_inbound_ports = ports(value, false)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/includeOutboundPorts",
        |wanted, value| {
            wanted.settings.capture.include_outbound_ports = ports(value, true)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        |wanted, value| {
            wanted.settings.capture.exclude_outbound_ports = ports(value, false)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/excludeInterfaces",
        |wanted, value| {
            wanted.settings.capture.exclude_interfaces = interfaces(value)?;
            Ok(())
        },
    ),
    (
        "traffic.sidecar.istio.io/kubevirtInterfaces",
        |wanted, value| {
            wanted.settings.capture.virtual_interfaces = interfaces(value)?;
            Ok(())
        },
    ),
    ("istio.io/reroute-virtual-interfaces", |wanted, value| {
        wanted.settings.capture.virtual_interfaces = interfaces(value)?;
        Ok(())
    }),
    ("inject.istio.io/templates", |_, value| match value {
        "sidecar" => Ok(()),
        _ => Err("there is one template, sidecar".to_owned()),
    }),
];

/// Names that Istio knows and that change nothing here.
const WITHOUT_EFFECT: [&str; 17] = [
    "sidecar.istio.io/proxyImageType",
    "sidecar.istio.io/controlPlaneAuthPolicy",
    "sidecar.istio.io/bootstrapOverride",
    "sidecar.istio.io/componentLogLevel",
    "sidecar.istio.io/statsInclusionPrefixes",
    "sidecar.istio.io/statsInclusionSuffixes",
    "sidecar.istio.io/statsInclusionRegexps",
    "sidecar.istio.io/statsHistogramBuckets",
    "sidecar.istio.io/statsHistogramBins",
    "sidecar.istio.io/statsFlushInterval",
    "sidecar.istio.io/statsEvictionInterval",
    "sidecar.istio.io/statsCompression",
    "sidecar.istio.io/extraStatTags",
    "readiness.status.sidecar.istio.io/applicationPorts",
    "proxy.istio.io/overrides",
    "sidecar.istio.io/enableCoreDump",
    "sidecar.istio.io/agentLogLevel",
];

/// Whose annotations are looked at closely: a misspelt one of these would be missed.
const FAMILIES: [&str; 6] = [
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "status.sidecar.istio.io/",
    "readiness.status.sidecar.istio.io/",
    "proxy.istio.io/",
    "inject.istio.io/",
];

/// What a pod with these annotations gets, and what there is to say; or all that is wrong.
pub(crate) fn read(
    settings: &Settings,
    annotations: &Map<String, Value>,
) -> Result<(Wanted, Vec<Problem>), Vec<Problem>> {
    let mut wanted = Wanted {
        settings: settings.clone(),
        volumes: Vec::new(),
        mounts: Vec::new(),
        own_resources: false,
    };
    let (mut wrong, mut said) = (Vec::new(), Vec::new());
    let mut ordered: Vec<(&String, &Value)> = annotations.iter().collect();
    // Single annotations are more particular than the configuration that is one annotation.
    ordered.sort_by_key(|(name, _)| (*name != "proxy.istio.io/config", *name));
    for (name, value) in ordered {
        let known = KNOWN.iter().find(|(known, _)| known == name);
        let Some((_, apply)) = known else {
            said.extend(unknown(name));
            continue;
        };
        let text = value.as_str().unwrap_or_default();
        if let Err(why) = apply(&mut wanted, text) {
            let message = format!("{text:?}: {why}");
            wrong.push(Problem::error(
                codes::INVALID_ANNOTATION,
                annotation(name),
                message,
            ));
        } else if name == "proxy.istio.io/config" {
            said.extend(proxy_config::without_effect(text).into_iter().map(|field| {
                let message = format!("{field} has no effect in mesh");
                Problem::warning(codes::NO_EFFECT, annotation(name), message)
            }));
        }
    }
    if wrong.is_empty() {
        Ok((wanted, said))
    } else {
        Err(wrong)
    }
}

fn unknown(name: &str) -> Option<Problem> {
    if [INJECT, STATUS, "istio.io/rev"].contains(&name) {
        return None;
    }
    if WITHOUT_EFFECT.contains(&name) {
        let message = "has no effect in mesh";
        return Some(Problem::warning(
            codes::NO_EFFECT,
            annotation(name),
            message,
        ));
    }
    if !FAMILIES.iter().any(|family| name.starts_with(family)) {
        return None;
    }
    let known = KNOWN.iter().map(|(name, _)| *name).chain([INJECT]);
    let hint =
        nearest(name, known).map_or_else(String::new, |name| format!("did you mean {name}?"));
    let message = "nobody knows this annotation";
    Some(Problem::warning(codes::UNKNOWN_ANNOTATION, annotation(name), message).with_hint(hint))
}

/// Whether a name is of those that belong on pods and nowhere else.
pub(crate) fn is_for_pods(name: &str) -> bool {
    name == INJECT || KNOWN.iter().any(|(known, _)| *known == name)
}

fn not_empty(value: &str) -> Result<String, String> {
    match value.trim() {
        "" => Err("expected text".to_owned()),
        text => Ok(text.to_owned()),
    }
}

pub(crate) fn address(value: &str) -> Result<String, String> {
    let port = value.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok()?;
        (!host.is_empty()).then_some(port)
    });
    port.map(|_| value.to_owned())
        .ok_or_else(|| "expected host:port".to_owned())
}

/// The port of probes and metrics, which is no other one of the sidecar.
pub(crate) fn status_port(number: Option<u64>) -> Result<u16, String> {
    let port = number.and_then(|number| u16::try_from(number).ok());
    let port = port.ok_or("expected a port, or 0 for none")?;
    if port != STATUS_PORT && OWN_PORTS.contains(&port) {
        return Err(format!("{port} is another port of the sidecar"));
    }
    Ok(port)
}

/// The words for yes and no that Istio 1.1 took, and those of today.
pub(crate) fn boolean_word(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    boolean_word(value).ok_or_else(|| "expected true or false".to_owned())
}

fn seconds(value: &str, least: u32) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("expected a whole number, {least} or more"))
}

/// istio: the first such annotation replaces the resources of the settings, limits too.
fn resource(wanted: &mut Wanted, name: &str, value: &str, limit: bool) -> Result<(), String> {
    if !quantity::is_quantity(value) {
        return Err("expected a quantity such as 100m or 64Mi".to_owned());
    }
    let resources = &mut wanted.settings.proxy.resources;
    if !wanted.own_resources {
        *resources = crate::settings::Resources::default();
        wanted.own_resources = true;
    }
    let part = if limit {
        &mut resources.limits
    } else {
        &mut resources.requests
    };
    part.insert(name.to_owned(), value.to_owned());
    Ok(())
}

fn log_level(value: &str) -> Result<String, String> {
    // `scope:level` of Istio's agent: the levels of scopes that are not ours do not count.
    let level = match value.rsplit_once(':') {
        Some((_, level)) => level,
        None => value,
    };
    let level = match level {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "none" => "off",
        "trace" | "debug" | "info" | "warn" | "error" | "off" => level,
        _ => return Err("expected trace, debug, info, warning, error, critical or off".to_owned()),
    };
    Ok(level.to_owned())
}

/// Whether the parts of a list are all usable; blanks round them are dropped.
fn list(
    value: &str,
    everything: bool,
    part: impl Fn(&str) -> Result<(), String>,
) -> Result<String, String> {
    if everything && value.trim() == "*" {
        return Ok("*".to_owned());
    }
    let parts: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    parts.iter().try_for_each(|one| part(one))?;
    Ok(parts.join(","))
}

fn ranges(value: &str, everything: bool) -> Result<String, String> {
    list(value, everything, |part| match part {
        "*" => Err("* stands alone, and only among what is included".to_owned()),
        _ => match part.parse::<IpNet>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{part:?} is no range such as 10.0.0.0/8")),
        },
    })
}

fn ports(value: &str, everything: bool) -> Result<String, String> {
    list(value, everything, |part| match part.parse::<u16>() {
        Ok(port) if port > 0 => Ok(()),
        _ if part == "*" => Err("* stands alone, and only among what is included".to_owned()),
        _ => Err(format!("{part:?} is no port")),
    })
}

/// Ports of the pod; the sidecar cannot be what is behind the sidecar.
fn inbound_ports(value: &str) -> Result<String, String> {
    let ports = ports(value, true)?;
    let own = [OUTBOUND_PORT, INBOUND_PORT].map(|port| port.to_string());
    match ports
        .split(',')
        .find(|port| own.iter().any(|own| own == port))
    {
        Some(port) => Err(format!("{port} is the sidecar's own port")),
        None => Ok(ports),
    }
}

fn interfaces(value: &str) -> Result<String, String> {
    list(value, false, |part| {
        let usable = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        // IFNAMSIZ of Linux, less its zero.
        match part.len() <= 15 && part.bytes().all(usable) {
            true => Ok(()),
            false => Err(format!("{part:?} is no name of an interface")),
        }
    })
}

/// `{"name": {...}}` as Kubernetes' `[{"name": "name", ...}]`.
fn named_objects(value: &str) -> Result<Vec<Value>, String> {
    let form = || r#"expected JSON such as {"name": {...}}"#.to_owned();
    let parsed: Map<String, Value> = serde_json::from_str(value).map_err(|_| form())?;
    parsed
        .into_iter()
        .map(|(name, mut object)| {
            let members = object.as_object_mut().ok_or_else(form)?;
            members.insert("name".to_owned(), Value::String(name));
            Ok(object)
        })
        .collect()
}

/// The duration in the form that our processes read.
pub(crate) fn duration(value: &str) -> Result<String, String> {
    durations::with_one_unit(value).ok_or_else(|| "expected a duration such as 5s".to_owned())
}

#[cfg(test)]
mod tests;
