"""The observability check of `make verify`: a real Prometheus over the real service and what the real jobs left.

Rules and their unit tests are checked by promtool; then a made-up night is published and nothing may fire, its lists
are made three days old and the alerts for that must fire and go again, and Redis is taken away. Rules are loaded with
their `for` left out, so that the check need not wait; that part is what promtool's tests hold.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from infra.bench import lists_lake
from infra.checks import prometheus_tools
from infra.checks.prometheus_tools import HOUSE
from infra.dashboards.__main__ import BOARDS
from infra.embedded import environment
from infra.embedded.commands import say
from infra.embedded.layout import HOME, StackSettings
from lake.errors import GateFailed, Unavailable
from lake.settings import Settings

USERS = 300
PATIENCE = 120.0
STALE = {"ListsStale", "ListsLate", "NoNightForTwoDays"}
AWAY = {"RedisBreakerOpen", "StorefrontErrors", "CommandFailed"}


def check() -> tuple[dict[str, Any], bool | None]:
    """Figures and whether everything held; None where the programs cannot be had, with the reason."""
    folder = Path(StackSettings().var).absolute() / "verify-observability"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        programs = prometheus_tools.programs(folder / "programs")
    except Unavailable as error:
        return {"skipped": str(error)}, None
    figures: dict[str, Any] = {
        "prometheus": prometheus_tools.version(programs["prometheus"]),
        **prometheus_tools.promtool(programs["promtool"]),
    }
    with ExitStack() as running:
        figures |= Night(folder, programs, running).run()
    return figures, True


class Night:
    """Redis, the service, the exporters and Prometheus on ports of their own, and what happens to them."""

    def __init__(self, folder: Path, programs: Mapping[str, str], running: ExitStack) -> None:
        self._folder, self._programs, self._running = folder, programs, running
        names = ("redis", "storefront", "node", "pushgateway", "prometheus")
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._url = f"redis://127.0.0.1:{self._ports['redis']}/0"
        self._metrics = folder / "metrics"
        self._metrics.mkdir()

    def run(self) -> dict[str, Any]:
        """Publish, look, let the lists grow old, heal, take Redis away.

        Raises:
            GateFailed: an alert did what it should not.
        """
        redis = self._start("redis", self._redis())
        self._wait("Redis", lambda: bool(socket.create_connection(("127.0.0.1", self._ports["redis"]), 1)))
        today = datetime.now(UTC).date()
        fresh, old = (today - timedelta(days=n) for n in (1, 4))
        lists_lake.make(self._folder, USERS, self._url, ds=fresh.isoformat())
        made = datetime.now(UTC) - timedelta(days=3)
        lists_lake.make(self._folder, USERS, self._url, ds=old.isoformat(), written=made)
        self._servers()
        self._publish(fresh.isoformat())
        told = self._look()
        figures = {**told, "quiet": sorted(self._settled(set()))}
        self._publish(old.isoformat(), "--replace")
        figures["seconds_until_stale_alerts"] = self._until(STALE)
        self._publish(fresh.isoformat(), "--replace")
        figures["seconds_until_they_were_gone"] = self._until(STALE, gone=True)
        redis.terminate()
        redis.wait(30)
        self._publish(fresh.isoformat(), expect=75)
        figures["seconds_until_alerts_without_redis"] = self._until(AWAY)
        return figures | {"fired": {"stale": sorted(STALE), "without Redis": sorted(AWAY)}}

    # parts

    def _servers(self) -> None:
        ports = self._ports
        service = {"REDIS_URL": self._url, "STOREFRONT_PORT": str(ports["storefront"]), "MAX_AGE_SECONDS": "172800"}
        self._start("storefront", [sys.executable, "-m", "storefront.service"], service)
        textfile = [f"--collector.textfile.directory={self._metrics}", "--collector.textfile"]
        node = [self._programs["prometheus-node-exporter"], "--collector.disable-defaults", *textfile]
        self._start("node", [*node, f"--web.listen-address=127.0.0.1:{ports['node']}"])
        gateway = self._programs["prometheus-pushgateway"]
        self._start("pushgateway", [gateway, f"--web.listen-address=127.0.0.1:{ports['pushgateway']}"])
        self._wait("the Pushgateway", lambda: self._get("pushgateway", "/-/ready") is not None)
        self._wait("the service", lambda: self._get("storefront", "/healthz") is not None)
        command = [
            self._programs["prometheus"],
            f"--config.file={self._configuration()}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        ]
        self._start("prometheus", command)
        self._wait("Prometheus", lambda: self._get("prometheus", "/-/ready") is not None)

    def _redis(self) -> list[str]:
        binary = environment.redis_binary()
        if binary is None:
            raise Unavailable("no redis-server or valkey-server: run `make setup`")
        port, folder = str(self._ports["redis"]), str(self._folder)
        return [binary, "--port", port, "--save", "", "--appendonly", "no", "--dir", folder, "--maxmemory", "1gb"]

    def _configuration(self) -> Path:
        """The committed configuration with addresses of this machine, quick intervals and rules that do not wait."""
        found = yaml.safe_load((HOUSE / "prometheus.yml").read_text())
        found["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        kept = []
        for job in found["scrape_configs"]:
            if job["job_name"] not in self._ports:
                continue  # Airflow's exporter is no Debian package
            job.pop("dns_sd_configs", None)
            job["static_configs"] = [{"targets": [f"127.0.0.1:{self._ports[job['job_name']]}"]}]
            kept.append(job)
        found["scrape_configs"] = kept
        rules = self._folder / "rules"
        rules.mkdir()
        for path in (HOUSE / "rules").glob("*.yml"):
            read = yaml.safe_load(path.read_text())
            for group in read["groups"]:
                for rule in group["rules"]:
                    rule.pop("for", None)
            (rules / path.name).write_text(yaml.safe_dump(read))
        found["rule_files"] = [str(rules / "*.yml")]
        target = self._folder / "prometheus.yml"
        target.write_text(yaml.safe_dump(found))
        return target

    def _start(self, name: str, command: list[str], more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        log = self._running.enter_context((self._folder / f"{name}.log").open("wb"))
        mine = {**os.environ, **environment.NO_TELEMETRY, **(more or {})}
        process = subprocess.Popen(command, cwd=HOME, env=mine, stdout=log, stderr=log)
        self._running.enter_context(_ended(process))
        return process

    def _publish(self, ds: str, *more: str, expect: int = 0) -> None:
        mine = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        mine |= {
            "VAR": str(self._folder),
            "REDIS_URL": self._url,
            "METRICS_DIR": str(self._metrics),
            "METRICS_PUSH_URL": f"http://127.0.0.1:{self._ports['pushgateway']}",
            "VERSION_GRACE_SECONDS": "0",
            "PSEUDONYMISE": "false",
        }
        command = [sys.executable, "-m", "jobs.publish", "--ds", ds, *more]
        done = subprocess.run(command, cwd=HOME, env=mine, capture_output=True, text=True)
        if done.returncode != expect:
            raise GateFailed(f"jobs.publish ended with {done.returncode}, not {expect}: {done.stderr[-2000:]}")

    # looking

    def _look(self) -> dict[str, Any]:
        """Targets are up, rules are loaded, every query of every panel and rule can be evaluated."""
        self._wait("three targets", lambda: len(self._query("up == 1")) == 3)
        for _ in range(20):
            self._lookup()
        groups = self._api("/api/v1/rules")["groups"]
        queries = {query for board in BOARDS.values() for panel in board.panels() for query in panel.queries}
        queries |= {rule["query"] for group in groups for rule in group["rules"]}
        self._wait("counted lookups", lambda: bool(self._query("storefront_lookups_total > 10")))
        found = {query: self._query(query) for query in queries}
        told = {
            path.name: sum(line.startswith("nightshelf_") for line in path.read_text().splitlines())
            for path in self._metrics.glob("*.prom")
        }
        for job in ("node", "pushgateway"):
            if not self._query(
                f'nightshelf_serving_lists{{surface="home",job=~"{job}|nightshelf",kind="user"}} == {USERS}'
            ):
                raise GateFailed(f"{job}: the planted {USERS} shoppers are not there")
        return {
            "targets_up": len(self._query("up == 1")),
            "rules_loaded": sum(len(group["rules"]) for group in groups),
            "rules_unhealthy": sum(rule["health"] == "err" for group in groups for rule in group["rules"]),
            "queries_evaluated": len(found),
            "queries_with_data": sum(bool(series) for series in found.values()),
            "samples_left_by_jobs": told,
        }

    def _settled(self, wanted: set[str], seconds: float = 5.0) -> set[str]:
        """Alerts that fire, once none but the wanted has for some seconds.

        Raises:
            GateFailed: others go on firing.
        """
        until, quiet = time.monotonic() + PATIENCE, time.monotonic()
        while time.monotonic() < until:
            self._lookup()
            if self._firing() - wanted:
                quiet = time.monotonic()
            elif time.monotonic() - quiet > seconds:
                return self._firing()
            time.sleep(0.5)
        raise GateFailed(f"alerts fire though all is well: {', '.join(sorted(self._firing() - wanted))}")

    def _until(self, wanted: set[str], gone: bool = False) -> float:
        """Seconds until all the wanted alerts fire, or none of them does.

        Raises:
            GateFailed: they do not.
        """
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE:
            self._lookup()
            held = wanted & self._firing()
            if (not held) if gone else held == wanted:
                say(f"observability: {', '.join(sorted(wanted))} {'gone' if gone else 'fire'}")
                return round(time.monotonic() - started, 1)
            time.sleep(0.5)
        what = "still fire" if gone else "do not all fire"
        raise GateFailed(f"{', '.join(sorted(wanted))} {what} after {PATIENCE:.0f} s; firing: {sorted(self._firing())}")

    def _firing(self) -> set[str]:
        alerts = self._api("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _query(self, query: str) -> list[Any]:
        found = self._api("/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        result: list[Any] = found["result"]
        return result

    def _api(self, path: str) -> dict[str, Any]:
        answer = self._get("prometheus", path)
        if answer is None:
            raise GateFailed(f"Prometheus refuses {urllib.parse.unquote_plus(path)}")
        data: dict[str, Any] = json.loads(answer)["data"]
        return data

    def _lookup(self) -> None:
        self._get("storefront", "/recommend?user_id=somebody&k=5")

    def _get(self, part: str, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[part]}{path}", timeout=10) as answer:
                body: bytes = answer.read()
                return body
        except (urllib.error.URLError, OSError):
            return None

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if there():
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise GateFailed(f"{what} did not come within {PATIENCE:.0f} s; logs are in {self._folder.name}")


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _free_ports(count: int) -> list[int]:
    """Different ports that are free now."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
