//! What the file and the environment may say besides the settings of one value: the tables and the
//! variables, each with a word on what it does. docs/configuration.md is made of this and of
//! [`SETTINGS`](super::settings::SETTINGS); its test asks the parser whether they name the same keys.

/// A table of the file.
#[derive(Debug)]
pub struct Table {
    /// Its head, as it is written.
    pub head: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Its keys and what each says, in the order in which the parser takes them.
    pub keys: &'static [(&'static str, &'static str)],
}

/// Variables of the environment that mean the same thing: the first is its usual name.
#[derive(Debug)]
pub struct Variable {
    /// Their names.
    pub names: &'static [&'static str],
    /// Whether `NAME_FILE` may name a file that holds the value instead.
    pub secret: bool,
    /// What it says.
    pub help: &'static str,
}

const fn variable(names: &'static [&'static str], help: &'static str) -> Variable {
    Variable { names, secret: false, help }
}

const fn secret(names: &'static [&'static str], help: &'static str) -> Variable {
    Variable { names, secret: true, help }
}

/// Every table that is no group of settings of one value.
pub const TABLES: &[Table] = &[
    Table {
        head: "[accounts.NAME]",
        help: "A storage account. NAME is how routes, logs and metrics call it. Without a key, a SAS \
               token and a connection string it is reached with a token of Entra ID.",
        keys: &[
            ("connection_string", "Everything in one text, as the portal shows it"),
            ("connection_string_file", "The file that holds it"),
            ("account", "The account's name; not needed beside a connection string"),
            (
                "endpoint",
                "The blob endpoint, where it is not `https://ACCOUNT.blob.core.windows.net`",
            ),
            ("key", "One of the account's two keys"),
            ("key_file", "The file that holds it"),
            ("sas_token", "A shared access signature"),
            ("sas_token_file", "The file that holds it"),
        ],
    },
    Table {
        head: "[[buckets]]",
        help: "A route: a bucket that is not the container of its own name in the default account. The \
               first that fits counts.",
        keys: &[
            ("name", "The bucket, or a glob with `*` and `?`"),
            ("account", "The account; else the default one"),
            ("container", "The container; else that of the bucket's name. Not with a glob"),
            ("prefix", "What stands before every key in the container; ends in `/`"),
            ("read_only", "`true` refuses every write"),
        ],
    },
    Table {
        head: "[[users]]",
        help: "Who may come. docs/access.md has examples.",
        keys: &[
            (
                "id",
                "The canonical id, which ACLs and policies name and which owns buckets: never change it",
            ),
            ("name", "The display name; else the id"),
            ("email", "For grants of ACLs by e-mail"),
            ("role", "`admin`, `owner` or `limited` (the default)"),
            ("keys", "One or more pairs, as `[[users.keys]]`"),
            ("policy", "What a limited user may do, as `[[users.policy]]`"),
        ],
    },
    Table {
        head: "[[users.keys]]",
        help: "A pair of keys; two while one replaces the other.",
        keys: &[
            ("access_key_id", "1 to 128 letters, digits, hyphens, underscores, dots"),
            ("secret_access_key", "At least 8 characters, better 40"),
            ("secret_access_key_file", "The file that holds it"),
        ],
    },
    Table {
        head: "[[users.policy]]",
        help: "A statement that allows.",
        keys: &[
            ("actions", "IAM's names, such as `s3:GetObject` or `s3:*`"),
            ("buckets", "Names or globs; `[\"*\"]` for all"),
            ("prefixes", "Each ends in `/` or is a whole key; without it, all keys"),
        ],
    },
];

/// Every variable that is not the variable of a setting.
pub const VARIABLES: &[Variable] = &[
    variable(&["BLUEBUCKET_CONFIG"], "The configuration file, where no `--config` is given"),
    variable(&["BLUEBUCKET_CACHE"], "Where `dev` installs Azurite; else the user's cache folder"),
    secret(&["BLUEBUCKET_ACCESS_KEY_ID"], "The key of one user who is an admin"),
    secret(&["BLUEBUCKET_SECRET_ACCESS_KEY"], "Its secret"),
    variable(
        &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"],
        "The storage account; it is called `default`, or as `default_account` says",
    ),
    secret(
        &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"],
        "One of its two keys",
    ),
    secret(&["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"], "A shared access signature"),
    secret(
        &["AZURE_STORAGE_CONNECTION_STRING"],
        "Everything in one text; it wins over the three above",
    ),
    variable(
        &["AZURE_STORAGE_SERVICE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"],
        "The blob endpoint, where it is not Azure's usual one",
    ),
    variable(&["AZURE_TENANT_ID"], "Entra ID: the tenant"),
    variable(&["AZURE_CLIENT_ID"], "Entra ID: the application, or the managed identity"),
    secret(&["AZURE_CLIENT_SECRET"], "Entra ID: the application's secret"),
    variable(&["AZURE_FEDERATED_TOKEN_FILE"], "Entra ID: the token of a workload identity"),
    variable(&["AZURE_AUTHORITY_HOST"], "Entra ID: another cloud's address"),
    variable(
        &["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
        "The collector of traces; without it there are none. The second is the whole address",
    ),
    variable(
        &["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"],
        "Headers for it, such as `name=value,other=value`",
    ),
    variable(
        &["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"],
        "`http/json`, and nothing else",
    ),
    variable(&["OTEL_SERVICE_NAME"], "What the gateway is called there; else `bluebucket`"),
    variable(&["OTEL_RESOURCE_ATTRIBUTES"], "What else is said of it"),
    variable(
        &["OTEL_TRACES_SAMPLER"],
        "`always_on`, `always_off`, `traceidratio`, or `parentbased_` and one of them",
    ),
    variable(&["OTEL_TRACES_SAMPLER_ARG"], "The share for `traceidratio`, 0 to 1"),
    variable(&["OTEL_TRACES_EXPORTER"], "`none` switches traces off"),
    variable(&["OTEL_SDK_DISABLED"], "`true` does, too"),
];
