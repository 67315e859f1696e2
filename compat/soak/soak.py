"""The soak itself: the load, what happens to the gateways meanwhile, the samples, and the report."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import fleet
import load

CLIENTS = ["aws-cli", "boto3", "rclone", "s3cmd"]
KEYS = ("AKSOAK", "soak-secret-0123456789")
NEW_KEYS = ("AKSOAKNEW", "soak-secret-9876543210")
SAMPLE_EVERY_SECONDS = 5
# What was in flight on a gateway that was killed may fail, and so may what is sent to it until the balancer has
# noticed; nothing else may.
EXCUSED_SECONDS = 5
# How much more a gateway that is never restarted may hold at the end than near the beginning.
MEMORY_SLACK_BYTES, FILES_SLACK = 32 << 20, 32


class Soak:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.ended = threading.Event()
        self.tally = load.Tally()
        self.kills, self.said, self.samples, self.faults = [], [], [], []
        self.client_runs, self.client_failures = dict.fromkeys(CLIENTS, 0), []
        self.azurite = None if options.azure else fleet.Azurite(folder)
        connection = options.azure or self.azurite.connection
        program = os.environ.get("BLUEBUCKET_PROGRAM") or fleet.ROOT / "target/release/bluebucket"
        users = dict([KEYS])
        make = lambda number: fleet.Replica(program, folder, number, connection, dict(users))
        self.replicas = [make(number) for number in (1, 2, 3)]
        for replica in self.replicas:
            replica.start()
        self.balancer = fleet.Balancer(options.balancer, folder, self.replicas)
        self.endpoint = f"http://127.0.0.1:{self.balancer.port}"
        self.begun = time.monotonic()

    def say(self, what):
        line = f"{time.monotonic() - self.begun:7.1f} s  {what}"
        self.said.append(line)
        print(line, flush=True)

    def fault(self, what):
        self.faults.append(what)
        self.say(f"FAULT: {what}")

    # The load

    def clients(self, number):
        """One client after the other, as the tests run them; each ends at the first wrong byte."""
        turn = number
        while not self.ended.is_set():
            name = CLIENTS[turn % len(CLIENTS)]
            turn += 1
            script = fleet.ROOT / "compat/clients" / name / "run"
            begun = time.monotonic()
            environment = {**os.environ, "LARGE_BYTES": str(24 << 20), "CACHE_TTL": "5"}
            run = subprocess.Popen(
                [script, self.endpoint, *KEYS],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            out, _ = run.communicate()
            self.client_runs[name] += 1
            if run.returncode:
                self.client_failures.append((begun, time.monotonic(), name, out[-1500:]))
                (self.folder / f"{name}-{turn}.failed").write_text(out)
                self.say(f"{name} failed: {out.strip().splitlines()[-1] if out.strip() else '?'}")

    def sample(self):
        while not self.ended.wait(SAMPLE_EVERY_SECONDS):
            for replica in self.replicas:
                figures = replica.figures()
                if figures:
                    now = time.monotonic() - self.begun
                    self.samples.append((now, replica.name, *figures))

    # What happens meanwhile

    def drain(self, replica):
        code, seconds = replica.terminate()
        if code != 0:
            self.fault(f"{replica.name} drained with exit code {code}")
        self.say(f"{replica.name} drained in {seconds:.1f} s, exit code {code}")
        self.ended.wait(2)
        replica.start()

    def kill(self, replica):
        # The looking takes a moment; what is in flight then is what is likely to be.
        open_requests = replica.metric("bluebucket_requests_in_flight")
        self.kills.append(time.monotonic())
        replica.kill()
        self.say(f"{replica.name} killed with {open_requests:.0f} requests in flight")
        self.ended.wait(5)
        replica.start()

    def break_configurations(self):
        series = 'bluebucket_reloads_total{result="%s"}'
        before = [replica.metric(series % "failed") for replica in self.replicas]
        for replica in self.replicas:
            replica.configure(replica.text() + '[[users]\nid = "half"\n')
        for replica, count in zip(self.replicas, before):
            told = lambda: replica.metric(series % "failed") > count
            fleet.until(f"{replica.name} tells the broken file", told)
        before = [replica.metric(series % "ok") for replica in self.replicas]
        for replica in self.replicas:
            replica.configure()
        for replica, count in zip(self.replicas, before):
            fleet.until(f"{replica.name} is mended", lambda: replica.metric(series % "ok") > count)
        self.say("broken configurations were told, and changed nothing")

    def rotate(self):
        """Another user comes and goes, at each of them."""
        begun = time.monotonic()
        for replica in self.replicas:
            replica.users[NEW_KEYS[0]] = NEW_KEYS[1]
            replica.configure()
        for replica in self.replicas:
            fleet.until(f"{replica.name} knows the key", lambda: self.knows(replica))
        came = time.monotonic() - begun
        begun = time.monotonic()
        for replica in self.replicas:
            del replica.users[NEW_KEYS[0]]
            replica.configure()
        for replica in self.replicas:
            fleet.until(f"{replica.name} forgot the key", lambda: not self.knows(replica))
        gone = time.monotonic() - begun
        self.say(f"a key counted everywhere after {came:.1f} s and was gone after {gone:.1f} s")
        if max(came, gone) > 5:
            self.fault("a key took more than five seconds")

    def knows(self, replica):
        try:
            load.client(f"http://127.0.0.1:{replica.port}", *NEW_KEYS).list_buckets()
        except load.botocore.exceptions.ClientError:
            return False
        return True

    def events(self):
        _, second, third = self.replicas
        steps = [
            lambda: self.drain(second),
            self.break_configurations,
            lambda: self.kill(third),
            self.rotate,
            lambda: self.drain(third),
            lambda: self.kill(second),
        ]
        turn = 0
        deadline = self.begun + self.options.seconds
        # The first replica is left alone: it is the one whose memory is looked at.
        while time.monotonic() + self.options.every < deadline:
            self.ended.wait(self.options.every)
            steps[turn % len(steps)]()
            turn += 1
        self.ended.wait(max(0, deadline - time.monotonic()))

    # The run

    def run(self):
        workers = [
            load.Worker(number, self.endpoint, KEYS, self.tally, self.ended)
            for number in range(self.options.workers)
        ]
        threads = [threading.Thread(target=self.sample, daemon=True)]
        threads += [
            threading.Thread(target=self.clients, args=(number,), daemon=True)
            for number in range(self.options.clients)
        ]
        for thread in workers + threads:
            thread.start()
        try:
            self.events()
        finally:
            self.ended.set()
            for thread in workers + threads:
                thread.join(timeout=300)
        self.at_rest()
        return self.report()

    def at_rest(self):
        """When nobody asks any more, everything is given back."""
        for replica in self.replicas:
            for series in ("bluebucket_held_bytes", "bluebucket_requests_in_flight"):
                try:
                    fleet.until(series, lambda: replica.metric(series) == 0, 90)
                except TimeoutError:
                    self.fault(f"{replica.name}: {series} is {replica.metric(series)} at rest")
            for reason in ("to_azure", "answer_cut"):
                series = f'bluebucket_integrity_failures_total{{reason="{reason}"}}'
                count = replica.metric(series)
                if count:
                    self.say(f"{replica.name}: {series} {count:.0f}")

    def end(self):
        for replica in self.replicas:
            if replica.process and replica.process.poll() is None:
                replica.terminate()
        self.balancer.end()
        if self.azurite:
            self.azurite.end()

    # The report

    def excused(self, begun, ended):
        return any(begun <= kill + EXCUSED_SECONDS and ended >= kill for kill in self.kills)

    def report(self):
        lines = ["# Soak", ""]
        seconds = time.monotonic() - self.begun
        asked, failed = self.tally.asked, self.tally.failed
        not_excused = [one for one in failed if not self.excused(one[0], one[1])]
        lines.append(
            f"{seconds:.0f} s, three replicas behind {self.options.balancer}, "
            f"{len(self.kills)} kills, {len(asked)} requests of our own load "
            f"({len(asked) / seconds:.0f}/s)."
        )
        lines.append("")
        lines += self.client_lines()
        lines.append(
            f"- own requests that failed: {len(failed)}, of these {len(not_excused)} not in flight on a "
            f"killed replica"
        )
        lines.append(f"- answers that must not be: {len(self.tally.wrong)}")
        for _, _, what, error in not_excused[:20]:
            lines.append(f"    - {what}: {error}")
        lines += [f"    - {wrong}" for wrong in self.tally.wrong[:20]]
        lines += ["", "## Times, in milliseconds", "", "| request | count | p50 | p99 | most |"]
        lines.append("|---|---:|---:|---:|---:|")
        for what in ["all", *sorted({what for _, what, _ in asked})]:
            times = sorted(took for _, name, took in asked if what in ("all", name))
            row = [quantile(times, 0.5), quantile(times, 0.99), times[-1] if times else 0]
            shown = " | ".join(f"{1000 * one:.0f}" for one in row)
            lines.append(f"| {what} | {len(times)} | {shown} |")
        lines += self.over_time()
        if not_excused:
            self.faults.append(f"{len(not_excused)} requests failed without an excuse")
        if self.tally.wrong:
            self.faults.append(f"{len(self.tally.wrong)} answers that must not be")
        lines += ["", "## What happened", "", "```text", *self.said, "```", "", "## Verdict", ""]
        lines += [f"- FAULT: {fault}" for fault in self.faults] or ["- as it should be"]
        return "\n".join(lines) + "\n"

    def client_lines(self):
        wrong = [one for one in self.client_failures if not self.excused(one[1] - EXCUSED_SECONDS, one[1])]
        runs = ", ".join(f"{name} {count}" for name, count in self.client_runs.items())
        for _, ended, name, out in wrong:
            self.faults.append(f"{name} failed at {ended - self.begun:.0f} s: {out[-300:]}")
        failed = len(self.client_failures)
        return [
            f"- runs of real clients: {runs}",
            f"- of these failed: {failed}, of these {len(wrong)} not when a replica was killed",
        ]

    def over_time(self):
        """Memory and descriptors of each replica and times of answers, in tenths of the run."""
        lines = ["", "## Over time", ""]
        names = [replica.name for replica in self.replicas]
        head = " | ".join(f"{name}: MiB, files" for name in names)
        lines += [f"| until s | p50 ms | p99 ms | {head} |", "|---:|---:|---:|" + "---|" * len(names)]
        whole = max((sample[0] for sample in self.samples), default=1)
        first_half = {}
        for tenth in range(10):
            low, high = whole * tenth / 10, whole * (tenth + 1) / 10
            inside = lambda now: low < now <= high
            times = sorted(took for now, _, took in self.tally.asked if inside(now - self.begun))
            cells = [f"{1000 * quantile(times, share):.0f}" for share in (0.5, 0.99)]
            for name in names:
                mine = [one for one in self.samples if one[1] == name and inside(one[0])]
                resident = statistics.median([one[2] for one in mine]) if mine else 0
                files = statistics.median([one[3] for one in mine]) if mine else 0
                first_half.setdefault(name, []).append((resident, files))
                cells.append(f"{resident / (1 << 20):.0f}, {files:.0f}")
            lines.append(f"| {high:.0f} | " + " | ".join(cells) + " |")
        # The one that was never restarted: after it has warmed up, and at the end.
        (early, early_files), (late, late_files) = (first_half[names[0]][at] for at in (3, 9))
        if late > early + MEMORY_SLACK_BYTES:
            self.faults.append(f"{names[0]} grew from {early:.0f} to {late:.0f} bytes")
        if late_files > early_files + FILES_SLACK:
            self.faults.append(f"{names[0]} grew from {early_files:.0f} to {late_files:.0f} files")
        return lines


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="how long (3600)")
    parser.add_argument("--every", type=float, default=60, help="seconds between what happens (60)")
    parser.add_argument("--workers", type=int, default=4, help="of our own load (4)")
    parser.add_argument("--clients", type=int, default=1, help="real clients at a time (1)")
    parser.add_argument("--balancer", choices=["haproxy", "nginx"], default="haproxy")
    parser.add_argument("--azure", help="a connection string in the place of an Azurite of its own")
    parser.add_argument("--report", type=pathlib.Path, help="a file for the report, besides")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bluebucket-soak-"))
    soak = None
    try:
        soak = Soak(options, folder)
        report = soak.run()
    finally:
        if soak:
            soak.end()
    print(report)
    if options.report:
        options.report.write_text(report)
    if soak.faults:
        sys.exit(f"{len(soak.faults)} faults; the logs are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
