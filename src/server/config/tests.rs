//! Tests of the configuration as an operator meets it: files, variables and flags in, faults out.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A user and an account, so that nothing else is missing.
const MINIMUM: &str = r#"
[accounts.main]
connection_string = "UseDevelopmentStorage=true"
[[users]]
id = "testid"
keys = [{ access_key_id = "AK1", secret_access_key = "canary-secret-1" }]
role = "owner"
"#;

/// The example of the interface, with the default account that two accounts need.
const INTERFACE: &str = r#"
default_account = "main"
listen = "0.0.0.0:9000"
admin_listen = "127.0.0.1:9001"
domains = ["s3.example.com"]
region = "us-east-1"
strict_region = false
allow_sigv2 = false
system_container = "bluebucket"
trusted_proxies = []
drain_timeout = "30s"

[accounts.main]
connection_string = "UseDevelopmentStorage=true"
[accounts.archive]
account = "contosoarchive"

[[users]]
id = "testid"
name = "M. Tester"
email = "tester@example.com"
keys = [{ access_key_id = "AK1", secret_access_key = "canary-secret-1" }]
role = "owner"

[[users]]
id = "backup"
keys = [{ access_key_id = "AK2", secret_access_key = "canary-secret-2" }]
role = "limited"
policy = [
  { actions = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], buckets = ["backup-*"], prefixes = ["host1/"] },
]

[[buckets]]
name = "photos"
account = "archive"
container = "images"
prefix = "2026/"
read_only = true

[limits]
memory_bytes = 268_435_456
max_in_flight = 1024
max_connections = 10000
cache_ttl = "5s"

[lifecycle]
day_seconds = 86400

[multipart]
abandoned_after = "7d"
"#;

/// A folder with a file, and the sources that read it.
struct Case {
    folder: TempDir,
    sources: Sources,
}

