//! x-forwarded-client-cert: who the client is, told to the application.

use mesh_http::RequestHead;
use mesh_traffic::listener::{ClientCertMode, HttpManager};

use crate::http::connection::{Connection, Peer};

const XFCC: &str = "x-forwarded-client-cert";

/// Removes, keeps or extends the header as the listener says.
///
/// Without mutual TLS nobody vouches for what a client writes there, so it goes in every mode but
/// the one that is named for keeping it.
pub(super) fn apply(head: &mut RequestHead, connection: &Connection, manager: &HttpManager) {
    let peer = connection.peer.as_ref();
    match (manager.client_cert, peer) {
        (ClientCertMode::AlwaysForwardOnly, _) | (ClientCertMode::ForwardOnly, Some(_)) => {}
        (ClientCertMode::Sanitize, _) | (_, None) => {
            head.fields.remove(XFCC);
        }
        (ClientCertMode::SanitizeSet, Some(peer)) => {
            super::put(&mut head.fields, XFCC, element(connection, peer, manager));
        }
        (ClientCertMode::AppendForward, Some(peer)) => {
            let mut all = Vec::new();
            for value in head.fields.get_all(XFCC) {
                all.extend_from_slice(value);
                all.push(b',');
            }
            all.extend_from_slice(element(connection, peer, manager).as_bytes());
            super::put(&mut head.fields, XFCC, all);
        }
    }
}

fn element(connection: &Connection, peer: &Peer, manager: &HttpManager) -> String {
    let mut pairs = Vec::new();
    if let Some(own) = &connection.own_identity {
        pairs.push(format!("By={}", quoted(own)));
    }
    pairs.push(format!("Hash={}", peer.certificate_hash));
    if manager.client_cert_details.subject {
        // A workload's certificate has no subject: its name is the URI.
        pairs.push("Subject=\"\"".to_owned());
    }
    if manager.client_cert_details.uri {
        pairs.push(format!("URI={}", quoted(&peer.text)));
    }
    pairs.join(";")
}

/// Values with separators are quoted, quotes in them escaped.
fn quoted(value: &str) -> String {
    if value.contains([',', ';', '=', '"']) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}
