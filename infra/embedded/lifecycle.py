"""The life of one embedded stack: up, renewed with other settings, down, and healed after a crash."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import psutil

from infra.embedded import environment, ports, postgres, programs, readiness, secret_files
from infra.embedded.airflow_api import POOLS, Airflow
from infra.embedded.layout import Layout, StackSettings
from infra.embedded.programs import AIRFLOW_PARTS, MLFLOW, POSTGRES, REDIS, STOREFRONT
from infra.embedded.supervisor import ALIVE_STATES, Supervisor, end_family, tail
from lake.errors import NightshelfError, Unavailable


class Stack:
    """One embedded stack, named by its VAR folder."""

    def __init__(self, settings: StackSettings, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self.layout = Layout.of(settings.var)
        self.supervisor = Supervisor(self.layout)

    def up(
        self, only: tuple[str, ...] = programs.PARTS, handed_over: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Bring the stack up and return its endpoints.

        Args:
            only: parts to start (`postgres`, `redis`, `storefront`, `mlflow`, `airflow`).
            handed_over: pipeline settings by environment name; those not named keep their last value.

        Raises:
            Unavailable: a part is missing on this machine or did not come up.
        """
        started = time.monotonic()
        wanted = dict(handed_over or {})
        known = self._known()
        values = known.get("handed_over", {}) | wanted
        if self.supervisor.pid() is not None and self._complete(only, known):
            if values == known.get("handed_over", {}):
                self.say("the stack is up")
                return self.endpoints()
            self._renew(known["ports"], known.get("handed_over", {}), values, only)
            return self.endpoints()
        self._clear()
        self.layout.make()
        chosen_ports = self._ports(known.get("ports", {}))
        self._write_state(chosen_ports, values, only)
        self._start(chosen_ports, values, only)
        self.say(f"the stack is up after {time.monotonic() - started:.0f} s")
        return self.endpoints()

    def down(self) -> None:
        """Stop everything and leave no process behind."""
        started, running = time.monotonic(), self.supervisor.pid() is not None
        self.supervisor.shutdown()
        self._clear()
        self.say(f"stopped in {time.monotonic() - started:.1f} s" if running else "nothing was running")

    def erase(self, keep: Collection[str] = ()) -> None:
        """Stop everything and remove what VAR holds, and PostgreSQL's data where that had to be elsewhere.

        Args:
            keep: names directly under VAR that stay.
        """
        self.down()
        with contextlib.suppress(NightshelfError):
            outside = postgres.Postgres.plan(self.layout).data.parent
            if outside != self.layout.var:
                shutil.rmtree(outside, ignore_errors=True)
        if not self.layout.run.is_dir():
            return  # no stack ever lived in this folder, so whatever it holds is somebody else's
        for path in self.layout.var.iterdir():
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.layout.run / "airflow-migrated").unlink(missing_ok=True)

    def endpoints(self) -> dict[str, str]:
        """The contents of `endpoints.json`."""
        return dict(json.loads(self.layout.endpoints.read_text()))

    def airflow(self) -> Airflow:
        """A client of the stack's Airflow."""
        points = self.endpoints()
        return Airflow(points["airflow_url"], points["airflow_user"], points["airflow_password"])

    def _known(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.layout.state.read_text()))
        except (OSError, ValueError):
            return {}

    def _complete(self, only: tuple[str, ...], known: Mapping[str, Any]) -> bool:
        records = self.supervisor.states()
        expected = [p for p in only if p != "airflow"] + list(AIRFLOW_PARTS if "airflow" in only else ())
        return (
            self.layout.endpoints.is_file()
            and "ports" in known
            and all(records.get(name, {}).get("statename") in ALIVE_STATES for name in expected)
        )

    def _clear(self) -> None:
        """End a half-started or killed stack's processes: nothing of it may hold a port or the data folder."""
        if self.supervisor.pid() is not None:
            self.supervisor.shutdown()
        leftover = None
        with contextlib.suppress(NightshelfError):
            leftover = postgres.Postgres.plan(self.layout).postmaster_pid() if self.layout.var.is_dir() else None
        ours = leftover is not None and _is_named(leftover, "postgres")
        count = end_family(self.layout, also=[leftover] if ours and leftover is not None else [])
        if count:
            self.say(f"ended {count} processes that a killed supervisor left behind")

    def _ports(self, last: Mapping[str, int]) -> dict[str, int]:
        wanted = {name: getattr(self.settings, f"{name}_port") for name in programs.PARTS}
        given = {name for name in wanted if f"{name.upper()}_PORT" in os.environ}
        return ports.choose({n: p if n in given else last.get(n, p) for n, p in wanted.items()}, self.say)

    def _write_state(self, chosen: Mapping[str, int], values: Mapping[str, str], only: tuple[str, ...]) -> None:
        self.layout.state.touch(mode=0o600)
        self.layout.state.write_text(json.dumps({"ports": chosen, "handed_over": values, "only": only}, indent=2))

    def _start(self, chosen: Mapping[str, int], values: Mapping[str, str], only: tuple[str, ...]) -> None:
        layout, say = self.layout, self.say
        secrets = layout.secrets
        secret_files.token(secrets / "user_key")
        password = secret_files.token(secrets / "postgres")
        airflow_password = secret_files.token(secrets / "airflow_admin")
        secret_files.airflow_passwords(secrets / "airflow_passwords.json", environment.AIRFLOW_USER, airflow_password)
        surroundings = environment.build(layout, chosen, values)
        environment.write(layout.environment, surroundings)
        server = postgres.Postgres.plan(layout)
        if server.data.parent != layout.var:
            say(f"the OS user {server.user} cannot enter {layout.var}: PostgreSQL's data is in {server.data}")
        parts = programs.programs(layout, chosen, server, self.settings, only)
        programs.write_scripts(layout, parts)
        layout.supervisor_conf.touch(mode=0o600)
        layout.supervisor_conf.write_text(programs.render(layout, parts))
        if POSTGRES in only and server.initialise(password):
            say(f"made a PostgreSQL database in {server.data}")

        self.supervisor.start_daemon()
        ask = readiness.probes(chosen, password)
        say("starting " + ", ".join(part.name for part in parts))
        first = [p for p in (POSTGRES, REDIS) if p in only]
        self._start_and_wait(first, ask)
        if POSTGRES in only:
            postgres.create_databases(chosen[POSTGRES], password)
        if MLFLOW in only:
            self._prepare_mlflow(chosen, password)
            self.supervisor.start([MLFLOW])
        if STOREFRONT in only:
            self.supervisor.start([STOREFRONT])
        self._write_endpoints(chosen, surroundings, airflow_password, only)
        if "airflow" in only:
            self._migrate(surroundings)
            self.supervisor.start(AIRFLOW_PARTS)
        rest = [p.name for p in parts if p.name not in first]
        readiness.wait(self.supervisor, layout, {name: ask[name] for name in rest}, self.settings.startup_seconds, say)
        if "airflow" in only:
            self.airflow().ensure_pools(POOLS)

    def _start_and_wait(self, names: list[str], ask: Mapping[str, Callable[[], bool]]) -> None:
        self.supervisor.start(names)
        readiness.wait(
            self.supervisor, self.layout, {n: ask[n] for n in names}, self.settings.startup_seconds, self.say
        )

    def _prepare_mlflow(self, chosen: Mapping[str, int], password: str) -> None:
        """MLflow's start script gets its database by environment, so that the password is on no command line."""
        script = self.layout.run / f"{MLFLOW}.sh"
        address = postgres.url(chosen[POSTGRES], password, "mlflow")
        script.touch(mode=0o600)
        lines = script.read_text().splitlines()
        script.write_text("\n".join([lines[0], f"export MLFLOW_BACKEND_STORE_URI={address}", *lines[1:], ""]))

    def _migrate(self, surroundings: Mapping[str, str]) -> None:
        """Bring Airflow's tables to its version; skipped when this data folder is known to be there already."""
        from importlib.metadata import version

        stamp, current = self.layout.run / "airflow-migrated", version("apache-airflow-core")
        data_is_old = stamp.is_file() and stamp.read_text() == current
        if data_is_old:
            return
        started = time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).parent / "airflow"), "db", "migrate"],
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | dict(surroundings),
            cwd=self.layout.airflow,
            stdin=subprocess.DEVNULL,
            stdout=(self.layout.logs / "migrate.log").open("w"),
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise Unavailable(f"airflow db migrate failed:\n{tail(self.layout.logs / 'migrate.log')}")
        stamp.write_text(current)
        self.say(f"  Airflow's database migrated in {time.monotonic() - started:.1f} s")

    def _renew(
        self, chosen: Mapping[str, int], old: Mapping[str, str], new: Mapping[str, str], only: tuple[str, ...]
    ) -> None:
        changed = sorted(name for name in new if old.get(name) != new[name])
        shown = ", ".join(name if "KEY" in name or "TOKEN" in name else f"{name}={new[name]}" for name in changed)
        self.say(f"restarting Airflow's parts and the service with {shown}")
        environment.write(self.layout.environment, environment.build(self.layout, chosen, new))
        self._write_state(chosen, new, only)
        points = self.endpoints() | {"lake_root": new.get("LAKE_ROOT", self.endpoints()["lake_root"])}
        _write_json(self.layout.endpoints, points)
        ask = readiness.probes(chosen, secret_files.token(self.layout.secrets / "postgres"))
        renewed: list[str] = []
        for group, members in ((STOREFRONT, [STOREFRONT]), ("airflow", AIRFLOW_PARTS)):
            if group in only:
                self.supervisor.stop(group)
                renewed += members
        if renewed:
            self._start_and_wait(renewed, ask)

    def _write_endpoints(
        self, chosen: Mapping[str, int], surroundings: Mapping[str, str], password: str, only: tuple[str, ...]
    ) -> None:
        points = {"lake_root": surroundings["LAKE_ROOT"]}
        if "airflow" in only:
            points |= {
                "airflow_url": f"http://127.0.0.1:{chosen['airflow']}",
                "airflow_user": environment.AIRFLOW_USER,
                "airflow_password": password,
            }
        if REDIS in only:
            points["redis_url"] = environment.redis_url(chosen[REDIS])
        if STOREFRONT in only:
            points["storefront_url"] = f"http://127.0.0.1:{chosen[STOREFRONT]}"
        if MLFLOW in only:
            points["mlflow_url"] = surroundings["MLFLOW_TRACKING_URI"]
        _write_json(self.layout.endpoints, points)


def _write_json(path: Path, value: object) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(value, indent=2) + "\n")


def _is_named(pid: int, name: str) -> bool:
    try:
        return psutil.Process(pid).name() == name
    except psutil.Error:
        return False
