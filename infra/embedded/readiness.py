"""When a part is ready: it answers, not merely runs. A part that dies while it is waited for ends the wait at once."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from infra.embedded.layout import Layout
from infra.embedded.programs import AIRFLOW_PARTS, MLFLOW, POSTGRES, REDIS, STOREFRONT
from infra.embedded.supervisor import FAILED_STATES, Supervisor, tail
from lake.errors import Unavailable

HEALTH_KEYS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def probes(ports: Mapping[str, int], postgres_password: str) -> dict[str, Callable[[], bool]]:
    """Program name to a function that asks it; it may raise as long as it is not ready."""
    airflow = f"http://127.0.0.1:{ports['airflow']}/api/v2/monitor/health"

    def component(name: str) -> Callable[[], bool]:
        return lambda: _get(airflow).json()[HEALTH_KEYS[name]]["status"] == "healthy"

    return {
        POSTGRES: lambda: _postgres(ports[POSTGRES], postgres_password),
        REDIS: lambda: _redis(ports[REDIS]),
        STOREFRONT: lambda: _get(f"http://127.0.0.1:{ports[STOREFRONT]}/healthz").ok,
        MLFLOW: lambda: _get(f"http://127.0.0.1:{ports[MLFLOW]}/health").ok,
        "api-server": lambda: _get(airflow).ok,
        **{name: component(name) for name in AIRFLOW_PARTS if name in HEALTH_KEYS},
    }


def wait(
    supervisor: Supervisor,
    layout: Layout,
    asked: Mapping[str, Callable[[], bool]],
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Wait until every part answers; one line as each becomes ready.

    Raises:
        Unavailable: a part died or did not answer within `seconds`; the message has the end of its log.
    """
    started, missing = time.monotonic(), dict(asked)
    while missing:
        for name in list(missing):
            with contextlib.suppress(Exception):
                if missing[name]():
                    del missing[name]
                    say(f"  {name} ready after {time.monotonic() - started:.1f} s")
        states = supervisor.states()
        for name in missing:
            state = states.get(name, {}).get("statename", "UNKNOWN")
            if state in FAILED_STATES:
                raise Unavailable(_failure(layout, name, f"ended ({state})"))
        if missing and time.monotonic() - started > seconds:
            name = next(iter(missing))
            raise Unavailable(_failure(layout, name, f"did not answer within {seconds:.0f} s"))
        time.sleep(0.2)


def _failure(layout: Layout, name: str, what: str) -> str:
    path = layout.logs / f"{name}.log"
    return (
        f"{name} {what}. The end of {path}:\n{tail(path)}\n"
        f"`make down` and `make up` start afresh; STARTUP_SECONDS gives a slow machine more time."
    )


def _get(url: str) -> Any:
    import requests

    return requests.get(url, timeout=5)


def _redis(port: int) -> bool:
    import redis

    return bool(redis.Redis(port=port, socket_timeout=2).ping())


def _postgres(port: int, password: str) -> bool:
    import psycopg2

    from infra.embedded.postgres import SUPERUSER

    psycopg2.connect(
        host="127.0.0.1", port=port, user=SUPERUSER, password=password, dbname="postgres", connect_timeout=2
    ).close()
    return True