impl Case {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bb.toml");
        fs::write(&path, file).unwrap();
        let sources = Sources { file: Some(path), ..Sources::default() };
        Self { folder, sources }
    }

    fn without_file() -> Self {
        let mut case = Self::new("");
        case.sources.file = None;
        case
    }

    fn environment(mut self, pairs: &[(&str, &str)]) -> Self {
        let owned = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        self.sources.environment = Environment::new(owned);
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.sources.flags.insert(key, value.to_owned());
        self
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    fn loaded(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn config(&self) -> Config {
        self.loaded().config
    }

    /// The faults, one a line, with the folder's name left out.
    fn faults(&self) -> String {
        let faults = load(&self.sources).expect_err("the configuration has faults").to_string();
        faults.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[track_caller]
fn faulty(file: &str, expected: &[&str]) {
    let faults = Case::new(file).faults();
    let mut lines: Vec<&str> = faults.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), expected.len(), "{faults}");
    for part in expected {
        assert!(faults.contains(part), "{part:?} is not in:\n{faults}");
    }
}

fn with_minimum(file: &str) -> String {
    format!("{file}\n{MINIMUM}")
}

#[test]
fn the_file_of_the_interface_is_understood() {
    let config = Case::new(INTERFACE).config();
    assert_eq!(config.listen, SocketAddr::from(([0, 0, 0, 0], 9000)));
    assert_eq!(config.default_account.as_deref(), Some("main"));
    assert_eq!(config.limits.memory_bytes, 268_435_456);
    assert_eq!(config.users[1].policy[0].prefixes, ["host1/"]);
    assert_eq!(config.users[0].role, Role::Owner);
    assert_eq!(config.multipart_abandoned_after, Duration::from_hours(168));
    let route = &config.routes[0];
    assert_eq!((route.container.as_deref(), route.prefix.as_str()), (Some("images"), "2026/"));
    let archive = &config.accounts["archive"].access;
    assert!(
        matches!(archive, AccountAccess::Named { credential: CredentialConfig::Entra, .. }),
        "{archive:?}"
    );
}

#[test]
fn every_fault_is_reported_at_once_with_key_and_place() {
    let file = "listen = \"nowhere\"\nregion = 7\ncolour = \"blue\"\n[limits]\nmemory_bytes = 1\n\
                [[users]]\nid = \"a\"\nkeys = [{ access_key_id = \"AK\", secret_access_key = \"short\" }]\n";
    let case = Case::new(file)
        .environment(&[("BLUEBUCKET_DRAIN_TIMEOUT", "soon")])
        .flag("admin_listen", "x");
    let faults = case.faults();
    for part in [
        "listen (bb.toml:1): \"nowhere\" is no address",
        "region (bb.toml:2): must be a text; found: integer",
        "colour (bb.toml:3): unknown key",
        "limits.memory_bytes (bb.toml:5): ",
        "users[1].keys[1].secret_access_key (bb.toml:8): is too short",
        "drain_timeout (BLUEBUCKET_DRAIN_TIMEOUT of the environment): ",
        "admin_listen (--admin-listen): ",
        "accounts: there is no storage account",
    ] {
        assert!(faults.contains(part), "{part:?} is not in:\n{faults}");
    }
    assert_eq!(faults.lines().count(), 8, "{faults}");
}

#[test]
fn flags_stand_above_the_environment_above_the_file_above_the_defaults() {
    let file = with_minimum("region = \"file-1\"");
    let region = |case: Case| case.config().region;
    assert_eq!(region(Case::new(MINIMUM)), "us-east-1");
    assert_eq!(region(Case::new(&file)), "file-1");
    let variable = [("BLUEBUCKET_REGION", "env-1")];
    assert_eq!(region(Case::new(&file).environment(&variable)), "env-1");
    assert_eq!(region(Case::new(&file).environment(&variable).flag("region", "flag-1")), "flag-1");
    assert_eq!(region(Case::new(&file).environment(&[("BLUEBUCKET_REGION", "")])), "file-1");
}

#[test]
fn f44_an_unknown_key_is_a_fault_wherever_it_stands() {
    faulty(
        &with_minimum("[tls]\ncert = \"x\""),
        &["tls.cert (bb.toml:2): unknown key; known here: certificate, key"],
    );
    faulty(
        &format!("{MINIMUM}\n[[buckets]]\nname = \"b\"\nreadonly = true"),
        &["buckets[1].readonly"],
    );
    faulty(
        &format!("{MINIMUM}\nnickname = \"x\""),
        &["users[1].nickname (bb.toml:9): unknown key"],
    );
}

#[test]
fn f44_without_any_user_there_is_one_clear_line() {
    let account = [("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")];
    let faults = Case::without_file().environment(&account).faults();
    assert_eq!(faults.lines().count(), 1, "{faults}");
    assert!(faults.contains("BLUEBUCKET_ACCESS_KEY_ID"), "{faults}");
}

#[test]
fn f44_secrets_that_are_empty_short_known_or_the_id_are_refused() {
    let check = |secret: &str, expected: &str| {
        let pair = [
            ("BLUEBUCKET_ACCESS_KEY_ID", "AK-of-eight"),
            ("BLUEBUCKET_SECRET_ACCESS_KEY", secret),
            ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"),
        ];
        let faults = Case::without_file().environment(&pair).faults();
        assert!(faults.contains(expected), "{secret:?}: {faults}");
        assert!(secret.is_empty() || !faults.contains(secret), "the secret prints: {faults}");
    };
    check("", "missing or empty");
    check("1234567", "too short");
    check("MinioAdmin", "everybody knows");
    check("AK-of-eight", "the access key id itself");
}

#[test]
fn f44_an_id_or_a_key_that_is_there_twice_is_refused() {
    let second = "[[users]]\nid = \"testid\"\nkeys = [{ access_key_id = \"AK1\", secret_access_key = \"canary-secret-2\" }]";
    faulty(
        &format!("{MINIMUM}\n{second}"),
        &["the id \"testid\" is there twice", "the access key id \"AK1\" is there twice"],
    );
}

#[test]
fn f44_a_secret_in_a_file_that_everyone_can_read_is_refused() {
    let case = Case::without_file();
    let secret = case.write("secret", "canary-secret-1\n", 0o644);
    let pairs = [
        ("BLUEBUCKET_ACCESS_KEY_ID", "AK"),
        ("BLUEBUCKET_SECRET_ACCESS_KEY_FILE", secret.as_str()),
        ("AZURE_STORAGE_ACCOUNT", "contoso"),
    ];
    let case = case.environment(&pairs);
    let faults = case.faults();
    assert_eq!(faults.lines().count(), 1, "{faults}");
    assert!(faults.contains("everyone can read it"), "{faults}");
    case.write("secret", "canary-secret-1\n", 0o600);
    let loaded = case.loaded();
    assert_eq!(loaded.config.users[0].keys[0].secret_access_key.expose(), "canary-secret-1");
    assert_eq!(loaded.files, [PathBuf::from(secret)]);
}

#[test]
fn f44_a_bad_certificate_is_a_fault() {
    let file = with_minimum("[tls]\ncertificate = \"/nowhere.crt\"\nkey = \"/nowhere.key\"");
    faulty(&file, &["tls (bb.toml:2): /nowhere.crt"]);
    faulty(
        &with_minimum("[tls]\ncertificate = \"/nowhere.crt\""),
        &["tls.key (bb.toml:2): is missing"],
    );
}

#[test]
fn f44_authorities_that_cannot_be_read_are_a_fault() {
    let faults =
        |path: &str| Case::new(MINIMUM).environment(&[("BLUEBUCKET_AZURE_CA_FILE", path)]).faults();
    for (path, words) in [("/nowhere/ca.pem", "/nowhere/ca.pem"), ("/dev/null", "there is none")] {
        let faults = faults(path);
        let key = "azure_ca_file (BLUEBUCKET_AZURE_CA_FILE of the environment): ";
        assert!(faults.starts_with(key) && faults.contains(words), "{faults}");
    }
    let case = Case::without_file();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = case.write("ca.pem", &made.cert.pem(), 0o644);
    let case = Case::new(MINIMUM).flag("azure_ca_file", &path);
    assert_eq!(case.config().azure_ca_file, Some(PathBuf::from(path)));
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let case = Case::new(&with_minimum("listen = \nregion = \"x-1\""));
    let faults = case.faults();
    assert!(faults.contains("the file (bb.toml:1)"), "{faults}");
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let mut case = Case::without_file();
    case.sources.file = Some(PathBuf::from("/nowhere/bb.toml"));
    case.sources.need = Need::Nothing;
    assert!(case.faults().contains("/nowhere/bb.toml cannot be read"));
}

#[test]
fn secrets_never_print() {
    let file = format!("{MINIMUM}\n[accounts.second]\naccount = \"contoso\"\nkey = \"Y2FuYXJ5\"");
    let case = Case::new(&format!("default_account = \"main\"\n{file}")).environment(&[
        ("BLUEBUCKET_ACCESS_KEY_ID", "AK9"),
        ("BLUEBUCKET_SECRET_ACCESS_KEY", "canary-secret-9"),
    ]);
    let loaded = case.loaded();
    let printed = print::text(&loaded).unwrap();
    let debugged = format!("{loaded:?}{:?}", case.sources);
    for text in [&printed, &debugged] {
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
        assert!(!text.contains("UseDevelopmentStorage"), "{text}");
    }
    assert!(printed.contains("***"));
}

#[test]
fn what_config_print_says_is_toml_with_origins() {
    let file = format!("{MINIMUM}\n[[buckets]]\nname = \"photos\"\nprefix = \"a \\\"b\\\"/\"");
    let case = Case::new(&file).environment(&[("BLUEBUCKET_REGION", "eu-1")]);
    let printed = print::text(&case.loaded()).unwrap();
    let parsed: toml::Table = printed.parse().unwrap();
    assert_eq!(parsed["region"].as_str(), Some("eu-1"));
    assert_eq!(parsed["buckets"][0]["prefix"].as_str(), Some("a \"b\"/"));
    assert!(
        printed.contains("region = \"eu-1\"  # BLUEBUCKET_REGION of the environment"),
        "{printed}"
    );
    assert!(printed.contains("listen = \"127.0.0.1:9000\"  # default"), "{printed}");
}

#[test]
fn the_account_of_the_environment_replaces_the_default_one() {
    let name = |case: &Case| {
        let config = case.config();
        let default = config.default_account.unwrap();
        let AccountAccess::Named { account, .. } = config.accounts[&default].access.clone() else {
            return (default, "a connection string".to_owned());
        };
        (default, account)
    };
    let variables = [("AZURE_STORAGE_ACCOUNT", "contoso"), ("AZURE_STORAGE_KEY", "a2V5")];
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(name(&Case::new(MINIMUM)), pair("main", "a connection string"));
    let beside = Case::new(MINIMUM).environment(&variables);
    assert_eq!(name(&beside), pair("default", "contoso"));
    assert!(beside.config().accounts.contains_key("main"));
    let over = Case::new(&with_minimum("default_account = \"main\"")).environment(&variables);
    assert_eq!(name(&over), pair("main", "contoso"));
}

#[test]
fn accounts_and_routes_must_fit_together() {
    let two = format!("{MINIMUM}\n[accounts.second]\naccount = \"contoso\"");
    faulty(&two, &["default_account: is missing"]);
    faulty(
        &with_minimum("default_account = \"other\""),
        &["default_account (bb.toml:1): there is no account \"other\""],
    );
    let route = |text: &str| format!("{MINIMUM}\n[[buckets]]\n{text}");
    faulty(&route("name = \"a*\"\ncontainer = \"one\""), &["several buckets into one"]);
    faulty(&route("name = \"a\"\naccount = \"x\""), &["there is no account \"x\""]);
    faulty(&route("name = \"a\"\nprefix = \"x\""), &["must end in /"]);
    faulty(&route("name = \"a\"\ncontainer = \"bluebucket\""), &["the gateway's own records"]);
    faulty(
        &format!("{}\n[[buckets]]\nname = \"a\"", route("name = \"a\"")),
        &["of this name already"],
    );
}

#[test]
fn a_policy_is_checked_and_belongs_to_limited_users() {
    let user = |rest: &str| {
        format!(
            "{MINIMUM}\n[[users]]\nid = \"u\"\nkeys = [{{ access_key_id = \"AK2\", secret_access_key = \"canary-secret-2\" }}]\n{rest}"
        )
    };
    faulty(
        &user("policy = [{ actions = [\"GetObject\"], buckets = [\"B\"], prefixes = [\"x*\"] }]"),
        &["\"GetObject\" is no action", "\"B\" is no bucket name", "\"x*\" neither ends in /"],
    );
    faulty(&user("policy = [{}]"), &["actions", "buckets"]);
    let policy = "policy = [{ actions = [\"s3:*\"], buckets = [\"*\"] }]";
    faulty(&user(&format!("role = \"admin\"\n{policy}")), &["only a user with role"]);
    faulty(&user("role = \"king\""), &["\"king\" is none of admin, owner, limited"]);
    assert_eq!(Case::new(&user(policy)).config().users[1].role, Role::Limited);
}

#[test]
fn a_variable_that_is_nothing_of_ours_is_mentioned() {
    let case = Case::new(MINIMUM).environment(&[
        ("BLUEBUCKET_REGOIN", "x"),
        ("BLUEBUCKET_SERVICE_HOST", "10.0.0.1"),
        ("BLUEBUCKET_PORT_9000_TCP", "tcp://10.0.0.1:9000"),
    ]);
    let warnings: Vec<String> =
        case.loaded().warnings.into_iter().filter(|line| line.contains("BLUEBUCKET_")).collect();
    assert_eq!(warnings, ["BLUEBUCKET_REGOIN of the environment is no setting of bluebucket"]);
}

#[test]
fn names_that_other_tools_read_are_read_too() {
    let access = |pairs: &[(&str, &str)]| {
        let user =
            [("BLUEBUCKET_ACCESS_KEY_ID", "AK"), ("BLUEBUCKET_SECRET_ACCESS_KEY", "canary-1")];
        let pairs: Vec<_> = pairs.iter().chain(&user).copied().collect();
        let case = Case::without_file().environment(&pairs);
        load(&case.sources).map(|loaded| loaded.config.accounts["default"].access.clone())
    };
    let by_az = access(&[("AZURE_STORAGE_ACCOUNT", "contoso"), ("AZURE_STORAGE_KEY", "a2V5")]);
    for key in ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"] {
        let other = access(&[("AZURE_STORAGE_ACCOUNT_NAME", "contoso"), (key, "a2V5")]);
        assert_eq!(other.unwrap(), by_az.clone().unwrap(), "{key}");
    }
    let both = [("AZURE_STORAGE_ACCOUNT", "contoso"), ("AZURE_STORAGE_ACCOUNT_NAME", "contoso")];
    assert!(access(&both).is_ok(), "two that say the same");
    let two = [("AZURE_STORAGE_ACCOUNT", "contoso"), ("AZURE_STORAGE_ACCOUNT_NAME", "fabrikam")];
    let faults = access(&two).unwrap_err().to_string();
    assert!(faults.contains("says something else than AZURE_STORAGE_ACCOUNT"), "{faults}");
}

