"""The examples for other languages give the Python client's answers, and the docs show the code that is tested."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from storefront import contract
from storefront.client import Storefront
from storefront.contract import Experiment
from storefront.question import REFUSED
from tests.storefront.test_client import FULL, V1, V2, items, put

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "storefront" / "examples"
KEY = "0123456789abcdef"
SHOPPERS = ["u1", "a:b c", "\U0001f6d2", "Zo\u00eb", "stranger"]
EXPERIMENT = Experiment("test", "salt 3", {"b": 0.5, "gone": 0.2})
VISITS: list[dict[str, str]] = [{}, {"country": "GB"}, {"device": "mobile", "country": "GB"}, {"country": "FR"}]


@pytest.fixture
def redis(redis_url: str) -> Any:
    return redis_py.Redis.from_url(redis_url, decode_responses=True)


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest) -> Path:
    """The Node example with its locked packages, installed once for as long as pytest's cache lives."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm on this machine")
    source = EXAMPLES / "node"
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(request.config.cache.mkdir(f"node-{digest}"))
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            pytest.skip(f"npm ci failed (no registry?): {done.stderr[-300:]}")
    return folder


def ask_node(folder: Path, url: str, questions: list[Any]) -> list[dict[str, Any]]:
    command = ["node", str(folder / "storefront.mjs"), json.dumps(questions)]
    environment = os.environ | {"REDIS_URL": url, "USER_KEY": KEY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask_shell(
    url: str, user: str | None, k: int, context: dict[str, str], surface: str = "home", **environment: str
) -> list[str]:
    segments = [f"{name}={value}" for name, value in context.items()]
    done = subprocess.run(
        ["sh", str(EXAMPLES / "shell" / "recommend.sh"), user or "", str(k), *segments],
        env=os.environ | {"REDIS_URL": url, "USER_KEY": KEY, "SURFACE": surface} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def shown(answer: Any) -> dict[str, Any]:
    return {
        "items": list(answer.items),
        "fallback": answer.fallback,
        "version": answer.version,
        "arm": answer.arm,
    }


def two_arms(redis: Any, key_id: str) -> dict[str, str]:
    """Lists of the control and of one arm, another arm without lists; who is filed as what."""
    filed = {user: contract.user_token(user, KEY.encode()) if key_id else user for user in SHOPPERS[:4]}
    own = {name: items(f"own-{index}-") for index, name in enumerate(filed.values())}
    segments = {name: found for name, found in FULL.items() if name.startswith("s_")}
    put(redis, V2, key_id=key_id, **{name: [f"b-{item}" for item in found] for name, found in own.items()}, s_all=["b"])
    put(redis, V1, key_id=key_id, **own, **segments)
    redis.set(contract.arm_key("home", "b"), V2)
    redis.set(contract.experiment_key("home"), EXPERIMENT.text())
    return filed


@pytest.mark.parametrize("key_id", ["", "k1"])
def test_node_gives_pythons_answers(redis: Any, redis_url: str, node: Path, key_id: str) -> None:
    two_arms(redis, key_id)
    shop = Storefront(redis_url, user_key=KEY.encode())
    questions: list[Any] = [[user, 3, {"context": visit}] for user in [*SHOPPERS, None] for visit in VISITS]
    questions += [
        ["u1", 99, {}],
        ["u1", 0, {}],
        ["u1", 2, {"exclude": ["own-0-1", "own-0-3"]}],
        [" Zoe\u0308\u3000", 2, {}],
    ]
    expected = [shown(shop.recommend(user, k, **options)) for user, k, options in questions]
    expected[-3]["version"] = None  # k=0 is answered without asking anybody
    assert ask_node(node, redis_url, questions) == expected
    assert len({answer["version"] for answer in expected}) == 3, "both arms were read"


@pytest.mark.parametrize(("user", "k"), [("u1", -1), ("u1", 1.5), (" ", 0), ("x" * 257, 0)])
def test_node_refuses_what_python_refuses(redis: Any, redis_url: str, node: Path, user: str, k: Any) -> None:
    with pytest.raises(REFUSED):
        Storefront(redis_url).recommend(user, k)
    with pytest.raises(AssertionError, match="RangeError"):
        ask_node(node, redis_url, [[user, k, {}]])


def test_a_surface_without_fallback_shows_nothing_in_any_language(redis: Any, redis_url: str, node: Path) -> None:
    put(redis, u9=["x"])
    expected = {"items": [], "fallback": "none", "version": V1, "arm": None}
    assert ask_node(node, redis_url, [["u1", 3, {"context": {"country": "GB"}}]]) == [expected]
    if shutil.which("redis-cli"):
        assert ask_shell(redis_url, "u1", 3, {"country": "GB"}) == []


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli on this machine")
@pytest.mark.parametrize("key_id", ["", "k1"])
def test_the_shell_gives_pythons_answers(redis: Any, redis_url: str, key_id: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    filed = two_arms(redis, key_id)
    assert {contract.assign(EXPERIMENT, name) for name in filed.values()} == {None, "b", "gone"}
    shop = Storefront(redis_url, user_key=KEY.encode())
    for user, visit in [
        *((user, {}) for user in SHOPPERS),
        *((None, visit) for visit in VISITS),
        ("stranger", VISITS[2]),
    ]:
        answer = shop.recommend(user, 3, context=visit)
        assert ask_shell(redis_url, user, 3, visit) == [answer.fallback, *answer.items]
    assert ask_shell(redis_url, "u1", 0, {}) == []


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli on this machine")
def test_the_shell_tries_once_more_when_the_version_goes_under_it(redis: Any, redis_url: str, tmp_path: Path) -> None:
    put(redis, V2, u1=["next"], s_all=items("all"))
    put(redis, **FULL)
    gone = (
        f"for _, key in ipairs(redis.call('keys', 'recs:home:{V1}:*')) do redis.call('del', key) end "
        f"redis.call('set', 'recs:home:current', '{V2}')"
    )
    real, slow = shutil.which("redis-cli"), tmp_path / "redis-cli"
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *{V1}*) {real} -u "$REDIS_URL" EVAL "{gone}" 0 >&2 ;; esac\nexec {real} "$@"\n'
    )
    slow.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert ask_shell(redis_url, "u1", 1, {}, **environment) == ["user", "next"]


def test_the_docs_show_the_examples_as_they_are() -> None:
    text = (ROOT / "docs" / "storefront.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- from (\S+) -->\s*```\w+\n(.*?)```", text, re.DOTALL)
    assert {path for path, _ in blocks} == {
        "storefront/examples/shell/recommend.sh",
        "storefront/examples/node/storefront.mjs",
    }
    for path, block in blocks:
        assert block.strip() in (ROOT / path).read_text(encoding="utf-8"), f"docs/storefront.md shows another {path}"
