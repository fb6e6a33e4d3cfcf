"""The services of docker-compose.yml without Docker: what stands in for each image, started in the file's own order."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.checks import compose_file
from infra.checks.compose_file import Health, Image, Service
from infra.checks.room import INSIDE, Container
from infra.embedded import environment, postgres
from infra.embedded.supervisor import tail
from lake.errors import BadInput, Unavailable

NOT_HERE = {
    "grafana/grafana": "no binary on PyPI or Debian",
    "prom/prometheus": "no binary on PyPI",
    "prom/pushgateway": "no binary on PyPI",
    "prom/statsd-exporter": "no binary on PyPI",
}
"""Images that nothing stands in for; their services are left out."""

OWN_TESTS = {"chrislusf/seaweedfs": (str(INSIDE / "infra/images/healthy.py"), "http://127.0.0.1:8333/moto-api/")}
"""Where a stand-in is asked otherwise than the service."""

PORT = 5432
FOREIGN = "10002:10002"
"""Whoever a ready-made image runs as."""

STAND_INS = {
    "postgres": "PostgreSQL of this machine, the file's own script for databases and users",
    "valkey/valkey": "Redis or Valkey of this machine, with the command and the ACL file of the service",
    "chrislusf/seaweedfs": "moto server: an S3 API in memory that checks no credentials",
}


@dataclass
class House:
    """The services that run in a room.

    Attributes:
        state: folder for volumes, logs and the programs under their containers' names.
        secrets: folder that `infra.images.make_secrets` filled.
    """

    state: Path
    secrets: Path
    services: Mapping[str, Service]
    say: Callable[[str], None]
    running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    healthy: dict[str, float] = field(default_factory=dict)
    """Service to the seconds it took to become so."""
    _began: dict[str, float] = field(default_factory=dict)
    _programs: dict[str, Container] = field(default_factory=dict)

    def wanted(self) -> list[str]:
        """Services that are started: no profile, and something to run them with."""
        return [n for n, s in self.services.items() if not s.profiles and _repository(s.image) not in NOT_HERE]

    def up(self) -> None:
        """Start everything, each service when its conditions hold.

        Raises:
            Unavailable: a service ended, or did not become healthy in the time its health check allows.
        """
        waiting = self.wanted()
        while waiting:
            ready = [n for n in waiting if all(self._holds(*need) for need in self.services[n].needs.items())]
            for name in ready:
                waiting.remove(name)
                self._start(self.services[name])
            self._settle()
        while len(self.healthy) + len(self.done) < len(self.wanted()):
            self._settle()

    def down(self, seconds: float = 20) -> None:
        """End all services, those that others need last."""
        for process in reversed(self.running.values()):
            process.terminate()
        end = time.monotonic() + seconds
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            process.kill()
            process.wait()

    def container(self, service: Service, command: Sequence[str] | None = None) -> Container:
        """A service of ours as its image runs it, or another command in its place (`docker compose run`)."""
        assert service.target is not None
        image = compose_file.image(service.target)
        mounts = {place: self._volume(source) for place, source in service.volumes.items()}
        return Container(
            name=service.name,
            command=[*image.entrypoint, *(command or service.command or image.command)],
            environment=self._environment(image) | dict(service.environment),
            secrets={name: self.secrets / name for name in service.secrets},
            mounts=mounts,
            user=image.user,
            workdir=image.workdir,
        )

    def log(self, name: str) -> Path:
        """Where a service's output is."""
        return self.state / "logs" / f"{name}.log"

    def _environment(self, image: Image) -> dict[str, str]:
        """The image's own; packages and jars stand in the checkout, Java is this machine's."""
        path = [str(self.state / "bin"), *image.environment["PATH"].split(":"), "/usr/sbin", "/sbin"]
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if os.environ.get("JAVA_HOME") else {}
        return {**image.environment, "PATH": ":".join(path), **java}

    def _holds(self, name: str, condition: str) -> bool:
        if name not in self.wanted():
            return True
        return name in (self.done if condition == "service_completed_successfully" else self.healthy)

    def _start(self, service: Service) -> None:
        kind = _repository(service.image)
        make = {"postgres": self._postgres, "valkey/valkey": self._redis, "chrislusf/seaweedfs": self._store}
        program = make[kind](service) if kind in make else self.container(service)
        self.running[service.name] = program.start(self.log(service.name))
        self._began[service.name], self._programs[service.name] = time.monotonic(), program

    def _settle(self) -> None:
        """Look once at everything that has not arrived yet."""
        time.sleep(0.5)
        for name, process in list(self.running.items()):
            service, code = self.services[name], process.poll()
            if name in self.done or (name in self.healthy and code is None):
                continue
            took = time.monotonic() - self._began[name]
            if code is not None:
                if code == 0 and service.health is None:
                    self.done.add(name)
                    self.say(f"  {name} done after {took:.1f} s")
                    continue
                raise Unavailable(f"{name} ended with {code}:\n{tail(self.log(name))}")
            if service.health is None:
                continue
            if self._asks(name, service.health):
                self.healthy[name] = round(took, 1)
                self.say(f"  {name} healthy after {took:.1f} s")
            elif took > 60 + service.health.start_period + service.health.interval * service.health.retries:
                raise Unavailable(f"{name} is not healthy after {took:.0f} s:\n{tail(self.log(name))}")

    def _asks(self, name: str, health: Health) -> bool:
        """The service's own health check, in its own surroundings."""
        test = OWN_TESTS.get(_repository(self.services[name].image), health.test)
        asked = replace(self._programs[name], command=list(test))
        try:
            return asked.run(15).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _volume(self, source: str) -> Path:
        if source.startswith("./"):
            return INSIDE / source
        folder = self.state / "volumes" / source
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        return folder

    def _binary(self, name: str, real: str | None) -> None:
        """A program of this machine under the name that it has in the image."""
        if real is None:
            raise Unavailable(f"{name}: nothing on this machine stands in for it; run `make setup`")
        folder = self.state / "bin"
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(real)

    def _postgres(self, service: Service) -> Container:
        """What the image's entrypoint does on an empty volume, then the server with the service's own options."""
        data = self._volume("postgres") / "18"
        server = postgres.Postgres(postgres.binary_folder(), data, postgres.os_user())
        self._binary("pg_isready", shutil.which("pg_isready") or str(server.binaries / "pg_isready"))
        _, *options = service.command
        program = Container(
            service.name,
            [str(server.binaries / "postgres"), "-D", str(data), "-c", "unix_socket_directories=", *options],
            {"PATH": f"{self.state}/bin:/usr/bin:/bin"},
            user=_numbers(server.user),
            workdir="/",
        )
        password = (self.secrets / "postgres_password").read_text()
        if service.environment["POSTGRES_USER"] != postgres.SUPERUSER:
            raise BadInput(f"postgres: POSTGRES_USER should be {postgres.SUPERUSER}, whom the stand-in creates")
        if server.initialise(password):
            first = program.start(self.log(service.name))
            try:
                _wait(lambda: postgres.create_databases(PORT, password, [service.environment["POSTGRES_DB"]]))
                for at, script in service.volumes.items():
                    if at.startswith("/docker-entrypoint-initdb.d/"):
                        self._prepare(service, script, password)
            finally:
                first.terminate()
                first.wait(30)
        return program

    def _prepare(self, service: Service, script: str, password: str) -> None:
        given = {"PGHOST": "127.0.0.1", "PGPASSWORD": password, "PATH": os.environ["PATH"]}
        prepare = Container(
            service.name,
            [str(INSIDE / script)],
            {**service.environment, **given},
            secrets={name: self.secrets / name for name in service.secrets},
            user=None,
        )
        made = prepare.run(60)
        if made.returncode != 0:
            raise Unavailable(f"{script} failed: {made.stderr}")

    def _redis(self, service: Service) -> Container:
        self._binary("valkey-server", environment.redis_binary())
        self._binary("valkey-cli", shutil.which("valkey-cli") or shutil.which("redis-cli"))
        path = {"PATH": f"{self.state}/bin:{os.environ['PATH']}"}
        secrets = {name: self.secrets / name for name in service.secrets}
        folder = str(self._volume("redis"))
        return Container(service.name, [*service.command, "--dir", folder], path, secrets, user=FOREIGN, workdir=folder)

    def _store(self, service: Service) -> Container:
        port = next(word.removeprefix("-s3.port=") for word in service.command if word.startswith("-s3.port="))
        server = str(Path(sys.executable).parent / "moto_server")
        return Container(
            service.name, [server, "-H", "0.0.0.0", "-p", port], {"PATH": os.environ["PATH"]}, user=FOREIGN, workdir="/"
        )


def _repository(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[0]


def _numbers(user: str | None) -> str | None:
    found = pwd.getpwnam(user) if user is not None else None
    return f"{found.pw_uid}:{found.pw_gid}" if found else None


def _wait(action: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            action()
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
