//! The corpus: for each rule its accepted form and its near misses, as bytes.

mod answers;
mod chunks;
mod codings;
mod fields;
mod floods;
mod h2_answers;
mod h2_frames;
mod h2_heads;
mod h2_streams;
mod hosts;
mod hpack;
mod lengths;
mod limits;
mod lines;
mod pipelines;
mod targets;
mod upgrades;

use crate::case::Case;

/// One file of the corpus.
pub(crate) struct Chapter {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// Everything, in the order of the document.
pub(crate) fn chapters() -> Vec<Chapter> {
    let chapter = |name, title, cases| Chapter { name, title, cases };
    vec![
        chapter("lines", "Request lines and line ends", lines::cases()),
        chapter("targets", "Request targets and paths", targets::cases()),
        chapter("hosts", "Hosts", hosts::cases()),
        chapter("fields", "Header fields", fields::cases()),
        chapter("lengths", "Content-Length", lengths::cases()),
        chapter("codings", "Transfer-Encoding", codings::cases()),
        chapter("chunks", "Chunked bodies and trailers", chunks::cases()),
        chapter(
            "pipelines",
            "Several requests on one connection",
            pipelines::cases(),
        ),
        chapter(
            "upgrades",
            "Upgrades, CONNECT and Expect",
            upgrades::cases(),
        ),
        chapter("limits", "Sizes and slow clients", limits::cases()),
        chapter("answers", "Answers of back ends, HTTP/1", answers::cases()),
        chapter("h2-frames", "HTTP/2: frames", h2_frames::cases()),
        chapter("h2-heads", "HTTP/2: heads", h2_heads::cases()),
        chapter(
            "h2-streams",
            "HTTP/2: streams and flow control",
            h2_streams::cases(),
        ),
        chapter("hpack", "HTTP/2: header compression", hpack::cases()),
        chapter("floods", "HTTP/2: floods", floods::cases()),
        chapter(
            "h2-answers",
            "Answers of back ends, HTTP/2",
            h2_answers::cases(),
        ),
    ]
}
