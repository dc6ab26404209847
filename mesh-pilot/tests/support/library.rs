//! What gRPC's libraries are told instead of proxies.

use mesh_proto::any::unpack;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;

use super::{Out, manager, string_match};

pub(super) fn listener(out: &mut Out, name: &str, it: &listener::ApiListener) {
    out.within(format!("- {name} for a library"), |out| {
        manager(out, &unpack(it.api_listener.as_ref().unwrap()).unwrap());
    });
}

#[expect(deprecated, reason = "the form that every library reads")]
pub(super) fn common_tls(
    it: &tls::CommonTlsContext,
    own: &tls::CertificateProviderPluginInstance,
) -> String {
    use tls::common_tls_context::ValidationContextType::CombinedValidationContext;
    let Some(CombinedValidationContext(both)) = &it.validation_context_type else {
        panic!("{it:?} is not generated");
    };
    let context = both.default_validation_context.as_ref().unwrap();
    let roots = context.ca_certificate_provider_instance.as_ref().unwrap();
    let sans = context.match_subject_alt_names.iter().map(string_match);
    format!(
        "certificate {} of {} roots {} of {} peer [{}]",
        own.certificate_name,
        own.instance_name,
        roots.certificate_name,
        roots.instance_name,
        sans.collect::<Vec<_>>().join(", "),
    )
}
