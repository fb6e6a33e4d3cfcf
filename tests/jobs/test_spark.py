"""A session fits the master that it has, whoever chose it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.spark import local_options
from lake.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from jobs.spark import build_session
from lake.settings import Settings
spark = build_session(Settings(var=Path(sys.argv[2])), "test")
print("told", spark.sparkContext.master, spark.conf.get("spark.sql.adaptive.enabled"))
spark.stop()
"""


@pytest.mark.parametrize("master", ["spark://10.0.0.1:7077", "yarn", "k8s://https://10.0.0.1:6443"])
def test_a_cluster_keeps_sparks_own_defaults(master: str) -> None:
    assert local_options(master) == {}
    assert local_options("local[2]")["spark.sql.shuffle.orderIndependentChecksum.enabled"] == "false"


@pytest.mark.integration
def test_the_master_of_spark_submit_decides_and_not_the_setting(tmp_settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "told.py"
    script.write_text(SCRIPT)
    jars = ",".join(map(str, sorted(tmp_settings.jars.absolute().glob("*.jar"))))
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]", "--jars", jars]
    done = subprocess.run(
        [*submit, "--conf", "spark.ui.enabled=false", str(script), str(ROOT), str(tmp_path)],
        env=os.environ | {"SPARK_MASTER": "spark://10.0.0.1:7077", "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "told local[1] false" in done.stdout
