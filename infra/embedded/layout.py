"""Where the embedded stack keeps its things, and the settings that only the stack has.

Everything lives under one folder, VAR: two stacks need two folders and their own ports, nothing else.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from lake.errors import BadInput

HOME = Path(__file__).resolve().parents[2]
"""The checkout."""

SOCKET_PATH_LIMIT = 100
"""Bytes of a Unix socket's path that every kernel takes (Linux: 107)."""


class StackSettings(BaseSettings):
    """Ports and patience. Every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    var: Path = Field(Path("var"), description="folder of the embedded state")
    airflow_port: int = Field(8080, ge=1, le=65535, description="wanted port; the next free one if it is taken")
    mlflow_port: int = Field(5000, ge=1, le=65535)
    postgres_port: int = Field(5432, ge=1, le=65535)
    storefront_port: int = Field(8000, ge=1, le=65535)
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_maxmemory: str = Field("2gb", description="bound of Redis; two versions of all lists stand at the peak")
    startup_seconds: float = Field(180, gt=0, description="how long `make up` waits for each part")


@dataclass(frozen=True)
class Layout:
    """The paths of one stack."""

    var: Path

    @classmethod
    def of(cls, var: Path) -> "Layout":
        """The layout of a VAR folder; a relative one is meant from the checkout.

        Raises:
            BadInput: the folder is the checkout or holds it, so that erasing the state would erase the code.
        """
        folder = (HOME / var).resolve()
        if HOME.is_relative_to(folder):
            raise BadInput(
                f"VAR={var} is {folder}, which holds the code itself; give a folder for state only, like var"
            )
        return cls(folder)

    @property
    def run(self) -> Path:
        """Generated configuration, pid files, the environment of the programs."""
        return self.var / "run"

    @property
    def logs(self) -> Path:
        """One log a program; task logs are under `airflow/logs`."""
        return self.var / "logs"

    @property
    def secrets(self) -> Path:
        """Keys and passwords, one a file, mode 0600."""
        return self.var / "secrets"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.var / "airflow"

    @property
    def redis(self) -> Path:
        """Redis' working folder: the snapshot that lets lists survive a restart."""
        return self.var / "redis"

    @property
    def endpoints(self) -> Path:
        """URLs and the log-in, for people and programs outside."""
        return self.var / "endpoints.json"

    @property
    def state(self) -> Path:
        """Ports and handed-over values, kept from one `make up` to the next."""
        return self.run / "stack.json"

    @property
    def environment(self) -> Path:
        """The programs' environment as a shell script: `. var/run/environment` gives a shell the same view."""
        return self.run / "environment"

    @property
    def supervisor_conf(self) -> Path:
        """Rendered at each start."""
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        """Written by the supervisor."""
        return self.run / "supervisord.pid"

    @property
    def supervisor_socket(self) -> Path:
        """The supervisor's control socket; under the temporary folder when VAR's path is too long for a socket."""
        inside = self.run / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        return Path(tempfile.gettempdir()) / f"nightshelf-{os.getuid()}-{self.digest}.sock"

    @property
    def digest(self) -> str:
        """Eight hex digits that tell this VAR from another one."""
        return hashlib.sha256(os.fsencode(self.var)).hexdigest()[:8]

    def make(self) -> None:
        """Create the folders; `secrets` is readable by the owner only."""
        for folder in (self.var, self.run, self.logs, self.airflow, self.redis):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
