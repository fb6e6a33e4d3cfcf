"""The lists job on a small shop with planted tastes, with a real bundle without models: own items and popular ones."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from deltalake.exceptions import CommitFailedError
from pyspark.sql import SparkSession

from jobs.lists import active_users, lists, make
from jobs.publication.partition import ListsPartition
from jobs.publish import publish
from jobs.rollback import rollback
from jobs.spool import Spool
from lake import storage
from lake.errors import BadInput, GateFailed, Unavailable
from lake.settings import Settings
from models.bundle import Bundle
from models.config import TrainingConfig
from models.registry import Registry
from models.snapshot import Snapshot
from models.surfaces import Surface
from storefront.client import Storefront
from storefront.contract import Reason
from tests.models import small_shop

K = 12
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Twelve days of the small shop; the champion is a bundle without trained models."""
    house = tmp_settings.model_copy(update={"list_length": K, "surfaces": REPOSITORY / "surfaces"})
    span = small_shop.build(house, 12)
    manifest = {"trained_through": span.last.isoformat()}
    bundle = Bundle(manifest, TrainingConfig(sources=("own_items", "popular"))).save(tmp_path / "bundle")
    monkeypatch.setattr(Registry, "resolve", lambda self, wanted: ("3", bundle) if wanted == "champion" else None)
    return house


DS = (small_shop.FIRST + timedelta(days=11)).isoformat()


def rows(house: Settings, **equal: str) -> list[dict[str, Any]]:
    filters = [(name, "=", value) for name, value in equal.items()]
    found: list[dict[str, Any]] = storage.read(house, "lists", ds=DS, filters=filters).to_pylist()
    return found


def whole(house: Settings) -> Any:
    """All rows in one order; the file's own says nothing."""
    return storage.read(house, "lists", ds=DS).sort_by([(c, "ascending") for c in ("surface", "kind", "owner", "rank")])


def history(house: Settings) -> dict[str, set[str]]:
    touched: dict[str, set[str]] = {}
    for event in storage.read(house, "events", columns=["user_id", "item_id"]).to_pylist():
        touched.setdefault(event["user_id"], set()).add(event["item_id"])
    return touched


def test_a_probability_stands_beside_the_score_where_the_bundle_tells_one(house: Settings) -> None:
    class Sure(Bundle):
        def score(self, *args: Any, **more: Any) -> Any:
            ranked = super().score(*args, **more)
            return replace(ranked, probability=np.linspace(0.9, 0.1, len(ranked), dtype=np.float32))

    snapshot, surface = Snapshot.load(house, date.fromisoformat(DS)), Surface(name="home", related=0)
    for kind, known in ((Sure, True), (Bundle, False)):
        bundle = kind({"trained_through": DS}, TrainingConfig(sources=("own_items", "popular")))
        told = make(house, bundle, "9", snapshot, [surface], [str(snapshot.users[0])])
        of_shopper = told.filter(pc.equal(told["kind"], "user"))["probability"].to_pylist()
        assert len(of_shopper) == K
        assert all((p is not None and 0 < p < 1) == known for p in of_shopper)
        assert not any(told.filter(pc.equal(told["kind"], "segment"))["probability"].to_pylist())


def test_every_active_shopper_has_k_items_on_every_surface_and_every_reason_is_true(house: Settings, told: Any) -> None:
    result = lists(house, DS)
    assert {kind: n for (kind,), n in told("nightshelf_lists_owners").items()} == {
        kind: result[f"{kind}s"] for kind in ("user", "item", "segment")
    }
    assert (told("nightshelf_lists_rows"), told("nightshelf_lists_bundle_version")) == ({(): result["rows"]}, {(): 3})
    assert (told("nightshelf_gate_success"), told("nightshelf_lists_left_out_arms")) == ({("lists",): 1}, {(): 0})
    touched = history(house)
    assert result["users"] == len(touched)
    assert (result["bundle"], result["gate"]) == ("3", "passed")
    for surface in ("home", "discover"):
        owned: dict[str, list[dict[str, Any]]] = {}
        for row in rows(house, surface=surface, kind="user"):
            owned.setdefault(row["owner"], []).append(row)
        assert set(owned) == set(touched)
        for user, entries in owned.items():
            assert [entry["rank"] for entry in entries] == list(range(1, K + 1))
            assert len({entry["item_id"] for entry in entries}) == K
            for entry in entries:
                if entry["reason"] == "bought":
                    assert surface == "home"
                    assert entry["reason_item"] == entry["item_id"] in touched[user]
                else:
                    assert (entry["reason"], entry["reason_item"]) == ("popular", "all")
            if surface == "discover":
                assert not {entry["item_id"] for entry in entries} & touched[user]


def test_each_surface_has_the_lists_that_its_file_names(house: Settings) -> None:
    lists(house, DS)
    kinds = {(row["surface"], row["kind"]) for row in rows(house)}
    of_users = {(name, kind) for name in ("home", "discover") for kind in ("user", "item", "segment")}
    # The log gives neither titles nor categories nor views, so nothing is known to be similar.
    assert kinds == of_users | {("basket", "item"), ("basket", "segment"), ("product", "segment"), ("again", "user")}
    assert {row["reason"] for row in rows(house, surface="basket", kind="item")} == {"co"}


