"""The registry with a real MLflow on SQLite and with a server that is there, slow, or gone."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, urlparse

import pytest

from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models import tracking
from models.bundle import Bundle
from models.bundle_cache import KEPT, BundleCache, content_hash
from models.config import TrainingConfig
from models.registry import Registry
from tests.models import small_shop


def make_bundle(path: Path, note: str) -> Path:
    path.mkdir(parents=True)
    (path / "manifest.json").write_text(json.dumps({"schema": 1, "note": note}))
    (path / "weights").mkdir()
    (path / "weights" / "a.bin").write_bytes(b"\0" * 1000 + note.encode())
    return path


@pytest.mark.integration
def test_a_bundle_goes_in_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One walk through the life of the registry; MLflow's first start on a new database is the slow part."""
    settings = Settings(var=tmp_path / "var", pseudonymise=False)
    registry = Registry(settings)
    assert registry.resolve() is None
    with pytest.raises(BadInput, match="version=7"):
        registry.promote("7")

    first = make_bundle(tmp_path / "first", "one")
    facts = {
        "metrics": {"ndcg@20": 0.3, "nan": float("nan"), "by": {"auc": 0.8}},
        "params": {"seed": 1, "net": {"d": 8}},
    }
    version = registry.register(first, delta_versions={"events": 12}, tags={"ds": "2026-11-20"}, **facts)
    assert version == "1"
    assert registry.register(first, delta_versions={"events": 12}, **facts) == "1"
    second = registry.register(make_bundle(tmp_path / "second", "two"), delta_versions={"events": 13}, **facts)
    assert second == "2"
    assert registry.find("ds", "2026-11-20") == "1"
    assert registry.find("ds", "2026-11-21") is None

    registry.set_challenger("1")
    registry.promote("1")
    assert registry.resolve("challenger") is None
    found = registry.resolve("champion")
    assert found is not None
    assert found == ("1", settings.var / "bundles" / "1")
    assert content_hash(found[1]) == content_hash(first)
    assert json.loads((settings.var / "bundles" / "champion.json").read_text())["version"] == "1"

    registry.promote("2")
    registry.set_challenger("1")
    listed = registry.versions()
    assert [(row["version"], row["aliases"]) for row in listed] == [("2", ["champion"]), ("1", ["challenger"])]
    assert listed[0]["tags"]["replaces"] == "1"
    assert listed[0]["tags"]["delta.events"] == "13"
    assert registry.resolve("champion") == ("2", settings.var / "bundles" / "2")
    assert registry.resolve("1") == ("1", settings.var / "bundles" / "1")
    with pytest.raises(BadInput, match="version=99"):
        registry.resolve("99")

    import mlflow

    run = mlflow.MlflowClient().get_run(listed[1]["run"])
    assert run.data.params == {"seed": "1", "net.d": "8"}
    assert run.data.metrics == {"ndcg_at_20": 0.3, "by.auc": 0.8}
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(settings.var)
    model = mlflow.models.get_model_info("models:/recommender/1")
    assert model.signature.inputs.input_names() == ["user_id"]

    small_shop.build(settings, 2)
    simple = TrainingConfig(sources=("own_items", "popular"))
    real = Bundle({"trained_through": "2026-10-02"}, simple).save(tmp_path / "real")
    version = registry.register(real, metrics={}, params={}, delta_versions={})
    monkeypatch.setenv("VAR", str(settings.var))
    monkeypatch.setenv("PSEUDONYMISE", "false")
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(f"models:/recommender/{version}")
    lists = loaded.predict(pd.DataFrame({"user_id": ["u001", "a stranger"]}), params={"k": 5})
    assert lists["user_id"].tolist() == ["u001", "a stranger"]
    assert [len(set(items)) for items in lists["item_ids"]] == [5, 5]


class _Server(BaseHTTPRequestHandler):
    """Speaks as much of MLflow's REST API as a look-up needs."""

    aliases: ClassVar[dict[str, dict[str, str]]] = {}

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = parse_qs(url.query)
        found = self.aliases.get(query.get("alias", query.get("version", [""]))[0])
        tags = [{"key": "content_hash", "value": found["hash"]}] if found else []
        body = {"model_version": {"version": found["version"], "tags": tags}} if found else {}
        refusal = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not there"}
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body if found else refusal).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Server], ThreadingHTTPServer]]:
    handler = type("Handler", (_Server,), {"aliases": {}})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", handler, listening
    listening.shutdown()
    listening.server_close()


def cached(settings: Settings, version: str, tmp_path: Path) -> str:
    """Put a bundle of that number into the cache and return its content hash."""
    source = make_bundle(tmp_path / f"source-{version}", version)
    content = content_hash(source)
    BundleCache(settings.var / "bundles").put(version, content, lambda _: source)
    return content


