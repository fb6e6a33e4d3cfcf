"""The programs of the stack, as plain descriptions, and the supervisor's configuration made from them."""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.embedded import environment, postgres
from infra.embedded.layout import HOME, Layout, StackSettings
from lake.errors import Unavailable

POSTGRES, REDIS, MLFLOW, STOREFRONT = "postgres", "redis", "mlflow", "storefront"
AIRFLOW_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PARTS = (POSTGRES, REDIS, STOREFRONT, MLFLOW, "airflow")
"""What `--only` may name."""

MARK = "NIGHTSHELF_STACK"
"""Environment variable that the supervisor's descendants carry: VAR's path. It tells a dead stack's orphans."""


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps."""

    name: str
    command: Sequence[str]
    priority: int
    """Started in ascending, stopped in descending order."""
    group: str
    with_environment: bool = True
    """Whether it runs with the stack's environment file (PostgreSQL and Redis need none)."""
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


def programs(
    layout: Layout, ports: Mapping[str, int], server: postgres.Postgres, wanted: StackSettings, only: Iterable[str]
) -> list[Program]:
    """The programs of the wanted parts.

    Raises:
        Unavailable: there is no Redis server on this machine.
    """
    binaries = Path(sys.executable).parent
    redis = environment.redis_binary()
    if redis is None:
        raise Unavailable("no redis-server or valkey-server in PATH or .venv/bin: run `make setup`.")
    every = [
        Program(POSTGRES, server.command(ports[POSTGRES]), 10, POSTGRES, False, server.user, "INT"),
        Program(REDIS, _redis(redis, layout, ports[REDIS], wanted.redis_maxmemory), 10, REDIS, False),
        Program(STOREFRONT, [sys.executable, "-m", "storefront.service"], 20, STOREFRONT, stop_seconds=15),
        Program(MLFLOW, _mlflow(binaries / "mlflow", layout, ports), 20, MLFLOW, stop_seconds=10),
    ]
    airflow = str(binaries / "airflow")
    for part in AIRFLOW_PARTS:
        extra = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}.get(part, [])
        every.append(Program(part, [airflow, part, *extra], 30, "airflow", stop_seconds=25))
    return [p for p in every if p.group in set(only)]


def _redis(binary: str, layout: Layout, port: int, maxmemory: str) -> list[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(layout.redis),
        "dbfilename": "lists.rdb",
        "save": "300 1 60 10000",
        "appendonly": "no",
        "maxmemory": maxmemory,
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "set-proc-title": "no",
    }
    return [binary, *(word for key, value in options.items() for word in (f"--{key}", value))]


def _mlflow(binary: Path, layout: Layout, ports: Mapping[str, int]) -> list[str]:
    return [
        *(str(binary), "server", "--host", "127.0.0.1", "--port", str(ports[MLFLOW]), "--workers", "1"),
        *("--serve-artifacts", "--artifacts-destination", str(layout.var / "mlflow-artifacts")),
    ]


def render(layout: Layout, chosen: Sequence[Program]) -> str:
    """supervisord.conf. Programs with an environment run through a small script that reads it first, so that a
    restarted program sees new values; nothing starts by itself, because `up` starts each when what it needs is there.
    """
    sections = [
        _section(
            "unix_http_server", file=layout.supervisor_socket, chmod="0700", username="stack", password=layout.digest
        ),
        _section(
            "supervisord",
            logfile=layout.logs / "supervisord.log",
            logfile_maxbytes="5MB",
            logfile_backups=1,
            pidfile=layout.supervisor_pid,
            childlogdir=layout.logs,
            identifier=f"nightshelf-{layout.digest}",
            directory=HOME,
            strip_ansi="true",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    for program in chosen:
        sections.append(
            _section(
                f"program:{program.name}",
                command=_shell_words(_command(layout, program)),
                directory=HOME if program.with_environment else "/",
                priority=program.priority,
                autostart="false",
                autorestart="unexpected",
                startsecs=1,
                startretries=2,
                stopsignal=program.stop_signal,
                stopwaitsecs=program.stop_seconds,
                stopasgroup="true" if program.stop_signal == "TERM" else "false",
                killasgroup="true",
                redirect_stderr="true",
                stdout_logfile=layout.logs / f"{program.name}.log",
                stdout_logfile_maxbytes="20MB",
                stdout_logfile_backups=1,
                **({"user": program.user} if program.user else {}),
            )
        )
    for group in dict.fromkeys(p.group for p in chosen):
        members = [p for p in chosen if p.group == group]
        sections.append(
            _section(f"group:{group}", programs=",".join(p.name for p in members), priority=members[0].priority)
        )
    return "\n".join(sections)


def write_scripts(layout: Layout, chosen: Iterable[Program]) -> None:
    """The start scripts of the programs that run with the stack's environment."""
    for program in chosen:
        if program.with_environment:
            path = layout.run / f"{program.name}.sh"
            path.write_text(f". {_shell_words([str(layout.environment)])}\nexec {_shell_words(program.command)}\n")


def _command(layout: Layout, program: Program) -> Sequence[str]:
    return ["/bin/sh", str(layout.run / f"{program.name}.sh")] if program.with_environment else program.command


def _shell_words(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(str(word)) for word in words)


def _section(name: str, **options: object) -> str:
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items()]
    return "\n".join([f"[{name}]", *lines, ""])
