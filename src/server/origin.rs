//! Where a request comes from: the other end of its connection, or what a proxy says that we trust.

use std::net::IpAddr;

use axum::http::request::Parts;
use http::HeaderMap;

use crate::access::Connection;
use crate::server::config::Cidr;
use crate::server::connection::{Peer, Scheme};

/// The origin of a request. `X-Forwarded-For` and `-Proto` count if the connection itself comes from
/// a trusted proxy, and no further than the chain of trusted ones reaches; anybody can write them.
pub(super) fn of(head: &Parts, trusted: &[Cidr]) -> Connection {
    let Some(peer) = head.extensions.get::<Peer>() else { return Connection::default() };
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let address = peer.address.ip().to_canonical();
    if is_trusted(address) {
        return Connection {
            source: forwarded_for(&head.headers, address, is_trusted),
            secure: proto(&head.headers).unwrap_or(peer.scheme == Scheme::Https),
            tls: None,
        };
    }
    Connection { source: Some(address), secure: peer.scheme == Scheme::Https, tls: peer.tls }
}

/// The last address in the chain that is no trusted proxy's own; the proxy's, if it names nobody.
/// None if what stands there is no address: then nobody knows, and no rule about addresses allows.
fn forwarded_for(
    headers: &HeaderMap,
    proxy: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|line| line.to_str().unwrap_or("?"))
        .collect();
    let mut last = proxy;
    for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
        last = address_of(hop.trim())?;
        if !is_trusted(last) {
            break;
        }
    }
    Some(last)
}

/// An address, maybe with a port: `192.0.2.1:80`, `[2001:db8::1]:80`.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(ip, _)| ip);
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.rsplit_once(':')?.0.parse().ok());
    address.map(|address| address.to_canonical())
}

/// What the proxy nearest to us says.
fn proto(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get_all("x-forwarded-proto").iter().next_back()?.to_str().ok()?;
    Some(line.rsplit(',').next()?.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::Request;

    use super::of;
    use crate::access::Connection;
    use crate::server::config::Cidr;
    use crate::server::config::values::cidr;
    use crate::server::connection::{Peer, Scheme};

    fn origin(peer: &str, scheme: Scheme, headers: &[(&str, &str)]) -> Connection {
        let trusted: Vec<Cidr> = ["10.0.0.0/8", "::1"].map(|range| cidr(range).unwrap()).into();
        let address: SocketAddr = peer.parse().unwrap();
        let tls = (scheme == Scheme::Https).then_some("1.3");
        let mut request = Request::builder().extension(Peer { address, scheme, tls });
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        of(&request.body(()).unwrap().into_parts().0, &trusted)
    }

    fn source(peer: &str, forwarded: &[&str]) -> String {
        let headers: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        origin(peer, Scheme::Http, &headers).source.unwrap().to_string()
    }

    #[test]
    fn c48_the_word_of_a_stranger_does_not_count() {
        let said = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")];
        let found = origin("192.0.2.1:7", Scheme::Http, &said);
        assert_eq!(found.source, Some([192, 0, 2, 1].into()));
        assert!(!found.secure && found.tls.is_none());
        let found = origin("[::ffff:192.0.2.1]:7", Scheme::Https, &said);
        assert_eq!(found.source, Some([192, 0, 2, 1].into()));
        assert!(found.secure && found.tls == Some("1.3"));
    }

    #[test]
    fn c48_a_chain_counts_as_far_as_it_is_trusted() {
        assert_eq!(source("10.0.0.9:7", &[]), "10.0.0.9");
        assert_eq!(source("10.0.0.9:7", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(source("10.0.0.9:7", &["1.1.1.1, 192.0.2.1, 10.1.1.1"]), "192.0.2.1");
        assert_eq!(source("10.0.0.9:7", &["1.1.1.1", "192.0.2.1"]), "192.0.2.1");
        assert_eq!(source("10.0.0.9:7", &["10.3.3.3, 10.1.1.1"]), "10.3.3.3");
        assert_eq!(source("10.0.0.9:7", &["192.0.2.1:99"]), "192.0.2.1");
        assert_eq!(source("[::1]:7", &["[2001:db8::1]:99"]), "2001:db8::1");
        // What is no address hides who asks; nobody in front of it is believed.
        let said = [("x-forwarded-for", "192.0.2.1, unknown")];
        assert_eq!(origin("10.0.0.9:7", Scheme::Http, &said).source, None);
    }

    #[test]
    fn a_trusted_proxy_says_whether_it_was_tls() {
        for (scheme, said, secure) in [
            (Scheme::Http, Some("https"), true),
            (Scheme::Http, Some("http, HTTPS"), true),
            (Scheme::Https, Some("http"), false),
            (Scheme::Https, None, true),
            (Scheme::Http, None, false),
        ] {
            let headers: Vec<_> = said.iter().map(|proto| ("x-forwarded-proto", *proto)).collect();
            let found = origin("10.0.0.1:7", scheme, &headers);
            assert_eq!((found.secure, found.tls), (secure, None), "{scheme:?} {said:?}");
        }
    }
}
