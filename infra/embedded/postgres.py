"""PostgreSQL: finding its programs, the OS user it may run as, its data folder and its databases."""

import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.embedded.layout import Layout
from lake.errors import Unavailable

SUPERUSER = "nightshelf"
DATABASES = ("airflow", "mlflow")


@dataclass(frozen=True)
class Postgres:
    """One data folder and who may run it."""

    binaries: Path
    data: Path
    user: str | None
    """OS user, if the stack itself runs as root (PostgreSQL refuses root)."""

    @classmethod
    def plan(cls, layout: Layout) -> "Postgres":
        """Where the data goes: under VAR, or under /var/tmp where PostgreSQL's OS user cannot enter VAR."""
        user = os_user()
        data = layout.var / "postgres"
        if user is not None and not _can_enter(user, layout.var):
            data = Path("/var/tmp") / f"nightshelf-{layout.digest}" / "postgres"
        return cls(binary_folder(), data, user)

    def command(self, port: int) -> list[str]:
        """The server: loopback only, no Unix socket; a crash may cost the last second of work, never integrity."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "synchronous_commit": "off",
            "update_process_title": "off",
        }
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.data), *settings]

    def initialise(self, password: str) -> bool:
        """Create the data folder; False if it was there already.

        Raises:
            Unavailable: initdb failed; the message has its output.
        """
        if (self.data / "PG_VERSION").is_file():
            return False
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        if self.user is not None:
            shutil.chown(self.data, self.user)
            self.data.parent.chmod(self.data.parent.stat().st_mode | 0o011)
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent) as password_copy:
            password_copy.write(password)
            password_copy.flush()
            if self.user is not None:
                shutil.chown(password_copy.name, self.user)
            arguments = [
                *(str(self.binaries / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C"),
                *("--auth=scram-sha-256", f"--pwfile={password_copy.name}", "--no-sync", "--no-instructions"),
            ]
            done = subprocess.run(arguments, capture_output=True, text=True, cwd="/", **_as(self.user))
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise Unavailable(
                f"initdb failed with code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return True

    def postmaster_pid(self) -> int | None:
        """The running server's pid as its lock file has it."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None


def create_databases(port: int, password: str, names: Sequence[str] = DATABASES) -> None:
    """Create the databases that are missing."""
    import psycopg2

    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=SUPERUSER, password=password, dbname="postgres", connect_timeout=5
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        present = {row[0] for row in cursor.fetchall()}
        for name in names:
            if name not in present:
                cursor.execute(f'CREATE DATABASE "{name}"')
    connection.close()


def url(port: int, password: str, database: str) -> str:
    """SQLAlchemy's address of a database (the password needs no escaping: it is URL-safe base64)."""
    return f"postgresql+psycopg2://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"


def binary_folder() -> Path:
    """The newest folder that holds both `postgres` and `initdb`.

    Raises:
        Unavailable: none found.
    """
    found = next((folder for folder in _candidates() if _usable(folder)), None)
    if found is None:
        raise Unavailable(
            "no PostgreSQL server programs (postgres, initdb) in PATH, by pg_config or in /usr/lib/postgresql/*/bin. "
            "Run `make setup`, or install Debian's package postgresql."
        )
    return found


def _usable(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _candidates() -> Iterator[Path]:
    # The set-up put PostgreSQL beside Python only where there was no other, or by request.
    yield from map(Path, sorted(glob.glob(f"{sys.prefix}/lib/python3*/site-packages/*pgserver/pginstall*/bin"))[::-1])
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -float(p.parent.name))
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    if pg_config := shutil.which("pg_config"):
        out = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        if out.returncode == 0:
            yield Path(out.stdout.strip())


def os_user() -> str | None:
    """None unless root; else the unprivileged OS user that runs the server."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses to run as root and there is neither an OS user postgres nor nobody: add one.")


def _can_enter(user: str, folder: Path) -> bool:
    return subprocess.run(["test", "-x", str(folder)], cwd="/", **_as(user)).returncode == 0


def _as(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
