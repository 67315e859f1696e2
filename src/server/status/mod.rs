//! The status page: what an operator looks at first. Made here as one document, without a script and
//! with nothing to load, so that it is readable in any browser and shows nothing but what it was asked
//! at. No secret, no bucket's content and no key appears.

mod clients;
mod html;
mod plot;

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use http::uri::Authority;

pub(super) use clients::for_dev;

use crate::ops::census::Uploads;
use crate::server::config::Config;
use crate::server::health::AccountState;
use crate::server::metrics::Metrics;
use crate::server::recent::{Count, Fault, INTERVAL_SECONDS, INTERVALS};
use crate::server::status::html::escaped;

const STYLE: &str = include_str!("style.css");

/// What the page shows.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The configuration in effect.
    pub config: &'a Config,
    /// How each account is.
    pub accounts: &'a [AccountState],
    /// Whether the end has begun.
    pub draining: bool,
    /// What was counted.
    pub metrics: &'a Metrics,
    /// The uploads in parts that are open, where that could be found out.
    pub uploads: Option<Uploads>,
    /// The S3 port.
    pub s3: SocketAddr,
    /// The host that this page was asked for at.
    pub asked: Option<&'a str>,
}

/// The page as a document.
pub fn page(shown: &Shown<'_>) -> Result<String, fmt::Error> {
    let mut out = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>bluebucket</title>\n<link rel=\"icon\" href=\"data:,\">\n",
    );
    writeln!(out, "<style>{STYLE}</style>\n</head>\n<body>")?;
    header(&mut out, shown)?;
    out.push_str("<main>\n");
    traffic(&mut out, shown)?;
    accounts(&mut out, shown)?;
    routes(&mut out, shown.config)?;
    faults(&mut out, &shown.metrics.recent().faults())?;
    recipes(&mut out, shown)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

fn header(out: &mut String, shown: &Shown<'_>) -> fmt::Result {
    let well = shown.accounts.iter().filter(|state| state.answer.is_ok()).count();
    let (class, state) = match (shown.draining, well) {
        (true, _) => ("wrong", "draining".to_owned()),
        (false, 0) => ("wrong", "not ready: no account answers".to_owned()),
        (false, some) if some < shown.accounts.len() => (
            "wrong",
            format!(
                "ready, but {} of {} accounts do not answer",
                shown.accounts.len() - some,
                shown.accounts.len()
            ),
        ),
        (false, _) => ("good", "ready".to_owned()),
    };
    let scheme = scheme(shown.config);
    writeln!(
        out,
        "<header>\n<h1>bluebucket {}</h1>\n<span class=\"state {class}\">{state}</span>\n\
         <span class=\"soft\">S3 port {scheme}://{} <span class=\"whole\">· region {}</span> \
         <span class=\"whole\">· up {}</span></span>\n</header>",
        env!("CARGO_PKG_VERSION"),
        shown.s3,
        escaped(&shown.config.region),
        span(shown.metrics.recent().since()),
    )
}

