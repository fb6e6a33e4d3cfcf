"""What the service answers, what it refuses and with which status."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from storefront import contract
from storefront.contract import Experiment
from storefront.service import query
from tests.storefront.service.conftest import Serve
from tests.storefront.test_client import FULL, V1, V2, K, items, put

pytestmark = pytest.mark.integration

ODD_IDS = ["a/b", "a//b/", "a:b", "a b", "\U0001f6d2", "Zoe\u0308", "100%", "a,b", "a\\,b", "?x=1&y", "#", ".."]
extension = APIRouter()


@extension.get("/hello")
async def hello(request: Request) -> dict[str, Any]:
    answer = await request.app.state.storefront.recommend("u1", 1)
    return {"items": answer.items, "port": request.app.state.settings.port}


def by_hand(app: FastAPI) -> None:
    app.state.mounted = True


def problem(client: TestClient, path: str, status: int) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["type"] == "about:blank"
    assert len(told["detail"]) > 10
    return told


def test_an_answer_says_everything(redis: Any, client: TestClient) -> None:
    put(redis, **FULL)
    answer = client.get("/recommend", params={"user_id": "u1", "k": 2, "why": "true"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.pop("age_seconds") > 0
    assert told == {
        "items": ["u1", "u2"],
        "reasons": [{"code": "co", "value": "a-u1"}, {"code": "co", "value": "a-u2"}],
        "k": 2,
        "k_asked": 2,
        "fallback": "user",
        "surface": "home",
        "version": V1,
        "data_through": "2026-11-22",
        "generated_at": "2026-11-23T02:15:00Z",
        "bundle": "7",
        "stale": False,
        "degraded": False,
        "experiment": None,
        "arm": None,
    }


@pytest.mark.parametrize(
    ("asked", "expected", "fallback"),
    [
        ("k=0", [], "none"),
        ("user_id=u1&k=99", items("u"), "user"),
        ("user_id=nobody&k=1&country=GB&device=mobile", ["gb1"], "country=GB"),
        ("user_id=nobody&k=1&device=mobile", ["mob1"], "device=mobile"),
        ("k=2&exclude=all1,all3", ["all2", "all4"], "all"),
        ("k=2&exclude=all1&exclude=all2", ["all3", "all4"], "all"),
        ("user_id=u1&k=2&offset=2", ["u3", "u4"], "user"),
        ("user_id=u1&k=2&offset=50", [], "user"),
        ("user_id=u1&item=tea&k=2", ["milk", "pot"], "item"),
        ("user_id=u1&item=dust&k=1", ["u1"], "user"),
        ("user_id=u1&basket=tea,pot&k=5", ["milk", "cup", "cake"], "basket"),
        ("user_id=u1&basket=tea&basket=pot&exclude=cup&k=5", ["milk", "cake"], "basket"),
        ("user_id=u1&basket=u1&k=2", ["u2", "u3"], "user"),
        (f"user_id=u1&version={V2}&k=1", ["u1"], "user"),
        ("user_id=u1&k=1&utm_source=mail", ["u1"], "user"),
    ],
)
def test_the_query_is_obeyed(redis: Any, client: TestClient, asked: str, expected: list[str], fallback: str) -> None:
    put(redis, **FULL, i_tea=["milk", "pot", "cake"], i_pot=["tea", "cup"])
    answer = client.get(f"/recommend?{asked}")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["items"], told["fallback"]) == (expected, fallback)
    if "k=99" in asked:
        assert (told["k"], told["k_asked"]) == (K, 99)


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_may_hold_anything(redis: Any, client: TestClient, odd: str) -> None:
    spelled = contract.canonical_id(odd)
    put(redis, **{spelled: [spelled, "next"], "s_all": [spelled, "other"]}, **{f"i_{spelled}": ["near", spelled]})
    own = client.get("/recommend", params={"user_id": odd, "k": 2}).json()
    assert (own["items"], own["fallback"]) == ([spelled, "next"], "user")
    hidden = client.get("/recommend", params={"user_id": odd, "exclude": query.join([odd, "x"])}).json()
    assert hidden["items"] == ["next"]
    near = client.get("/recommend", params={"item": odd}).json()
    assert (near["items"], near["fallback"]) == (["near"], "item")
    if odd not in ("..", "a//b/"):  # HTTP clients tidy such paths up: the query takes these
        assert client.get(f"/related/{quote(odd)}").json()["items"] == ["near"]


@given(st.lists(st.text(min_size=1)))
def test_any_ids_survive_the_commas(ids: list[str]) -> None:
    assert query.split(query.join(ids)) == ids


@pytest.mark.parametrize(
    "asked",
    [
        "k=-1",
        "k=two",
        "k=1.5",
        "k=99999999999",
        "offset=-1",
        "why=perhaps",
        "user_id=",
        "user_id=%20%20",
        f"user_id={'x' * 257}",
        f"user_id={'x' * 257}&k=0",
        f"user_id={'x' * 257}&item=tea",
        "user_id=Zo%EB",
        "surface=A:b",
        "surface=",
        "item=tea&basket=milk",
        "item=",
        f"exclude={'x' * 257}",
    ],
)
def test_wrong_parameters_are_named(redis: Any, client: TestClient, asked: str) -> None:
    put(redis, **FULL)
    assert problem(client, f"/recommend?{asked}", 422)["code"] == "bad_request"


def test_a_query_in_plain_utf_8_asks_for_the_same_shopper() -> None:
    plain, encoded = (
        query.read("user_id=Zoë".encode(), query.Recommend),
        query.read(b"user_id=Zo%C3%AB", query.Recommend),
    )
    assert plain.user_id == encoded.user_id == "Zoë"


def test_what_is_not_there_is_404(redis: Any, client: TestClient) -> None:
    put(redis, **FULL)
    assert problem(client, "/recommend?surface=nope", 404)["code"] == "unknown_surface"
    assert problem(client, "/related/tea?surface=nope", 404)["code"] == "unknown_surface"
    assert problem(client, "/elsewhere", 404)["code"] == "http"
    assert client.post("/recommend").status_code == 405


def test_nothing_published_is_503_and_worth_asking_again(redis: Any, client: TestClient) -> None:
    told = problem(client, "/recommend", 503)
    assert told["code"] == "no_lists"
    assert "jobs.publish" in told["detail"]
    assert client.get("/recommend").headers["retry-after"] == "30"
    redis.hset(contract.registry_key("discover"), V1, "loading")
    assert problem(client, "/recommend?surface=discover", 503)["code"] == "no_lists"


def test_redis_away_is_503_and_the_process_lives(serve: Serve) -> None:
    client = serve(redis_url="redis://127.0.0.1:1/0", retries=0, breaker_failures=2, breaker_seconds=7)
    for _ in range(2):
        assert problem(client, "/recommend", 503)["code"] == "redis_down"
    assert client.get("/recommend").headers["retry-after"] == "7"
    assert problem(client, "/readyz", 503)["code"] == "redis_down"
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_means_a_version_and_the_key_for_it(redis: Any, serve: Serve) -> None:
    client = serve()
    assert problem(client, "/readyz", 503)["code"] == "no_lists"
    put(redis, **FULL)
    told = {"status": "ready", "surface": "home", "version": V1, "data_through": "2026-11-22"}
    assert client.get("/readyz").json() == told
    redis.flushall()
    assert problem(client, "/readyz", 503)["code"] == "no_lists", "it asks Redis, not its cache"
    put(redis, key_id="k1", **FULL)
    assert problem(client, "/readyz", 500)["code"] == "needs_key"
    assert problem(serve(), "/recommend?user_id=u1", 500)["code"] == "needs_key"


def test_the_key_comes_from_a_file(redis: Any, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    put(redis, key_id="k1", **{contract.user_token("u1", b"0123456789abcdef"): items("u")})
    assert serve(user_key_file=tmp_path / "key").get("/recommend?user_id=u1&k=1").json()["items"] == ["u1"]
    assert serve(user_key="0123456789abcdef").get("/recommend?user_id=u1&k=1").json()["items"] == ["u1"]


def test_old_lists_are_called_stale(redis: Any, serve: Serve) -> None:
    put(redis, **FULL)
    assert serve(max_age_seconds=1).get("/recommend").json()["stale"] is True
    assert serve().get("/recommend").json()["stale"] is False


def test_a_shopper_reads_the_own_arm(redis: Any, client: TestClient) -> None:
    experiment = Experiment("ranker", "salt", {"treatment": 0.5})
    treated = next(f"u{n}" for n in range(99) if contract.assign(experiment, f"u{n}"))
    put(redis, V2, **{treated: ["treated"]})
    put(redis, V1, **{treated: ["usual"]})
    redis.set(contract.arm_key("home", "treatment"), V2)
    redis.set(contract.experiment_key("home"), experiment.text())
    told = client.get("/recommend", params={"user_id": treated}).json()
    assert (told["items"], told["version"]) == (["treated"], V2)
    assert (told["experiment"], told["arm"]) == ("ranker", "treatment")


def test_metrics_count_lookups_errors_and_age(redis: Any, client: TestClient) -> None:
    put(redis, **FULL)
    for path in ("?user_id=u1", "?user_id=u1", "?country=GB", "", "?k=-1", "?surface=nope", "?user_id="):
        client.get(f"/recommend{path}")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    for line in (
        'storefront_lookups_total{fallback="user",surface="home"} 2.0',
        'storefront_lookups_total{fallback="segment",surface="home"} 1.0',
        'storefront_lookups_total{fallback="all",surface="home"} 1.0',
        'storefront_lookup_errors_total{kind="bad_request"} 2.0',
        'storefront_lookup_errors_total{kind="unknown_surface"} 1.0',
        'storefront_lookup_seconds_count{outcome="answered"} 4.0',
        "storefront_breaker_state 0.0",
        "storefront_max_age_seconds +Inf",
    ):
        assert line in lines
    age = next(line for line in lines if line.startswith('storefront_list_age_seconds{surface="home"}'))
    assert float(age.split()[-1]) > 0
    assert "nope" not in answer.text, "a caller's text is no label"
    assert "storefront_stale_lookups_total{" not in answer.text


def test_metrics_tell_of_which_day_the_lists_are_and_that_they_are_stale(redis: Any, serve: Serve) -> None:
    put(redis, **FULL)
    client = serve(max_age_seconds=60)
    shown = client.get("/recommend?user_id=u1").json()
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    told = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    assert shown["stale"]
    assert told['storefront_stale_lookups_total{surface="home"}'] == 1
    assert told["storefront_max_age_seconds"] == 60
    end = datetime.fromisoformat(shown["data_through"]).replace(tzinfo=UTC) + timedelta(days=1)
    assert told['storefront_data_through_timestamp_seconds{surface="home"}'] == end.timestamp()
    assert time.time() - told['storefront_pointer_read_timestamp_seconds{surface="home"}'] < 60


def test_pages_of_other_origins_may_ask_only_if_told(redis: Any, serve: Serve) -> None:
    put(redis, **FULL)
    origin = {"Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in serve().get("/recommend", headers=origin).headers
    told = serve(cors_origins="https://shop.example, https://other.example").get("/recommend", headers=origin)
    assert told.headers["access-control-allow-origin"] == "https://shop.example"


def test_extensions_are_mounted(redis: Any, serve: Serve) -> None:
    put(redis, **FULL)
    here = "tests.storefront.service.test_app"
    client = serve(extensions=f"{here}:extension, {here}:by_hand", port=8123)
    assert client.get("/hello").json() == {"items": ["u1"], "port": 8123}
    assert client.app.state.mounted  # type: ignore[attr-defined]


def test_the_document_describes_what_is_answered(redis: Any, client: TestClient) -> None:
    put(redis, **FULL)
    document = client.get("/openapi.json").json()
    described = document["components"]["schemas"]["Answer"]["properties"]
    assert set(described) == set(client.get("/recommend").json())
    example = document["paths"]["/recommend"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert set(example) == set(described)
    parameters = {each["name"] for each in document["paths"]["/recommend"]["get"]["parameters"]}
    assert parameters == set(query.Recommend.__struct_fields__)
    assert all(each["description"] for each in document["paths"]["/recommend"]["get"]["parameters"])
    assert client.get("/docs").status_code == 404, "it would load scripts from elsewhere"
    assert json.dumps(document)
