//! What is measured: gateways over the stub, and the stub itself.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use strict_azure::StrictAzure;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Outcome;
use crate::load::once;
use crate::process::{Program, thread_cpu};
use crate::relay::What;
use crate::request::{
    ACCESS_KEY, GREEDY_ACCESS_KEY, Identity, Payload, Request, SECRET_KEY, Signer, bare,
};
use crate::wire::At;

/// How long a gateway may take to start; a Java machine needs some seconds.
const START_MAX: Duration = Duration::from_mins(1);
/// How often a gateway that starts is asked.
const START_STEP: Duration = Duration::from_millis(2);

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    /// The gateway that this is about.
    pub(crate) bluebucket: PathBuf,
    /// Its rivals, as far as they are at hand.
    pub(crate) versitygw: Option<PathBuf>,
    /// The jar of `S3Proxy`.
    pub(crate) s3proxy: Option<PathBuf>,
    /// rclone.
    pub(crate) rclone: Option<PathBuf>,
}

/// One of those that are measured.
#[derive(Debug)]
pub(crate) struct Subject {
    /// How the table calls it.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) at: At,
    /// The bucket that it was given.
    pub(crate) bucket: String,
    /// From the start to the first answer.
    pub(crate) started_in: Duration,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Is asked as the stub is: the stub itself, or what passes on to it.
    Azure {
        account: String,
        relay: Option<Program>,
    },
    Gateway {
        program: Program,
        signer: Signer,
    },
}

impl Subject {
    /// The stub, asked without a gateway.
    pub(crate) async fn stub(stub: &StrictAzure) -> Outcome<Self> {
        let account = stub.account().to_owned();
        let kind = Kind::Azure { account, relay: None };
        Self::azure("stub", "stub alone", At::new(stub.address(), None), kind).await
    }

    /// Starts what passes on to the stub.
    pub(crate) async fn relay(what: What, start: Start<'_>) -> Outcome<Self> {
        let (argument, short, name) = match what {
            What::Bytes => ("bytes", "relay", "bytes passed on"),
            What::Http => ("http", "relay-http", "HTTP passed on"),
        };
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--pass-on", argument, "--here", &address.to_string()]);
        command.args(["--there", &start.stub.address().to_string()]);
        let log = start.folder.join(format!("{short}.log"));
        let program = Program::start(&command, start.cores, &log)?;
        let account = start.stub.account().to_owned();
        let kind = Kind::Azure { account, relay: Some(program) };
        Self::azure(short, name, At::new(address, None), kind).await
    }

    async fn azure(short: &str, name: &'static str, at: At, kind: Kind) -> Outcome<Self> {
        let bucket = format!("bench-{short}");
        let mut subject = Self { name, at, bucket, started_in: Duration::ZERO, kind };
        let begun = Instant::now();
        let create = subject.bare("PUT", "?restype=container", "", Bytes::new());
        let Kind::Azure { relay, .. } = &mut subject.kind else { return Ok(subject) };
        subject.started_in = answered(name, &subject.at, &create, relay.as_mut(), begun).await?;
        Ok(subject)
    }