fn traffic(out: &mut String, shown: &Shown<'_>) -> fmt::Result {
    let counts = shown.metrics.recent().counts();
    let column = |of: fn(&Count) -> u64| counts.iter().map(of).collect::<Vec<_>>();
    let (requests, failed) = (column(|count| count.requests), column(|count| count.failed));
    let mean = column(|count| count.milliseconds / count.requests.max(1));
    let none = vec![0; counts.len()];
    let most = |values: &[u64]| values.iter().copied().max().unwrap_or_default();
    let total: u64 = requests.iter().sum();
    let total_failed: u64 = failed.iter().sum();
    let all_milliseconds: u64 = counts.iter().map(|count| count.milliseconds).sum();
    let minutes = INTERVAL_SECONDS * INTERVALS as u64 / 60;
    write!(out, "<section>\n<h2>The last {minutes} minutes</h2>\n<div class=\"plots\">\n<figure>")?;
    plot::bars(out, "Requests, and those that failed, each ten seconds", &requests, &failed)?;
    let axis = format!(
        "<div class=\"axis\"><span>{minutes} min ago</span><span>now</span></div>\n<figcaption>"
    );
    write!(
        out,
        "{axis}{total} requests, <span class=\"{}\">{total_failed} failed</span>; at most {} in ten \
         seconds</figcaption></figure>\n<figure>",
        if total_failed == 0 { "good" } else { "wrong" },
        most(&requests)
    )?;
    plot::bars(out, "Mean time of a request, each ten seconds", &mean, &none)?;
    writeln!(
        out,
        "{axis}{} ms a request on average; at most {} in ten seconds</figcaption></figure>\n</div>\n\
         <dl>",
        all_milliseconds / total.max(1),
        most(&mean)
    )?;
    let (held, most) = shown.metrics.memory();
    let uploads = match shown.uploads {
        Some(Uploads { open, or_more: false }) => open.to_string(),
        Some(Uploads { open, or_more: true }) => format!("{open} or more"),
        None => "not known".to_owned(),
    };
    for (name, value) in [
        ("Object bytes in memory", format!("{} of {}", mebibytes(held), mebibytes(most))),
        ("Open uploads in parts", uploads),
        ("Requests at once, at most", shown.config.limits.max_in_flight.to_string()),
        ("Of one user, at most", shown.config.limits.max_in_flight_per_user.to_string()),
        ("Users", shown.config.users.len().to_string()),
    ] {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    out.push_str("</dl>\n</section>\n");
    Ok(())
}

fn accounts(out: &mut String, shown: &Shown<'_>) -> fmt::Result {
    out.push_str(
        "<section>\n<h2>Accounts</h2>\n<div class=\"scroll\"><table>\n\
         <thead><tr><th>Account</th><th>State</th></tr></thead>\n<tbody>\n",
    );
    for AccountState { account, answer } in shown.accounts {
        let is_default = shown.config.default_account.as_ref() == Some(account);
        let default = if is_default { " (default)" } else { "" };
        let (class, state) = match answer {
            Ok(()) => ("good", "answers".to_owned()),
            Err(cause) => ("wrong", format!("does not answer: {}", escaped(cause))),
        };
        let account = escaped(account);
        writeln!(out, "<tr><td>{account}{default}</td><td class=\"{class}\">{state}</td></tr>")?;
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

/// The routes in their order, the first that fits counts; and where everything else goes.
fn routes(out: &mut String, config: &Config) -> fmt::Result {
    out.push_str(
        "<section>\n<h2>Routes</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Bucket</th>\
         <th>Account</th><th>Container</th><th>Prefix</th><th>Writes</th></tr></thead>\n<tbody>\n",
    );
    let default = config.default_account.as_deref().unwrap_or("–");
    for route in &config.routes {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&route.name),
            escaped(route.account.as_deref().unwrap_or(default)),
            escaped(route.container.as_deref().unwrap_or("of the bucket's name")),
            escaped(&route.prefix),
            if route.read_only { "read-only" } else { "allowed" }
        )?;
    }
    let default = escaped(default);
    writeln!(
        out,
        "<tr><td>all others</td><td>{default}</td><td>of the bucket&#39;s name</td><td></td>\
         <td>allowed</td></tr>\n</tbody>\n</table></div>\n</section>"
    )
}

fn faults(out: &mut String, faults: &[Fault]) -> fmt::Result {
    out.push_str("<section>\n<h2>Last failures</h2>\n");
    if faults.is_empty() {
        out.push_str("<p class=\"soft\">None since the start.</p>\n</section>\n");
        return Ok(());
    }
    out.push_str(
        "<p class=\"soft\">The log has the cause under the id.</p>\n<div class=\"scroll\"><table>\n\
         <thead><tr><th>Request id</th><th>Operation</th><th>Status</th><th>Code</th><th>Ago</th>\
         </tr></thead>\n<tbody>\n",
    );
    for Fault { id, op, status, code, at } in faults {
        let (id, code, ago) = (escaped(id), code.unwrap_or("–"), span(at.elapsed()));
        writeln!(
            out,
            "<tr><td><code>{id}</code></td><td>{op}</td><td>{status}</td><td>{code}</td>\
             <td>{ago}</td></tr>"
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

fn recipes(out: &mut String, shown: &Shown<'_>) -> fmt::Result {
    let endpoint = format!("{}://{}", scheme(shown.config), reachable(shown.s3, shown.asked));
    out.push_str(
        "<section>\n<h2>Clients</h2>\n<p class=\"soft\">To paste, with your own keys in the places \
         of ACCESS_KEY_ID and SECRET_ACCESS_KEY.</p>\n",
    );
    for (place, recipe) in clients::recipes(&endpoint, &shown.config.region).iter().enumerate() {
        let open = if place == 0 { " open" } else { "" };
        let (client, text) = (recipe.client, escaped(&recipe.text));
        writeln!(out, "<details{open}><summary>{client}</summary><pre>{text}</pre></details>")?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn scheme(config: &Config) -> &'static str {
    if config.tls.is_some() { "https" } else { "http" }
}

/// The S3 port under an address that a client can use: a port on all interfaces is on the one that
/// this page was asked for at, too.
fn reachable(s3: SocketAddr, asked: Option<&str>) -> String {
    let asked = asked.and_then(|host| host.parse::<Authority>().ok());
    match asked {
        Some(asked) if s3.ip().is_unspecified() => format!("{}:{}", asked.host(), s3.port()),
        _ => s3.to_string(),
    }
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// `3 d 4 h`, `12 min`, `7 s`: the two largest parts at most.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_on_all_interfaces_is_shown_under_the_name_of_the_page() {
        let check = |s3: &str, asked: Option<&str>, shown: &str| {
            assert_eq!(reachable(s3.parse().unwrap(), asked), shown);
        };
        check("0.0.0.0:9000", Some("box.example:9001"), "box.example:9000");
        check("[::]:9000", Some("[fd00::1]:9001"), "[fd00::1]:9000");
        check("0.0.0.0:9000", Some("no host"), "0.0.0.0:9000");
        check("127.0.0.1:9000", Some("box.example:9001"), "127.0.0.1:9000");
    }

    #[test]
    fn times_and_sizes_are_for_people() {
        let times = [7, 125, 7_260, 273_600].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(times, ["7 s", "2 min", "2 h 1 min", "3 d 4 h"]);
        assert_eq!(mebibytes(268_435_456), "256.0 MiB");
        assert_eq!(mebibytes(1_600_000), "1.5 MiB");
    }
}
