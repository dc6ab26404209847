//! `istio.v1.auth.IstioCertificateService`: one call, from credentials to certificate.

use std::net::{IpAddr, Ipv4Addr};

use mesh_identity::PeerInfo;
use mesh_proto::istio_ca::istio_certificate_service_server::{
    IstioCertificateService, IstioCertificateServiceServer,
};
use mesh_proto::istio_ca::{IstioCertificateRequest, IstioCertificateResponse};
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::authenticate::{Tokens, Unknown};
use crate::authority::Authority;
use crate::authorize::authorize;
use crate::events::{CertificateIssued, RequestRefused};
use crate::issue::issue::Issued;
use crate::issue::profile::Lifetimes;
use crate::issue::request::CertificateRequest;
use crate::metrics::Metrics;
use crate::serve::Refusal;

/// Largest request: a PEM request with a key of 8192 bits has about 3 kB.
const MAX_REQUEST: usize = 32 * 1024;
/// Requests at once, over all connections; more are refused.
const REQUESTS: usize = 64;

/// The service.
pub(crate) struct CsrService {
    pub(crate) authority: Authority,
    pub(crate) tokens: Tokens,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) metrics: Metrics,
    room: Semaphore,
}

impl CsrService {
    pub(crate) fn new(
        authority: Authority,
        tokens: Tokens,
        lifetimes: Lifetimes,
        metrics: Metrics,
    ) -> Self {
        Self {
            authority,
            tokens,
            lifetimes,
            metrics,
            room: Semaphore::new(REQUESTS),
        }
    }

    pub(crate) fn into_server(self) -> IstioCertificateServiceServer<Self> {
        IstioCertificateServiceServer::new(self).max_decoding_message_size(MAX_REQUEST)
    }

    async fn answer(
        &self,
        request: &Request<IstioCertificateRequest>,
        from: IpAddr,
    ) -> Result<Issued, Refusal> {
        let _permit = self.room.try_acquire().map_err(|_| Refusal::Busy)?;
        let token = bearer(request.metadata())?;
        let caller = self.tokens.authenticate(token, from).await?;
        let request = CertificateRequest::try_from(request.get_ref())?;
        let wanted = request
            .identity
            .as_ref()
            .unwrap_or_else(|| caller.identity());
        authorize(&caller, wanted, self.authority.namespace())?;
        let lifetime = self.lifetimes.of(request.lifetime)?;
        let identity = wanted.clone();
        Ok(self.authority.issue(identity, request.key, lifetime)?)
    }
}

fn bearer(metadata: &MetadataMap) -> Result<&str, Unknown> {
    let value = metadata.get("authorization").ok_or(Unknown::NoToken)?;
    let value = value.to_str().map_err(|_| Unknown::NoToken)?;
    let (scheme, token) = value.split_once(' ').ok_or(Unknown::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unknown::NoToken);
    }
    Ok(token.trim())
}

#[tonic::async_trait]
impl IstioCertificateService for CsrService {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        self.metrics.requests.inc();
        let remote = request.extensions().get::<PeerInfo>();
        let remote = remote.map(|peer| peer.remote);
        let from = remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.ip());
        let peer = remote.map_or_else(String::new, |remote| remote.to_string());
        match self.answer(&request, from).await {
            Ok(issued) => {
                let cert_chain = self.authority.answer(&issued);
                let (issued, peer) = (&issued, peer.as_str());
                CertificateIssued { issued, peer }.emit(&self.metrics);
                Ok(Response::new(IstioCertificateResponse { cert_chain }))
            }
            Err(refusal) => {
                let (refusal, peer) = (&refusal, peer.as_str());
                RequestRefused { refusal, peer }.emit(&self.metrics);
                Err(refusal.into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