def test_again_shows_what_is_due_and_nothing_else(house: Settings) -> None:
    lists(house, DS)
    bought: dict[tuple[str, str], set[str]] = {}
    for event in storage.read(house, "events", columns=["user_id", "item_id", "ds"]).to_pylist():
        bought.setdefault((event["user_id"], event["item_id"]), set()).add(event["ds"])
    shown = rows(house, surface="again")
    assert shown
    for row in shown:
        days = sorted(bought[row["owner"], row["item_id"]])
        assert (row["reason"], row["reason_item"]) == ("bought", row["item_id"])
        assert len(days) >= 2
        assert days[-1] < DS, "nobody needs again what was bought today"
    assert len({row["owner"] for row in shown}) < len({row["owner"] for row in rows(house, surface="home")})


def test_a_surface_with_nothing_to_show_has_a_record_and_no_rows(house: Settings, tmp_path: Path) -> None:
    for name in ("home", "again"):
        text = (REPOSITORY / "surfaces" / f"{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text.replace("times: 2", "times: 99"))
    result = lists(house.model_copy(update={"surfaces": tmp_path}), DS)
    assert set(result["content_hash"]) == {"home", "again"}
    assert not rows(house, surface="again")
    partition = ListsPartition(house, DS)
    assert partition.surfaces() == ["again", "home"]
    assert partition.size("again").lists == {"user": 0, "item": 0, "segment": 0}
    assert partition.size("again").bundle == "3"
    with pytest.raises(BadInput, match="no lists"):
        partition.size("discover")


def test_the_planted_taste_is_found(house: Settings) -> None:
    lists(house, DS)
    firsts = [row for row in rows(house, surface="home", kind="user") if row["rank"] == 1]
    right = [small_shop.group_of(row["item_id"]) == small_shop.taste(row["owner"], small_shop.FIRST) for row in firsts]
    assert sum(right) / len(right) > 0.8


def test_the_same_inputs_give_the_same_content(house: Settings) -> None:
    first = lists(house, DS)
    before = whole(house)
    second = lists(house, DS)
    assert first["content_hash"] == second["content_hash"]
    assert whole(house).equals(before)
    marks = storage.read(house, "partitions", filters=[("table", "=", "lists")]).to_pylist()
    assert len({mark["content_hash"] for mark in marks}) == 1
    assert {mark["rows"] for mark in marks} == {first["rows"]}
    read = json.loads(marks[0]["read"])
    snapshot = Snapshot.load(house, date.fromisoformat(DS))
    assert {name: of["version"] for name, of in read.items()} == snapshot.versions
    assert {name: of["ds"] for name, of in read.items() if "ds" in of} == snapshot.partitions


def test_a_failed_gate_keeps_the_lists_as_they_were(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lists(house, DS)
    before = whole(house)
    kept = Spool.add
    monkeypatch.setattr(Spool, "add", lambda self, rows: kept(self, rows.filter(pc.field("kind") != "segment")))
    with pytest.raises(GateFailed, match="all"):
        lists(house, DS)
    assert whole(house).equals(before)


def test_what_is_out_of_stock_is_nowhere(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Snapshot.load(house, small_shop.FIRST + timedelta(days=11))
    gone = {"i00", "i10", "i20"}
    snapshot.catalogue.in_stock[snapshot.items_of(sorted(gone))] = False
    monkeypatch.setattr(Snapshot, "load", classmethod(lambda cls, *a, **k: snapshot))
    lists(house, DS)
    assert not gone & {row["item_id"] for row in rows(house)}


def test_only_shoppers_of_the_window_get_a_list(house: Settings) -> None:
    snapshot = Snapshot.load(house, small_shop.FIRST + timedelta(days=11))
    newest = active_users(snapshot, 1)
    assert 0 < len(newest) < len(snapshot.users)
    assert active_users(snapshot, 365) == list(snapshot.users)
    assert lists(house.model_copy(update={"active_days": 1}), DS)["users"] == len(newest)


def test_batches_do_not_change_the_lists(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Snapshot.load(house, small_shop.FIRST + timedelta(days=11))
    bundle = Bundle({}, TrainingConfig(sources=("own_items", "popular")))
    shown = [Surface(name="home"), Surface(name="discover", only_new=True)]
    users = list(snapshot.users)
    whole = make(house, bundle, "1", snapshot, shown, users)
    monkeypatch.setattr("jobs.lists.BATCH_USERS", 7)
    assert make(house, bundle, "1", snapshot, shown, users).equals(whole)


def test_spark_makes_the_same_lists(house: Settings, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.lists_on_spark.session", lambda *_: nullcontext(spark))
    monkeypatch.setattr("jobs.lists.BATCH_USERS", 40)
    here = lists(house, DS)
    before = whole(house)
    there = lists(house.model_copy(update={"scoring": "spark"}), DS)
    assert {**there, "data_docs": ""} == {**here, "data_docs": ""}
    assert whole(house).equals(before)
    assert not list(Path(house.lake_root, "_staging").iterdir()), "what was staged is gone"


def test_a_missing_champion_says_what_to_do(house: Settings) -> None:
    with pytest.raises(BadInput, match=r"models\.training"):
        lists(house, DS, "17")


def test_two_runs_of_a_day_at_once_end_in_one_partition_or_a_retry(
    house: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, raced = storage.replace_days, []

    def race(settings: Settings, name: str, data: Any, keys: Any) -> int:
        if not raced:
            raced.append(1)
            lists(house, DS)  # another run of the day commits between our reading and our writing
        return write(settings, name, data, keys)

    first = lists(house, DS)
    monkeypatch.setattr(storage, "replace_days", race)
    assert lists(house, DS)["content_hash"] == first["content_hash"]
    assert len(rows(house)) == first["rows"]

    def lost(*_: Any) -> int:
        raise CommitFailedError("a concurrent transaction deleted data this operation read")

    monkeypatch.setattr(storage, "replace_days", lost)
    with pytest.raises(Unavailable, match="another run"):
        lists(house, DS)
    assert len(rows(house)) == first["rows"]


@pytest.mark.integration
def test_from_the_log_to_the_shopper(house: Settings, redis_url: str) -> None:
    lists(house, DS)
    published = publish(house.model_copy(update={"redis_url": redis_url}), DS)
    assert set(published["surfaces"]) == {"again", "basket", "discover", "home", "product"}
    shop, user = Storefront(redis_url), "u004"
    answer = shop.recommend(user, 5, why=True)
    wanted = rows(house, surface="home", kind="user", owner=user)[:5]
    assert list(answer.items) == [row["item_id"] for row in wanted]
    assert list(answer.reasons) == [Reason(row["reason"], row["reason_item"]) for row in wanted]
    assert (answer.bundle, answer.data_through) == ("3", DS)
    assert shop.recommend("stranger", 5).items == shop.recommend(None, 5).items
    due = rows(house, surface="again")[0]
    assert due["item_id"] in shop.recommend(due["owner"], K, surface="again").items
    nothing = shop.recommend("stranger", 5, surface="again", why=True)
    assert (nothing.items, nothing.fallback, nothing.data_through) == ((), "none", DS)
    partner = rows(house, surface="basket", kind="item")[0]
    assert partner["item_id"] in shop.related(partner["owner"], K, surface="basket").items
    assert ListsPartition(house, DS).recorded("home")[0] == shop.meta().content_hash


def test_merchandisers_rules_reach_every_list(house: Settings, tmp_path: Path) -> None:
    hero, recalled = small_shop.ITEMS[7], small_shop.ITEMS[0]  # the second is its group's best-seller
    file = tmp_path / "campaign.yaml"
    file.write_text(
        f"rules:\n- {{reason: hero, what: {{items: ['{hero}']}}, where: [home], pin: 1}}\n"
        f"- {{reason: recalled, what: {{items: ['{recalled}', unheard-of]}}, bury: out}}\n"
    )
    ruled = lists(house.model_copy(update={"merchandising": file}), DS)
    assert ruled["gate"] == "passed"
    assert recalled not in {row["item_id"] for row in rows(house)}
    firsts = [row for row in rows(house, surface="home") if row["rank"] == 1 and row["kind"] != "item"]
    assert {row["item_id"] for row in firsts} == {hero}
    assert {row["item_id"] for row in rows(house, surface="discover") if row["rank"] == 1} != {hero}
    file.write_text("rules: [{reason: x, what: {items: [a]}, pin: first}]")
    with pytest.raises(BadInput, match=r"campaign\.yaml: rule 1: pin"):
        lists(house.model_copy(update={"merchandising": file}), DS)


@pytest.mark.integration
def test_a_surface_that_has_run_dry_shows_nothing_instead_of_yesterdays_lists(
    house: Settings, redis_url: str, tmp_path: Path
) -> None:
    house = house.model_copy(update={"redis_url": redis_url})
    lists(house, DS)
    before = publish(house, DS)["surfaces"]["again"]["version"]
    due = rows(house, surface="again")[0]
    for name in ("home", "again"):
        text = (REPOSITORY / "surfaces" / f"{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text.replace("times: 2", "times: 99"))
    lists(house.model_copy(update={"surfaces": tmp_path}), DS)
    done = publish(house, DS)["surfaces"]["again"]
    assert (done["outcome"], done["lists"], done["replaces"]) == ("published", 0, before)
    shop = Storefront(redis_url)
    answer = shop.recommend(due["owner"], 5, surface="again", why=True)
    assert (answer.items, answer.fallback, answer.version) == ((), "none", done["version"])
    assert (shop.meta("again").users, shop.meta("again").segments, shop.meta("again").bundle) == (0, (), "3")
    assert publish(house, DS)["surfaces"]["again"]["outcome"] == "unchanged"
    assert rollback(house, "again")["version"] == before
    back = Storefront(redis_url).recommend(due["owner"], K, surface="again")
    assert due["item_id"] in back.items
    assert rollback(house, "again", to=done["version"])["version"] == done["version"]