#[test]
fn pass_through_makes_the_account_a_user() {
    let pairs = [
        ("AZURE_STORAGE_ACCOUNT", "contoso"),
        ("AZURE_STORAGE_KEY", "Y2FuYXJ5LWtleQ=="),
        ("BLUEBUCKET_PASS_THROUGH", "true"),
    ];
    let config = Case::without_file().environment(&pairs).config();
    let user = &config.users[0];
    assert_eq!((user.id.as_str(), user.role), ("contoso", Role::Admin));
    assert_eq!(user.keys[0].access_key_id, "contoso");
    assert_eq!(user.keys[0].secret_access_key.expose(), "Y2FuYXJ5LWtleQ==");
    let off = Case::without_file().environment(&pairs[..2]).faults();
    assert!(off.contains("there is no user"), "{off}");
    let entra = [pairs[0], pairs[2]];
    let faults = Case::without_file().environment(&entra).faults();
    assert!(
        faults.contains(
            "pass_through (BLUEBUCKET_PASS_THROUGH of the environment): needs an account with a key"
        ),
        "{faults}"
    );
    let two =
        "pass_through = true\ndefault_account = \"main\"\n[accounts.b]\naccount = \"contoso\"";
    faulty(&with_minimum(two), &["pass_through (bb.toml:1): needs exactly one account"]);
}

