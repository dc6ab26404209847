//! gRPC between a client and a server of Google's grpcio, through the pair of sidecars.

use mesh_test::eventually_async;

use crate::python;
use crate::world::{Shared, World};

static WORLD: Shared = Shared::new(|| World::up(&[python::server("grpc", &[("grpc", 8080)])], &[]));

#[track_caller]
fn check(case: &str) {
    let world = WORLD.get();
    python::client("grpc", world.outbound("grpc", 8080), case);
}

#[test]
fn unary_calls_carry_message_and_metadata() {
    check("unary");
}

#[test]
fn a_client_streams() {
    check("client_stream");
}

#[test]
fn a_server_streams() {
    check("server_stream");
}

#[test]
fn both_stream_in_turns() {
    check("bidirectional");
}

#[test]
fn errors_keep_code_text_and_trailers() {
    check("errors");
}

#[test]
fn deadlines_end_calls_on_both_sides() {
    check("deadline");
}

#[test]
fn cancelled_calls_end_at_the_server() {
    check("cancel");
}

#[test]
fn messages_of_64_mib_pass() {
    check("large");
}

#[test]
fn a_reader_that_waits_holds_the_writer_back() {
    check("slow_reader");
}

#[test]
fn a_thousand_calls_share_a_connection() {
    check("many");
}

#[tokio::test]
async fn calls_are_counted_under_their_grpc_status() {
    let world = WORLD.get();
    let of = |reporter: &'static str| {
        [
            ("reporter", reporter),
            ("request_protocol", "grpc"),
            ("response_code", "200"),
            ("grpc_response_status", "8"),
        ]
    };
    let before = world.counted("caller", &of("source")).await;
    let at_server = world.counted("grpc", &of("destination")).await;
    python::client("grpc", world.outbound("grpc", 8080), "exhausted");
    eventually_async("both sidecars count ten calls with status 8", || async {
        let source = world.counted("caller", &of("source")).await - before;
        let destination = world.counted("grpc", &of("destination")).await - at_server;
        if (source, destination) == (10, 10) {
            Ok(())
        } else {
            Err((source, destination))
        }
    })
    .await;
}
