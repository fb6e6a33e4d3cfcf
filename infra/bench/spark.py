"""The night's Spark jobs against DuckDB making the same rows from the same files in the same run.

A generated shop is cleaned and its features are made by `jobs.day`, as every night: with gates, content hashes and
Delta commits. DuckDB reads the same deliveries and writes Parquet (`infra.bench.duckdb_features`). Both results are
compared first; where they differ, there is no figure.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from infra.bench import duckdb_features
from infra.bench.figures import Figure, stopwatch
from infra.bench.spark_profile import Profile, profiled
from infra.embedded.layout import HOME
from jobs import day, land
from jobs.spark import build_session
from lake import storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.errors import Unavailable
from lake.settings import Settings
from sources.demo_shop.__main__ import generate
from sources.demo_shop.shop import Shop

DAYS = DayRange(date(2026, 10, 24), date(2026, 11, 22))
SHOP = Shop(seed=7, shoppers=4_000, items=2_000)
KEYS = {"events": (C.DS, C.EVENT_ID), "user_features": (C.USER_ID,), "item_features": (C.ITEM_ID,)}
KEYS |= {"co_visitation": (C.RELATION, C.ITEM_ID, C.RANK)}
FLOOR = (
    "DuckDB makes the same rows in vectorised C++ and holds nothing else. Spark passes rows through generated Java, "
    "row by row, plans each query and compiles its code in the driver, and sorts every shuffle into files; the first "
    "night also starts a JVM and loads its classes. Gates, content hashes and Delta commits are in our seconds only."
)


def measure(runs: int) -> list[Figure]:
    """Events a second: the first night of a session, start included, and later ones."""
    with tempfile.TemporaryDirectory(prefix="nightshelf-bench-") as name:
        folder = Path(name)
        settings = landed(folder, SHOP, DAYS)
        lake = _lake(settings, folder / "cold")
        with stopwatch() as start:
            spark = build_session(settings, "bench")
        with profiled(spark) as first:
            day.run(lake, DAYS, spark=spark)
        tables = {each: storage.read(lake, each) for each in duckdb_features.TABLES}
        reference, their_first = _reference(settings, folder)
        if differing := compare(tables, reference):
            raise Unavailable(f"Spark and DuckDB differ, so their speeds cannot be compared: {'; '.join(differing)}")
        day.run(_lake(settings, folder / "warming"), DAYS, spark=spark)
        ours, theirs, profiles = [], [], []
        for number in range(runs):
            lake = _lake(settings, folder / str(number))
            with profiled(spark) as found:
                day.run(lake, DAYS, spark=spark)
            profiles.append(found)
            ours.append(found.seconds)
            theirs.append(_reference(settings, folder)[1])
        spark.stop()
    rows = tables["events"].num_rows
    shape = {"events": rows, "days": len(DAYS), "shoppers": SHOP.shoppers, "items": SHOP.items}
    shape |= {"rows": {each: tables[each].num_rows for each in duckdb_features.TABLES}}
    cold = shape | {"session_seconds": round(start(), 2), "profile": first.as_dict()}
    warm = shape | {"profile": _typical(profiles).as_dict()}
    return [
        _figure("spark jobs, first night", rows, [start() + first.seconds], [their_first], cold),
        _figure("spark jobs, later nights", rows, ours, theirs, warm),
    ]


def _figure(name: str, rows: int, ours: Sequence[float], theirs: Sequence[float], details: dict[str, Any]) -> Figure:
    return Figure(
        name,
        "events/s",
        ours=tuple(rows / seconds for seconds in ours),
        reference=tuple(rows / seconds for seconds in theirs),
        against="DuckDB, same files and rows",
        floor=FLOOR,
        details=details,
    )


def _typical(profiles: list[Profile]) -> Profile:
    return sorted(profiles, key=lambda each: each.seconds)[len(profiles) // 2]


def landed(folder: Path, shop: Shop, days: DayRange) -> Settings:
    """Settings on a lake into which a generated shop's deliveries were landed."""
    generate(folder / "deliveries", shop, days)
    settings = Settings(
        var=folder,
        data=str(folder / "deliveries"),
        source=HOME / "sources" / "demo_shop.yaml",
        jars=HOME / ".jars",
        pseudonymise=False,
        threads=len(os.sched_getaffinity(0)),
    )
    land.run(settings, days, history=True)
    return settings


def _lake(settings: Settings, folder: Path) -> Settings:
    """Settings on a lake of its own that has only the deliveries."""
    shutil.copytree(settings.lake_root, folder / "lake")
    return settings.model_copy(update={"var": folder, "lake_root": str(folder / "lake")})


def _reference(settings: Settings, folder: Path) -> tuple[dict[str, pa.Table], float]:
    out = folder / "duckdb"
    out.mkdir(exist_ok=True)
    with stopwatch() as seconds:
        tables = duckdb_features.make(settings, DAYS.last.isoformat(), out)
    return tables, seconds()


def compare(ours: dict[str, pa.Table], theirs: dict[str, pa.Table]) -> list[str]:
    """What differs, in words: rows, or values of the columns that both have; nothing where they are the same.

    Of our item features, only the items that the reference has, those with an event, are compared.
    """
    found = []
    for name, keys in KEYS.items():
        mine, other = ours[name], theirs[name]
        if name == "item_features":
            mine = mine.filter(pc.is_in(mine[C.ITEM_ID], other[C.ITEM_ID].cast(pa.string()).combine_chunks()))
        order = [(key, "ascending") for key in keys]
        mine, other = mine.sort_by(order), other.sort_by(order)
        if mine.num_rows != other.num_rows:
            found.append(f"{name} has {mine.num_rows} rows and {other.num_rows}")
            continue
        found += [
            f"{name}.{column} differs in {n} of {mine.num_rows} rows"
            for column in other.column_names
            if column in mine.column_names and (n := _differing(mine[column], other[column]))
        ]
    return found


def _differing(mine: pa.ChunkedArray, other: pa.ChunkedArray) -> int:
    """Values that differ; floating-point sums may by their last digits."""
    if pa.types.is_map(mine.type):
        pairs = zip(mine.to_pylist(), other.to_pylist(), strict=True)
        return sum(_rounded(a) != _rounded(b) for a, b in pairs)
    if pa.types.is_floating(mine.type):
        other = other.cast(pa.float64())
        near = pc.less_equal(pc.abs(pc.subtract(mine, other)), pc.add(pc.multiply(pc.abs(other), 1e-9), 1e-9))
        missing = pc.and_(pc.is_null(mine), pc.is_null(other))
        return int(pc.sum(pc.invert(pc.or_kleene(missing, pc.coalesce(near, False)))).as_py() or 0)
    if pa.types.is_timestamp(mine.type):
        mine, other = mine.cast(pa.int64()), other.cast(pa.timestamp("us")).cast(pa.int64())
    other = other.cast(mine.type)
    same = pc.coalesce(pc.equal(mine, other), pc.and_(pc.is_null(mine), pc.is_null(other)))
    return int(pc.sum(pc.invert(same)).as_py() or 0)


def _rounded(pairs: list[tuple[str, float]] | None) -> list[tuple[str, float]] | None:
    return None if pairs is None else [(label, round(share, 9)) for label, share in pairs]
