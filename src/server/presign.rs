//! `bluebucket presign`: a URL that its holder may use for a time, from a configured key. Nothing is
//! asked of Azure, and the object need not exist.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use crate::s3::auth::{Presign, presign};
use crate::s3::names::{BucketName, ObjectKey};
use crate::server::config::arguments::PresignFlags;
use crate::server::config::{Config, KeyConfig, values};

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, but `/` stays: a key is a path.
const IN_A_KEY: &AsciiSet = &RESERVED.remove(b'/');
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "DELETE", "POST"];

/// The URL, or what is wrong with what was asked.
pub fn url(flags: &PresignFlags, config: &Config, now: OffsetDateTime) -> Result<String, String> {
    let (bucket, key) = target(&flags.target)?;
    let method = flags.method.to_uppercase();
    if !METHODS.contains(&method.as_str()) {
        return Err(format!("{:?} is none of {}", flags.method, METHODS.join(", ")));
    }
    let endpoint = match &flags.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => own_endpoint(config),
    };
    let (scheme, authority) = endpoint
        .split_once("://")
        .filter(|(scheme, host)| matches!(*scheme, "http" | "https") && !host.contains('/'))
        .ok_or_else(|| format!("{endpoint:?} is no endpoint, such as https://s3.example.com"))?;
    let (host, path) = if flags.virtual_host {
        (format!("{bucket}.{authority}"), format!("/{}", encoded_key(&key)))
    } else {
        (authority.to_owned(), format!("/{bucket}/{}", encoded_key(&key)))
    };
    let pair = pair(flags, config)?;
    let asked = Presign {
        method: &method,
        host: signed_host(scheme, &host),
        raw_path: &path,
        raw_query: &query(&flags.query)?,
        key_id: &pair.access_key_id,
        region: &config.region,
        expires_seconds: seconds(values::duration(&flags.expires)?),
    };
    let target = presign(&asked, pair.secret_access_key.expose(), now);
    let target = target.map_err(|error| error.text().to_owned())?;
    Ok(format!("{scheme}://{host}{target}"))
}

/// `bucket/key` or `s3://bucket/key`, checked.
fn target(text: &str) -> Result<(BucketName, String), String> {
    let path = text.strip_prefix("s3://").unwrap_or(text);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let bucket = BucketName::parse(bucket)
        .map_err(|_invalid| format!("{bucket:?} is no bucket name; write BUCKET/KEY"))?;
    if !key.is_empty() {
        ObjectKey::parse(key).map_err(|_invalid| format!("{key:?} is no key"))?;
    }
    Ok((bucket, key.to_owned()))
}

fn encoded_key(key: &str) -> String {
    utf8_percent_encode(key, IN_A_KEY).to_string()
}

/// `name=value` pairs as a query.
fn query(pairs: &[String]) -> Result<String, String> {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let pairs: Result<Vec<_>, String> = pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name.is_empty() || name.to_ascii_lowercase().starts_with("x-amz-signature") {
                return Err(format!("{pair:?} is no parameter, such as versionId=ID"));
            }
            Ok(format!("{}={}", encoded(name), encoded(value)))
        })
        .collect();
    Ok(pairs?.join("&"))
}

/// Clients leave the scheme's own port out of `Host`.
fn signed_host<'a>(scheme: &str, host: &'a str) -> &'a str {
    let own = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(own).unwrap_or(host)
}

/// Where this configuration listens, as a client on the same machine names it.
pub(super) fn own_endpoint(config: &Config) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    if config.listen.ip().is_unspecified() {
        format!("{scheme}://localhost:{}", config.listen.port())
    } else {
        format!("{scheme}://{}", config.listen)
    }
}

/// The key that was named, or the first there is.
fn pair<'a>(flags: &PresignFlags, config: &'a Config) -> Result<&'a KeyConfig, String> {
    let mut users = config.users.iter();
    let fits = |key: &&KeyConfig| {
        flags.access_key_id.as_ref().is_none_or(|wanted| *wanted == key.access_key_id)
    };
    let found = match &flags.user {
        Some(id) => {
            let user = users.find(|user| user.id == *id);
            let user = user.ok_or_else(|| format!("there is no user {id:?}"))?;
            user.keys.iter().find(fits)
        }
        None => users.flat_map(|user| &user.keys).find(fits),
    };
    found.ok_or_else(|| match &flags.access_key_id {
        Some(id) => format!("there is no access key {id:?} there"),
        None => "there is no key: set BLUEBUCKET_ACCESS_KEY_ID and BLUEBUCKET_SECRET_ACCESS_KEY, \
                 or name a user who has one"
            .to_owned(),
    })
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::{self, Environment, Need, Sources};

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

    fn flags(target: &str) -> PresignFlags {
        PresignFlags {
            target: target.to_owned(),
            method: "GET".to_owned(),
            expires: "1h".to_owned(),
            user: None,
            access_key_id: None,
            endpoint: None,
            virtual_host: false,
            query: Vec::new(),
            settings: config::arguments::Flags::default(),
        }
    }

    fn configuration() -> Config {
        let pairs = [
            ("BLUEBUCKET_ACCESS_KEY_ID", "AK1"),
            ("BLUEBUCKET_SECRET_ACCESS_KEY", "canary-secret-1"),
            ("BLUEBUCKET_LISTEN", "0.0.0.0:9000"),
        ];
        let environment = Environment::new(pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let sources = Sources { environment, need: Need::Nothing, ..Sources::default() };
        config::load(&sources).unwrap().config
    }

    #[test]
    fn a_url_names_host_and_key_as_clients_do() {
        let check = |change: fn(&mut PresignFlags), start: &str| {
            let mut flags = flags("s3://photos/a b/c+d%");
            change(&mut flags);
            let url = url(&flags, &configuration(), NOW).unwrap();
            assert!(url.starts_with(start), "{url}");
            assert!(url.contains("X-Amz-Expires=3600&") && !url.contains("canary"), "{url}");
        };
        check(|_| {}, "http://localhost:9000/photos/a%20b/c%2Bd%25?X-Amz-Algorithm=");
        let own = |flags: &mut PresignFlags| flags.endpoint = Some("https://s3.test/".to_owned());
        check(own, "https://s3.test/photos/a%20b/c%2Bd%25?");
        let virtual_host = |flags: &mut PresignFlags| {
            flags.endpoint = Some("https://s3.test".to_owned());
            flags.virtual_host = true;
            flags.query = vec!["response-content-type=text/plain".to_owned()];
        };
        let start =
            "https://photos.s3.test/a%20b/c%2Bd%25?response-content-type=text%2Fplain&X-Amz";
        check(virtual_host, start);
    }

    #[test]
    fn what_cannot_be_signed_is_said() {
        let check = |change: fn(&mut PresignFlags), words: &str| {
            let mut flags = flags("photos/k");
            change(&mut flags);
            let problem = url(&flags, &configuration(), NOW).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        };
        check(|flags| "Photos/k".clone_into(&mut flags.target), "is no bucket name");
        check(|flags| "FLY".clone_into(&mut flags.method), "is none of GET");
        check(|flags| "8d".clone_into(&mut flags.expires), "1 to 604800 seconds");
        check(|flags| "soon".clone_into(&mut flags.expires), "is no duration");
        check(|flags| flags.user = Some("nobody".to_owned()), "no user \"nobody\"");
        check(|flags| flags.access_key_id = Some("AK9".to_owned()), "no access key \"AK9\"");
        check(|flags| flags.endpoint = Some("s3.test".to_owned()), "is no endpoint");
        check(|flags| flags.query = vec!["X-Amz-Signature=1".to_owned()], "is no parameter");
    }
}
