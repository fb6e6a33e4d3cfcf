"""The supervisor daemon of one stack: start it, talk to it, stop it, and clear what a killed one left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from infra.embedded.layout import Layout
from infra.embedded.programs import MARK, POSTGRES, REDIS
from lake.errors import Unavailable

ALIVE_STATES, STOPPED_STATES, FAILED_STATES = (
    ("RUNNING", "STARTING"),
    ("STOPPED", "EXITED", "FATAL"),
    ("FATAL", "EXITED", "BACKOFF"),
)


class Supervisor:
    """Remote control of a stack's supervisord over its Unix socket."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def _rpc(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        socket = f"unix://{self.layout.supervisor_socket}"
        transport = SupervisorTransport("stack", self.layout.digest, socket)
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def pid(self) -> int | None:
        """The daemon's pid, or None if it does not run (a stale pid file of another process does not count)."""
        try:
            pid = int(self.layout.supervisor_pid.read_text())
            running = psutil.Process(pid)
            if running.status() != psutil.STATUS_ZOMBIE and str(self.layout.supervisor_conf) in running.cmdline():
                return pid
        except (OSError, ValueError, psutil.Error):
            pass
        return None

    def start_daemon(self, seconds: float = 20) -> None:
        """Start supervisord in its own session, so that it outlives the shell; waits for its socket.

        Raises:
            Unavailable: it did not answer in time; the message has what it printed.
        """
        self.layout.supervisor_pid.unlink(missing_ok=True)
        self.layout.supervisor_socket.unlink(missing_ok=True)
        daemon = str(Path(sys.executable).parent / "supervisord")
        done = subprocess.run(
            [sys.executable, daemon, "-c", str(self.layout.supervisor_conf)],
            env=os.environ | {MARK: str(self.layout.var)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        end = time.monotonic() + seconds
        while done.returncode == 0 and time.monotonic() < end:
            with contextlib.suppress(OSError, xmlrpc.client.Error):
                self._rpc.getState()
                return
            time.sleep(0.05)
        raise Unavailable(
            f"supervisord did not start: {done.stderr.strip() or tail(self.layout.logs / 'supervisord.log')}"
        )

    def states(self) -> dict[str, dict[str, Any]]:
        """Program name to supervisord's record of it (`statename`, `pid`, `group`, `description`)."""
        try:
            return {record["name"]: record for record in self._rpc.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error):
            return {}

    def start(self, names: Iterable[str]) -> None:
        """Start programs without waiting for them; those that run already are left alone."""
        known = self.states()
        for name in names:
            if known[name]["statename"] not in ALIVE_STATES:
                self._rpc.startProcess(f"{known[name]['group']}:{name}", False)

    def stop(self, group: str) -> None:
        """Stop all programs of a group at once and wait for them."""
        self._rpc.stopProcessGroup(group, True)

    def _stop_clients_first(self, seconds: float = 30) -> None:
        """What uses the databases stops first, all of it at the same time; the daemon alone would take turns."""
        clients = {r["group"] for r in self.states().values()} - {POSTGRES, REDIS}
        for group in clients:
            self._rpc.stopProcessGroup(group, False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if all(r["statename"] in STOPPED_STATES for r in self.states().values() if r["group"] in clients):
                return
            time.sleep(0.1)

    def shutdown(self, seconds: float = 60) -> None:
        """Stop everything in order and the daemon itself, then whatever is left of its family."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(OSError, xmlrpc.client.Error):
                self._stop_clients_first()
                self._rpc.shutdown()
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).wait(seconds)
        end_family(self.layout)
        for leftover in (self.layout.supervisor_pid, self.layout.supervisor_socket):
            leftover.unlink(missing_ok=True)


def family(layout: Layout) -> list[psutil.Process]:
    """Every process that this stack's supervisor started, directly or not: they carry its mark."""
    found, me = [], {os.getpid(), *(p.pid for p in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid not in me and process.environ().get(MARK) == str(layout.var):
                found.append(process)
    return found


def end_family(layout: Layout, seconds: float = 15, also: Sequence[int] = ()) -> int:
    """End orphans of a killed supervisor: politely (PostgreSQL: fast shutdown), then for good. Returns how many."""
    orphans = family(layout)
    with contextlib.suppress(psutil.Error):
        orphans += [psutil.Process(pid) for pid in also if pid not in {p.pid for p in orphans}]
    for orphan in orphans:
        with contextlib.suppress(psutil.Error):
            orphan.send_signal(signal.SIGINT if orphan.name() == "postgres" else signal.SIGTERM)
    _, alive = psutil.wait_procs(orphans, timeout=seconds)
    for orphan in alive:
        with contextlib.suppress(psutil.Error):
            orphan.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(orphans)


def tail(path: Path, lines: int = 25) -> str:
    """The end of a log, or a note that there is none."""
    try:
        text = path.read_text(errors="replace").splitlines()
    except OSError:
        return f"({path} does not exist)"
    return "\n".join(text[-lines:])
