"""The script that RDS' databases are made by, on a real PostgreSQL with a master as RDS has it: no superuser."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from infra.checks.terraform_workspace import SOURCE
from infra.embedded import postgres
from infra.embedded.layout import Layout
from tests.conftest import free_port

pytestmark = pytest.mark.integration

SCRIPT = (SOURCE / "modules" / "airflow_ecs" / "databases.py").read_text()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[int]:
    """Port of a server whose user `master` may create databases and roles, and no more."""
    server = postgres.Postgres.plan(Layout(tmp_path / "var"))
    server.initialise("root-password")
    port = free_port()
    identity = postgres._as(server.user)
    process = subprocess.Popen(server.command(port), cwd="/", stderr=subprocess.DEVNULL, **identity)
    try:
        with _connected(port, postgres.SUPERUSER, "root-password", "postgres", seconds=20) as cursor:
            cursor.execute("CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'master-password'")
            cursor.execute("CREATE DATABASE nightshelf OWNER master")
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # does not wait for its clients
        process.wait(20)
        shutil.rmtree(server.data.parent, ignore_errors=True)


@contextmanager
def _connected(
    port: int, user: str, password: str, database: str, seconds: float = 0
) -> Iterator["psycopg2.extensions.cursor"]:
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database)
        except psycopg2.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
        else:
            break
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def run(port: int, airflow: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGSSLMODE": "disable",
        "PGUSER": "master",
        "MASTER_PASSWORD": "master-password",
    }
    given |= {"AIRFLOW_PASSWORD": airflow, "MLFLOW_PASSWORD": "mlflow-password", "PATH": os.environ["PATH"]}
    return subprocess.run([sys.executable, "-c", SCRIPT], env=given, capture_output=True, text=True)


def test_it_makes_databases_and_users_and_changes_passwords_when_run_again(master: int) -> None:
    first = run(master, "first-password")
    assert first.returncode == 0, first.stderr
    with _connected(master, "airflow", "first-password", "airflow") as cursor:
        cursor.execute("CREATE TABLE kept (id int)")
    again = run(master, "second-password")
    assert again.returncode == 0, again.stderr
    with (
        pytest.raises(psycopg2.OperationalError, match="authentication failed"),
        _connected(master, "airflow", "first-password", "airflow"),
    ):
        pytest.fail("the first password still opens the database")
    with _connected(master, "airflow", "second-password", "airflow") as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        assert cursor.fetchone() == (0,)
    with (
        pytest.raises(psycopg2.OperationalError, match="permission denied"),
        _connected(master, "airflow", "second-password", "mlflow"),
    ):
        pytest.fail("Airflow's user opens MLflow's database")
