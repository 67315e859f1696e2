//! Secrets: they never print, and they come from files that only their owner can read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::server::config::fault::{Faults, Located, Origin};

/// No secret of ours is longer; a larger file is the wrong file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A text that no log and no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes it over.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever signs with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The environment as it was when the process started, read once, in `main`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Every pair of it.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// A variable. An empty one counts as none: compose files pass `${NAME:-}` on.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of all that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The same without those that `keep` refuses.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self::new(self.0.iter().filter(|(name, _)| keep(name)).map(|(a, b)| (a.clone(), b.clone())))
    }
}

// Values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What is noticed while a configuration is read.
#[derive(Debug, Default)]
pub struct Notes {
    /// What is wrong.
    pub faults: Faults,
    /// What is odd, but works.
    pub warnings: Vec<String>,
    /// The files that were read: a change of one of them means a reload.
    pub files: Vec<PathBuf>,
    /// Whether a secret may lie in a file that everyone can read.
    pub world_readable: WorldReadable,
}

/// Whether secrets may lie in files that everyone can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorldReadable {
    /// Such a file is a fault.
    #[default]
    Refused,
    /// The operator said so: some orchestrators mount secrets that way.
    Allowed,
}

impl Notes {
    /// `NAME`, or what is in the file that `NAME_FILE` names.
    pub fn environment_secret(
        &mut self,
        environment: &Environment,
        name: &str,
    ) -> Option<Located<Secret>> {
        let file_name = format!("{name}_FILE");
        let origin = Origin::Environment(name.to_owned());
        match (environment.get(name), environment.get(&file_name)) {
            (Some(_), Some(_)) => {
                self.faults.at(name, &origin, format!("{file_name} is set too: give one of them"));
                None
            }
            (Some(text), None) => Some(Located { value: Secret::new(text), origin }),
            (None, Some(path)) => self.secret_file(
                &file_name,
                Path::new(path),
                Origin::Environment(file_name.clone()),
            ),
            (None, None) => None,
        }
    }

    /// What is in a file of a secret, without the line's end.
    pub fn secret_file(
        &mut self,
        key: &str,
        path: &Path,
        origin: Origin,
    ) -> Option<Located<Secret>> {
        self.files.push(path.to_owned());
        match read(path, self.world_readable) {
            Ok(value) => Some(Located { value, origin }),
            Err(problem) => {
                self.faults.at(key, &origin, problem);
                None
            }
        }
    }

    /// A fault when everyone can read the file. A missing one is found by whoever reads it.
    pub fn require_private(&mut self, key: &str, path: &Path, origin: &Origin) {
        if let Ok(about) = fs::metadata(path)
            && let Err(problem) = private(path, &about, self.world_readable)
        {
            self.faults.at(key, origin, problem);
        }
    }
}

fn read(path: &Path, world_readable: WorldReadable) -> Result<Secret, String> {
    let unreadable = |error: io::Error| format!("{}: {error}", path.display());
    let about = fs::metadata(path).map_err(unreadable)?;
    private(path, &about, world_readable)?;
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("{} is too large for a secret", path.display()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(text))
}

/// Whether everyone on the machine can open the file.
pub fn is_world_readable(about: &fs::Metadata) -> bool {
    about.mode() & 0o007 != 0
}

fn private(path: &Path, about: &fs::Metadata, allowed: WorldReadable) -> Result<(), String> {
    if allowed == WorldReadable::Refused && is_world_readable(about) {
        let path = path.display();
        return Err(format!(
            "{path} holds a secret and everyone can read it: chmod o= {path}, \
             or set allow_world_readable_secrets"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn secret_in(mode: u32, text: &str, allowed: WorldReadable) -> Result<Secret, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&path, allowed)
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        let pair = [("NAME".to_owned(), "hunter2hunter2".to_owned())];
        assert!(!format!("{:?}", Environment::new(pair)).contains("hunter2"));
    }

    #[test]
    fn f44_a_file_that_everyone_can_read_is_refused() {
        let problem = secret_in(0o644, "hunter2hunter2\n", WorldReadable::Refused).unwrap_err();
        assert!(problem.contains("chmod o="), "{problem}");
        assert!(secret_in(0o644, "hunter2hunter2\n", WorldReadable::Allowed).is_ok());
    }

    #[test]
    fn the_end_of_the_line_is_no_part_of_a_secret() {
        let secret = secret_in(0o640, "hunter2 hunter2 \r\n", WorldReadable::Refused).unwrap();
        assert_eq!(secret.expose(), "hunter2 hunter2 ");
    }

    #[test]
    fn f44_an_empty_file_is_no_secret() {
        assert!(secret_in(0o600, "\n", WorldReadable::Refused).unwrap_err().contains("empty"));
    }

    #[test]
    fn a_secret_and_its_file_are_one_too_many() {
        let environment = Environment::new([
            ("KEY".to_owned(), "hunter2hunter2".to_owned()),
            ("KEY_FILE".to_owned(), "/nowhere".to_owned()),
        ]);
        let mut notes = Notes::default();
        assert!(notes.environment_secret(&environment, "KEY").is_none());
        assert!(notes.faults.to_string().contains("give one of them"));
    }
}
