"""Landed files as Spark frames: the serving landing of every file, its columns as delivered, its time of arrival."""

import json
import logging
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lake import storage
from lake.clock import Cutoff, parse_day, shift
from lake.columns import Columns as C
from lake.mapping import Deliveries, Kind, Source
from lake.settings import Settings

log = logging.getLogger("nightshelf.deliveries")

CORRUPT = "_corrupt_record"
DELIVERY_DS = "_delivery_ds"
DELIVERY_TS = "_delivery_ts"
ASSUMED = "_assumed"
FILE = "_file"


@dataclass(frozen=True)
class Landing:
    """A file in the lake. `ds` is the first day it covers, `available` its time of arrival (UTC)."""

    ds: date
    uri: str
    columns: tuple[str, ...]
    available: datetime
    assumed: bool


def local_day_end(day: date, time_zone: str) -> datetime:
    """The end of a local day as an instant."""
    following = shift(day, 1)
    return datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(time_zone))


def serving(settings: Settings, source: Source, kind: Kind, first: date, last: date) -> list[Landing]:
    """The newest landing of every file of a kind that covers a day of first..last; missing days give none."""
    spec = dict(source.streams())[kind]
    wanted = {spec.first_day(shift(first, i)).isoformat() for i in range((last - first).days + 1)}
    rows = storage.read(
        settings, "deliveries", ds=sorted(wanted), filters=[(C.SOURCE, "=", source.name), (C.KIND, "=", kind)]
    ).sort_by("landed_ts")
    newest = {row[C.DS]: row for row in rows.to_pylist()}
    return [
        _landing(settings, spec, parse_day(key), row)
        for key, row in sorted(newest.items())
        if row["path"] and json.loads(row["columns"])
    ]


def covered(settings: Settings, source: Source, first: date, last: date, kind: Kind = "events") -> set[str]:
    """Days of first..last for which something was landed, be it the note that there was no file."""
    spec = dict(source.streams())[kind]
    rows = storage.read(
        settings, "deliveries", columns=[C.DS], filters=[(C.SOURCE, "=", source.name), (C.KIND, "=", kind)]
    )
    known = set(rows.column(C.DS).to_pylist())
    days = (shift(first, i) for i in range((last - first).days + 1))
    return {day.isoformat() for day in days if spec.first_day(day).isoformat() in known}


def _landing(settings: Settings, spec: Deliveries, ds: date, row: dict) -> Landing:
    assumed = bool(row[C.INGESTED_ASSUMED])
    available = local_day_end(ds, spec.time_zone) + spec.delay if assumed else row["first_landed_ts"]
    root = settings.lake_root.rstrip("/").replace("s3://", "s3a://", 1)
    where = f"{root}/{row['path']}" if storage.is_s3(root) else f"file://{Path(root).absolute()}/{row['path']}"
    return Landing(ds, where, tuple(json.loads(row["columns"])), available, assumed)


def raw(spark: SparkSession, spec: Deliveries, landings: list[Landing]) -> DataFrame | None:
    """Rows as delivered: every column text (Parquet keeps its types), plus where and when they arrived.

    Files are read together by header, so that a column that came or went between two days is NULL in the other.
    Adds `_corrupt_record` (the text of an unreadable row), `_delivery_ds`, `_delivery_ts`, `_assumed` and `_file`.
    """
    if not landings:
        return None
    headers = sorted({landing.columns for landing in landings})
    if len(headers) > 1:
        changed = sorted(set().union(*headers) - set(headers[0]).intersection(*headers))
        log.warning(
            "the columns change within the range: %s are not in every file", ", ".join(changed) or "their order"
        )
    frames = [
        _read(spark, spec, header, [landing.uri for landing in landings if landing.columns == header])
        for header in headers
    ]
    frame = reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), frames)
    # From Arrow: a list of tuples would start Python workers to convert it.
    notes = spark.createDataFrame(
        pa.table(
            {
                FILE: ["/".join(x.uri.rsplit("/", 2)[-2:]) for x in landings],
                DELIVERY_DS: [x.ds.isoformat() for x in landings],
                DELIVERY_TS: pa.array([x.available for x in landings], pa.timestamp("us", tz="UTC")),
                ASSUMED: [x.assumed for x in landings],
            }
        )
    )
    return frame.join(F.broadcast(notes), FILE)


def _read(spark: SparkSession, spec: Deliveries, header: tuple[str, ...], uris: list[str]) -> DataFrame:
    if spec.format == "parquet":
        frame = spark.read.parquet(*uris).withColumn(CORRUPT, F.lit(None).cast("string"))
    else:
        texts = StructType([StructField(name, StringType()) for name in (*header, CORRUPT)])
        reader = spark.read.schema(texts).option("columnNameOfCorruptRecord", CORRUPT).option("mode", "PERMISSIVE")
        if spec.format == "jsonl":
            frame = reader.option("primitivesAsString", True).json(uris)
        else:
            frame = (
                reader.option("header", spec.options.header)
                .option("sep", spec.options.delimiter)
                .option("escape", '"')
                .option("enforceSchema", True)
                .csv(uris)
            )
    # Spark hands out the path URL-encoded; the folder ds=... and the file name are enough to tell files apart.
    path = F.url_decode(F.col("_metadata.file_path"))
    return frame.withColumn(
        FILE, F.concat_ws("/", F.element_at(F.split(path, "/"), -2), F.element_at(F.split(path, "/"), -1))
    )


def catalogue(spark: SparkSession, settings: Settings, source: Source, as_of: date) -> DataFrame | None:
    """The newest catalogue delivered until the end of a day, mapped to the item columns.

    Returns:
        item_id, title, description, category, brand, price, margin, in_stock; a catalogue of the last 31 days, or
        None where the source delivers none or none arrived.
    """
    if source.items is None or source.items.deliveries is None:
        return None
    spec = source.items.deliveries
    limit = Cutoff.as_of(as_of, settings.delivery_cutoff_hours).ingested_until
    known = [
        landing
        for landing in serving(settings, source, "items", shift(as_of, -31), as_of)
        if landing.assumed or landing.available <= limit
    ]
    frame = raw(spark, spec, known[-1:])
    if frame is None:
        return None
    return mapped_items(frame.where(F.col(CORRUPT).isNull()), source)


def mapped_items(frame: DataFrame, source: Source) -> DataFrame:
    """Catalogue rows in the item columns' types; one row an item, broken values NULL."""
    from jobs.cleaning import canonical

    assert source.items is not None
    types = {C.PRICE: "double", C.MARGIN: "double", C.IN_STOCK: "boolean"}
    names = (C.ITEM_ID, C.TITLE, C.DESCRIPTION, C.CATEGORY, C.BRAND, C.PRICE, C.MARGIN, C.IN_STOCK)
    columns = []
    for name in names:
        text = source.items.columns.get(name)
        value = F.expr(text) if text else F.lit(None)
        kind = types.get(name, "string")
        value = (
            canonical(value.cast("string"))
            if kind == "string"
            else F.expr(f"try_cast({text} as {kind})")
            if text
            else value
        )
        columns.append(value.cast(kind).alias(name))
    items = frame.select(*columns).where(F.col(C.ITEM_ID).isNotNull())
    price = F.when(F.col(C.PRICE) >= 0, F.col(C.PRICE))
    return items.withColumn(C.PRICE, price).groupBy(C.ITEM_ID).agg(*[F.max(n).alias(n) for n in names[1:]])
