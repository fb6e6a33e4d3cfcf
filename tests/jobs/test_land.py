"""Landing: what is taken in, what is refused, and that a refusal leaves everything as it was."""

import gzip
from pathlib import Path

import pytest

from jobs import land
from lake import storage
from lake.clock import DayRange
from lake.errors import BadInput, Unavailable
from lake.settings import Settings

HEADER = "who,what,at,price\n"
SOURCE = """
name: shop
deliveries: {{format: csv, pattern: "{{ds}}.csv.gz", missing_day: {missing}, time_zone: UTC}}
events:
  columns: {{user_id: who, item_id: what, event_ts: to_timestamp(at), price: price}}
  event_type: purchase
"""


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    return shop_with(tmp_path, "fail")


def shop_with(folder: Path, missing: str) -> Settings:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "shop.yaml").write_text(SOURCE.format(missing=missing))
    return Settings(var=folder / "var", source=folder / "shop.yaml", data=str(folder / "in"), pseudonymise=False)


def deliver(settings: Settings, ds: str, text: str = HEADER + "u1,i1,2026-01-01 10:00:00,1.5\n") -> Path:
    path = Path(settings.data) / f"{ds}.csv.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def one(ds: str) -> DayRange:
    return DayRange.parse(ds)


def test_a_day_is_copied_unchanged_with_its_fingerprint(shop: Settings) -> None:
    path = deliver(shop, "2026-01-01")
    assert land.run(shop, one("2026-01-01"))["deliveries"] == 1
    (row,) = storage.read(shop, "deliveries").to_pylist()
    assert (Path(shop.lake_root) / row["path"]).read_bytes() == path.read_bytes()
    assert row["bytes"] == path.stat().st_size


def test_the_same_bytes_again_change_nothing(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    land.run(shop, one("2026-01-01"))
    assert land.run(shop, one("2026-01-01"))["unchanged"] == 1
    assert storage.read(shop, "deliveries").num_rows == 1


def test_a_corrected_delivery_is_a_new_landing_that_keeps_the_first_arrival(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    land.run(shop, one("2026-01-01"))
    deliver(shop, "2026-01-01", HEADER + "u1,i2,2026-01-01 10:00:00,1.5\n")
    assert land.run(shop, one("2026-01-01"))["deliveries"] == 1
    first, second = storage.read(shop, "deliveries").sort_by("landed_ts").to_pylist()
    assert first["sha256"] != second["sha256"]
    assert first["first_landed_ts"] == second["first_landed_ts"]


@pytest.mark.parametrize(("missing", "error"), [("fail", BadInput), ("wait", Unavailable)])
def test_a_missing_day_is_refused_or_waited_for(tmp_path: Path, missing: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"no events delivery for 2026-01-01 at .*2026-01-01.csv.gz"):
        land.run(shop_with(tmp_path, missing), one("2026-01-01"))


def test_a_missing_day_can_be_normal(tmp_path: Path) -> None:
    settings = shop_with(tmp_path, "normal")
    assert land.run(settings, one("2026-01-01"))["missing"] == 1
    assert storage.read(settings, "deliveries").to_pylist()[0]["uri"] is None


def test_a_day_that_arrives_after_it_was_missing_is_taken_in(tmp_path: Path) -> None:
    settings = shop_with(tmp_path, "normal")
    land.run(settings, one("2026-01-01"))
    deliver(settings, "2026-01-01")
    assert land.run(settings, one("2026-01-01"))["deliveries"] == 1


def test_a_truncated_file_is_refused_and_nothing_is_copied(shop: Settings) -> None:
    path = deliver(shop, "2026-01-01", HEADER + "u1,i1,2026-01-01 10:00:00,1.5\n" * 500)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match="truncated or no gzip file"):
        land.run(shop, one("2026-01-01"))
    assert not (Path(shop.lake_root) / "raw").exists()


def test_the_files_before_a_refused_one_stay_landed(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    deliver(shop, "2026-01-02").write_bytes(b"no gzip")
    with pytest.raises(BadInput):
        land.run(shop, DayRange.parse(start="2026-01-01", end="2026-01-02"))
    assert storage.days(shop, "deliveries") == ["2026-01-01"]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")], ids=["no bytes", "no content"])
def test_an_empty_file_is_refused_where_every_day_has_events(shop: Settings, content: bytes) -> None:
    deliver(shop, "2026-01-01").write_bytes(content)
    with pytest.raises(BadInput, match="is empty"):
        land.run(shop, one("2026-01-01"))


def test_an_empty_file_is_an_empty_day_where_that_is_normal(tmp_path: Path) -> None:
    settings = shop_with(tmp_path, "normal")
    deliver(settings, "2026-01-01").write_bytes(b"")
    assert land.run(settings, one("2026-01-01"))["deliveries"] == 1


def test_a_lost_column_is_refused_by_mapping_key_column_and_file(shop: Settings) -> None:
    deliver(shop, "2026-01-01", "who,what,price\nu1,i1,1\n")
    with pytest.raises(BadInput, match=r"shop\.yaml: events\.columns\.event_ts reads column 'at', which .*01\.csv\.gz"):
        land.run(shop, one("2026-01-01"))


def test_a_new_column_is_no_reason_to_refuse(shop: Settings) -> None:
    deliver(shop, "2026-01-01", "colour,who,what,at,price\nred,u1,i1,2026-01-01 10:00:00,1\n")
    assert land.run(shop, one("2026-01-01"))["deliveries"] == 1


def test_a_header_that_is_not_utf8_is_refused(shop: Settings) -> None:
    deliver(shop, "2026-01-01").write_bytes(gzip.compress("who,what,\u00e9t,price\n".encode("latin-1")))
    with pytest.raises(BadInput, match="not UTF-8"):
        land.run(shop, one("2026-01-01"))


def test_a_header_that_names_a_column_twice_is_refused(shop: Settings) -> None:
    deliver(shop, "2026-01-01", "who,what,at,Price,price\n")
    with pytest.raises(BadInput, match="more than once"):
        land.run(shop, one("2026-01-01"))


def test_arrival_is_assumed_for_history_and_for_files_far_older_than_today(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    land.run(shop, one("2026-01-01"))
    assert storage.read(shop, "deliveries").to_pylist()[0]["ingested_assumed"] is True


def test_arrival_is_measured_where_the_caller_says_that_it_is_no_history(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    land.run(shop, one("2026-01-01"), history=False)
    assert storage.read(shop, "deliveries").to_pylist()[0]["ingested_assumed"] is False


def test_a_dry_run_inspects_and_copies_nothing(shop: Settings) -> None:
    deliver(shop, "2026-01-01")
    assert land.run(shop, one("2026-01-01"), dry_run=True)["deliveries"] == 1
    assert not Path(shop.lake_root).exists()


def test_a_monthly_file_is_landed_once_for_all_its_days(tmp_path: Path) -> None:
    settings = shop_with(tmp_path, "fail")
    mapping = settings.source.read_text().replace("{ds}", "%Y-%m").replace("format: csv", "format: csv, period: month")
    settings.source.write_text(mapping)
    deliver(settings, "2026-01")
    assert land.run(settings, DayRange.parse(start="2026-01-03", end="2026-01-20"))["deliveries"] == 1
    assert storage.days(settings, "deliveries") == ["2026-01-01"]