#[test]
fn users_of_other_tools_are_imported_and_followed() {
    let case = Case::new(MINIMUM);
    let ini = "[old]\naws_access_key_id = AKOLD\naws_secret_access_key = canary-secret-2\n";
    let aws = case.write("credentials", ini, 0o600);
    let json = "{\"identities\": [{\"name\": \"weed\", \"actions\": [\"Read\"], \"credentials\": \
                [{\"accessKey\": \"AKWEED\", \"secretKey\": \"canary-secret-3\"}]}]}";
    let weed = case.write("s3.json", json, 0o600);
    let case = case
        .flag("import.aws_credentials", &aws)
        .flag("import.aws_role", "admin")
        .flag("import.seaweedfs", &weed);
    let loaded = case.loaded();
    let users: Vec<_> =
        loaded.config.users.iter().map(|user| (user.id.as_str(), user.role)).collect();
    assert_eq!(users, [("testid", Role::Owner), ("old", Role::Admin), ("weed", Role::Limited)]);
    assert!(
        loaded.files.contains(&PathBuf::from(aws)) && loaded.files.contains(&PathBuf::from(weed))
    );
    let printed = print::text(&loaded).unwrap();
    assert!(!printed.contains("canary"), "{printed}");
    case.write("credentials", ini, 0o644);
    assert!(case.faults().contains("everyone can read it"));
}

