//! Accounts, users and routes: tables in the file, and the same text on the command line or in the
//! environment, where each stands in the place of the file's whole table, as a list does.
//!
//! ```text
//! BLUEBUCKET_BUCKETS='[{ name = "photos", account = "archive", read_only = true }]'
//! --accounts '{ archive = { account = "contosoarchive" } }'
//! ```

use crate::server::config::Sources;
use crate::server::config::fault::Origin;
use crate::server::config::file::{Document, Section};
use crate::server::config::secret::Notes;

/// A table that can be said in three places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its key in the file, and its flag.
    pub key: &'static str,
    /// Its variable; `NAME_FILE` may name a file that holds the text instead.
    pub variable: &'static str,
    /// What it does, for the help.
    pub help: &'static str,
}

/// All of them.
pub const TABLES: [Table; 3] = [ACCOUNTS, USERS, BUCKETS];
/// Storage accounts.
pub const ACCOUNTS: Table = Table {
    key: "accounts",
    variable: "BLUEBUCKET_ACCOUNTS",
    help: "Storage accounts, as a table of TOML: { NAME = { account = \"contoso\" } }",
};
/// Who may come.
pub const USERS: Table = Table {
    key: "users",
    variable: "BLUEBUCKET_USERS",
    help: "Users, as a list of TOML: [{ id = \"backup\", keys = [{ .. }] }]; secrets only as files",
};
/// Routes.
pub const BUCKETS: Table = Table {
    key: "buckets",
    variable: "BLUEBUCKET_BUCKETS",
    help: "Routes, as a list of TOML: [{ name = \"photos\", account = \"archive\" }]",
};

/// What the command line and the environment say of tables.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<(Table, Document)>);

impl Said {
    /// The flag, else the variable, of each.
    pub(super) fn read(sources: &Sources, notes: &mut Notes) -> Self {
        let mut said = Vec::new();
        for table in TABLES {
            let flag = sources.flags.get(table.key).cloned();
            let flag = flag.map(|text| (text, Origin::Flag(format!("--{}", table.key))));
            let variable = notes.environment_secret(&sources.environment, table.variable);
            let variable = variable.map(|found| (found.value.expose().to_owned(), found.origin));
            if let Some((text, origin)) = flag.or(variable) {
                let text = format!("{} = {text}", table.key);
                said.push((table, Document::said(origin, text)));
            }
        }
        Self(said)
    }

    /// Reads a table from where it is said, else from the file, whose own is known in any case.
    pub(super) fn table<T>(
        &self,
        table: Table,
        top: Option<&mut Section<'_>>,
        notes: &mut Notes,
        read: impl Fn(&mut Section<'_>, &mut Notes) -> T,
    ) -> Option<T> {
        let Some((_, document)) = self.0.iter().find(|(known, _)| *known == table) else {
            return top.map(|top| read(top, notes));
        };
        if let Some(top) = top {
            drop(top.take(table.key));
        }
        let parsed = document.parse(&mut notes.faults);
        let mut section = Section::new(document, parsed.get_ref(), "", 0);
        let found = read(&mut section, notes);
        section.finish(&mut notes.faults);
        Some(found)
    }
}
