//! Where a workload's proxy listens when traffic is not captured: the pod's annotation, in JSON.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use mesh_model::Str;
use mesh_model::service::{InboundBind, ListenerBinds};
use serde::Deserialize;

/// The annotation's name.
pub(super) const ANNOTATION: &str = "mesh/listeners";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    inbound: BTreeMap<u16, WrittenInbound>,
    outbound: BTreeMap<String, SocketAddr>,
    http_proxy: Option<SocketAddr>,
    gateway: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenInbound {
    bind: SocketAddr,
    app: SocketAddr,
}

/// Reads the annotation; none where the pod has none.
pub(super) fn of(annotation: Option<&Str>) -> Result<Option<ListenerBinds>, String> {
    let Some(text) = annotation else {
        return Ok(None);
    };
    let written: Written = serde_json::from_str(text).map_err(|why| why.to_string())?;
    let inbound = written.inbound.into_iter().map(|(port, bound)| {
        let bind = InboundBind {
            bind: bound.bind,
            app: bound.app,
        };
        (port, bind)
    });
    let outbound = written.outbound.into_iter();
    Ok(Some(ListenerBinds {
        inbound: inbound.collect(),
        outbound: outbound
            .map(|(target, bind)| (target.into(), bind))
            .collect(),
        http_proxy: written.http_proxy,
        gateway: written.gateway,
    }))
}
