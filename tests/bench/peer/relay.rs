//! The byte relay as a peer.

use super::{Place, Programs};
use crate::scenario::Shape;

/// Small messages are copied through small buffers, bulk through large ones.
const SMALL: usize = 16 << 10;
const LARGE: usize = 256 << 10;

pub(super) fn programs(shape: Shape, place: &Place<'_>) -> Programs {
    let certificates = place.certificates.folder().to_string_lossy().into_owned();
    let relay = |listen, to, more: &[&str]| {
        let buffer = match shape {
            Shape::Tcp | Shape::TcpPair => LARGE,
            _ => SMALL,
        };
        let line = format!("relay --listen {listen} --to {to} --buffer {buffer}");
        let words = line.split(' ').chain(more.iter().copied());
        words.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let arguments = match shape {
        Shape::Pair | Shape::Grpc | Shape::TcpPair => vec![
            relay(place.front, place.middle, &["--tls-out", &certificates]),
            relay(place.middle, place.backend, &["--tls-in", &certificates]),
        ],
        Shape::Plain | Shape::H2c | Shape::Tcp | Shape::ManyClusters => {
            vec![relay(place.front, place.backend, &[])]
        }
        Shape::PlainTls => {
            vec![relay(
                place.front,
                place.backend,
                &["--tls-in", &certificates],
            )]
        }
    };
    Programs {
        program: None,
        arguments,
    }
}
