//! Metrics that are read off when somebody asks, under Istio's names.

use mesh_source::{Snapshot, State};
use mesh_xds::Kind;
use mesh_xds::server::ClientStatus;
use prometheus::{IntGauge, Registry};

/// The gauges.
pub(super) struct Gauges {
    connected: IntGauge,
    rejected_configs: IntGauge,
    refused: [(Kind, IntGauge); 4],
}

impl Gauges {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let refused = "Proxies that refused what they were sent last of this type";
        Ok(Self {
            connected: gauge("pilot_xds", "Proxies connected")?,
            rejected_configs: gauge(
                "pilot_total_rejected_configs",
                "Objects whose latest version is not in force",
            )?,
            refused: [
                (Kind::Cluster, gauge("pilot_xds_cds_reject", refused)?),
                (Kind::Endpoint, gauge("pilot_xds_eds_reject", refused)?),
                (Kind::Listener, gauge("pilot_xds_lds_reject", refused)?),
                (Kind::Route, gauge("pilot_xds_rds_reject", refused)?),
            ],
        })
    }

    /// Reads everything off.
    pub(super) fn set(&self, streams: &[ClientStatus], snapshot: &Snapshot) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.connected.set(number(streams.len()));
        let ill = snapshot
            .states
            .values()
            .filter(|s| s.state != State::InForce);
        self.rejected_configs.set(number(ill.count()));
        for (kind, gauge) in &self.refused {
            let refusing = streams.iter().filter(|stream| {
                let of_type = stream.types.get(kind.type_url());
                of_type.is_some_and(|of_type| of_type.last_error.is_some())
            });
            gauge.set(number(refusing.count()));
        }
    }
}
