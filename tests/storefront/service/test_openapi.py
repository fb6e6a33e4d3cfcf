"""Requests that schemathesis makes from the OpenAPI document, answered by the running service over a real Redis."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
import schemathesis
import uvicorn
from hypothesis import HealthCheck, assume, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from storefront.service.app import create_app
from storefront.service.settings import ServiceSettings
from tests.conftest import free_port
from tests.storefront.test_client import FULL, put

pytestmark = pytest.mark.integration

PATHS = ("/recommend", "/related/{item_id}", "/healthz", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def document(redis_server: str) -> Iterator[Any]:
    redis = redis_py.Redis.from_url(redis_server, decode_responses=True)
    redis.flushall()
    put(redis, **FULL, i_tea=["milk", "cake"])
    port = free_port()
    app = create_app(ServiceSettings(redis_url=redis_server))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join()
    redis.flushall()


def test_every_path_is_tried(document: Any) -> None:
    assert set(document.raw_schema["paths"]) == set(PATHS)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("path", PATHS[:2])
def test_lookups_answer_as_described(document: Any, path: str, mode: Any) -> None:
    _hold(document[path]["GET"].as_strategy(generation_mode=mode), 60)


@pytest.mark.parametrize("path", PATHS[2:])
def test_operations_answer_as_described(document: Any, path: str) -> None:
    _hold(document[path]["GET"].as_strategy(), 2)


def _hold(requests: Any, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=requests)
    def every_answer_is_one_that_the_document_describes(case: Any) -> None:
        assume(_survives_a_query_string(case.query or {}))
        # Bytes, white space and two kinds of page at once are bounds that JSON Schema cannot tell.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    every_answer_is_one_that_the_document_describes()


def _survives_a_query_string(query: Any) -> bool:
    """Whether the wire shows what was generated: a list of one number arrives as that number, an object as nothing."""
    lists = ("exclude", "basket")
    return not any(
        isinstance(value, dict) or (isinstance(value, list) and name not in lists) for name, value in query.items()
    )
