//! One exchange with citadel: a new key, a request, an answer that is checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mesh_model::ident::{IdentError, SpiffeId};
use mesh_model::time::Clock;
use mesh_pki::CertificateDer;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::chain::{self, ChainError};
use mesh_pki::csr::{self, CsrError};
use mesh_pki::key::{Key, KeyError};
use mesh_pki::live::{Identity, IdentityError};
use mesh_pki::tls::{ALPN_H2, Expect, client_config_without_identity};
use mesh_proto::istio_ca::istio_certificate_service_client::IstioCertificateServiceClient;
use mesh_proto::istio_ca::{IstioCertificateRequest, IstioCertificateResponse};
use tonic::metadata::MetadataValue;

use crate::channel::{BadAddress, describe, grpc_channel};
use crate::settings::IdentitySettings;

/// How long one exchange may take, from dialling to the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;
/// Longest token file that is read.
const MAX_TOKEN: u64 = 64 * 1024;

/// Why no certificate was obtained.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// The root file.
    #[error("roots {path:?}: {why}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The token file.
    #[error("token file {path:?}: {why}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key or the request could not be made.
    #[error(transparent)]
    Request(#[from] CsrError),
    /// Citadel cannot be dialled with these settings.
    #[error("citadel cannot be dialled: {0}")]
    Dial(String),
    /// Citadel refused, or was not reached.
    #[error("citadel at {address}: {why}")]
    Call {
        /// Where it was asked.
        address: String,
        /// The answer, or why there is none.
        why: String,
    },
    /// The answer is no identity that peers would accept.
    #[error("citadel's answer is refused: {0}")]
    Answer(#[from] IdentityError),
    /// The answer is somebody else's identity.
    #[error("citadel answered with the identity {got}, asked for was {want}")]
    OtherIdentity {
        /// Whose certificate came.
        got: SpiffeId,
        /// Whose was asked for.
        want: SpiffeId,
    },
}

impl From<KeyError> for ObtainError {
    fn from(error: KeyError) -> Self {
        Self::Request(error.into())
    }
}

impl From<ChainError> for ObtainError {
    fn from(error: ChainError) -> Self {
        Self::Answer(error.into())
    }
}

impl From<BadAddress> for ObtainError {
    fn from(error: BadAddress) -> Self {
        Self::Dial(error.to_string())
    }
}

impl From<IdentError> for ObtainError {
    fn from(error: IdentError) -> Self {
        Self::Dial(error.to_string())
    }
}

impl From<rustls::Error> for ObtainError {
    fn from(error: rustls::Error) -> Self {
        Self::Dial(error.to_string())
    }
}

/// Obtains a fresh identity that `bundle` vouches for.
pub(super) async fn identity(
    settings: &IdentitySettings,
    bundle: Arc<TrustBundle>,
    clock: &Arc<dyn Clock>,
) -> Result<Identity, ObtainError> {
    let want = settings.identity();
    let key = Key::generate()?;
    let request = IstioCertificateRequest {
        csr: csr::create(&key, &want)?,
        // 0 asks for citadel's default lifetime, which is the operator's setting.
        validity_duration: 0,
        metadata: None,
    };
    let answer = ask(settings, bundle.clone(), clock.clone(), request).await?;
    let identity = Identity::new(chain_of(&answer)?, &key, bundle, clock.wall())?;
    if *identity.spiffe_id() != want {
        let got = identity.spiffe_id().clone();
        return Err(ObtainError::OtherIdentity { got, want });
    }
    Ok(identity)
}

async fn ask(
    settings: &IdentitySettings,
    bundle: Arc<TrustBundle>,
    clock: Arc<dyn Clock>,
    request: IstioCertificateRequest,
) -> Result<IstioCertificateResponse, ObtainError> {
    let expect = Expect::AnyOf(vec![settings.citadel()?]);
    let tls = client_config_without_identity(bundle, expect, clock, &[ALPN_H2])?;
    let channel = grpc_channel(&settings.ca_address, tls)?;
    let mut request = tonic::Request::new(request);
    let token = bearer(&settings.token_file)?;
    request.metadata_mut().insert("authorization", token);
    let mut client =
        IstioCertificateServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
    let failed = |why: String| ObtainError::Call {
        address: settings.ca_address.clone(),
        why,
    };
    match tokio::time::timeout(DEADLINE, client.create_certificate(request)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(failed(describe(&status))),
        Err(_) => Err(failed(format!("no answer within {DEADLINE:?}"))),
    }
}

/// The `authorization` value; marked sensitive, so that it is printed nowhere.
fn bearer(path: &Path) -> Result<MetadataValue<tonic::metadata::Ascii>, ObtainError> {
    let failed = |why: &'static str| ObtainError::Token {
        path: path.to_owned(),
        why,
    };
    let size = std::fs::metadata(path).map_err(|_| failed("it cannot be read"))?;
    if size.len() > MAX_TOKEN {
        return Err(failed("it is too long for a token"));
    }
    let token = std::fs::read_to_string(path).map_err(|_| failed("it cannot be read"))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(failed("it is empty"));
    }
    let mut value = MetadataValue::try_from(format!("Bearer {token}"))
        .map_err(|_| failed("it holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The certificates of an answer without its last element, which is the root bundle: the roots are
/// taken from the root file alone.
// istio: clients want more than one element and take the last as root.
fn chain_of(
    answer: &IstioCertificateResponse,
) -> Result<Vec<CertificateDer<'static>>, ObtainError> {
    let Some((_root, presented)) = answer.cert_chain.split_last() else {
        return Err(ChainError::Empty.into());
    };
    Ok(chain::from_pem(&presented.concat())?)
}

#[cfg(test)]
mod tests;
