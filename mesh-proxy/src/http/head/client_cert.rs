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
            let mut own = String::with_capacity(ELEMENT);
            element(&mut own, connection, peer, manager);
            super::put(&mut head.fields, XFCC, own);
        }
        (ClientCertMode::AppendForward, Some(peer)) => {
            let mut own = String::with_capacity(ELEMENT);
            element(&mut own, connection, peer, manager);
            if head.fields.contains(XFCC) {
                let mut all = Vec::new();
                for value in head.fields.get_all(XFCC) {
                    all.extend_from_slice(value);
                    all.push(b',');
                }
                all.extend_from_slice(own.as_bytes());
                super::put(&mut head.fields, XFCC, all);
            } else {
                super::put(&mut head.fields, XFCC, own);
            }
        }
    }
}

/// Bytes that an element usually has.
const ELEMENT: usize = 256;

fn element(out: &mut String, connection: &Connection, peer: &Peer, manager: &HttpManager) {
    if let Some(own) = &connection.own_identity {
        out.push_str("By=");
        quote(out, own);
        out.push(';');
    }
    out.push_str("Hash=");
    out.push_str(&peer.certificate_hash);
    if manager.client_cert_details.subject {
        // A workload's certificate has no subject: its name is the URI.
        out.push_str(";Subject=\"\"");
    }
    if manager.client_cert_details.uri {
        out.push_str(";URI=");
        quote(out, &peer.text);
    }
}

/// Values with separators are quoted, quotes in them escaped.
fn quote(out: &mut String, value: &str) {
    if !value.contains([',', ';', '=', '"']) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        if matches!(c, '\\' | '"') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
