"""The lean set of S3A jars holds: what Spark and Delta ask of a store, against a real S3 API on loopback."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jobs.spark import s3_options
from lake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

BUCKET = "smoke"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """URL of an S3 API with an empty bucket; credentials are in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "smoke")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "smoke")
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield url
    server.stop()


@pytest.fixture(scope="module")
def remote(spark: "SparkSession", store: str) -> Any:
    """The shared session, whose bucket `smoke` is the store; parts are small, so that little data makes many."""
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    for key, value in s3_options(Settings(s3_endpoint_url=store)).items():
        conf.set(key.replace("fs.s3a.", f"fs.s3a.bucket.{BUCKET}.", 1), value)
    conf.set(f"fs.s3a.bucket.{BUCKET}.multipart.size", "5M")
    conf.set(f"fs.s3a.bucket.{BUCKET}.multipart.threshold", "5M")
    return spark


def objects(store: str, prefix: str) -> dict[str, int]:
    """Key to size, as another client sees it."""
    import boto3

    pages = boto3.client("s3", endpoint_url=store, region_name="us-east-1").get_paginator("list_objects_v2")
    found = [each for page in pages.paginate(Bucket=BUCKET, Prefix=prefix) for each in page.get("Contents", [])]
    return {each["Key"]: each["Size"] for each in found}


def round_trip(remote: Any, store: str, folder: str, mebibytes: int) -> None:
    """Write in parts, read, overwrite, list, rename (a server-side copy), delete."""
    from pyspark.sql import functions as F

    rows = mebibytes * MIB // 64
    noise = remote.range(rows).select("id", F.sha2(F.col("id").cast("string"), 224).alias("noise")).coalesce(1)
    path = f"s3a://{BUCKET}/{folder}/a"
    noise.write.option("compression", "none").parquet(path)
    largest = max(objects(store, f"{folder}/a/").values())
    assert largest > mebibytes * MIB * 0.8, "one object in several parts"
    assert remote.read.parquet(path).agg(F.count("*"), F.sum("id")).first() == (rows, rows * (rows - 1) // 2)

    remote.range(3).coalesce(1).write.mode("overwrite").parquet(path)
    assert remote.read.parquet(path).count() == 3

    noise.write.mode("overwrite").option("compression", "none").parquet(path)
    jvm = remote.sparkContext._jvm.org.apache.hadoop.fs
    source, target = jvm.Path(path), jvm.Path(f"s3a://{BUCKET}/{folder}/b")
    files = source.getFileSystem(remote.sparkContext._jsc.hadoopConfiguration())
    before = {key.rpartition("/")[2]: size for key, size in objects(store, f"{folder}/a/").items()}
    assert {status.getPath().getName() for status in files.listStatus(source)} == set(before)
    assert files.rename(source, target)
    assert {key.rpartition("/")[2]: size for key, size in objects(store, f"{folder}/b/").items()} == before
    assert remote.read.parquet(target.toString()).count() == rows
    assert files.delete(target, True)
    assert not files.exists(target)
    assert [key for key in objects(store, f"{folder}/") if not key.endswith("/")] == []


def test_parts_overwrite_list_rename_delete(remote: Any, store: str) -> None:
    round_trip(remote, store, "small", 12)


@pytest.mark.verify
def test_parts_overwrite_list_rename_delete_beyond_128_mib(remote: Any, store: str) -> None:
    conf = remote.sparkContext._jsc.hadoopConfiguration()
    for option in ("multipart.size", "multipart.threshold"):
        conf.unset(f"fs.s3a.bucket.{BUCKET}.{option}")
    jvm = remote.sparkContext._jvm
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()  # the cached one still has small parts
    round_trip(remote, store, "large", 140)


def test_delta_days_are_replaced_and_other_engines_read_them(remote: Any, store: str) -> None:
    from deltalake import DeltaTable
    from pyspark.sql import functions as F

    path = f"s3a://{BUCKET}/delta"
    days = remote.createDataFrame([("2026-01-01", 1), ("2026-01-02", 2)], "ds string, n int")
    days.write.format("delta").partitionBy("ds").save(path)
    again = remote.createDataFrame([("2026-01-02", 20), ("2026-01-02", 22)], "ds string, n int")
    again.write.format("delta").mode("overwrite").option("replaceWhere", "ds = '2026-01-02'").save(path)
    assert remote.read.format("delta").load(path).agg(F.sum("n")).first()[0] == 43
    assert remote.read.format("delta").option("versionAsOf", 0).load(path).agg(F.sum("n")).first()[0] == 3

    options = {
        "AWS_ENDPOINT_URL": store,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    read = DeltaTable(f"s3://{BUCKET}/delta", storage_options=options).to_pyarrow_table()
    assert sorted(read["n"].to_pylist()) == [1, 20, 22]
