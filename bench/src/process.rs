//! Programs that are measured: started on a core of their own, their time and memory read from Linux's
//! `/proc`.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a program may take to end: more than the gateway lets requests run on, and writes its counts.
const END_MAX: Duration = Duration::from_mins(2);
/// How often it is looked whether it has.
const END_STEP: Duration = Duration::from_millis(10);

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
}

impl Program {
    /// Starts `command` pinned to `cores`, a list as taskset takes it. It writes into `log`.
    pub(crate) fn start(command: &Command, cores: &str, log: &std::path::Path) -> Outcome<Self> {
        let out = fs::File::create(log)?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        let child = pinned
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self { child })
    }

    /// CPU time used so far, all threads, user and system.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks; the 14th and 15th fields are 11 and 12 behind it.
        let behind = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?.1;
        let ticks: u64 = behind
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        // USER_HZ is 100 on every Linux that Rust supports.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory now and at its peak, in KiB.
    pub(crate) fn memory(&self) -> Outcome<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok())
        };
        Ok((field("VmRSS:").ok_or("no VmRSS")?, field("VmHWM:").ok_or("no VmHWM")?))
    }

    /// Lets the peak begin again.
    pub(crate) fn reset_peak(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
    }

    /// Lets it not run, until it may go on: what it still has to tidy up disturbs nobody who is measured then.
    pub(crate) fn pause(&self) -> Outcome {
        self.signal("STOP")
    }

    /// Lets it run again.
    pub(crate) fn go_on(&self) -> Outcome {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Outcome {
        // A shell's own `kill`: small images have no program of that name.
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status()?;
        if status.success() { Ok(()) } else { Err(format!("it does not take SIG{name}").into()) }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(&mut self) -> Outcome {
        self.signal("TERM")?;
        // One that is paused would take it only then.
        self.go_on()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > END_MAX {
                return Err("it does not end on SIGTERM".into());
            }
            std::thread::sleep(END_STEP);
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU time of the thread of this process that is called `name`.
pub(crate) fn thread_cpu(name: &str) -> Outcome<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        if fs::read_to_string(folder.join("comm"))?.trim_end() == name {
            let times = fs::read_to_string(folder.join("schedstat"))?;
            let nanoseconds = times.split_ascii_whitespace().next().unwrap_or_default().parse()?;
            return Ok(Duration::from_nanos(nanoseconds));
        }
    }
    Err(format!("no thread is called {name}").into())
}

/// How this machine's connections are paced, if that is not Linux's own way. BBR takes a timer for every few packets,
/// on the loopback device, too.
pub(crate) fn unusual_congestion_control() -> Option<String> {
    let set = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").ok()?;
    Some(set.trim_end().to_owned()).filter(|set| set != "cubic")
}

/// Puts this process on `cores`, children that come later included.
pub(crate) fn pin_self(cores: &str) -> Outcome {
    let id = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", cores, &id])
        .stdout(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err("taskset does not pin".into()) }
}
