"""The command for people: what a shopper gets, from which version, how old, why."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from storefront import contract, lookup
from tests.storefront.test_client import FULL, V1, items, put

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str) -> Path:
    for name in ("REDIS_URL", "USER_KEY", "USER_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAR", str(tmp_path))
    (tmp_path / "endpoints.json").write_text(json.dumps({"redis_url": redis_url}))
    return tmp_path


@pytest.fixture
def redis(redis_url: str) -> Any:
    return redis_py.Redis.from_url(redis_url, decode_responses=True)


def test_a_person_reads_a_table(environment: Path, redis: Any, capsys: Any) -> None:
    put(redis, **FULL)
    (environment / "titles.json").write_text(json.dumps({"u1": "Tea pot", "a-u1": "Tea cosy"}))
    assert lookup.main(["u1", "--k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "own list" in lines[0]
    assert "2026-11-22" in lines[0]
    assert V1 in lines[1]
    assert "Tea pot" in lines[2]
    assert "goes with a-u1 Tea cosy" in lines[2]
    assert len(lines) == 4


def test_a_program_reads_json(environment: Path, redis: Any, capsys: Any) -> None:
    put(redis, **FULL)
    assert lookup.main(["stranger", "--k", "99", "--country", "GB", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["items"] == items("gb")
    assert (answer["fallback"], answer["version"], answer["k"], answer["k_asked"]) == ("country=GB", V1, 5, 99)
    assert answer["reasons"][0] == {"code": "popular", "value": "country=GB"}


def test_options_hold_for_an_items_page_too(environment: Path, redis: Any, capsys: Any) -> None:
    put(redis, **FULL, i_tea=["milk", "cup"])
    assert lookup.main(["--item", "tea", "--exclude", "milk", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == ["cup"]
    assert lookup.main(["--item", "dust", "--country", "GB", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fallback"] == "country=GB"


def test_the_key_comes_from_the_stack(environment: Path, redis: Any, capsys: Any) -> None:
    put(redis, key_id="k1", **{contract.user_token("u1", b"0123456789abcdef"): items("u")})
    assert lookup.main(["u1"]) == 75
    assert "USER_KEY" in capsys.readouterr().err
    (environment / "secrets").mkdir()
    (environment / "secrets" / "user_key").write_text("0123456789abcdef\n")
    assert lookup.main(["u1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 65),
        (["u1", "--item", "i"], 65),
        ([""], 65),
        (["u1", "--k", "-1"], 65),
        (["u1", "--surface", "A:b"], 65),
        (["u1", "--surface", "discover"], 75),
        (["u1", "--redis", "redis://127.0.0.1:1/0"], 75),
        (["u1", "--titles", "/nowhere.json"], 65),
    ],
)
def test_errors_have_codes_and_a_sentence(
    environment: Path, redis: Any, capsys: Any, arguments: list[str], code: int
) -> None:
    put(redis, **FULL)
    assert lookup.main(arguments) == code
    out, err = capsys.readouterr()
    assert not out
    assert len(err) > 10


@pytest.mark.parametrize("reason", contract.REASON_CODES)
def test_every_reason_is_told(reason: str) -> None:
    assert lookup.tell(contract.Reason(reason, "x"), {"x": "Title"})
    assert lookup.tell(contract.Reason(reason), {})
