//! What a request is aimed at: host and raw path into the service, a bucket or an object.
//!
//! Path style and virtual hosts:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>. The path is decoded
//! once and never tidied: `a//b`, `.` and `..` are parts of keys like any other.

use crate::s3::error::Error;
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::query::{Plus, decode_with};

/// What a request is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service: all buckets of the caller.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object, which need not exist.
    Object(BucketName, ObjectKey),
}

impl Target {
    /// The bucket that it names.
    pub fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key that it names.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Service | Self::Bucket(_) => None,
            Self::Object(_, key) => Some(key),
        }
    }
}

/// The base domains under which buckets are virtual hosts, longest first.
#[derive(Clone, Debug, Default)]
pub struct Domains(Vec<String>);

impl Domains {
    /// Domains in any order and case.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let mut domains: Vec<_> = domains.into_iter().map(|domain| plain(&domain)).collect();
        // The longest match decides: with `a.b` and `b`, the host `x.a.b` is the bucket `x`.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self(domains)
    }

    /// The label of a virtual host: the bucket in front of one of the domains, if there is one.
    pub fn bucket_of(&self, host: &str) -> Option<String> {
        let host = without_port(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        for domain in &self.0 {
            let cut = host.len().checked_sub(domain.len());
            let cut = cut.and_then(|cut| host.split_at_checked(cut));
            let Some((front, _)) = cut.filter(|(_, end)| end.eq_ignore_ascii_case(domain)) else {
                continue;
            };
            if front.is_empty() {
                return None;
            }
            if let Some(label) = front.strip_suffix('.') {
                return Some(label.to_ascii_lowercase());
            }
        }
        None
    }
}

/// A name as names are compared: in lower case, without the dot that may end a full one.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Takes `:9000` off a host; leaves `[::1]` whole.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Reads the address of a request, with `plus` as the meaning of a raw `+`.
pub fn read(host: &str, raw_path: &str, domains: &Domains, plus: Plus) -> Result<Target, Error> {
    let path = raw_path.strip_prefix('/').unwrap_or(raw_path);
    let (bucket, raw_key) = if let Some(bucket) = domains.bucket_of(host) {
        (bucket, path)
    } else {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (decode_with(bucket, plus)?, key)
    };
    if bucket.is_empty() && raw_key.is_empty() {
        return Ok(Target::Service);
    }
    let bucket = BucketName::parse(&bucket)?;
    if raw_key.is_empty() {
        return Ok(Target::Bucket(bucket));
    }
    Ok(Target::Object(bucket, ObjectKey::parse(&decode_with(raw_key, plus)?)?))
}

#[cfg(test)]
mod tests {
    use super::{Domains, Plus, Target, read};
    use crate::s3::names::{BucketName, ObjectKey};

    fn check(host: &str, path: &str, want: &Target) {
        let domains =
            Domains::new(["s3.example.com".into(), "example.com".into(), "localhost".into()]);
        assert_eq!(read(host, path, &domains, Plus::IsPlus).unwrap(), *want, "{host} {path}");
    }

    fn bucket(name: &str) -> Target {
        Target::Bucket(BucketName::parse(name).unwrap())
    }

    fn object(name: &str, key: &str) -> Target {
        Target::Object(BucketName::parse(name).unwrap(), ObjectKey::parse(key).unwrap())
    }

    #[test]
    fn path_style() {
        check("127.0.0.1:9000", "/", &Target::Service);
        check("127.0.0.1:9000", "/photos", &bucket("photos"));
        check("127.0.0.1:9000", "/photos/", &bucket("photos"));
        check("[::1]:9000", "/photos/a", &object("photos", "a"));
        check("example.com", "/photos/a", &object("photos", "a"));
    }

    #[test]
    fn virtual_hosts() {
        check("photos.localhost:9000", "/", &bucket("photos"));
        check("photos.localhost:9000", "/a/b", &object("photos", "a/b"));
        check("Photos.S3.Example.Com", "/a", &object("photos", "a"));
        check("my.photos.s3.example.com", "/a", &object("my.photos", "a"));
    }

    /// The longest domain decides; a name may be full, and a port is no part of it.
    #[test]
    fn virtual_hosts_of_several_domains() {
        check("s3.example.com", "/photos/a", &object("photos", "a"));
        check("s3.example.com.:443", "/photos/a", &object("photos", "a"));
        check("photos.s3.example.com.", "/a", &object("photos", "a"));
        check("photos.s3.example.com.:443", "/a", &object("photos", "a"));
        check("s3x.example.com", "/a", &object("s3x", "a"));
        check("photos.eu.example.com", "/a", &object("photos.eu", "a"));
        // No domain of ours, an address, or a name that only ends alike: path style.
        check("photos.example.org", "/photos/a", &object("photos", "a"));
        check("photosexample.com", "/photos/a", &object("photos", "a"));
        check("10.0.0.1", "/photos/a", &object("photos", "a"));
        check("[2001:db8::1]", "/photos/a", &object("photos", "a"));
    }

    #[test]
    fn keys_are_not_tidied() {
        for (path, key) in [
            ("/photos/a//b", "a//b"),
            ("/photos//a", "/a"),
            ("/photos/a/", "a/"),
            ("/photos/..", ".."),
            ("/photos/../victim/x", "../victim/x"),
            ("/photos/%2e%2e/x", "../x"),
            ("/photos/a%2Fb", "a/b"),
            ("/photos/a%252Fb", "a%2Fb"),
            ("/photos/a+b", "a+b"),
            ("/photos/%00%0A", "\0\n"),
        ] {
            check("localhost", path, &object("photos", key));
        }
    }

    #[test]
    fn addresses_that_nobody_can_have() {
        let domains = Domains::default();
        for path in ["//k", "/$root/x", "/Photos/x", "/photos/%FF", "/photos/%zz", "/..", "/-"] {
            assert!(read("localhost", path, &domains, Plus::IsPlus).is_err(), "{path}");
        }
    }
}
