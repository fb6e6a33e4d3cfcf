"""The shipped mappings: each loads, fits its files, and says what it must."""

import csv
import gzip
import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from lake import mapping
from lake.errors import BadInput
from sources.demo_shop.deliveries import CATALOGUE_COLUMNS, delivery
from sources.demo_shop.sessions import TYPES
from sources.demo_shop.shop import Shop

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPOSITORY / "sources").glob("*.yaml"))
FIXTURES = REPOSITORY / "tests" / "fixtures"
ONLINE_RETAIL = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return next(csv.reader(file))


def source(name: str) -> mapping.Source:
    return mapping.load(REPOSITORY / "sources" / f"{name}.yaml")


def test_the_five_are_shipped() -> None:
    names = {path.stem for path in SOURCES}
    assert names == {"demo_shop", "online_retail", "movielens", "retailrocket", "rees46"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_mapping_loads_and_carries_its_name(path: Path) -> None:
    assert mapping.load(path).name == path.stem
    assert mapping.load(path).description


@pytest.mark.parametrize(
    ("name", "kind", "day", "columns"),
    [
        ("movielens", "events", "2008-11-03", ["userId", "movieId", "rating", "timestamp"]),
        ("movielens", "items", "2008-11-03", ["movieId", "title", "genres"]),
        ("retailrocket", "events", "2015-06-02", ["timestamp", "visitorid", "event", "itemid", "transactionid"]),
        ("rees46", "events", "2019-10-01", None),
    ],
)
def test_mapping_fits_its_fixture(name: str, kind: str, day: str, columns: list[str] | None) -> None:
    log = source(name)
    deliveries = dict(log.streams())[kind]
    path = FIXTURES / name / deliveries.file(date.fromisoformat(day))
    assert columns in (None, header(path))
    log.check_columns(kind, header(path), path.name)


def test_online_retail_fits_the_published_columns() -> None:
    log = source("online_retail")
    assert log.check_columns("events", ONLINE_RETAIL, "2011-01-04.csv.gz") == []
    assert log.deliveries.missing_day == "normal"
    assert log.deliveries.file(date(2011, 1, 4)) == "2011-01-04.csv.gz"


def test_demo_shop_fits_what_the_generator_writes() -> None:
    log, day = source("demo_shop"), date(2026, 10, 1)
    rows = gzip.decompress(delivery(Shop(shoppers=20, items=40), day).content).decode().splitlines()
    assert log.check_columns("events", list(json.loads(rows[0])), "events") == []
    assert log.check_columns("items", list(CATALOGUE_COLUMNS), "items") == []
    assert set(log.events.event_types) == set(TYPES)


def test_a_column_that_the_file_lacks_is_refused_naming_file_key_and_column() -> None:
    columns = [column for column in ONLINE_RETAIL if column != "UnitPrice"]
    with pytest.raises(BadInput, match=r"online_retail\.yaml: events\.\w+.*'UnitPrice'.*2011-01-04\.csv\.gz"):
        source("online_retail").check_columns("events", columns, "2011-01-04.csv.gz")


def test_ratings_without_a_meaning_are_refused(tmp_path: Path) -> None:
    raw = yaml.safe_load((REPOSITORY / "sources" / "movielens.yaml").read_text())
    del raw["events"]["rating"]
    path = tmp_path / "movielens.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(BadInput, match="positive_from"):
        mapping.load(path)


def documented() -> str:
    events, items = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "sources.md").read_text(), re.DOTALL)
    return str(events + items)


def test_the_worked_example_of_the_docs_fits_its_file(tmp_path: Path) -> None:
    path = tmp_path / "bookshop.yaml"
    path.write_text(documented())
    log = mapping.load(path)
    assert log.check_columns("events", ["at", "client", "ean", "what", "qty", "eur", "till"], "log_20261122.csv") == []
    assert log.deliveries.file(date(2026, 11, 22)) == "export/log_20261122.csv"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "missing_day: wait",
            "missing_day: ok",
            r"deliveries\.missing_day: Input should be 'normal', 'wait' or 'fail'",
        ),
        ("session_id: till", "colour: till", r"events: columns: colour is no target column; there are event_id"),
        ("event_ts: try", "device: try", r"events: columns: event_ts must be mapped"),
        ("replace(eur, ',', '.')", "replace(eur", r"events\.columns\.price: 'replace\(eur' is no Spark SQL expression"),
        ("export/log_%Y%m%d.csv", "log.csv", r"deliveries: period 'day' and pattern 'log\.csv' contradict each other"),
        ("  event_types:", "  #", r"events: say the event type once: either event_type"),
        ("buy: purchase", "star: rating", r"events: the log has ratings: state rating\.positive_from"),
    ],
)
def test_refusals_read_as_the_docs_say(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = documented()
    assert old in text
    path = tmp_path / "bookshop.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=rf"bookshop\.yaml: {message}"):
        mapping.load(path)
