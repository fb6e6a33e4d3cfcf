"""A room for services that were written for containers: Linux namespaces instead of Docker.

`enter` starts a Python module in mount, network and process namespaces of its own: all ports are free, every service's
name is a name of loopback, the checkout is at /opt/nightshelf and cannot be written to, and whatever was started ends
with the room. `Container` then starts a service in a further mount namespace that has its own volumes and secrets. What
is not there: images, and the kernel's limits on memory and CPUs.
"""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.embedded.layout import HOME
from lake.errors import Unavailable

INSIDE = Path("/opt/nightshelf")
USER = "10001:10001"


def available() -> str | None:
    """Why there can be no room on this machine; None if there can."""
    missing = [tool for tool in ("unshare", "setpriv", "mount", "ip") if shutil.which(tool) is None]
    if missing or sys.platform != "linux":
        return f"needs Linux with {', '.join(missing) or 'namespaces'}"
    test = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "mount", "-t", "tmpfs", "none", "/opt"]
    if os.geteuid() != 0 or subprocess.run(test, capture_output=True).returncode != 0:
        return "needs the rights to make namespaces and mounts (root)"
    return None


def enter(module: str, arguments: Sequence[str]) -> int:
    """Run `python -m module arguments` in a new room and return its exit code.

    Raises:
        Unavailable: this machine or its user may not make one.
    """
    if reason := available():
        raise Unavailable(f"services cannot be run as containers here: {reason}")
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["unshare", *namespaces, sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=HOME).returncode


def furnish(names: Iterable[str], state: Path) -> None:
    """In the room: bring up loopback, name the services, and put the checkout where the images have it."""
    _run("ip", "link", "set", "lo", "up")
    (HOME / "var").mkdir(exist_ok=True)
    hosts = state / "hosts"
    hosts.write_text("127.0.0.1 " + " ".join(["localhost", os.uname().nodename, *names]) + "\n")
    _run("mount", "--bind", str(hosts), "/etc/hosts")
    # Hadoop asks for its user's name, which the images give.
    people = state / "passwd"
    user, _, group = USER.partition(":")
    entry = f"nightshelf:x:{user}:{group}::{INSIDE}/var:/usr/sbin/nologin\n"
    people.write_text(Path("/etc/passwd").read_text() + entry)
    _run("mount", "--bind", str(people), "/etc/passwd")
    _open_to_all(Path(sys.base_prefix), state / "python")
    _shadow(INSIDE.parent, state / "opt", {INSIDE.name: HOME})
    _run("mount", "-o", "remount,ro,bind", str(INSIDE))


def _open_to_all(folder: Path, work: Path) -> None:
    """Let every user reach a folder that stands below a closed one, as a Python in somebody's home does."""
    closed = [parent for parent in folder.parents if not parent.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return
    work.mkdir(parents=True)
    _run("mount", "--bind", str(folder), str(work))
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "none", str(closed[-1]))
    folder.mkdir(parents=True)
    _run("mount", "--bind", str(work), str(folder))


def _shadow(folder: Path, work: Path, more: Mapping[str, Path]) -> None:
    """Add entries to a system folder in this namespace only: a new one over it, with the old entries bound into it."""
    work.mkdir(parents=True, exist_ok=True)
    sources = {path.name: path for path in folder.iterdir() if path.is_dir()} | dict(more)
    for name, source in sources.items():
        (work / name).mkdir(exist_ok=True)
        _run("mount", "--bind", str(source), str(work / name))
    _run("mount", "--rbind", str(work), str(folder))


@dataclass(frozen=True)
class Container:
    """How to run one program as if it were alone."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    """Place inside to folder or file outside."""
    user: str | None = USER
    """Numbers of user and group; None stays who we are."""
    workdir: str = str(INSIDE)

    def script(self) -> str:
        """The shell script that mounts and then becomes the program."""
        lines = ["set -eu", "mount -t tmpfs -o mode=755 none /run", "mkdir /run/secrets"]
        for name, source in self.secrets.items():
            target = shlex.quote(f"/run/secrets/{name}")
            lines += [f"touch {target}", f"mount --bind {shlex.quote(str(source))} {target}"]
        for target, source in self.mounts.items():
            lines.append(f"mount --bind {shlex.quote(str(source))} {shlex.quote(target)}")
        lines.append(f"cd {shlex.quote(self.workdir)}")
        drop = ["setpriv", "--no-new-privs"]
        if self.user is not None:
            user, _, group = self.user.partition(":")
            drop += ["--reuid", user, "--regid", group or user, "--clear-groups", "--bounding-set=-all"]
        given = [f"{name}={value}" for name, value in self.environment.items()]
        lines.append(f"exec {shlex.join([*drop, 'env', '-i', *given, *self.command])}")
        return "\n".join(lines) + "\n"

    def start(self, log: Path) -> "subprocess.Popen[bytes]":
        """Start it in the background; its output goes to a file."""
        with log.open("ab") as out:
            command = ["unshare", "--mount", "sh", "-c", self.script()]
            return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def run(self, seconds: float) -> "subprocess.CompletedProcess[str]":
        """Run it to its end.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        command = ["unshare", "--mount", "sh", "-c", self.script()]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{shlex.join(command)} failed: {done.stderr.strip()}")