    /// Starts a gateway and makes its bucket.
    pub(crate) async fn gateway(name: &'static str, start: Start<'_>) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let command = start.command(name, address)?;
        Self::started(name, At::new(address, None), &command, start).await
    }

    /// Starts a gateway whose instructions valgrind counts.
    pub(crate) async fn counted(start: Start<'_>, counts: &Path) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let gateway = start.bluebucket(address);
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind");
        command.arg(format!("--callgrind-out-file={}", counts.display()));
        command.arg(gateway.get_program()).args(gateway.get_args());
        command.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::started("bluebucket", At::new(address, None), &command, start).await
    }

    /// Starts a gateway with these limits and a second user who may read.
    pub(crate) async fn besieged(start: Start<'_>, limits: &[(&str, usize)]) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = start.folder.join("users.toml");
        let user = |id: &str, key: &str, role: &str| {
            format!(
                "[[users]]\nid = \"{id}\"\nrole = \"{role}\"\n\
                 keys = [{{ access_key_id = \"{key}\", secret_access_key = \"{SECRET_KEY}\" }}]\n"
            )
        };
        let users =
            [user("usual", ACCESS_KEY, "admin"), user("greedy", GREEDY_ACCESS_KEY, "admin")];
        std::fs::write(&file, users.concat())?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let mut command = start.bluebucket(address);
        command.arg("--config").arg(&file);
        command.env_remove("BLUEBUCKET_ACCESS_KEY_ID").env_remove("BLUEBUCKET_SECRET_ACCESS_KEY");
        command.envs(limits.iter().map(|(name, limit)| (name, limit.to_string())));
        Self::started("bluebucket", At::new(address, None), &command, start).await
    }

    /// Starts a gateway that speaks TLS.
    pub(crate) async fn with_tls(start: Start<'_>) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let own = rcgen::generate_simple_self_signed([address.ip().to_string()])?;
        let (certificate, key) = (start.folder.join("tls.crt"), start.folder.join("tls.key"));
        std::fs::write(&certificate, own.cert.pem())?;
        std::fs::write(&key, own.signing_key.serialize_pem())?;
        std::fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        let mut command = start.bluebucket(address);
        command.env("BLUEBUCKET_TLS_CERTIFICATE", &certificate).env("BLUEBUCKET_TLS_KEY", &key);
        let mut trusted = RootCertStore::empty();
        trusted.add(own.cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
        let at = At::new(address, Some(Arc::new(client).into()));
        Self::started("bluebucket-tls", at, &command, start).await
    }

    /// Starts a gateway with so many threads for requests, on whatever cores it has.
    pub(crate) async fn with_threads(
        name: &'static str,
        threads: usize,
        start: Start<'_>,
    ) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = start.bluebucket(address);
        command.env("BLUEBUCKET_LIMITS_THREADS", threads.to_string());
        Self::started(name, At::new(address, None), &command, start).await
    }

    async fn started(
        name: &'static str,
        at: At,
        command: &Command,
        start: Start<'_>,
    ) -> Outcome<Self> {
        let begun = Instant::now();
        let mut program =
            Program::start(command, start.cores, &start.folder.join(format!("{name}.log")))?;
        let signer = Signer::new(at.to_string(), Identity::Usual);
        let list = signer.request("GET", "/", Bytes::new(), Payload::Signed)?;
        let started_in = answered(name, &at, &list, Some(&mut program), begun).await?;
        let bucket = format!("bench-{name}");
        let create = signer.request("PUT", &format!("/{bucket}"), Bytes::new(), Payload::Signed)?;
        once(&at, &create).await?;
        Ok(Self { name, at, bucket, started_in, kind: Kind::Gateway { program, signer } })
    }

    /// A request on the key `key`, S3's or Azure's.
    pub(crate) fn object(
        &self,
        method: &str,
        key: &str,
        body: Bytes,
        payload: Payload,
    ) -> Outcome<Request> {
        self.request(method, &format!("/{key}"), body, payload)
    }

    /// `target` follows the bucket's name.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        body: Bytes,
        payload: Payload,
    ) -> Outcome<Request> {
        match &self.kind {
            Kind::Gateway { signer, .. } => {
                signer.request(method, &format!("/{}{target}", self.bucket), body, payload)
            }
            Kind::Azure { .. } => {
                let extra = if method == "PUT" { "x-ms-blob-type: BlockBlob\r\n" } else { "" };
                Ok(self.bare(method, target, extra, body))
            }
        }
    }

    /// Whether it is the faster the longer it has run.
    pub(crate) fn warms_up(&self) -> bool {
        self.name == "s3proxy"
    }

    /// Whether it speaks S3 and is not ours.
    pub(crate) fn is_rival(&self) -> bool {
        !self.is_azure() && !self.name.starts_with("bluebucket")
    }

    /// Whether it is asked as Azure is.
    pub(crate) fn is_azure(&self) -> bool {
        matches!(self.kind, Kind::Azure { .. })
    }

    fn bare(&self, method: &str, target: &str, extra: &str, body: Bytes) -> Request {
        let Kind::Azure { account, .. } = &self.kind else {
            return bare(method, "", target, extra, body);
        };
        let target = format!("/{account}/{}{target}", self.bucket);
        bare(method, &self.at.to_string(), &target, extra, body)
    }

    /// CPU time so far: of the program, or of the stub where that is what is measured.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        self.program().map_or_else(|| thread_cpu("strict-azure"), Program::cpu)
    }

    /// The program, where it is one.
    pub(crate) fn program(&self) -> Option<&Program> {
        match &self.kind {
            Kind::Gateway { program, .. } => Some(program),
            Kind::Azure { relay, .. } => relay.as_ref(),
        }
    }

    /// The program, to end it.
    pub(crate) fn program_mut(&mut self) -> Option<&mut Program> {
        match &mut self.kind {
            Kind::Gateway { program, .. } => Some(program),
            Kind::Azure { relay, .. } => relay.as_mut(),
        }
    }
}

