//! What clients meet before they meet us: the names of virtual-host buckets, and the certificate.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use super::Finding;
use crate::server::config::TlsConfig;
use crate::server::tls;

/// A resolver that needs longer is no use to a client either.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(5);
/// A bucket's name that nobody has, to see whether any does resolve.
const BUCKET: &str = "bluebucket-check";
/// A certificate that ends sooner should have been renewed.
const EXPIRY_NEAR: Duration = Duration::from_hours(14 * 24);

/// The addresses of a name, or why there are none.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<String>, String> {
    let host = host.trim_matches(['[', ']']);
    let looked_up = tokio::time::timeout(RESOLVE_DEADLINE, tokio::net::lookup_host((host, port)));
    match looked_up.await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip().to_string()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {RESOLVE_DEADLINE:?}")),
    }
}

/// Does `bucket.domain` resolve, for each base domain?
pub(super) async fn domains(domains: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for domain in domains {
        let (what, name) = (format!("domain {domain}"), format!("{BUCKET}.{domain}"));
        findings.push(match resolve(&name, 443).await {
            Ok(addresses) => {
                Finding::fine(what, format!("{name} resolves to {}", addresses.join(", ")))
            }
            Err(why) => {
                let text = format!("{name} does not resolve from here ({why})");
                let remedy = "Virtual-host buckets need a wildcard record: *.DOMAIN beside DOMAIN; \
                              until then clients need path style";
                Finding::odd(what, text, remedy)
            }
        });
    }
    findings
}

/// Is the certificate good now and for some time, and for the names that clients use?
pub(super) fn certificate(
    files: &TlsConfig,
    domains: &[String],
    now: OffsetDateTime,
) -> Vec<Finding> {
    let what = "certificate";
    let remedy = "Look at tls.certificate and tls.key";
    let pair = match tls::read(files) {
        Ok(pair) => pair,
        Err(problem) => return vec![Finding::broken(what, problem, remedy)],
    };
    let leaf = pair.cert.first().map(EndEntityCert::try_from);
    let Some(Ok(leaf)) = leaf else {
        return vec![Finding::broken(what, "the first certificate cannot be read", remedy)];
    };
    let rest = pair.cert.get(1..).unwrap_or_default();
    let mut findings = vec![validity(&leaf, rest, now)];
    findings.extend(domains.iter().map(|domain| covers(&leaf, domain)));
    findings
}

fn validity(leaf: &EndEntityCert<'_>, rest: &[CertificateDer<'_>], now: OffsetDateTime) -> Finding {
    let what = "certificate";
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let at = |after: Duration| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds) + after);
        // Without an anchor no chain is trusted; dates are looked at before that.
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[], rest, time, usage, None, None).err()
    };
    let until = |not_after: UnixTime| {
        let seconds = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds)
            .map_or_else(|_| String::new(), |at| at.to_string())
    };
    match (at(Duration::ZERO), at(EXPIRY_NEAR)) {
        (Some(webpki::Error::CertExpired { not_after, .. }), _) => Finding::broken(
            what,
            format!("expired on {}", until(not_after)),
            "Renew it: the file is followed, no restart is needed",
        ),
        (Some(webpki::Error::CertNotValidYet { .. }), _) => {
            Finding::broken(what, "is not valid yet", "Is this machine's clock right?")
        }
        (_, Some(webpki::Error::CertExpired { not_after, .. })) => Finding::odd(
            what,
            format!("expires on {}", until(not_after)),
            "Renew it: the file is followed, no restart is needed",
        ),
        _ => Finding::fine(what, "goes with its key and is valid for two weeks at least"),
    }
}

fn covers(leaf: &EndEntityCert<'_>, domain: &str) -> Finding {
    let names = [domain.to_owned(), format!("{BUCKET}.{domain}")];
    let missing = names.iter().find(|name| {
        let name = ServerName::try_from(name.as_str());
        !name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
    });
    match missing {
        None => Finding::fine("certificate", format!("is good for {domain} and *.{domain}")),
        Some(name) => Finding::odd(
            "certificate",
            format!("is not good for {name}"),
            "It needs DOMAIN and *.DOMAIN as subject alternative names",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::Weight;
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

    fn pair(folder: &Path, names: &[&str], until: OffsetDateTime) -> TlsConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut leaf = rcgen::CertificateParams::new(names).unwrap();
        (leaf.not_before, leaf.not_after) = (NOW - time::Duration::days(100), until);
        let files = TlsConfig { certificate: folder.join("crt"), key: folder.join("key") };
        fs::write(&files.certificate, leaf.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    #[track_caller]
    fn check(names: &[&str], days: i64, expected: &[(Weight, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        let files = pair(folder.path(), names, NOW + time::Duration::days(days));
        let findings = certificate(&files, &["s3.example.com".to_owned()], NOW);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, (weight, words)) in findings.iter().zip(expected) {
            assert_eq!(finding.weight, *weight, "{finding}");
            assert!(finding.text.contains(words), "{finding}");
        }
    }

    #[test]
    fn a_certificate_has_the_names_that_clients_use_and_time_left() {
        let both = ["s3.example.com", "*.s3.example.com"];
        let good = (Weight::Fine, "is good for s3.example.com and *.s3.example.com");
        check(&both, 90, &[(Weight::Fine, "valid for two weeks"), good]);
        check(&both, 3, &[(Weight::Odd, "expires on 2026-11-25"), good]);
        check(&both, -1, &[(Weight::Broken, "expired on 2026-11-21"), good]);
        let fine = (Weight::Fine, "valid");
        let bucket = "is not good for bluebucket-check.s3.example.com";
        check(&["s3.example.com"], 90, &[fine, (Weight::Odd, bucket)]);
        check(&["other.example"], 90, &[fine, (Weight::Odd, "is not good for s3.example.com")]);
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_broken() {
        let files = TlsConfig { certificate: "/nowhere".into(), key: "/nowhere".into() };
        let findings = certificate(&files, &[], NOW);
        assert_eq!(findings[0].weight, Weight::Broken, "{findings:?}");
    }
}
