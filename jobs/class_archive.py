"""An archive of Spark's classes for the JVM (application class-data sharing): `python -m jobs.class_archive`.

Every job starts a JVM that loads some twenty thousand classes; from the archive, a session stands seconds earlier. The
set-up makes it once. A JVM that finds another Java or other jars than it was made with leaves it aside by itself.
"""

import tempfile
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from jobs.spark import build_session
from lake.command import finish
from lake.settings import Settings
from lake.spark_options import CLASS_ARCHIVE


def make(settings: Settings) -> dict[str, Any]:
    """Run one query of every kind that the jobs use, and let the JVM keep the classes it loaded.

    Returns:
        `archive` (path) and `mb`.
    """
    half = CLASS_ARCHIVE.with_suffix(".half")
    CLASS_ARCHIVE.unlink(missing_ok=True)
    options = f"{settings.spark_java_options} -XX:ArchiveClassesAtExit={half} -Xlog:cds=off -Xlog:cds+dynamic=off"
    with tempfile.TemporaryDirectory() as folder:
        spark = build_session(settings.model_copy(update={"spark_java_options": options}), "class-archive")
        _exercise(spark, Path(folder))
        spark.stop()
        gateway = SparkContext._gateway
        assert gateway is not None
        gateway.shutdown()
        # The JVM ends with its standard input, and writes the archive as it does.
        gateway.proc.stdin.close()
        gateway.proc.wait(120)
    half.replace(CLASS_ARCHIVE)
    return {"archive": str(CLASS_ARCHIVE), "mb": round(CLASS_ARCHIVE.stat().st_size / 2**20)}


def _exercise(spark: SparkSession, folder: Path) -> None:
    (folder / "raw.csv").write_text(
        "user,item,at\n" + "".join(f"u{i % 7},i{i % 11},2026-01-0{i % 9 + 1}\n" for i in range(99))
    )
    raw = spark.read.option("header", True).csv(str(folder / "raw.csv"))
    rows = raw.select("user", "item", F.to_timestamp("at").alias("at"), F.md5(F.to_json(F.struct("*"))).alias("id"))
    rows = rows.withColumn("n", F.row_number().over(Window.partitionBy("user").orderBy("at"))).localCheckpoint()
    rows.write.partitionBy("item").parquet(str(folder / "rows"))
    back = spark.read.parquet(str(folder / "rows")).persist()
    counts = back.groupBy("user").agg(F.count("*").alias("n"), F.collect_list(F.struct("at", "id")).alias("all"))
    pairs = counts.join(F.broadcast(back.select("user", "item").distinct()), "user", "left")
    pairs.select("user", F.explode("all").alias("one"), F.xxhash64("user"), "item").toArrow()
    back.where(F.col("item").isNotNull()).orderBy("at").first()


if __name__ == "__main__":
    finish("jobs.class_archive", make)
