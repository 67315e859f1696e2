//! How single values of the configuration are written: each function understands one, or says in a
//! line what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// An address to listen on.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_ignored| {
        format!("{text:?} is no address; write an IP address and a port, such as 127.0.0.1:9000")
    })
}

/// `true` or `false`.
pub fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A whole number of at least `min`.
pub fn at_least(min: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| match text.parse() {
        Ok(number) if number >= min => Ok(number),
        _ => Err(format!("{text:?} is no whole number of at least {min}")),
    }
}

/// A time such as `500ms`, `30s`, `5m`, `12h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("{text:?} is no duration; write 500ms, 30s, 5m, 12h or 7d");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(problem)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_ignored| problem())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(problem()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(problem)
}

/// A duration that is not nothing.
pub fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("{text:?} is no time at all")),
        time => Ok(time),
    }
}

/// A base domain of virtual-host buckets: a host name, without port.
pub fn domain(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name may be written in full, with the root's dot.
    let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if domain.len() <= 253 && domain.split('.').all(label) && domain.parse::<IpAddr>().is_err() {
        Ok(domain)
    } else {
        Err(format!(
            "{text:?} is no domain name; write a host name without port, such as s3.example.com"
        ))
    }
}

/// A proxy, as `http://host:port`.
pub fn proxy(text: &str) -> Result<http::Uri, String> {
    let uri: Option<http::Uri> = text.parse().ok();
    let fits = |uri: &http::Uri| {
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        uri.scheme_str() == Some("http") && plain && matches!(uri.path(), "" | "/")
    };
    // What was written may hold a password, so it is not repeated.
    uri.filter(fits).ok_or_else(|| "is no proxy; write http://host:port, without a user".to_owned())
}

/// A region's name.
pub fn region(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no region; write small letters, digits and hyphens"))
    }
}

/// A container's name by Azure's rule.
/// <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
pub fn container(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    if (3..=63).contains(&text.len()) && text.bytes().all(fits) && !hyphens {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no container name; write 3 to 63 small letters, digits and single hyphens"
        ))
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `text` or `json`.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

/// A filter of the log, checked by the crate that will use it.
pub fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is no log filter: {error}")),
    }
}

/// A range of addresses, such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix_bits: u32,
}

impl Cidr {
    /// Whether the address lies inside. An IPv4 address in IPv6's clothes counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix_bits;
                let head = |address: u32| address.checked_shr(shift).unwrap_or(0);
                head(network.to_bits()) == head(address.to_bits())
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix_bits;
                let head = |address: u128| address.checked_shr(shift).unwrap_or(0);
                head(network.to_bits()) == head(address.to_bits())
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_bits)
    }
}

/// A range of addresses.
pub fn cidr(text: &str) -> Result<Cidr, String> {
    let problem = || format!("{text:?} is no range of addresses, such as 10.0.0.0/8");
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let network: IpAddr = address.parse().map_err(|_ignored| problem())?;
    let widest = if network.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) => bits.parse().map_err(|_ignored| problem())?,
        None => widest,
    };
    if prefix_bits > widest { Err(problem()) } else { Ok(Cidr { network, prefix_bits }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        for wrong in ["", "5", "s", "5 s", "1w", "-1s", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let check = |range: &str, address: &str, inside: bool| {
            let range = cidr(range).unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{range} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("192.168.1.7", "192.168.1.7", true);
        check("192.168.1.7", "192.168.1.6", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe80::1", false);
        check("::/0", "::1", true);
        for wrong in ["10.0.0.0/33", "::/129", "10/8", "x", "10.0.0.0/"] {
            assert!(cidr(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_domain_is_a_host_name() {
        assert_eq!(domain("S3.Example.com"), Ok("s3.example.com".to_owned()));
        for wrong in ["", "a:9000", "10.0.0.1", ".com", "a..b", "-a.b", "a b"] {
            assert!(domain(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_without_a_user() {
        assert!(proxy("http://proxy.example:3128").is_ok());
        assert!(proxy("http://proxy.example:3128/").is_ok());
        for wrong in ["", "proxy:1", "https://a:1", "http://u:canary@a:1", "http://a:1/b"] {
            assert!(!proxy(wrong).unwrap_err().contains("canary"), "{wrong:?}");
        }
    }

    #[test]
    fn a_container_obeys_azure() {
        assert!(container("a-b-1").is_ok());
        for wrong in ["ab", "a--b", "-ab", "ab-", "A-b", "a.b", "$root"] {
            assert!(container(wrong).is_err(), "{wrong:?}");
        }
    }
}
