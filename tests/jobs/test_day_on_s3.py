"""A whole day on an object store: `land` with boto3, Spark writes `s3a://`, Python reads `s3://`, lists come out."""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from jobs import day, land
from jobs.lists import lists
from jobs.spark import s3_options
from lake import storage
from lake.clock import DayRange
from lake.settings import Settings
from models import training
from models.config import TrainingConfig
from sources.demo_shop.__main__ import generate
from sources.demo_shop.shop import Shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
BUCKET = "shop"
DAYS = DayRange.parse(start="2026-03-01", end="2026-03-05")


@pytest.fixture
def on_s3(tmp_path: Path, s3_url: str, spark: "SparkSession") -> Settings:
    client = boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    folder = tmp_path / "shop"
    generate(folder, Shop(seed=7, shoppers=40, items=60), DAYS)
    for path in folder.rglob("*.gz"):
        client.upload_file(str(path), BUCKET, f"deliveries/{path.relative_to(folder)}")
    settings = Settings(
        var=tmp_path / "var",
        lake_root=f"s3a://{BUCKET}/lake",
        data=f"s3://{BUCKET}/deliveries",
        source=REPOSITORY / "sources/demo_shop.yaml",
        surfaces=REPOSITORY / "surfaces",
        jars=REPOSITORY / ".jars",
        s3_endpoint_url=s3_url,
        pseudonymise=False,
    )
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    for key, value in s3_options(settings).items():
        conf.set(key.replace("fs.s3a.", f"fs.s3a.bucket.{BUCKET}.", 1), value)
    return settings


def test_from_delivery_to_lists(on_s3: Settings, spark: "SparkSession") -> None:
    landed = land.run(on_s3, DAYS)
    assert landed["deliveries"] == 2 * len(DAYS)
    delivery = storage.read(on_s3, "deliveries").to_pylist()[0]
    assert delivery["uri"].startswith(f"s3://{BUCKET}/deliveries/")
    assert delivery["etag"]

    built = day.run(on_s3, DAYS, spark=spark)
    events = storage.read(on_s3, "events", start="2026-03-01", end="2026-03-05")
    assert built["rows"] >= len(events) > 200
    assert built["quarantined"] == storage.read(on_s3, "quarantine").num_rows > 0

    trained = training.run(on_s3, DAYS.last, TrainingConfig())
    assert (trained["kind"], trained["promoted"]) == ("fallback", True)
    made = lists(on_s3, "2026-03-05")
    rows = storage.read(on_s3, "lists", ds="2026-03-05")
    assert made["rows"] == rows.num_rows
    shoppers = set(events.column("user_id").to_pylist()) - {None}
    assert set(rows.filter(rows["kind"].to_numpy(zero_copy_only=False) == "user")["owner"].to_pylist()) <= shoppers
    assert not (Path(on_s3.var) / "lake").exists(), "nothing of the lake is on the local disk"
