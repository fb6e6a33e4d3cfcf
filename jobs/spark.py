"""Spark's door to the lake: the session and the tables; `jobs.partitions` writes them."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
from lake.settings import Settings
from lake.spark_options import started_with
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

SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Variable by which spark-submit tells a driver that its JVM runs already."""


def schema(table: Table) -> StructType:
    """The Spark schema of a table definition."""
    return StructType([StructField(c.name, SPARK_TYPES[c.type], c.nullable) for c in table.columns])


def build_session(settings: Settings, name: str) -> SparkSession:
    """A session with Delta, S3A, UTC and few shuffle partitions: in a JVM of its own, or in the one of spark-submit.

    Under spark-submit, master, jars, memory and addresses are those of its command line.

    Raises:
        BadInput: the jars are missing, so the set-up did not run.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(f"nightshelf-{name}")
    if SUBMITTED not in os.environ:
        builder = builder.master(settings.spark_master)
        for key, value in started_with(settings).items():
            builder = builder.config(key, value)
    builder = (
        builder.config("spark.driver.maxResultSize", "2g")
        .config("spark.sql.session.timeZone", "UTC")
        # A shop's broken value must become NULL and then a quarantined row, not an exception.
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.legacy.timeParserPolicy", "CORRECTED")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        # Days are few files each, given by name: one job may look them up, not one task a file.
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "8")
        .config("spark.sql.shuffle.partitions", str(settings.spark_shuffle_partitions))
        .config("spark.default.parallelism", str(settings.spark_shuffle_partitions))
        # A day's queries have some hundreds of generated classes. In the default cache, 100, the next day finds none.
        .config("spark.sql.codegen.cache.maxEntries", "2000")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.warehouse.dir", str((settings.var / "spark-warehouse").absolute()))
    )
    for key, value in s3_options(settings).items():
        builder = builder.config(f"spark.hadoop.{key}", value)
    spark = builder.getOrCreate()
    # Under spark-submit only the session knows its master.
    for key, value in local_options(spark.sparkContext.master).items():
        spark.conf.set(key, value)
    spark.sparkContext.setLogLevel(os.environ.get("SPARK_LOG_LEVEL", "ERROR"))
    return spark


def local_options(master: str) -> dict[str, str]:
    """What a single process does without; a cluster keeps Spark's own defaults."""
    if not master.startswith("local"):
        return {}
    return {
        # To learn the sizes of every shuffle before it plans on makes each one a job; few partitions need no new plan.
        "spark.sql.adaptive.enabled": "false",
        # Guards stages that are made again after the loss of an executor, of which there is one.
        "spark.sql.shuffle.orderIndependentChecksum.enabled": "false",
        # What is kept, is kept for the minutes of a day, and read several times.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
    }


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


@contextmanager
def described(spark: SparkSession, text: str) -> Iterator[None]:
    """Name the Spark jobs that this thread starts in the block, for Spark's UI and for `infra.bench.spark_profile`."""
    context = spark.sparkContext
    context.setJobDescription(text)
    try:
        yield
    finally:
        context.setLocalProperty("spark.job.description", None)


def uri(settings: Settings, name: str) -> str:
    """Where Spark finds a table."""
    return _address(storage.table_uri(settings, name))


def _address(place: str) -> str:
    """A folder, file or object as Spark wants it named."""
    return place.replace("s3://", "s3a://", 1) if storage.is_s3(place) else f"file://{Path(place).absolute()}"


def read(
    spark: SparkSession, settings: Settings, name: str, start: str | None = None, end: str | None = None
) -> DataFrame:
    """A table's rows with `start <= ds <= end`; an empty frame of its schema where there are none.

    The table's log is read by `deltalake`, in milliseconds; Spark's own Delta reader needs seconds and several jobs
    for it. Only what Parquet files alone do not tell is left to that reader.
    """
    definition = TABLES[name]
    files = storage.files(settings, name, start, end)
    if files is None and storage.version(settings, name) is not None:
        frame = spark.read.format("delta").load(uri(settings, name))
    elif files:
        known = spark.read.schema(schema(definition)).option("basePath", uri(settings, name))
        frame = known.parquet(*map(_address, files))
    else:
        return spark.createDataFrame([], schema(definition))
    if start is not None:
        frame = frame.where(F.col(C.DS) >= start)
    if end is not None:
        frame = frame.where(F.col(C.DS) <= end)
    return frame.select(*definition.column_names)


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Exactly the table's columns, in its order and types."""
    return frame.select(*[F.col(c.name).cast(SPARK_TYPES[c.type]).alias(c.name) for c in table.columns])
