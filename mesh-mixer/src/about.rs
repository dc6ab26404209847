//! Whom a series is about, and whether the one who reports it may say so.
//!
//! A proxy counts its own requests: it is one of the two ends, and `reporter` says which. What the
//! labels say of that end must be what its certificate proves. Of the other end it tells what it
//! was told, and nobody can check that here.

use mesh_model::ident::SpiffeId;

use crate::series::Key;

/// What proxies write where nothing is known, and in series of the overflow. It names nobody.
const NOBODY: [&str; 3] = ["", "unknown", "overflow"];

/// The labels of the reporter's own end.
struct End {
    principal: &'static str,
    namespace: &'static str,
    workload: &'static str,
}

const SOURCE: End = End {
    principal: "source_principal",
    namespace: "source_workload_namespace",
    workload: "source_workload",
};
const DESTINATION: End = End {
    principal: "destination_principal",
    namespace: "destination_workload_namespace",
    workload: "destination_workload",
};

/// Whether what the series says of its reporter agrees with who `peer` is.
///
/// A principal must be the peer itself, a namespace the one of its certificate; a workload without
/// a namespace would be anybody's. Nothing names the service account of a request in plain text,
/// so there the namespace is all that can be proved.
pub(crate) fn agrees(peer: &SpiffeId, key: &Key) -> bool {
    let own = match key.label("reporter") {
        Some("source") => SOURCE,
        Some("destination") => DESTINATION,
        Some(_) | None => return false,
    };
    let named = |label| key.label(label).filter(|text| !NOBODY.contains(text));
    let namespace_agrees = match named(own.namespace) {
        Some(namespace) => peer
            .service_account()
            .is_some_and(|account| *account.namespace == *namespace),
        None => named(own.workload).is_none(),
    };
    namespace_agrees && named(own.principal).is_none_or(|text| text == peer.to_string())
}

#[cfg(test)]
mod tests;
