//! gRPC's echo, made of tonic: messages are bytes and come back as they are.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use mesh_tests::pattern::Failure;
use tonic::Streaming;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::answers::{Answer, status};

/// Answers a call of one of the service's methods.
pub(crate) async fn answer(method: &str, request: Request<Incoming>) -> Answer {
    let mut grpc = Grpc::new(ProstCodec::<Bytes, Bytes>::default());
    let answer = match method {
        "Unary" => {
            let echo =
                service_fn(async |call: tonic::Request<Bytes>| Ok(said_back(call.into_inner())));
            grpc.unary(echo, request).await
        }
        "Stream" => {
            let echo = service_fn(async |call: tonic::Request<Streaming<Bytes>>| {
                Ok(said_back(call.into_inner()))
            });
            grpc.streaming(echo, request).await
        }
        _ => return status(404),
    };
    answer.map(|body| body.map_err(Failure::from).boxed_unsync())
}

fn said_back<T>(what: T) -> tonic::Response<T> {
    tonic::Response::new(what)
}
