//! Generated resources as text that a person can read and compare: the fields that decide.

mod guards;
mod library;

use std::fmt::Write as _;

use mesh_pilot::translate::Resources;
use mesh_proto::Any;
use mesh_proto::any::{self, unpack};
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3 as fault;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3 as upstream;
use mesh_proto::envoy::envoy::r#type::matcher::v3 as matcher;
use mesh_proto::envoy::google::protobuf::{BoolValue, Duration, Struct, Value, value};

/// The chosen parts of the resources.
pub(crate) fn dump(resources: &Resources, parts: &[&str]) -> String {
    let mut out = Out::default();
    if parts.contains(&"listeners") {
        out.section("listeners", resources.listeners.values(), listener);
    }
    if parts.contains(&"routes") {
        out.section("routes", resources.routes.values(), table);
    }
    if parts.contains(&"clusters") {
        out.section("clusters", resources.clusters.values(), cluster);
    }
    if parts.contains(&"endpoints") {
        out.section("endpoints", resources.endpoints.values(), assignment);
    }
    out.text
}

/// Indented lines.
#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

impl Out {
    fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        writeln!(self.text, "{:width$}{text}", "", width = self.depth * 2).unwrap();
    }

    fn field(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            self.line(format!("{name}: {value}"));
        }
    }

    fn within(&mut self, title: impl AsRef<str>, body: impl FnOnce(&mut Self)) {
        self.line(title);
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    fn section<'a, T: 'a>(
        &mut self,
        title: &str,
        items: impl Iterator<Item = &'a T>,
        one: fn(&mut Self, &T),
    ) {
        self.within(format!("{title}:"), |out| {
            items.for_each(|item| one(out, item))
        });
    }
}

fn listener(out: &mut Out, it: &listener::Listener) {
    if let Some(told) = &it.api_listener {
        return library::listener(out, &it.name, told);
    }
    out.within(format!("- {}", it.name), |out| {
        let direction = core::TrafficDirection::try_from(it.traffic_direction).unwrap();
        let bound = it.bind_to_port.as_ref().is_none_or(|b| b.value);
        let bind = address(it.address.as_ref());
        out.line(format!(
            "{} {bind} bind_to_port={bound}",
            direction.as_str_name()
        ));
        for more in &it.additional_addresses {
            out.line(format!("and {}", address(more.address.as_ref())));
        }
        if it.use_original_dst.as_ref().is_some_and(|b| b.value) {
            out.line("hands over by original destination");
        }
        out.field("metadata", metadata(it.metadata.as_ref()));
        let filters: Vec<_> = it.listener_filters.iter().map(listener_filter).collect();
        out.field("listener_filters", filters.join(" "));
        let then = match it.continue_on_listener_filters_timeout {
            true => "continue",
            false => "close",
        };
        match it.listener_filters_timeout {
            None => {}
            Some(limit) if limit == Duration::default() => out.line("first bytes whenever"),
            Some(limit) => out.line(format!(
                "first bytes within {} or {then}",
                duration(Some(&limit))
            )),
        }
        for chain in &it.filter_chains {
            filter_chain(out, "chain", chain);
        }
        if let Some(chain) = &it.default_filter_chain {
            filter_chain(out, "default chain", chain);
        }
    });
}

fn listener_filter(it: &listener::ListenerFilter) -> String {
    use listener::listener_filter_chain_match_predicate::Rule;
    fn ports(it: &listener::ListenerFilterChainMatchPredicate) -> String {
        match it.rule.as_ref().unwrap() {
            Rule::DestinationPortRange(range) => {
                assert_eq!(range.end, range.start + 1);
                range.start.to_string()
            }
            Rule::OrMatch(set) => set.rules.iter().map(ports).collect::<Vec<_>>().join(","),
            other => panic!("{other:?} is not generated"),
        }
    }
    match &it.filter_disabled {
        None => it.name.clone(),
        Some(disabled) => format!("{} (not at {})", it.name, ports(disabled)),
    }
}