def test_a_cached_champion_needs_one_request_and_no_mlflow(
    server: tuple[str, type[_Server], ThreadingHTTPServer], tmp_path: Path
) -> None:
    url, handler, _ = server
    settings = Settings(var=tmp_path / "var", mlflow_tracking_uri=url, pseudonymise=False)
    handler.aliases = {"champion": {"version": "3", "hash": cached(settings, "3", tmp_path)}}
    code = (
        "import sys; from pathlib import Path; from lake.settings import Settings; "
        "from models.registry import Registry; "
        f"s = Settings(var=Path({str(settings.var)!r}), mlflow_tracking_uri={url!r}); "
        "print(Registry(s).resolve()[0], 'mlflow' in sys.modules, 'tensorflow' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["3", "False", "False"]


def test_no_champion_is_none_and_forgets_the_last(
    server: tuple[str, type[_Server], ThreadingHTTPServer], tmp_path: Path
) -> None:
    url, handler, _ = server
    settings = Settings(var=tmp_path / "var", mlflow_tracking_uri=url, pseudonymise=False)
    handler.aliases = {"champion": {"version": "3", "hash": cached(settings, "3", tmp_path)}}
    assert Registry(settings).resolve() is not None
    handler.aliases = {}
    assert Registry(settings).resolve() is None
    assert (
        Registry(settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})).cache.pointed("champion")
        is None
    )


def test_with_mlflow_away_the_last_champion_serves_loudly(
    server: tuple[str, type[_Server], ThreadingHTTPServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, handler, listening = server
    settings = Settings(var=tmp_path / "var", mlflow_tracking_uri=url, pseudonymise=False)
    registry = Registry(settings)
    handler.aliases = {"champion": {"version": "3", "hash": cached(settings, "3", tmp_path)}}
    cached(settings, "4", tmp_path)
    assert registry.resolve() == ("3", settings.var / "bundles" / "3")
    listening.shutdown()
    listening.server_close()
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert registry.resolve() == ("3", settings.var / "bundles" / "3")
    assert "MLFLOW IS AWAY" in caplog.text
    assert registry.resolve("4") == ("4", settings.var / "bundles" / "4")
    with pytest.raises(Unavailable, match="no challenger is cached"):
        registry.resolve("challenger")
    with pytest.raises(Unavailable, match="does not answer"):
        registry.register(make_bundle(tmp_path / "b", "b"), **NO_FACTS)
    with pytest.raises(Unavailable):
        registry.promote("3")
    assert time.monotonic() - started < 10


NO_FACTS: dict[str, dict] = {"metrics": {}, "params": {}, "delta_versions": {}}


def test_nothing_cached_and_mlflow_away_can_be_retried(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var", mlflow_tracking_uri="http://127.0.0.1:9", pseudonymise=False)
    with pytest.raises(Unavailable, match="no champion is cached"):
        Registry(settings).resolve()


def test_the_same_number_with_another_content_is_not_served(tmp_path: Path) -> None:
    """A registry that was set up anew counts from 1 again; what the cache holds under 1 is another bundle."""
    cache = BundleCache(tmp_path / "bundles")
    old, new = make_bundle(tmp_path / "old", "old"), make_bundle(tmp_path / "new", "new")
    cache.put("1", content_hash(old), lambda _: old)
    hashed = content_hash(new)
    assert cache.get("1") is not None
    assert cache.get("1", hashed) is None
    folder = cache.put("1", hashed, lambda _: new)
    assert content_hash(folder) == hashed
    assert cache.get("1", hashed) == folder
    assert sorted(path.name for path in cache.root.iterdir()) == ["1", "1.json"]


def test_a_failed_download_leaves_nothing(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path / "bundles")

    def fail(work: Path) -> Path:
        (work / "half").write_text("x")
        raise Unavailable("gone")

    with pytest.raises(Unavailable):
        cache.put("1", "h", fail)
    assert list(cache.root.iterdir()) == []


def test_the_cache_keeps_what_was_used_last_and_what_an_alias_names(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var", pseudonymise=False)
    cache, root = BundleCache(settings.var / "bundles"), settings.var / "bundles"
    for number in range(1, KEPT + 1):
        cached(settings, str(number), tmp_path)
    cache.point("champion", "1")
    cache.point("challenger", "2")
    assert cache.get("3") is not None, "a version asked for by number is in use"
    abandoned, busy = root / ".9-old", root / ".9-new"
    for folder in (abandoned, busy):
        folder.mkdir()
    os.utime(abandoned, (1, 1))
    for number in range(KEPT + 1, 2 * KEPT):
        cached(settings, str(number), tmp_path)
    assert {path.name for path in root.iterdir() if path.is_dir()} == {"1", "2", "3", "6", "7", "8", "9", ".9-new"}
    assert cache.get("4") is None
    assert cache.pointed("champion") == ("1", root / "1")
    assert cache.prune() == []
    cache.point("champion", "9")
    assert cache.prune(keep=2) == ["7", "6", "3"]


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no manifest"):
        Registry(Settings(var=tmp_path, pseudonymise=False)).register(tmp_path, **NO_FACTS)


def test_content_hash_sees_names_and_bytes(tmp_path: Path) -> None:
    one, two = make_bundle(tmp_path / "1", "same"), make_bundle(tmp_path / "2", "same")
    assert content_hash(one) == content_hash(two)
    (two / "weights" / "a.bin").rename(two / "weights" / "b.bin")
    assert content_hash(one) != content_hash(two)


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracking.connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert "MLFLOW_TRACKING_URI" not in os.environ
