"""Spark's door to the lake: the session, the tables and the one way to replace days."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from lake.tables import TABLES
from lake.tables.definition import Table, Type

log = logging.getLogger("nightshelf.spark")

SPARK_TYPES: dict[Type, DataType] = {
    "string": StringType(),
    "long": LongType(),
    "int": IntegerType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "timestamp": TimestampType(),
    "map<string,double>": MapType(StringType(), DoubleType()),
}


def schema(table: Table) -> StructType:
    """The Spark schema of a table definition."""
    return StructType([StructField(c.name, SPARK_TYPES[c.type], c.nullable) for c in table.columns])


def build_session(settings: Settings, name: str) -> SparkSession:
    """A session with Delta, S3A, UTC and few shuffle partitions.

    Raises:
        BadInput: the jars are missing, so the set-up did not run.
    """
    jars = sorted(str(path) for path in settings.jars.glob("*.jar"))
    if not jars:
        raise BadInput(f"no jars in {settings.jars.absolute()}: run `make setup`, or set JARS to their folder")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.appName(f"nightshelf-{name}")
        .master(settings.spark_master)
        .config("spark.jars", ",".join(jars))
        .config("spark.driver.memory", settings.spark_driver_memory)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC {settings.spark_java_options}")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        # A shop's broken value must become NULL and then a quarantined row, not an exception.
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.legacy.timeParserPolicy", "CORRECTED")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.sql.shuffle.partitions", str(settings.spark_shuffle_partitions))
        .config("spark.default.parallelism", str(settings.spark_shuffle_partitions))
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.warehouse.dir", str((settings.var / "spark-warehouse").absolute()))
    )
    for key, value in s3_options(settings).items():
        builder = builder.config(f"spark.hadoop.{key}", value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(os.environ.get("SPARK_LOG_LEVEL", "ERROR"))
    return spark


def s3_options(settings: Settings) -> dict[str, str]:
    """Hadoop's options for S3A: AWS itself, or the store at `s3_endpoint_url`."""
    options = {"fs.s3a.endpoint.region": settings.s3_region}
    if settings.s3_endpoint_url:
        options |= {
            "fs.s3a.endpoint": settings.s3_endpoint_url,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": str(settings.s3_endpoint_url.startswith("https://")).lower(),
            "fs.s3a.input.stream.type": "classic",
        }
        if os.environ.get("AWS_ACCESS_KEY_ID"):
            options["fs.s3a.aws.credentials.provider"] = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
            options["fs.s3a.access.key"] = os.environ["AWS_ACCESS_KEY_ID"]
            options["fs.s3a.secret.key"] = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    return options


@contextmanager
def session(settings: Settings, name: str) -> Iterator[SparkSession]:
    """`build_session`, stopped at the end."""
    spark = build_session(settings, name)
    try:
        yield spark
    finally:
        spark.stop()


def uri(settings: Settings, name: str) -> str:
    """Where Spark finds a table."""
    root = storage.table_uri(settings, name)
    return root.replace("s3://", "s3a://", 1) if storage.is_s3(root) else f"file://{Path(root).absolute()}"


def read(
    spark: SparkSession, settings: Settings, name: str, start: str | None = None, end: str | None = None
) -> DataFrame:
    """A table's rows with `start <= ds <= end`; an empty frame of its schema where it was never written."""
    definition = TABLES[name]
    if storage.version(settings, name) is None:
        return spark.createDataFrame([], schema(definition))
    frame = spark.read.format("delta").load(uri(settings, name))
    if start is not None:
        frame = frame.where(F.col(C.DS) >= start)
    if end is not None:
        frame = frame.where(F.col(C.DS) <= end)
    return frame.select(*definition.column_names)


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Exactly the table's columns, in its order and types."""
    return frame.select(*[F.col(c.name).cast(SPARK_TYPES[c.type]).alias(c.name) for c in table.columns])


