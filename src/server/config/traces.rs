//! Where traces go, by the variables that every tool of OpenTelemetry reads.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use http::{HeaderName, HeaderValue, Uri};

use crate::server::config::fault::Origin;
use crate::server::config::secret::{Environment, Notes};

/// Where traces go, and of which requests.
#[derive(Clone)]
pub struct TraceConfig {
    /// The collector's address for traces, whole.
    pub endpoint: Uri,
    /// Sent along; they may hold a token.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What we are called, and what else is said of us.
    pub resource: Vec<(String, String)>,
    /// The share of requests that nobody asked for that is traced, 0 to 1.
    pub ratio: f64,
    /// Whether a caller's own decision counts before that.
    pub parent_based: bool,
}

impl std::fmt::Debug for TraceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// None where nothing says that traces are wanted.
pub(super) fn traces(environment: &Environment, notes: &mut Notes) -> Option<TraceConfig> {
    let text = |name: &str| environment.get(name).map(str::trim);
    let off = text("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    if off || text("OTEL_TRACES_EXPORTER") == Some("none") {
        return None;
    }
    let of_traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let (name, endpoint) = match (text(of_traces), text("OTEL_EXPORTER_OTLP_ENDPOINT")) {
        (Some(whole), _) => (of_traces, whole.to_owned()),
        (None, Some(base)) => {
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/v1/traces", base.trim_end_matches('/')))
        }
        (None, None) => return None,
    };
    let mut fault = |name: &str, problem: String| {
        notes.faults.at(name, &Origin::Environment(name.to_owned()), problem);
    };
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(other) = text(name).filter(|protocol| *protocol != "http/json") {
            fault(
                name,
                format!("{other:?} is not spoken here: http/json, a collector's port 4318"),
            );
        }
    }
    let uri: Option<Uri> = endpoint.parse().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if uri.is_none() {
        fault(name, format!("{endpoint:?} is no address, such as http://collector:4318"));
    }
    let headers =
        text("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| text("OTEL_EXPORTER_OTLP_HEADERS"));
    let headers = pairs(headers.unwrap_or_default()).map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    let headers: Option<Vec<_>> = headers.collect();
    if headers.is_none() {
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        fault(name, "is no list of headers, such as name=value,other=value".to_owned());
    }
    let service = text("OTEL_SERVICE_NAME").unwrap_or("bluebucket").to_owned();
    let mut resource: Vec<(String, String)> =
        pairs(text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()).collect();
    resource.retain(|(name, _)| name != "service.name" || text("OTEL_SERVICE_NAME").is_none());
    if !resource.iter().any(|(name, _)| name == "service.name") {
        resource.push(("service.name".to_owned(), service));
    }
    let sampler = text("OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on");
    let ratio = ratio(sampler, text("OTEL_TRACES_SAMPLER_ARG"));
    if let Err(problem) = &ratio {
        fault("OTEL_TRACES_SAMPLER", problem.clone());
    }
    Some(TraceConfig {
        endpoint: uri?,
        headers: headers?,
        resource,
        ratio: ratio.ok()?,
        parent_based: sampler.starts_with("parentbased_"),
    })
}

/// `name=value` pairs with commas between, percent-decoded.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text.trim()).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(move |(name, value)| (decoded(name), decoded(value))).collect::<Vec<_>>().into_iter()
}

fn ratio(sampler: &str, argument: Option<&str>) -> Result<f64, String> {
    match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
        "always_on" => Ok(1.0),
        "always_off" => Ok(0.0),
        "traceidratio" => {
            let ratio = argument.unwrap_or("1").parse().ok();
            let fits = ratio.filter(|ratio: &f64| (0.0..=1.0).contains(ratio));
            fits.ok_or_else(|| "OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1".to_owned())
        }
        _ => Err(format!("{sampler:?} is none of always_on, always_off, traceidratio")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<TraceConfig>, String) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut notes = Notes::default();
        let config = traces(&Environment::new(pairs), &mut notes);
        (config, notes.faults.to_string())
    }

    #[test]
    fn the_variables_mean_what_they_mean_everywhere() {
        assert!(read(&[]).0.is_none());
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        let (config, faults) = read(&[
            base,
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=canary%201"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let config = config.unwrap();
        assert_eq!(faults, "");
        assert_eq!(config.endpoint, "http://collector:4318/v1/traces");
        assert_eq!((config.ratio, config.parent_based), (0.25, false));
        assert_eq!(config.headers[0].1, "canary 1");
        assert_eq!(config.resource.len(), 2);
        assert!(!format!("{config:?}").contains("canary"));
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/otlp");
        assert_eq!(read(&[base, whole]).0.unwrap().endpoint, "https://c/otlp");
        assert!(read(&[base, ("OTEL_SDK_DISABLED", "true")]).0.is_none());
        assert!(read(&[base, ("OTEL_TRACES_EXPORTER", "none")]).0.is_none());
    }

    #[test]
    fn what_is_not_spoken_is_a_fault() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
        ] {
            let faults = read(&[base, (name, value)]).1;
            assert!(faults.contains(name), "{name}: {faults}");
        }
    }
}