/// Asks until there is an answer, and says how long after `begun` that was; a program that ends before is not waited for.
async fn answered(
    name: &str,
    at: &At,
    request: &Request,
    mut program: Option<&mut Program>,
    begun: Instant,
) -> Outcome<Duration> {
    while let Err(error) = once(at, request).await {
        let ended = program.as_mut().is_none_or(|program| program.has_ended());
        if ended || begun.elapsed() > START_MAX {
            return Err(format!("{name} does not start, see its log: {error}").into());
        }
        tokio::time::sleep(START_STEP).await;
    }
    Ok(begun.elapsed())
}

/// How a gateway is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    /// Where the programs are.
    pub(crate) programs: &'a Programs,
    /// The stub.
    pub(crate) stub: &'a StrictAzure,
    /// The cores it may use.
    pub(crate) cores: &'a str,
    /// For logs and configuration.
    pub(crate) folder: &'a Path,
}

impl Start<'_> {
    fn command(&self, name: &str, address: SocketAddr) -> Outcome<Command> {
        let missing = || format!("{name} is not at hand");
        match name {
            "versitygw" => {
                let program = self.programs.versitygw.as_ref().ok_or_else(missing)?;
                Ok(self.versitygw(program, address))
            }
            "s3proxy" => {
                let program = self.programs.s3proxy.as_ref().ok_or_else(missing)?;
                self.s3proxy(program, address)
            }
            "rclone" => {
                let program = self.programs.rclone.as_ref().ok_or_else(missing)?;
                Ok(self.rclone(program, address))
            }
            _ => Ok(self.bluebucket(address)),
        }
    }

    fn bluebucket(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(&self.programs.bluebucket);
        command
            .arg("serve")
            .env("BLUEBUCKET_LISTEN", address.to_string())
            .env("BLUEBUCKET_ADMIN_LISTEN", "127.0.0.1:0")
            .env("BLUEBUCKET_ACCESS_KEY_ID", ACCESS_KEY)
            .env("BLUEBUCKET_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("BLUEBUCKET_LOG", "warn")
            .env("AZURE_STORAGE_CONNECTION_STRING", self.stub.connection_string());
        command
    }

    fn versitygw(&self, program: &Path, address: SocketAddr) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--keep-alive", "--quiet"])
            .args(["--port", &address.to_string(), "azure"])
            .args(["--account", self.stub.account(), "--access-key", self.stub.key()])
            .args(["--url", &self.stub.endpoint()]);
        command
    }

    fn rclone(&self, program: &Path, address: SocketAddr) -> Command {
        let mut command = Command::new(program);
        command
            .args(["serve", "s3", "--addr", &address.to_string()])
            .args(["--auth-key", &format!("{ACCESS_KEY},{SECRET_KEY}"), "--vfs-cache-mode", "off"])
            .arg(format!(
                ":azureblob,account={},key='{}',endpoint='{}':",
                self.stub.account(),
                self.stub.key(),
                self.stub.endpoint()
            ));
        command
    }

    fn s3proxy(&self, program: &Path, address: SocketAddr) -> Outcome<Command> {
        let file = self.folder.join("s3proxy.properties");
        let text = format!(
            "s3proxy.endpoint=http://{address}\ns3proxy.authorization=aws-v2-or-v4\n\
             s3proxy.identity={ACCESS_KEY}\ns3proxy.credential={SECRET_KEY}\n\
             jclouds.provider=azureblob-sdk\njclouds.identity={}\njclouds.credential={}\n\
             jclouds.endpoint={}\n",
            self.stub.account(),
            self.stub.key(),
            self.stub.endpoint()
        );
        std::fs::write(&file, text)?;
        let mut command = Command::new("java");
        command.arg("-jar").arg(program).arg("--properties").arg(file);
        Ok(command)
    }
}