def fingerprint(frame: DataFrame, table: Table) -> dict[str, tuple[int, str]]:
    """Rows and order-free content hash of every `ds` in a frame, in one aggregation."""
    columns = [
        F.to_json(F.map_from_entries(F.array_sort(F.map_entries(c.name))))
        if c.type.startswith("map")
        else F.col(c.name)
        for c in table.columns
    ]
    rows = (
        frame.withColumn("_hash", F.xxhash64(*columns))
        .groupBy(C.DS)
        .agg(F.count("*").alias("n"), F.sum(F.col("_hash").cast("decimal(38,0)")).alias("h"))
        .collect()
    )
    return {row[C.DS]: (row["n"], f"{int(row['h']) & (2**64 - 1):016x}") for row in rows}


def replace_days(
    settings: Settings, name: str, frame: DataFrame, keys: Sequence[str], job: str, cached: bool = False
) -> dict[str, tuple[int, str]]:
    """Atomically replace the partitions `keys` of a Spark-owned table; days whose content did not change are skipped.

    Args:
        frame: the new rows; days of `keys` without rows become empty.
        job: written to `partitions` beside row counts and hashes.
        cached: the frame rests on cached rows, so reading it twice is cheap; otherwise it is cached here.

    Returns:
        Rows and content hash of every day of `keys`.

    Raises:
        Unavailable: another run wrote the same days at the same time; nothing was replaced.
    """
    table = TABLES[name]
    if table.engine != "spark":
        raise ValueError(f"{name} is written by {table.engine} only")
    cached = cached or frame.is_cached
    frame = conform(frame, table) if cached else conform(frame, table).persist()
    try:
        marks = dict.fromkeys(keys, (0, "0" * 16)) | fingerprint(frame, table)
        stray = sorted(set(marks) - set(keys))
        if stray:
            raise ValueError(f"{name}: rows of {stray} do not belong to the days being replaced")
        known = recorded(settings, name)
        changed = [key for key in keys if known.get(key) != marks[key]]
        if changed:
            _overwrite(settings, table, frame.where(F.col(C.DS).isin(changed)), changed)
            _record(settings, name, {key: marks[key] for key in changed}, job)
    finally:
        if not cached:
            frame.unpersist()
    log.info(
        "%s: %d rows in %d days, %d days written, %d unchanged",
        name,
        sum(n for n, _ in marks.values()),
        len(keys),
        len(changed),
        len(keys) - len(changed),
    )
    return marks


def _overwrite(settings: Settings, table: Table, frame: DataFrame, keys: Iterable[str]) -> None:
    quoted = ", ".join(f"'{key}'" for key in keys)
    writer = frame.coalesce(1) if len(list(keys)) == 1 else frame.repartition(C.DS)
    out = writer.write.format("delta").mode("overwrite").partitionBy(*table.partition_by)
    if storage.version(settings, table.name) is not None:
        out = out.option("replaceWhere", f"{C.DS} IN ({quoted})")
    try:
        out.save(uri(settings, table.name))
    except AnalysisException:
        raise
    except Exception as error:
        if "Concurrent" in type(error).__name__ or "DELTA_CONCURRENT" in str(error):
            raise Unavailable(
                f"{table.name}: another run replaced {quoted} at the same time; nothing of this run was written. "
                f"Run it again once the other has ended."
            ) from error
        raise


def recorded(settings: Settings, name: str) -> dict[str, tuple[int, str]]:
    """The newest row count and content hash of every partition of a table."""
    rows = storage.read(settings, "partitions", filters=[("table", "=", name)]).sort_by("delta_version").to_pylist()
    return {row[C.DS]: (row["rows"], row["content_hash"]) for row in rows}


def _record(settings: Settings, name: str, marks: dict[str, tuple[int, str]], job: str) -> None:
    written, now = storage.version(settings, name), datetime.now(UTC)
    rows = [
        {
            "table": name,
            C.DS: key,
            "rows": n,
            "content_hash": digest,
            "delta_version": written,
            "job": job,
            "written_ts": now,
        }
        for key, (n, digest) in marks.items()
    ]
    storage.append(settings, "partitions", pa.Table.from_pylist(rows, TABLES["partitions"].arrow_schema()))