#[test]
fn every_setting_can_be_said_in_the_file_the_environment_and_by_a_flag() {
    for setting in SETTINGS {
        let (text, value) = match setting.kind {
            settings::Kind::Text => ("x", "\"x\""),
            settings::Kind::Truth => ("true", "true"),
            settings::Kind::Number => ("7", "7"),
            settings::Kind::List => ("a,b", "[\"a\", \"b\"]"),
        };
        let file = match setting.key.split_once('.') {
            Some((table, name)) => format!("[{table}]\n{name} = {value}"),
            None => format!("{} = {value}", setting.key),
        };
        let document = Document::new(PathBuf::from("bb.toml"), file);
        let mut faults = Faults::default();
        let table = document.parse(&mut faults);
        let mut by_file = Merged::default();
        let mut top = Section::new(&document, table.get_ref(), "", 0);
        by_file.add_file(&mut top, &mut faults);
        top.finish(&mut faults);
        assert_eq!(faults.to_string(), "", "{}", setting.key);
        let mut by_variable = Merged::default();
        let variable = (setting.variable(), text.to_owned());
        by_variable.add_environment(&Environment::new([variable]));
        let mut by_flag = Merged::default();
        by_flag.add_flags(&BTreeMap::from([(setting.key, text.to_owned())]));
        for merged in [&by_variable, &by_flag] {
            let value = |merged: &Merged| merged.raw(setting.key).map(|raw| raw.value.clone());
            assert!(value(&by_file).is_some(), "{}", setting.key);
            assert_eq!(value(merged), value(&by_file), "{}", setting.key);
        }
    }
}

