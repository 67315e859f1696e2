//! Getting Azurite: one `npm install` a machine and version, safe when several want it at once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Error, Options, VERSION, last_lines};

/// Azurite asks for 22 and its blob service runs on 20, which is what we promise; npm only warns.
const NODE_MAJOR_MIN: u32 = 20;
/// Its standard input is a pipe from us. When we die, however that happens, the kernel closes the pipe
/// and Azurite shuts itself down, which writes its index too. (`PR_SET_PDEATHSIG` would need unsafe code.)
const WATCHDOG: &str = "process.stdin.on('error', () => {});\n\
    process.stdin.on('close', () => {\n\
      process.emit('SIGTERM');\n\
      setTimeout(() => process.exit(0), 4000).unref();\n\
    });\n\
    process.stdin.resume();\n";

/// The folder of the installed package; installs it when it is not there.
pub(super) fn installed(options: &Options) -> Result<PathBuf, Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::Io(path, error)
    };
    let package = options.cache.join(format!("azurite-{VERSION}"));
    if package.is_dir() {
        return Ok(package);
    }
    fs::create_dir_all(&options.cache).map_err(io(&options.cache))?;
    // One installs, the others wait; the lock goes with the process that holds it.
    let lock_path = options.cache.join("azurite.lock");
    let lock = File::create(&lock_path).map_err(io(&lock_path))?;
    lock.lock().map_err(io(&lock_path))?;
    if package.is_dir() {
        return Ok(package);
    }
    (options.progress)(&format!(
        "installing azurite {VERSION} into {} (once, about a minute)",
        options.cache.display()
    ));
    // Renamed when whole: who is killed half-way leaves nothing that looks like a package.
    let unfinished = options.cache.join(format!("azurite-{VERSION}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io(&unfinished))?;
    }
    fs::create_dir_all(&unfinished).map_err(io(&unfinished))?;
    let result = npm_install(&unfinished)
        .and_then(|()| {
            let watchdog = unfinished.join("watchdog.js");
            fs::write(&watchdog, WATCHDOG).map_err(io(&watchdog))
        })
        .and_then(|()| fs::rename(&unfinished, &package).map_err(io(&package)));
    if let Err(error) = result {
        if let Err(error) = fs::remove_dir_all(&unfinished) {
            tracing::debug!(%error, "a half package stays in the cache");
        }
        return Err(error);
    }
    Ok(package)
}

fn npm_install(folder: &Path) -> Result<(), Error> {
    // No scripts: Azurite needs none of its dependencies' and they are strangers' code.
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"])
        .args(["--omit=dev", "--loglevel=error", "--prefix"])
        .arg(folder)
        .arg(format!("azurite@{VERSION}"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing_or(error, "npm", "npm"))?;
    if output.status.success() { Ok(()) } else { Err(Error::Install(said(&output))) }
}

fn said(output: &Output) -> String {
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    format!("{}\n{}", output.status, last_lines(text.lines()))
}

/// Node, and not an old one.
pub(super) fn require_node() -> Result<(), Error> {
    let output = Command::new("node")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing_or(error, "node", "nodejs"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match node_major(&version) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => Err(Error::Missing(format!(
            "azurite needs Node {NODE_MAJOR_MIN} or newer, and `node --version` says {version:?}: \
             install a newer package `nodejs`"
        ))),
    }
}

fn node_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A program that is not there is named with its package.
pub(super) fn missing_or(error: io::Error, program: &str, package: &str) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        Error::Missing(format!(
            "`{program}` was not found: install the package `{package}` (Node {NODE_MAJOR_MIN} or newer)"
        ))
    } else {
        Error::Io(PathBuf::from(program), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_told_from_a_new_one() {
        assert_eq!(node_major("v20.20.2"), Some(20));
        assert_eq!(node_major("nonsense"), None);
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = missing_or(io::Error::from(io::ErrorKind::NotFound), "npm", "npm");
        assert!(error.to_string().contains("install the package `npm`"), "{error}");
    }
}
