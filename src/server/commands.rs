//! The commands: from the command line to an exit code.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::CommandFactory;
use time::OffsetDateTime;

use crate::ops::Gateway;
use crate::ops::census::Census;
use crate::ops::janitor::{self, Ages};
use crate::ops::lifecycle;
use crate::server::access_log::AccessLog;
use crate::server::admin::Admin;
use crate::server::check::Finding;
use crate::server::config::arguments::{Action, Arguments, ConfigAction, Flags, PresignFlags};
use crate::server::config::{self, Config, Environment, Faults, Loaded, Need, Sources};
use crate::server::exchange::{Exchange, probed};
use crate::server::health::Health;
use crate::server::output::{complain, say};
use crate::server::reload::{Apply, Reloader};
use crate::server::traces::{self, Exporter};
use crate::server::{
    Metrics, Parts, Server, Shutdown, Signals, check, dev, healthcheck, presign, router, stores,
    telemetry, tls, wiring,
};

/// Why a command ended badly.
#[derive(Debug)]
pub enum Failure {
    /// The configuration has faults: exit code 2.
    Configuration(Faults),
    /// Anything else: exit code 1.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(faults) => write!(f, "{faults}"),
            Self::Other(text) => write!(f, "{text}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// Does what the command line says.
pub async fn run(arguments: Arguments, environment: Environment) -> ExitCode {
    let failure = match command(&arguments, &environment).await {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    for line in failure.to_string().lines() {
        complain(format!("bluebucket: {line}"));
    }
    ExitCode::from(match failure {
        Failure::Configuration(_) => 2,
        Failure::Other(_) => 1,
    })
}

async fn command(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let sources = |flags: &Flags, need| arguments.sources(flags, environment, need);
    match &arguments.command {
        Action::Serve(flags) => Box::pin(serve(sources(flags, Need::Everything))).await?,
        Action::Dev(flags) => {
            Box::pin(dev::run(flags, sources(&flags.settings, Need::Nothing))).await?;
        }
        Action::Check(flags) => {
            return check(&sources(&flags.settings, Need::Nothing), flags.json).await;
        }
        Action::Presign(flags) => say(presigned(flags, &sources(&flags.settings, Need::Nothing))?),
        Action::Config(ConfigAction::Print(flags)) => {
            let loaded = config::load(&sources(flags, Need::Nothing))?;
            let text = config::print::text(&loaded).map_err(|error| error.to_string())?;
            say(text.trim_end());
            warn(&loaded);
        }
        Action::Healthcheck(flags) => {
            let loaded = config::load(&sources(flags, Need::Nothing))?;
            healthcheck::run(loaded.config.admin_listen).await?;
        }
        Action::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "bluebucket", &mut text);
            say(String::from_utf8_lossy(&text).trim_end());
        }
        Action::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut text)?;
            say(String::from_utf8_lossy(&text).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        complain(format!("bluebucket: {warning}"));
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock is what is checked")]
async fn check(sources: &Sources, json: bool) -> Result<ExitCode, Failure> {
    let tell = |finding: Finding| say(if json { finding.json() } else { finding.to_string() });
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(faults) if json => {
            let remedy = "bluebucket config print shows what is in force";
            faults.iter().for_each(|fault| {
                tell(Finding::broken("configuration", fault.to_string(), remedy));
            });
            return Ok(ExitCode::from(2));
        }
        Err(faults) => return Err(faults.into()),
    };
    warn(&loaded);
    let works = check::run(&loaded.config, OffsetDateTime::now_utc, tell).await?;
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::disallowed_methods, reason = "a URL lasts from now on")]
fn presigned(flags: &PresignFlags, sources: &Sources) -> Result<String, Failure> {
    let loaded = config::load(sources)?;
    Ok(presign::url(flags, &loaded.config, OffsetDateTime::now_utc())?)
}

async fn serve(sources: Sources) -> Result<(), Failure> {
    let loaded = config::load(&sources)?;
    telemetry::start(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let gateway = Running::start(loaded, sources, Box::new(Ok)).await?;
    gateway.run(Shutdown::new()).await
}

/// What becomes of a configuration before it takes effect: `dev` adds its own account and user.
pub type Prepare = Box<dyn Fn(Config) -> Result<Config, String> + Send + Sync>;

/// A gateway that has its ports and is about to serve.
#[derive(Debug)]
pub struct Running {
    server: Server,
    parts: Parts,
    handler: axum::Router,
    reloader: Reloader,
    exporter: Option<Exporter>,
    signals: Signals,
    gateway: Arc<Gateway>,
    access_log: Option<AccessLog>,
}

impl Running {
    /// Builds everything and takes the ports.
    pub async fn start(
        mut loaded: Loaded,
        sources: Sources,
        prepare: Prepare,
    ) -> Result<Self, Failure> {
        loaded.config = prepare(loaded.config)?;
        let config = loaded.config.clone();
        let metrics = Metrics::new();
        let stores = stores::open(&config, &metrics)?;
        let gateway = Arc::new(wiring::gateway(&config, &stores)?);
        let health = Health::new(probed(&gateway.accounts()));
        let background = gateway.tasks().clone();
        let mut front =
            wiring::front(&config, Arc::clone(&gateway), metrics.clone(), health.clone());
        if let Some(path) = &config.access_log {
            front.access_log = Some(AccessLog::open(path, metrics.clone())?);
        }
        let traces = config.traces.clone().map(traces::open).transpose()?;
        let exporter = traces.map(|(traces, exporter)| {
            front.traces = Some(traces);
            exporter
        });
        let access_log = front.access_log.clone();
        let handler = router::service(front);
        metrics.begun(now_seconds(), config.limits.memory_bytes);
        let tls = config.tls.as_ref().map(tls::Tls::new).transpose()?;
        let server = Server::bind(&config).await?;
        let deadlines = wiring::deadlines(&config.limits);
        let shown = Arc::new(ArcSwap::from_pointee(config));
        let exchange = Exchange {
            gateway: Arc::clone(&gateway),
            health: health.clone(),
            metrics: metrics.clone(),
            tls: tls.clone(),
            running: Arc::clone(&shown),
        };
        let apply: Apply = Box::new(move |config| exchange.with(prepare(config)?));
        let reloader = Reloader::new(sources, loaded, apply, metrics.clone()).await;
        let census = Census::new(Some(Arc::clone(&gateway)));
        let admin = Admin { health, metrics, census, config: shown, s3: server.s3_address() };
        let parts = Parts { admin, tls, deadlines, background };
        let signals = Signals::catch()?;
        Ok(Self { server, parts, handler, reloader, exporter, signals, gateway, access_log })
    }

    /// The ports.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The configuration in effect.
    pub fn config(&self) -> Arc<Config> {
        self.parts.admin.config.load_full()
    }

    /// Serves until a signal or `shutdown` ends it.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Failure> {
        let Self { server, parts, handler, reloader, signals, gateway, access_log, mut exporter } =
            self;
        let lifecycle = lifecycle(Arc::clone(&gateway), &parts, &shutdown);
        let janitor = janitor(gateway, &parts, &shutdown);
        let (s3, admin) = (server.s3_address(), server.admin_address());
        tracing::info!(%s3, %admin, version = env!("CARGO_PKG_VERSION"), "serving");
        let exporting = async {
            match &mut exporter {
                Some(exporter) => exporter.run().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            () = Box::pin(server.run(handler, parts, shutdown.clone())) => Ok(()),
            () = signals.follow(shutdown) => Ok(()),
            failed = reloader.follow() => failed.map_err(Failure::from),
            () = janitor => Ok(()),
            () = lifecycle => Ok(()),
            // It ends when nobody can send to it any more, which is when the server has ended.
            () = exporting => Ok(()),
        };
        if let Some(mut exporter) = exporter {
            exporter.flush().await;
        }
        if let Some(log) = access_log {
            log.written().await;
        }
        ended
    }
}

/// Sweeps until the drain begins, and then does nothing for ever.
fn janitor(
    gateway: Arc<Gateway>,
    parts: &Parts,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<> {
    let config = Arc::clone(&parts.admin.config);
    let ages = move || {
        let config = config.load();
        Ages {
            abandoned_after: config.multipart_abandoned_after,
            every: config.multipart_sweep_every,
        }
    };
    let observer = Arc::new(parts.admin.metrics.clone());
    let drain = shutdown.drain.clone();
    async move {
        tokio::select! {
            () = janitor::run(gateway, ages, observer) => {}
            () = drain.cancelled() => {}
        }
        std::future::pending::<()>().await;
    }
}

/// Runs the lifecycles of buckets until the drain begins, and then does nothing for ever.
fn lifecycle(
    gateway: Arc<Gateway>,
    parts: &Parts,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<> {
    let observer = Arc::new(parts.admin.metrics.clone());
    let drain = shutdown.drain.clone();
    async move {
        tokio::select! {
            () = Box::pin(lifecycle::run(gateway, observer)) => {}
            () = drain.cancelled() => {}
        }
        std::future::pending::<()>().await;
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one time that the start of the process is told")]
fn now_seconds() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