#[test]
fn every_table_can_be_said_in_the_file_the_environment_and_by_a_flag() {
    let file = Case::new(
        "default_account = \"a\"\n[accounts.a]\naccount = \"contoso\"\n[accounts.b]\naccount = \"other\"\n\
         [[users]]\nid = \"one\"\nkeys = [{ access_key_id = \"AK1\", secret_access_key_file = \"SECRET\" }]\n\
         [[buckets]]\nname = \"photos\"\naccount = \"b\"\nread_only = true\n",
    );
    let secret = file.write("secret", "canary-secret-1", 0o600);
    let path = file.sources.file.clone().unwrap();
    let text = fs::read_to_string(&path).unwrap().replace("SECRET", &secret);
    fs::write(&path, text).unwrap();
    let by_file = file.config();
    let accounts = "{ a = { account = \"contoso\" }, b = { account = \"other\" } }";
    let users = format!(
        "[{{ id = \"one\", keys = [{{ access_key_id = \"AK1\", secret_access_key_file = {secret:?} }}] }}]"
    );
    let buckets = "[{ name = \"photos\", account = \"b\", read_only = true }]";
    // What the file says of these tables gives way to all of it.
    let other = "[accounts.gone]\naccount = \"gone\"\n[[users]]\nid = \"gone\"\n\
                 keys = [{ access_key_id = \"AKGONE\", secret_access_key = \"gone-secret-01\" }]\n\
                 [[buckets]]\nname = \"gone\"\n";
    let by_variable = Case::new(other).environment(&[
        ("BLUEBUCKET_DEFAULT_ACCOUNT", "a"),
        ("BLUEBUCKET_ACCOUNTS", accounts),
        ("BLUEBUCKET_USERS", &users),
        ("BLUEBUCKET_BUCKETS", buckets),
    ]);
    let by_flag = Case::new(other)
        .environment(&[("BLUEBUCKET_BUCKETS", "[{ name = \"below-a-flag\" }]")])
        .flag("default_account", "a")
        .flag("accounts", accounts)
        .flag("users", &users)
        .flag("buckets", buckets);
    let shape = |config: &Config| {
        let accounts: Vec<_> =
            config.accounts.iter().map(|(n, a)| (n.clone(), a.access.clone())).collect();
        let users: Vec<_> = config.users.iter().map(|u| (u.id.clone(), u.keys.clone())).collect();
        let routes: Vec<_> = config
            .routes
            .iter()
            .map(|route| (route.name.clone(), route.account.clone(), route.read_only))
            .collect();
        format!("{accounts:?} {users:?} {routes:?}")
    };
    for (case, origin) in
        [(by_variable, "BLUEBUCKET_USERS of the environment"), (by_flag, "--users")]
    {
        case.write("bb.toml", other, 0o600);
        let loaded = case.loaded();
        assert_eq!(shape(&loaded.config), shape(&by_file));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(print::text(&loaded).unwrap().contains(&format!("[[users]]  # {origin}\n")));
    }
}

#[test]
fn a_table_that_is_said_is_checked_as_the_files() {
    let inline = "[{ id = \"one\", keys = [{ access_key_id = \"AK1\", secret_access_key = \"canary-secret-1\" }] }]";
    // A secret may stand in the environment, or in a file that it names, and never on a command line.
    let case = Case::new("").environment(&[("BLUEBUCKET_USERS", inline), ACCOUNT, KEY]);
    assert_eq!(case.config().users.len(), 1);
    let case = Case::new("");
    let file = case.write("users", inline, 0o600);
    let case = case.environment(&[("BLUEBUCKET_USERS_FILE", &file), ACCOUNT, KEY]);
    assert_eq!(case.loaded().files.iter().filter(|path| path.ends_with("users")).count(), 1);
    let faults = Case::new("").environment(&[ACCOUNT, KEY]).flag("users", inline).faults();
    assert!(faults.contains("--users") && faults.contains("is a secret, and no flag"), "{faults}");
    assert!(!faults.contains("canary"), "{faults}");
    for (text, part) in [
        ("[{ name = \"photos\", colour = \"red\" }]", "unknown key"),
        ("[]\nregion = \"eu\"", "unknown key"),
        ("{ name = \"photos\" }", "an array of tables"),
        ("photos", "BLUEBUCKET_BUCKETS"),
    ] {
        let case = Case::new("").environment(&[("BLUEBUCKET_BUCKETS", text), ACCOUNT, KEY]);
        let faults = case.faults();
        assert!(faults.contains(part) && faults.contains("BLUEBUCKET_BUCKETS"), "{faults}");
    }
}

const ACCOUNT: (&str, &str) = ("AZURE_STORAGE_ACCOUNT", "contoso");
const KEY: (&str, &str) = ("AZURE_STORAGE_KEY", "a2V5");