fn filter_chain(out: &mut Out, what: &str, it: &listener::FilterChain) {
    let wanted = it.filter_chain_match.clone().unwrap_or_default();
    let title = format!("{what} {} {}", it.name, wanted.transport_protocol);
    out.within(
        title.split_whitespace().collect::<Vec<_>>().join(" "),
        |out| {
            if let Some(port) = wanted.destination_port {
                out.line(format!("to port {}", port.value));
            }
            out.field("alpn", wanted.application_protocols.join(" "));
            out.field("tls", transport(it.transport_socket.as_ref()));
            for filter in &it.filters {
                let Some(listener::filter::ConfigType::TypedConfig(any)) = &filter.config_type
                else {
                    panic!("filter {} has no configuration", filter.name);
                };
                if any::is::<tcp::TcpProxy>(any) {
                    tcp_proxy(out, &unpack(any).unwrap());
                } else {
                    manager(out, &unpack(any).unwrap());
                }
            }
        },
    );
}

fn tcp_proxy(out: &mut Out, it: &tcp::TcpProxy) {
    use tcp::tcp_proxy::ClusterSpecifier;
    out.field("stat_prefix", &it.stat_prefix);
    match it.cluster_specifier.as_ref().unwrap() {
        ClusterSpecifier::Cluster(name) => {
            let idle = duration(it.idle_timeout.as_ref());
            let idle = it
                .idle_timeout
                .map_or(String::new(), |_| format!(" idle {idle}"));
            out.line(format!("bytes to {name}{idle}"));
        }
        ClusterSpecifier::WeightedClusters(all) => {
            for one in &all.clusters {
                out.line(format!("cluster {} weight {}", one.name, one.weight));
            }
        }
    }
    for policy in &it.hash_policy {
        out.line(format!(
            "hash {:?}",
            policy.policy_specifier.as_ref().unwrap()
        ));
    }
}

fn manager(out: &mut Out, it: &hcm::HttpConnectionManager) {
    use hcm::http_connection_manager as part;
    out.field("stat_prefix", &it.stat_prefix);
    out.field("server_name", &it.server_name);
    let cert = part::ForwardClientCertDetails::try_from(it.forward_client_cert_details).unwrap();
    out.field("forward_client_cert", cert.as_str_name());
    let edge = it.use_remote_address.as_ref().is_some_and(|b| b.value);
    out.field("use_remote_address", edge.to_string());
    let filters: Vec<_> = it.http_filters.iter().map(|f| &*f.name).collect();
    out.field("http_filters", filters.join(" "));
    match it.route_specifier.as_ref().unwrap() {
        part::RouteSpecifier::Rds(rds) => out.field("rds", &rds.route_config_name),
        part::RouteSpecifier::RouteConfig(inline) => table(out, inline),
        part::RouteSpecifier::ScopedRoutes(_) => panic!("scoped routes are not generated"),
    }
}

fn table(out: &mut Out, it: &route::RouteConfiguration) {
    let ignores = it.ignore_port_in_host_matching;
    out.within(format!("- {} ignore_port={ignores}", it.name), |out| {
        for host in &it.virtual_hosts {
            let redirected = if host.require_tls == 0 {
                ""
            } else {
                " to HTTPS"
            };
            let domains = host.domains.join(" ");
            let title = format!("host {} [{domains}]{redirected}", host.name);
            out.within(title, |out| {
                host.routes.iter().for_each(|r| one_route(out, r))
            });
        }
    });
}

