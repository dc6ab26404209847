//! x-forwarded-client-cert: who the client is, told to the application.

use std::cell::OnceCell;

use mesh_http::{Known, RequestHead};
use mesh_traffic::listener::{ClientCertDetails, ClientCertMode, HttpManager};

use crate::http::connection::{Connection, Peer};

const XFCC: &str = "x-forwarded-client-cert";

/// The header as it is where the client's proxy told nothing: the same for all requests of a
/// connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element(OnceCell<(ClientCertDetails, Known)>);

impl Element {
    /// The header, made at the first request; `None` where it must be made anew.
    fn of(&self, connection: &Connection, peer: &Peer, manager: &HttpManager) -> Option<&Known> {
        let details = manager.client_cert_details;
        if self.0.get().is_none() {
            let field = Known::new(XFCC, element(connection, peer, details)).ok()?;
            let _was_empty = self.0.set((details, field));
        }
        let (made_for, field) = self.0.get()?;
        (*made_for == details).then_some(field)
    }
}

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
        (ClientCertMode::AppendForward, Some(peer)) if head.fields.contains(XFCC) => {
            let mut all = Vec::new();
            for value in head.fields.get_all(XFCC) {
                all.extend_from_slice(value);
                all.push(b',');
            }
            let own = element(connection, peer, manager.client_cert_details);
            all.extend_from_slice(own.as_bytes());
            super::put(&mut head.fields, XFCC, all);
        }
        (ClientCertMode::SanitizeSet | ClientCertMode::AppendForward, Some(peer)) => {
            match connection.element.of(connection, peer, manager) {
                Some(field) => super::put_known(&mut head.fields, field),
                None => {
                    let own = element(connection, peer, manager.client_cert_details);
                    super::put(&mut head.fields, XFCC, own);
                }
            }
        }
    }
}

fn element(connection: &Connection, peer: &Peer, details: ClientCertDetails) -> String {
    let mut out = String::new();
    if let Some(own) = &connection.own_identity {
        out.push_str("By=");
        quote(&mut out, own);
        out.push(';');
    }
    out.push_str("Hash=");
    out.push_str(&peer.certificate_hash);
    if details.subject {
        // A workload's certificate has no subject: its name is the URI.
        out.push_str(";Subject=\"\"");
    }
    if details.uri {
        out.push_str(";URI=");
        quote(&mut out, &peer.text);
    }
    out
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
