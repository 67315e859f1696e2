//! The command line, as clap reads it. The flags of the settings come from their table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::server::config::settings::{Kind, SETTINGS};
use crate::server::config::tables::TABLES;
use crate::server::config::{Environment, Need, Sources};

/// The S3 API in front of Azure Blob Storage.
#[derive(Debug, Parser)]
#[command(name = "bluebucket", version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Action,
    /// The configuration file (TOML); else the one that `BLUEBUCKET_CONFIG` names.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the gateway
    ///
    /// Needs a storage account and a user: from --config FILE, or `AZURE_STORAGE_ACCOUNT` with
    /// `AZURE_STORAGE_KEY` (or a SAS, or Entra ID) and `BLUEBUCKET_ACCESS_KEY_ID` with
    /// `BLUEBUCKET_SECRET_ACCESS_KEY`. SIGHUP or a changed file reloads users, routes, accounts and
    /// certificates; SIGTERM drains. Secrets are never flags; each also comes as `NAME_FILE`.
    Serve(Flags),
    /// Run the gateway over an Azurite that it starts itself, for trying it out and for tests
    ///
    /// Needs Node 20 or newer; installs Azurite once. Prints keys and lines to paste; Ctrl-C ends both.
    /// Loopback only.
    Dev(DevFlags),
    /// Is everything right? Configuration, names, certificate, Azure, credential, clock, a round trip
    ///
    /// One line a finding: `ok`, `odd` (works, but look at it) or `BROKEN`, with what helps. The round
    /// trip writes one small blob into the gateway's own container and deletes it. Exit code 0: nothing
    /// is broken; 1: something is; 2: the configuration has faults.
    Check(CheckFlags),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Print a URL that its holder may use for a time, signed with a configured key
    ///
    /// Nothing is asked of Azure, and the object need not exist. Who has the URL may do what the key's
    /// user may do with that object, until it ends or the key does.
    Presign(PresignFlags),
    /// Ask the running gateway whether it lives; for HEALTHCHECK
    Healthcheck(Flags),
    /// Print the completions of a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// The commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Print the merged configuration, secrets masked, with where each value came from
    Print(Flags),
}

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct CheckFlags {
    /// One object of JSON a finding: weight (ok, odd, broken), what, text, remedy
    #[arg(long)]
    pub json: bool,
    /// The settings.
    #[command(flatten)]
    pub settings: Flags,
}

/// The flags of `presign`.
#[derive(Debug, Args)]
pub struct PresignFlags {
    /// The object, as BUCKET/KEY or <s3://BUCKET/KEY>
    #[arg(value_name = "BUCKET/KEY")]
    pub target: String,
    /// What the URL is for: GET, PUT, HEAD, DELETE or POST
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    /// For how long, a week (7d) at most
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub expires: String,
    /// Whose key signs [default: the first user]
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Which key signs [default: the user's first]
    #[arg(long, value_name = "ID")]
    pub access_key_id: Option<String>,
    /// The endpoint as its holder will reach it [default: the address that is listened on]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The bucket as a part of the host name, before the endpoint's
    #[arg(long)]
    pub virtual_host: bool,
    /// More parameters, such as versionId=ID or response-content-type=text/plain
    #[arg(long, value_name = "NAME=VALUE")]
    pub query: Vec<String>,
    /// The settings.
    #[command(flatten)]
    pub settings: Flags,
}

/// The flags of `dev`.
#[derive(Debug, Args)]
pub struct DevFlags {
    /// Where blobs and keys are kept [default: a folder of this user's]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the blobs in memory only
    #[arg(long)]
    pub in_memory: bool,
    /// Use an Azurite that runs already, such as <http://127.0.0.1:10000>
    #[arg(long, value_name = "URL", conflicts_with_all = ["in_memory"])]
    pub with_azurite: Option<String>,
    /// Where Azurite is installed [default: `BLUEBUCKET_CACHE`, or the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub settings: Flags,
}

/// The flags that set settings, by key.
#[derive(Clone, Debug, Default)]
pub struct Flags(pub BTreeMap<&'static str, String>);

impl Arguments {
    /// Where the configuration of a command comes from.
    pub fn sources(&self, flags: &Flags, environment: &Environment, need: Need) -> Sources {
        let named = || environment.get("BLUEBUCKET_CONFIG").map(PathBuf::from);
        Sources {
            file: self.config.clone().or_else(named),
            environment: environment.clone(),
            flags: flags.0.clone(),
            dev_defaults: Vec::new(),
            need,
        }
    }
}

impl Args for Flags {
    fn augment_args(mut command: Command) -> Command {
        for setting in SETTINGS {
            let default = match setting.default {
                Some(default) => format!("{} [default: {default}]", setting.help),
                None => setting.help.to_owned(),
            };
            let help = format!("{default} [env: {}]", setting.variable());
            let mut arg = Arg::new(setting.key).long(setting.flag()).help(help);
            arg = match setting.kind {
                Kind::Truth => arg
                    .value_name("BOOL")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                Kind::Number => arg.value_name("NUMBER"),
                Kind::List => arg.value_name("A,B"),
                Kind::Text => arg.value_name("VALUE"),
            };
            command = command.arg(arg);
        }
        for table in TABLES {
            let help = format!("{} [env: {}]", table.help, table.variable);
            let arg = Arg::new(table.key).long(table.key).help(help).value_name("TOML");
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let keys = SETTINGS.iter().map(|setting| setting.key);
        for key in keys.chain(TABLES.map(|table| table.key)) {
            if let Some(text) = matches.get_one::<String>(key) {
                self.0.insert(key, text.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_come_by_the_key_of_their_setting() {
        let line =
            ["bluebucket", "serve", "--listen", "0.0.0.0:1", "--strict-region", "--config", "x"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        let Action::Serve(flags) = &arguments.command else { panic!("not serve") };
        assert_eq!(flags.0.get("listen").map(String::as_str), Some("0.0.0.0:1"));
        assert_eq!(flags.0.get("strict_region").map(String::as_str), Some("true"));
        assert_eq!(arguments.config, Some(PathBuf::from("x")));
    }

    #[test]
    fn no_secret_can_be_given_on_the_command_line() {
        let line = ["bluebucket", "serve", "--secret-access-key", "hunter2hunter2"];
        assert!(Arguments::try_parse_from(line).is_err());
    }
}