fn one_route(out: &mut Out, it: &route::Route) {
    let title = format!(
        "{} when {}",
        it.name,
        route_match(it.r#match.as_ref().unwrap())
    );
    out.within(title, |out| {
        match it.action.as_ref().unwrap() {
            route::route::Action::Route(action) => forward(out, action),
            route::route::Action::DirectResponse(d) => out.line(format!("respond {}", d.status)),
            other => panic!("{other:?} is not generated"),
        }
        if let Some(any) = it.typed_per_filter_config.get("envoy.filters.http.fault") {
            let it: fault::HttpFault = unpack(any).unwrap();
            out.field(
                "fault",
                format!("delay {:?} abort {:?}", it.delay, it.abort),
            );
        }
        if let Some(any) = it.typed_per_filter_config.get("envoy.filters.http.cors") {
            out.field("cors", cors(&unpack(any).unwrap()));
        }
        out.field("config", metadata(it.metadata.as_ref()));
        out.field(
            "operation",
            it.decorator.as_ref().map_or("", |d| &d.operation),
        );
        out.field(
            "request headers",
            header_options(&it.request_headers_to_add),
        );
        out.field("request without", it.request_headers_to_remove.join(" "));
        out.field(
            "response headers",
            header_options(&it.response_headers_to_add),
        );
        out.field("response without", it.response_headers_to_remove.join(" "));
    });
}

fn cors(it: &CorsPolicy) -> String {
    let origins: Vec<_> = it
        .allow_origin_string_match
        .iter()
        .map(string_match)
        .collect();
    let flag = |flag: &Option<BoolValue>| {
        let written = flag.as_ref().map(|flag| flag.value.to_string());
        written.unwrap_or_else(|| "-".to_owned())
    };
    let enabled = it.filter_enabled.as_ref().unwrap();
    let share = enabled.default_value.as_ref().unwrap();
    format!(
        "{} methods {:?} headers {:?} exposes {:?} age {:?} credentials {} forwards {} enabled {} of {}",
        origins.join(", "),
        it.allow_methods,
        it.allow_headers,
        it.expose_headers,
        it.max_age,
        flag(&it.allow_credentials),
        flag(&it.forward_not_matching_preflights),
        share.numerator,
        share.denominator().as_str_name(),
    )
}

fn route_match(it: &route::RouteMatch) -> String {
    use route::route_match::PathSpecifier;
    let mut text = match it.path_specifier.as_ref().unwrap() {
        PathSpecifier::Prefix(p) => format!("prefix {p}"),
        PathSpecifier::PathSeparatedPrefix(p) => format!("segments {p}"),
        PathSpecifier::Path(p) => format!("path {p}"),
        PathSpecifier::SafeRegex(r) => format!("regex {}", r.regex),
        other => panic!("{other:?} is not generated"),
    };
    if it.case_sensitive.as_ref().is_some_and(|b| !b.value) {
        text.push_str(" any-case");
    }
    for header in &it.headers {
        use route::header_matcher::HeaderMatchSpecifier;
        let not = if header.invert_match { "not " } else { "" };
        let how = match header.header_match_specifier.as_ref().unwrap() {
            HeaderMatchSpecifier::StringMatch(m) => string_match(m),
            HeaderMatchSpecifier::PresentMatch(true) => "present".into(),
            other => panic!("{other:?} is not generated"),
        };
        write!(text, ", {not}{} {how}", header.name).unwrap();
    }
    for query in &it.query_parameters {
        use route::query_parameter_matcher::QueryParameterMatchSpecifier;
        let how = match query.query_parameter_match_specifier.as_ref().unwrap() {
            QueryParameterMatchSpecifier::StringMatch(m) => string_match(m),
            QueryParameterMatchSpecifier::PresentMatch(_) => "present".into(),
        };
        write!(text, ", ?{} {how}", query.name).unwrap();
    }
    text
}

fn string_match(it: &matcher::StringMatcher) -> String {
    use matcher::string_matcher::MatchPattern;
    match it.match_pattern.as_ref().unwrap() {
        MatchPattern::Exact(t) => format!("= {t}"),
        MatchPattern::Prefix(t) => format!("^ {t}"),
        MatchPattern::SafeRegex(r) => format!("~ {}", r.regex),
        other => panic!("{other:?} is not generated"),
    }
}

fn forward(out: &mut Out, it: &route::RouteAction) {
    use route::route_action::{ClusterSpecifier, HostRewriteSpecifier};
    match it.cluster_specifier.as_ref().unwrap() {
        ClusterSpecifier::Cluster(name) => out.line(format!("to {name}")),
        ClusterSpecifier::WeightedClusters(all) => {
            for part in &all.clusters {
                out.line(format!(
                    "to {} weight {}",
                    part.name,
                    part.weight.unwrap().value
                ));
                out.field(
                    "  request headers",
                    header_options(&part.request_headers_to_add),
                );
                out.field(
                    "  request without",
                    part.request_headers_to_remove.join(" "),
                );
                out.field(
                    "  response headers",
                    header_options(&part.response_headers_to_add),
                );
                out.field(
                    "  response without",
                    part.response_headers_to_remove.join(" "),
                );
                if part.host_rewrite_specifier.is_some() {
                    out.line(format!("  host {:?}", part.host_rewrite_specifier));
                }
            }
        }
        other => panic!("{other:?} is not generated"),
    }
    if let Some(HostRewriteSpecifier::HostRewriteLiteral(host)) = &it.host_rewrite_specifier {
        out.field("host", host);
    }
    #[expect(deprecated, reason = "what istio sends")]
    let grpc = it.max_grpc_timeout.as_ref();
    out.line(format!(
        "timeout {} grpc {}",
        duration(it.timeout.as_ref()),
        duration(grpc)
    ));
    for policy in &it.hash_policy {
        out.line(format!("hash {}", hashed(policy)));
    }
    for copies in &it.request_mirror_policies {
        let fraction = copies.runtime_fraction.as_ref().unwrap();
        let share = fraction.default_value.as_ref().unwrap();
        out.line(format!(
            "copies to {} {} of {} traced {}",
            copies.cluster,
            share.numerator,
            share.denominator().as_str_name(),
            copies.trace_sampled.as_ref().unwrap().value
        ));
    }
    if let Some(retry) = &it.retry_policy {
        let predicates = retry.retry_host_predicate.iter().map(|p| &*p.name);
        let predicates: Vec<_> = predicates.collect();
        let (number, on) = (retry.num_retries.unwrap().value, &retry.retry_on);
        let tries = retry.host_selection_retry_max_attempts;
        let text = format!("retry {number} on {on} {} {tries}", predicates.join(" "));
        out.line(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

fn hashed(policy: &route::route_action::HashPolicy) -> String {
    use route::route_action::hash_policy::PolicySpecifier;
    match policy.policy_specifier.as_ref().unwrap() {
        PolicySpecifier::Header(header) => format!("header {}", header.header_name),
        PolicySpecifier::Cookie(cookie) => {
            let attributes = cookie.attributes.iter();
            let attributes = attributes.map(|one| format!(" {}={}", one.name, one.value));
            let ttl = duration(cookie.ttl.as_ref());
            let more: String = attributes.collect();
            format!(
                "cookie {} path {} ttl {ttl}{more}",
                cookie.name, cookie.path
            )
        }
        PolicySpecifier::ConnectionProperties(from) => format!("source_ip {}", from.source_ip),
        PolicySpecifier::QueryParameter(query) => format!("query {}", query.name),
        PolicySpecifier::FilterState(state) => panic!("{state:?} is not generated"),
    }
}

fn header_options(all: &[core::HeaderValueOption]) -> String {
    use core::header_value_option::HeaderAppendAction;
    let each = all.iter().map(|option| {
        let header = option.header.as_ref().unwrap();
        let action = HeaderAppendAction::try_from(option.append_action).unwrap();
        let how = match action {
            HeaderAppendAction::OverwriteIfExistsOrAdd => "set",
            HeaderAppendAction::AppendIfExistsOrAdd => "add",
            other => panic!("{other:?} is not generated"),
        };
        format!("{how} {}={}", header.key, header.value)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn cluster(out: &mut Out, it: &cluster::Cluster) {
    use cluster::cluster::{ClusterDiscoveryType, DiscoveryType, LbConfig, LbPolicy};
    out.within(format!("- {}", it.name), |out| {
        let Some(ClusterDiscoveryType::Type(kind)) = it.cluster_discovery_type else {
            panic!("{} has no type", it.name);
        };
        let kind = DiscoveryType::try_from(kind).unwrap().as_str_name();
        let policy = LbPolicy::try_from(it.lb_policy).unwrap().as_str_name();
        let connect = duration(it.connect_timeout.as_ref());
        out.line(format!("{kind} {policy} connect {connect} {}", protocol(it)).trim_end());
        match &it.lb_config {
            Some(LbConfig::RingHashLbConfig(ring)) => {
                out.line(format!("points {}", ring.minimum_ring_size.unwrap().value));
            }
            Some(LbConfig::MaglevLbConfig(maglev)) => {
                out.line(format!("slots {}", maglev.table_size.unwrap().value));
            }
            Some(LbConfig::RoundRobinLbConfig(robin)) => {
                out.field("slow start", slow_start(robin.slow_start_config.as_ref()));
            }
            Some(LbConfig::LeastRequestLbConfig(least)) => {
                out.field("slow start", slow_start(least.slow_start_config.as_ref()));
            }
            Some(other) => panic!("{other:?} is not generated"),
            None => {}
        }
        guards::guards(out, it);
        if let Some(eds) = it
            .eds_cluster_config
            .as_ref()
            .filter(|e| e.service_name != it.name)
        {
            out.field("service_name", &eds.service_name);
        }
        for one in &it.transport_socket_matches {
            let wanted = one.r#match.as_ref().map(structure).unwrap_or_default();
            out.line(format!("{} {wanted}", one.name));
            out.field("  tls", transport(one.transport_socket.as_ref()));
        }
        out.field("tls", transport(it.transport_socket.as_ref()));
        if let Some(bind) = &it.upstream_bind_config {
            let first = bind.source_address.iter();
            let more = bind.extra_source_addresses.iter();
            let from = first.chain(more.filter_map(|more| more.address.as_ref()));
            let from: Vec<_> = from.map(|from| from.address.as_str()).collect();
            out.line(format!("from {}", from.join(" ")));
        }
        out.field("metadata", metadata(it.metadata.as_ref()));
        if let Some(assigned) = &it.load_assignment {
            localities(out, &assigned.endpoints);
        }
    });
}

fn slow_start(it: Option<&cluster::cluster::SlowStartConfig>) -> String {
    let it = it.unwrap();
    let aggression = it.aggression.as_ref().map(|value| value.default_value);
    let least = it.min_weight_percent.map(|percent| percent.value);
    let window = duration(it.slow_start_window.as_ref());
    format!("{window} aggression {aggression:?} at least {least:?} %")
}

fn protocol(it: &cluster::Cluster) -> &'static str {
    use upstream::http_protocol_options::UpstreamProtocolOptions;
    use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;
    let Some(any) = it.typed_extension_protocol_options.values().next() else {
        return "";
    };
    let options: upstream::HttpProtocolOptions = unpack(any).unwrap();
    match options.upstream_protocol_options.unwrap() {
        UpstreamProtocolOptions::AutoConfig(_) => "http by alpn",
        UpstreamProtocolOptions::ExplicitHttpConfig(explicit) => match explicit.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => "http2",
            _ => "http1",
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(_) => "as downstream",
    }
}

fn assignment(out: &mut Out, it: &endpoint::ClusterLoadAssignment) {
    out.within(format!("- {}", it.cluster_name), |out| {
        localities(out, &it.endpoints)
    });
}

fn localities(out: &mut Out, all: &[endpoint::LocalityLbEndpoints]) {
    for at in all {
        let name = at.locality.clone().unwrap_or_default();
        let place = [name.region, name.zone, name.sub_zone].join("/");
        let weight = at
            .load_balancing_weight
            .map(|w| w.value)
            .unwrap_or_default();
        let priority = match at.priority {
            0 => String::new(),
            later => format!(" priority {later}"),
        };
        if place != "//" || weight > 0 {
            out.line(format!("locality {place} weight {weight}{priority}"));
        }
        for one in &at.lb_endpoints {
            let Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(to)) = &one.host_identifier
            else {
                panic!("an endpoint has no address");
            };
            let health = core::HealthStatus::try_from(one.health_status).unwrap();
            let told = metadata(one.metadata.as_ref());
            let text = format!(
                "{} {} {told}",
                address(to.address.as_ref()),
                health.as_str_name()
            );
            out.line(text.trim_end());
        }
    }
}

fn transport(socket: Option<&core::TransportSocket>) -> String {
    let Some(socket) = socket else {
        return String::new();
    };
    let Some(core::transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else {
        panic!("{} has no configuration", socket.name);
    };
    if let Ok(up) = unpack::<tls::UpstreamTlsContext>(any) {
        let common = up.common_tls_context.unwrap();
        return format!("client sni {} {}", up.sni, common_tls(&common));
    }
    if let Ok(down) = unpack::<tls::DownstreamTlsContext>(any) {
        let required = down.require_client_certificate.is_some_and(|b| b.value);
        let common = down.common_tls_context.unwrap();
        return format!(
            "server client_certificate={required} {}",
            common_tls(&common)
        );
    }
    plain(any)
}

fn plain(any: &Any) -> String {
    assert!(any.type_url.ends_with("RawBuffer"), "{}", any.type_url);
    "none".into()
}

/// TLS of a gateway whose clients are nobody of the mesh.
fn of_edge(
    it: &tls::CommonTlsContext,
    sent: &[&str],
    validation: Option<&tls::common_tls_context::ValidationContextType>,
) -> String {
    use tls::common_tls_context::ValidationContextType::ValidationContext;
    let file = |source: &Option<core::DataSource>| match source.as_ref().map(|s| &s.specifier) {
        Some(Some(core::data_source::Specifier::Filename(path))) => path.clone(),
        other => format!("{other:?}"),
    };
    let files = it.tls_certificates.iter();
    let files = files.map(|pair| file(&pair.certificate_chain) + " " + &file(&pair.private_key));
    let shown: Vec<String> = sent.iter().map(|s| (*s).to_owned()).chain(files).collect();
    let roots = match validation {
        None => "none".to_owned(),
        Some(ValidationContext(context)) => file(&context.trusted_ca),
        Some(other) => format!("{other:?}"),
    };
    format!(
        "certificate {} roots {roots} alpn {}",
        shown.join(","),
        it.alpn_protocols.join(",")
    )
}

fn common_tls(it: &tls::CommonTlsContext) -> String {
    use tls::common_tls_context::ValidationContextType;
    if let Some(own) = &it.tls_certificate_provider_instance {
        return library::common_tls(it, own);
    }
    let own: Vec<_> = it
        .tls_certificate_sds_secret_configs
        .iter()
        .map(|s| &*s.name)
        .collect();
    let both = match &it.validation_context_type {
        Some(ValidationContextType::CombinedValidationContext(both)) => both,
        other => return of_edge(it, &own, other.as_ref()),
    };
    let roots = &both
        .validation_context_sds_secret_config
        .as_ref()
        .unwrap()
        .name;
    let sans = &both
        .default_validation_context
        .as_ref()
        .unwrap()
        .match_typed_subject_alt_names;
    let sans = sans
        .iter()
        .map(|san| string_match(san.matcher.as_ref().unwrap()));
    format!(
        "certificate {} roots {roots} peer [{}] alpn {}",
        own.join(" "),
        sans.collect::<Vec<_>>().join(", "),
        it.alpn_protocols.join(" ")
    )
}

fn address(it: Option<&core::Address>) -> String {
    use core::address::Address;
    use core::socket_address::PortSpecifier;
    match it.and_then(|a| a.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => match &socket.port_specifier {
            Some(PortSpecifier::PortValue(port)) => format!("{}:{port}", socket.address),
            other => panic!("{other:?} is not generated"),
        },
        other => panic!("{other:?} is not generated"),
    }
}

fn duration(it: Option<&Duration>) -> String {
    let it = it.copied().unwrap_or_default();
    let seconds = f64::from(u32::try_from(it.seconds).unwrap()) + f64::from(it.nanos) / 1e9;
    format!("{seconds}s")
}

fn metadata(it: Option<&core::Metadata>) -> String {
    let Some(it) = it else {
        return String::new();
    };
    let mut names: Vec<_> = it.filter_metadata.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    let each = names
        .into_iter()
        .map(|(name, fields)| format!("{name}{}", structure(fields)));
    each.collect::<Vec<_>>().join(" ")
}

fn structure(it: &Struct) -> String {
    let mut names: Vec<_> = it.fields.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    let each = names
        .into_iter()
        .map(|(name, field)| format!("{name}: {}", one_value(field)));
    format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
}

fn one_value(it: &Value) -> String {
    match it.kind.as_ref().unwrap() {
        value::Kind::StringValue(text) => text.clone(),
        value::Kind::StructValue(fields) => structure(fields),
        value::Kind::ListValue(list) => {
            let each: Vec<_> = list.values.iter().map(one_value).collect();
            format!("[{}]", each.join(", "))
        }
        other => panic!("{other:?} is not generated"),
    }
}
