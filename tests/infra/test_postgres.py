"""PostgreSQL's plan: which programs, which user, where the data goes."""

import os
from pathlib import Path

import pytest

from infra.embedded import postgres
from infra.embedded.layout import Layout
from lake.errors import Unavailable


def programs_in(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_folder_without_initdb_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client_only = programs_in(tmp_path / "client", "postgres")
    whole = programs_in(tmp_path / "server", "postgres", "initdb")
    monkeypatch.setattr(postgres, "_candidates", lambda: iter([client_only, whole]))
    assert postgres.binary_folder() == whole


def test_no_programs_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_candidates", lambda: iter([]))
    with pytest.raises(Unavailable, match="Debian's package postgresql"):
        postgres.binary_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another OS user")
def test_a_folder_closed_to_the_os_user_moves_the_data_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "var").mkdir(parents=True)
    closed.chmod(0o700)
    plan = postgres.Postgres.plan(Layout(closed / "var"))
    assert plan.user in ("postgres", "nobody")
    assert plan.data.is_relative_to("/var/tmp")
    assert plan.data != postgres.Postgres.plan(Layout(closed / "other")).data


def test_the_server_listens_on_loopback_only(tmp_path: Path) -> None:
    command = postgres.Postgres(tmp_path, tmp_path / "data", None).command(5433)
    assert "listen_addresses=127.0.0.1" in command
    assert "unix_socket_directories=" in command
    assert "port=5433" in command
