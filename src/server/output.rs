//! The only place that prints: what a command is asked to say goes to standard output, what hinders it
//! to standard error.

use std::io::{self, Write};

/// A line of an answer. A reader that has gone away (`| head`) is no fault.
pub fn say(line: impl AsRef<str>) {
    write_line(&mut io::stdout().lock(), line.as_ref());
}

/// A line of complaint.
pub fn complain(line: impl AsRef<str>) {
    write_line(&mut io::stderr().lock(), line.as_ref());
}

fn write_line(out: &mut impl Write, line: &str) {
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}
