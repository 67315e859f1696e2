//! The settings that are one value each: the table of their names, and the four layers they come from
//! (default, file, environment, flag). A row here gives a setting its key in the file, its variable and
//! its flag at once.

use std::collections::BTreeMap;

use crate::server::config::fault::{Faults, Located, Origin};
use crate::server::config::file::Section;
use crate::server::config::secret::{Environment, Notes};

/// What a setting looks like in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Number,
    /// A list of texts; separated by commas in the environment and on the command line.
    List,
}

/// A row of the table.
#[derive(Debug)]
pub struct Setting {
    /// The key in the file, table included.
    pub key: &'static str,
    /// Its shape there.
    pub kind: Kind,
    /// The default; `None` where a setting may be absent.
    pub default: Option<&'static str>,
    /// What it does, for the help.
    pub help: &'static str,
}

impl Setting {
    /// The variable: `tls.certificate` is `BLUEBUCKET_TLS_CERTIFICATE`.
    pub fn variable(&self) -> String {
        format!("BLUEBUCKET_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The flag without its dashes: `tls.certificate` is `tls-certificate`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }
}

const fn row(
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { key, kind, default, help }
}

/// Every setting that is one value.
pub const SETTINGS: &[Setting] = &[
    row("listen", Kind::Text, Some("127.0.0.1:9000"), "Address of the S3 port"),
    row("admin_listen", Kind::Text, Some("127.0.0.1:9001"), "Address of health and metrics"),
    row("domains", Kind::List, None, "Base domains of virtual-host buckets"),
    row("region", Kind::Text, Some("us-east-1"), "The region that buckets report"),
    row("strict_region", Kind::Truth, Some("false"), "A credential's region must be ours"),
    row("allow_sigv2", Kind::Truth, Some("false"), "Accept signatures of version 2"),
    row("system_container", Kind::Text, Some("bluebucket"), "Container of the gateway's records"),
    row("trusted_proxies", Kind::List, None, "CIDRs whose X-Forwarded-* headers count"),
    row("drain_delay", Kind::Text, Some("0s"), "How long to go on accepting while not ready"),
    row("drain_timeout", Kind::Text, Some("30s"), "How long open requests may take at the end"),
    row("default_account", Kind::Text, None, "The storage account of buckets without a route"),
    row("azure_ca_file", Kind::Text, None, "PEM file of authorities to trust besides the system's"),
    row(
        "azure_proxy",
        Kind::Text,
        None,
        "HTTP proxy to Azure; those of the environment are ignored",
    ),
    row(
        "allow_world_readable_secrets",
        Kind::Truth,
        Some("false"),
        "Accept secrets from files that everyone can read",
    ),
    row(
        "pass_through",
        Kind::Truth,
        Some("false"),
        "Accept the account's name and key as access key and secret",
    ),
    row("log", Kind::Text, Some("info"), "What is logged, such as info,bluebucket=debug"),
    row("log_format", Kind::Text, None, "text or json; text on a terminal, else json"),
    row("access_log", Kind::Text, None, "File of one line a request, in S3's access log format"),
    row("import.aws_credentials", Kind::Text, None, "AWS credentials file: its profiles are users"),
    row("import.aws_role", Kind::Text, Some("owner"), "What they are: owner or admin"),
    row("import.seaweedfs", Kind::Text, None, "SeaweedFS s3.json: its identities are users"),
    row("tls.certificate", Kind::Text, None, "PEM file of the certificate chain"),
    row("tls.key", Kind::Text, None, "PEM file of the certificate's key"),
    row("limits.memory_bytes", Kind::Number, Some("268435456"), "Object bytes held at once"),
    row("limits.max_in_flight", Kind::Number, Some("1024"), "Requests; above it 503 SlowDown"),
    row(
        "limits.max_in_flight_per_user",
        Kind::Number,
        None,
        "Requests of one user, strangers being one; three quarters of max_in_flight unless set",
    ),
    row("limits.max_connections", Kind::Number, Some("10000"), "Connections; above it 503"),
    row("limits.threads", Kind::Number, None, "Threads that serve; one for each core unless set"),
    row("limits.cache_ttl", Kind::Text, Some("5s"), "How long bucket facts are believed"),
    row(
        "limits.header_timeout",
        Kind::Text,
        Some("10s"),
        "How long a client has for TLS and a head",
    ),
    row(
        "limits.body_timeout",
        Kind::Text,
        Some("30s"),
        "How long a client may send next to nothing",
    ),
    row("limits.stall_timeout", Kind::Text, Some("60s"), "How long a client may take no bytes"),
    row("limits.idle_timeout", Kind::Text, Some("60s"), "How long a connection may be silent"),
    row("lifecycle.day_seconds", Kind::Number, Some("86400"), "How long a lifecycle day is"),
    row("multipart.abandoned_after", Kind::Text, Some("7d"), "When an open upload is dropped"),
    row("multipart.sweep_every", Kind::Text, Some("15m"), "How often is looked for such"),
];

/// A value as it was found, before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A text, a number or a truth.
    One(String),
    /// A list.
    Many(Vec<String>),
}

/// The settings, each from the highest layer that has it.
#[derive(Debug, Default)]
pub struct Merged(BTreeMap<&'static str, Located<Raw>>);

impl Merged {
    /// The defaults, under whatever else comes.
    pub fn defaults(dev: &[(&'static str, &str)]) -> Self {
        let mut merged = Self::default();
        for setting in SETTINGS {
            let own = dev.iter().find(|(key, _)| *key == setting.key).map(|(_, text)| *text);
            let origin = if own.is_some() { Origin::Dev } else { Origin::Default };
            if let Some(text) = own.or(setting.default) {
                merged.set(setting, text, origin);
            }
        }
        merged
    }

    /// The file's top level, and the tables that hold only settings.
    pub fn add_file(&mut self, top: &mut Section<'_>, faults: &mut Faults) {
        for setting in SETTINGS.iter().filter(|setting| !setting.key.contains('.')) {
            self.add_from(top, setting, setting.key, faults);
        }
        for table in ["import", "tls", "limits", "lifecycle", "multipart"] {
            let Some(mut section) = top.section(table, faults) else { continue };
            let rows = SETTINGS.iter().filter_map(|row| Some((row, row.key.split_once('.')?)));
            for (setting, (_, name)) in rows.filter(|(_, (of, _))| *of == table) {
                self.add_from(&mut section, setting, name, faults);
            }
            section.finish(faults);
        }
    }

    fn add_from(
        &mut self,
        section: &mut Section<'_>,
        setting: &'static Setting,
        name: &'static str,
        faults: &mut Faults,
    ) {
        let Some(value) = section.take(name) else { return };
        let raw = match setting.kind {
            Kind::Text => value.text(faults).map(Raw::One),
            Kind::Truth => value.truth(faults).map(|truth| Raw::One(truth.to_string())),
            Kind::Number => value.number(faults).map(Raw::One),
            Kind::List => value.texts(faults).map(Raw::Many),
        };
        if let Some(raw) = raw {
            self.0.insert(setting.key, Located { value: raw, origin: value.origin });
        }
    }

    /// The variables.
    pub fn add_environment(&mut self, environment: &Environment) {
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = environment.get(&variable) {
                self.set(setting, text, Origin::Environment(variable.clone()));
            }
        }
    }

    /// The flags, by key.
    pub fn add_flags(&mut self, flags: &BTreeMap<&'static str, String>) {
        for setting in SETTINGS {
            if let Some(text) = flags.get(setting.key) {
                self.set(setting, text, Origin::Flag(format!("--{}", setting.flag())));
            }
        }
    }

    fn set(&mut self, setting: &Setting, text: &str, origin: Origin) {
        let value = match setting.kind {
            Kind::List => Raw::Many(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            Kind::Text | Kind::Truth | Kind::Number => Raw::One(text.to_owned()),
        };
        self.0.insert(setting.key, Located { value, origin });
    }

    /// A value as it was found.
    pub fn raw(&self, key: &str) -> Option<&Located<Raw>> {
        self.0.get(key)
    }

    /// Where a value came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.0.get(key).map_or(Origin::Default, |located| located.origin.clone())
    }

    /// A value, understood. None when it is absent or a fault, which is then noted.
    pub fn read<T>(
        &self,
        key: &str,
        notes: &mut Notes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.0.get(key)? {
            Located { value: Raw::One(text), origin } => match parse(text) {
                Ok(value) => Some(value),
                Err(problem) => {
                    notes.faults.at(key, origin, problem);
                    None
                }
            },
            Located { value: Raw::Many(_), .. } => None,
        }
    }

    /// A list, each element understood; an absent one is empty.
    pub fn read_list<T>(
        &self,
        key: &str,
        notes: &mut Notes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(Located { value: Raw::Many(texts), origin }) = self.0.get(key) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for text in texts {
            match parse(text) {
                Ok(value) => values.push(value),
                Err(problem) => notes.faults.at(key, origin, problem),
            }
        }
        values
    }
}
